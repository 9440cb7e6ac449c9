//! Runs the properties of `proxy::peer_exchange::fuzz::peer_frame` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::peer_exchange::fuzz::peer_frame(input));
