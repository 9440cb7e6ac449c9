//! Runs the properties of `proxy::http::fuzz::filters` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::http::fuzz::filters(input));
