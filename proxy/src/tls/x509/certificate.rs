//! One certificate.

use std::ffi::c_long;
use std::ptr::{self, NonNull};
use std::time::{Duration, SystemTime};

use super::{Errors, lc};

/// A certificate that AWS-LC could read. Whether it is any good is for the store to say.
pub(in crate::tls) struct Certificate(NonNull<lc::X509>);

// SAFETY: AWS-LC's X509 is counted by atomics, and what it caches inside is behind its own lock; none of our calls changes it otherwise.
unsafe impl Send for Certificate {}
// SAFETY: as above.
unsafe impl Sync for Certificate {}

impl Certificate {
    /// Reads DER; octets after it are an error, as in a handshake.
    pub fn from_der(der: &[u8]) -> Option<Certificate> {
        let _errors = Errors;
        let mut at = der.as_ptr();
        let length = c_long::try_from(der.len()).ok()?;
        // SAFETY: `at` and `length` are those of the slice; the result is ours.
        let certificate = unsafe { Certificate::own(lc::d2i_X509(ptr::null_mut(), &mut at, length)) }?;
        (at == der.as_ptr_range().end).then_some(certificate)
    }

    /// Takes over a pointer that was made for us.
    ///
    /// # Safety
    /// It is null, or a certificate that nobody else will free.
    pub(super) unsafe fn own(pointer: *mut lc::X509) -> Option<Certificate> {
        NonNull::new(pointer).map(Certificate)
    }

    /// Shares a pointer that belongs to something else.
    ///
    /// # Safety
    /// It is null or a certificate that lives during this call.
    pub(super) unsafe fn share(pointer: *mut lc::X509) -> Option<Certificate> {
        let certificate = NonNull::new(pointer)?;
        // SAFETY: the caller's promise.
        unsafe { lc::X509_up_ref(certificate.as_ptr()) };
        Some(Certificate(certificate))
    }

    pub(super) fn as_ptr(&self) -> *mut lc::X509 {
        self.0.as_ptr()
    }

    /// As it came.
    pub fn der(&self) -> Vec<u8> {
        // SAFETY: the certificate is ours; `encode` frees what is made.
        encode(|out| unsafe { lc::i2d_X509(self.as_ptr(), out) })
    }

    /// DER of its subject public key info.
    pub fn public_key_info(&self) -> Vec<u8> {
        // SAFETY: the key belongs to the certificate, which outlives the call.
        encode(|out| unsafe { lc::i2d_X509_PUBKEY(lc::X509_get_X509_PUBKEY(self.as_ptr()), out) })
    }

    /// DER of its subject; `None` where that has no parts.
    pub fn subject_der(&self) -> Option<Vec<u8>> {
        // SAFETY: the name belongs to the certificate, which outlives the call.
        let der = encode(|out| unsafe { lc::i2d_X509_NAME(lc::X509_get_subject_name(self.as_ptr()), out) });
        // An empty sequence has two octets.
        (der.len() > 2).then_some(der)
    }

    /// First and last moment of validity.
    pub fn validity(&self) -> (SystemTime, SystemTime) {
        // SAFETY: both times belong to the certificate, which outlives the calls.
        unsafe { (moment(lc::X509_get0_notBefore(self.as_ptr())), moment(lc::X509_get0_notAfter(self.as_ptr()))) }
    }

    /// Whether its key may sign handshakes: it has no keyUsage, or one with digitalSignature.
    pub fn may_sign(&self) -> bool {
        const DIGITAL_SIGNATURE: u32 = lc::X509v3_KU_DIGITAL_SIGNATURE.unsigned_abs();
        let _errors = Errors;
        // SAFETY: the certificate is ours.
        unsafe { lc::X509_get_key_usage(self.as_ptr()) & DIGITAL_SIGNATURE != 0 }
    }
}

impl Certificate {
    /// Whether it says that it is an authority's, or that its key signs certificates or revocation lists. One without a keyUsage says
    /// that of every use, as to BoringSSL.
    pub fn is_authority(&self) -> bool {
        const SIGNS: u32 = (lc::X509v3_KU_KEY_CERT_SIGN | lc::X509v3_KU_CRL_SIGN).unsigned_abs();
        const AUTHORITY: u32 = lc::EXFLAG_CA.unsigned_abs();
        let _errors = Errors;
        // SAFETY: the certificate is ours.
        unsafe {
            lc::X509_get_extension_flags(self.as_ptr()) & AUTHORITY != 0
                || lc::X509_get_key_usage(self.as_ptr()) & SIGNS != 0
        }
    }
}

impl Clone for Certificate {
    fn clone(&self) -> Certificate {
        // SAFETY: it lives, and the count that is added here is given back by `drop`.
        unsafe { lc::X509_up_ref(self.as_ptr()) };
        Certificate(self.0)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        // SAFETY: one count is ours.
        unsafe { lc::X509_free(self.as_ptr()) }
    }
}

/// What an `i2d` function writes.
fn encode(write: impl FnOnce(*mut *mut u8) -> i32) -> Vec<u8> {
    let _errors = Errors;
    let mut out = ptr::null_mut();
    let length = write(&mut out);
    let Some(start) = NonNull::new(out) else { return Vec::new() };
    let length = usize::try_from(length).unwrap_or(0);
    // SAFETY: `write` has allocated `length` octets at `out`, which are ours to free.
    unsafe {
        let bytes = std::slice::from_raw_parts(start.as_ptr(), length).to_vec();
        lc::OPENSSL_free(start.as_ptr().cast());
        bytes
    }
}

/// # Safety
/// `time` is null or a time that lives during the call.
unsafe fn moment(time: *const lc::ASN1_TIME) -> SystemTime {
    let mut seconds = 0;
    // SAFETY: the caller's promise; null is an error to the function.
    if time.is_null() || unsafe { lc::ASN1_TIME_to_posix(time, &mut seconds) } != 1 {
        return SystemTime::UNIX_EPOCH;
    }
    match u64::try_from(seconds) {
        Ok(after) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(after)),
        Err(_) => SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(seconds.unsigned_abs())),
    }
    .unwrap_or(SystemTime::UNIX_EPOCH)
}
