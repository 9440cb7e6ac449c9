//! Runs the properties of `proxy::tls::fuzz::secret` with what libFuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy::tls::fuzz::secret(input));
