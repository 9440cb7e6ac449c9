//! Runs the properties of `proxy::listener::fuzz::proxy_protocol` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::listener::fuzz::proxy_protocol(input));
