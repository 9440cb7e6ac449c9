//! Certificates, revocation lists, trust stores and keys as AWS-LC reads and judges them: the same X.509 code that BoringSSL, and so
//! Envoy, came from. Called by the rest of `tls`, which never sees a pointer of it. Beside `sys.rs` the only place where unsafe code
//! may stand: each file wraps one kind of object, owns what it points to, and lets nothing of it out but bytes and numbers.
#![allow(unsafe_code)]

mod certificate;
mod names;
mod pem;
mod signature;
mod store;

pub(super) use certificate::Certificate;
pub(super) use pem::{Bundle, PemFault, bundle, chain, private_key};
pub(super) use store::{ChainFault, Checks, Purpose, RevocationList, Store};

use aws_lc_sys as lc;

/// SHA-1, by which logs name certificates.
pub(super) fn sha1(data: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    // SAFETY: it reads the slice and writes the 20 octets of `out`.
    unsafe { lc::SHA1(data.as_ptr(), data.len(), out.as_mut_ptr()) };
    out
}

/// Errors are queued for each thread; whoever looks at none of them leaves none behind.
struct Errors;

impl Drop for Errors {
    fn drop(&mut self) {
        // SAFETY: it touches this thread's queue alone.
        unsafe { lc::ERR_clear_error() }
    }
}
