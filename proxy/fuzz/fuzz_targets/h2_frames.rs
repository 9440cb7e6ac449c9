//! Runs the properties of `proxy::wire::fuzz::h2_frames` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::wire::fuzz::h2_frames(input));
