//! Runs the properties of `proxy::admin::fuzz::query` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::admin::fuzz::query(input));
