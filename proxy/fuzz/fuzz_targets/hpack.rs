//! Runs the properties of `proxy::wire::fuzz::hpack` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::wire::fuzz::hpack(input));
