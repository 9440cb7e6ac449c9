//! PEM as Envoy reads it. What is wrong is said without a word of the input: it may be a key.

use std::ffi::{CString, c_int, c_void};
use std::ptr::{self, NonNull};

use zeroize::Zeroizing;

use super::{Certificate, Errors, RevocationList, lc};

/// What is wrong with a text that should be PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tls) enum PemFault {
    /// No block of the kind that is looked for.
    Missing,
    /// A block that is cut off, or does not hold what its label says.
    Broken,
}

/// The certificates and revocation lists of a text, in order; other blocks do not count.
#[derive(Default)]
pub(in crate::tls) struct Bundle {
    pub certificates: Vec<Certificate>,
    pub lists: Vec<RevocationList>,
}

/// A text in AWS-LC's reader.
struct Reader<'a>(*mut lc::BIO, std::marker::PhantomData<&'a [u8]>);

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Result<Reader<'a>, PemFault> {
        let length = isize::try_from(text.len()).map_err(|_| PemFault::Broken)?;
        // SAFETY: it reads from the slice, which outlives it.
        let reader = unsafe { lc::BIO_new_mem_buf(text.as_ptr().cast(), length as lc::ossl_ssize_t) };
        if reader.is_null() { Err(PemFault::Broken) } else { Ok(Reader(reader, std::marker::PhantomData)) }
    }

    fn at_end() -> bool {
        // SAFETY: it reads this thread's queue.
        let error = unsafe { lc::ERR_peek_last_error() };
        // The library in the upper octet, the reason in the lower twelve bits.
        error >> 24 == lc::ERR_LIB_PEM.unsigned_abs() && error & 0xfff == lc::PEM_R_NO_START_LINE.unsigned_abs()
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { lc::BIO_free(self.0) };
    }
}

/// Passwords are ours to give: without one AWS-LC would ask at the terminal.
fn no_password() -> *mut c_void {
    c"".as_ptr().cast_mut().cast()
}

/// All certificates and revocation lists.
///
/// # Errors
/// A block of theirs is broken.
pub(in crate::tls) fn bundle(text: &[u8]) -> Result<Bundle, PemFault> {
    let _errors = Errors;
    let reader = Reader::new(text)?;
    // SAFETY: the stack and its entries are ours; what is kept of an entry is shared before that is freed.
    unsafe {
        let stack = lc::PEM_X509_INFO_read_bio(reader.0, ptr::null_mut(), None, no_password());
        let Some(stack) = NonNull::new(stack) else { return Err(PemFault::Broken) };
        let stack: *mut lc::OPENSSL_STACK = stack.as_ptr().cast();
        let mut bundle = Bundle::default();
        for index in 0..lc::OPENSSL_sk_num(stack) {
            let entry: *mut lc::X509_INFO = lc::OPENSSL_sk_value(stack, index).cast();
            bundle.certificates.extend(Certificate::share((*entry).x509));
            bundle.lists.extend(RevocationList::share((*entry).crl));
            lc::X509_INFO_free(entry);
        }
        lc::OPENSSL_sk_free(stack);
        Ok(bundle)
    }
}

/// An own certificate and what follows it, to the end of the text.
///
/// # Errors
/// There is none, or one of them is broken.
pub(in crate::tls) fn chain(text: &[u8]) -> Result<Vec<Certificate>, PemFault> {
    let _errors = Errors;
    let reader = Reader::new(text)?;
    let mut chain = Vec::new();
    loop {
        // SAFETY: the reader is ours, and so is what it gives. The leaf alone may carry OpenSSL's trust settings.
        let next = unsafe {
            let read = if chain.is_empty() { lc::PEM_read_bio_X509_AUX } else { lc::PEM_read_bio_X509 };
            Certificate::own(read(reader.0, ptr::null_mut(), None, no_password()))
        };
        match next {
            Some(certificate) => chain.push(certificate),
            None if !Reader::at_end() => return Err(PemFault::Broken),
            None if chain.is_empty() => return Err(PemFault::Missing),
            None => return Ok(chain),
        }
    }
}

/// The first private key, as PKCS#8 DER, decrypted with the password if it is encrypted.
///
/// # Errors
/// There is none, it is broken, or the password does not open it.
pub(in crate::tls) fn private_key(text: &[u8], password: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, PemFault> {
    let _errors = Errors;
    let reader = Reader::new(text)?;
    // As a C string: what follows a NUL does not count, as in Envoy.
    let password = password.unwrap_or_default().split(|octet| *octet == 0).next().unwrap_or_default();
    let password = Zeroizing::new(CString::new(password).map_err(|_| PemFault::Broken)?);
    // SAFETY: the key is ours until `free`; the password outlives the call.
    unsafe {
        let key = lc::PEM_read_bio_PrivateKey(reader.0, ptr::null_mut(), None, password.as_ptr().cast_mut().cast());
        let Some(key) = NonNull::new(key) else {
            return Err(if Reader::at_end() { PemFault::Missing } else { PemFault::Broken });
        };
        let der = pkcs8(key.as_ptr());
        lc::EVP_PKEY_free(key.as_ptr());
        der.ok_or(PemFault::Broken)
    }
}

/// # Safety
/// `key` lives during the call.
unsafe fn pkcs8(key: *mut lc::EVP_PKEY) -> Option<Zeroizing<Vec<u8>>> {
    // SAFETY: the builder is ours: finished, or cleaned up when that fails.
    unsafe {
        let mut builder = std::mem::zeroed::<lc::CBB>();
        let (mut out, mut length) = (ptr::null_mut(), 0);
        let made: c_int = if lc::CBB_init(&mut builder, 0) == 1
            && lc::EVP_marshal_private_key(&mut builder, key) == 1
            && lc::CBB_finish(&mut builder, &mut out, &mut length) == 1
        {
            1
        } else {
            lc::CBB_cleanup(&mut builder);
            0
        };
        if made == 0 || out.is_null() {
            return None;
        }
        let der = Zeroizing::new(std::slice::from_raw_parts(out, length).to_vec());
        // It cleanses what it frees.
        lc::OPENSSL_free(out.cast());
        Some(der)
    }
}
