//! Runs the properties of `proxy::policy::jwt::fuzz::jwks` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::policy::jwt::fuzz::jwks(input));
