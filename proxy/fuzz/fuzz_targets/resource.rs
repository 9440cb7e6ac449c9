//! Runs the properties of `proxy::xds::fuzz::resource` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::xds::fuzz::resource(input));
