//! What peers' chains are checked against: roots and revocation lists, and the check itself.

use std::ffi::{CStr, c_int, c_long, c_ulong};
use std::fmt;
use std::ptr::NonNull;

use rustls::AlertDescription;

use super::{Certificate, Errors, lc};

/// A revocation list that AWS-LC could read.
pub(in crate::tls) struct RevocationList(NonNull<lc::X509_CRL>);

// SAFETY: as with certificates.
unsafe impl Send for RevocationList {}
// SAFETY: as with certificates.
unsafe impl Sync for RevocationList {}

impl RevocationList {
    /// Shares a pointer that belongs to something else.
    ///
    /// # Safety
    /// It is null or a list that lives during this call.
    pub(super) unsafe fn share(pointer: *mut lc::X509_CRL) -> Option<RevocationList> {
        let list = NonNull::new(pointer)?;
        // SAFETY: the caller's promise.
        unsafe { lc::X509_CRL_up_ref(list.as_ptr()) };
        Some(RevocationList(list))
    }
}

impl Drop for RevocationList {
    fn drop(&mut self) {
        // SAFETY: one count is ours.
        unsafe { lc::X509_CRL_free(self.0.as_ptr()) }
    }
}

/// What is asked of chains besides that they end at a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::tls) struct Checks {
    /// Only the leaf is looked up in revocation lists.
    pub only_leaf_crl: bool,
    /// Times are not looked at.
    pub allow_expired: bool,
    /// Chains must end at a certificate that signed itself; else at any of the bundle.
    pub whole_chain: bool,
}

/// What the peer uses its certificate for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tls) enum Purpose {
    Client,
    Server,
}

/// Why a chain is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tls) struct ChainFault {
    /// `X509_V_ERR_…`.
    pub code: c_int,
    /// Of the certificate that is to blame; the leaf is 0.
    pub depth: c_int,
}

impl ChainFault {
    /// The certificate is for later.
    pub fn is_early(&self) -> bool {
        self.code == lc::X509_V_ERR_CERT_NOT_YET_VALID
    }

    /// The certificate was good once.
    pub fn is_late(&self) -> bool {
        self.code == lc::X509_V_ERR_CERT_HAS_EXPIRED
    }

    /// The alert that BoringSSL sends.
    pub fn alert(&self) -> AlertDescription {
        match self.code {
            lc::X509_V_ERR_CERT_CHAIN_TOO_LONG
            | lc::X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
            | lc::X509_V_ERR_INVALID_CA
            | lc::X509_V_ERR_PATH_LENGTH_EXCEEDED
            | lc::X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
            | lc::X509_V_ERR_UNABLE_TO_GET_CRL
            | lc::X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER
            | lc::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
            | lc::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
            | lc::X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE => AlertDescription::UnknownCA,
            lc::X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE
            | lc::X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE
            | lc::X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY
            | lc::X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD
            | lc::X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD
            | lc::X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD
            | lc::X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD
            | lc::X509_V_ERR_CERT_UNTRUSTED
            | lc::X509_V_ERR_CERT_REJECTED => AlertDescription::BadCertificate,
            lc::X509_V_ERR_CERT_SIGNATURE_FAILURE | lc::X509_V_ERR_CRL_SIGNATURE_FAILURE => {
                AlertDescription::DecryptError
            }
            lc::X509_V_ERR_CERT_HAS_EXPIRED
            | lc::X509_V_ERR_CERT_NOT_YET_VALID
            | lc::X509_V_ERR_CRL_HAS_EXPIRED
            | lc::X509_V_ERR_CRL_NOT_YET_VALID => AlertDescription::CertificateExpired,
            lc::X509_V_ERR_CERT_REVOKED => AlertDescription::CertificateRevoked,
            lc::X509_V_ERR_INVALID_PURPOSE => AlertDescription::UnsupportedCertificate,
            _ => AlertDescription::CertificateUnknown,
        }
    }
}

impl fmt::Display for ChainFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: every code has a text, which is static.
        let text = unsafe { CStr::from_ptr(lc::X509_verify_cert_error_string(c_long::from(self.code))) };
        // Envoy's words for these.
        let by_list = matches!(
            self.code,
            lc::X509_V_ERR_UNABLE_TO_GET_CRL
                | lc::X509_V_ERR_CERT_REVOKED
                | lc::X509_V_ERR_CRL_HAS_EXPIRED
                | lc::X509_V_ERR_CRL_NOT_YET_VALID
        );
        let list = if by_list { "certificate revocation check against provided CRLs failed: " } else { "" };
        write!(out, "certificate verification error at depth {}: {list}{}", self.depth, text.to_string_lossy())
    }
}

/// Roots and revocation lists.
pub(in crate::tls) struct Store(NonNull<lc::X509_STORE>);

// SAFETY: the store is changed only while it is made; look-ups in it are behind its own lock.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl Store {
    /// A store; `None` when memory is out. With lists, each certificate of a chain (or the leaf alone) must be covered by one.
    pub fn new(roots: &[Certificate], lists: &[RevocationList], checks: Checks) -> Option<Store> {
        let _errors = Errors;
        // SAFETY: the store is ours; it counts what is added to it.
        unsafe {
            let store = Store(NonNull::new(lc::X509_STORE_new())?);
            for root in roots {
                lc::X509_STORE_add_cert(store.0.as_ptr(), root.as_ptr());
            }
            for list in lists {
                lc::X509_STORE_add_crl(store.0.as_ptr(), list.0.as_ptr());
            }
            lc::X509_STORE_set_flags(store.0.as_ptr(), flags(!lists.is_empty(), checks));
            Some(store)
        }
    }

    /// Checks the chain of a peer, leaf first, as it was sent, at a moment in seconds since 1970. Without a purpose, extendedKeyUsage is
    /// not looked at.
    ///
    /// # Errors
    /// The first fault that was found.
    pub fn check(
        &self,
        chain: &[Certificate],
        purpose: Option<Purpose>,
        depth: Option<u32>,
        now: u64,
    ) -> Result<(), ChainFault> {
        const UNSPECIFIED: ChainFault = ChainFault { code: lc::X509_V_ERR_UNSPECIFIED, depth: 0 };
        let _errors = Errors;
        let Some(leaf) = chain.first() else { return Err(UNSPECIFIED) };
        let check = Check::new().ok_or(UNSPECIFIED)?;
        let usage = purpose.map(|purpose| match purpose {
            Purpose::Client => c"ssl_client",
            Purpose::Server => c"ssl_server",
        });
        // SAFETY: `check` owns context and stack; store and certificates outlive both, for they are borrowed.
        unsafe {
            for certificate in chain {
                lc::OPENSSL_sk_push(check.stack, certificate.as_ptr().cast());
            }
            let ready = lc::X509_STORE_CTX_init(check.context, self.0.as_ptr(), leaf.as_ptr(), check.stack.cast()) == 1
                && usage.is_none_or(|usage| lc::X509_STORE_CTX_set_default(check.context, usage.as_ptr()) == 1);
            if !ready {
                return Err(UNSPECIFIED);
            }
            if let Some(depth) = depth {
                let depth = c_int::try_from(depth).unwrap_or(c_int::MAX);
                lc::X509_VERIFY_PARAM_set_depth(lc::X509_STORE_CTX_get0_param(check.context), depth);
            }
            lc::X509_STORE_CTX_set_verify_cb(check.context, Some(on_fault));
            lc::X509_STORE_CTX_set_time_posix(check.context, 0, i64::try_from(now).unwrap_or(i64::MAX));
            if lc::X509_verify_cert(check.context) == 1 {
                return Ok(());
            }
            Err(ChainFault {
                code: lc::X509_STORE_CTX_get_error(check.context),
                depth: lc::X509_STORE_CTX_get_error_depth(check.context),
            })
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { lc::X509_STORE_free(self.0.as_ptr()) }
    }
}

fn flags(lists: bool, checks: Checks) -> c_ulong {
    // Policies are looked at when a certificate asks for that; BoringSSL always does.
    let mut flags = lc::X509_V_FLAG_POLICY_CHECK;
    if !checks.whole_chain {
        // A chain may end at any certificate of the bundle, as Envoy has it.
        flags |= lc::X509_V_FLAG_PARTIAL_CHAIN;
    }
    if lists {
        flags |= lc::X509_V_FLAG_CRL_CHECK;
        if !checks.only_leaf_crl {
            flags |= lc::X509_V_FLAG_CRL_CHECK_ALL;
        }
    }
    if checks.allow_expired {
        flags |= lc::X509_V_FLAG_NO_CHECK_TIME;
    }
    flags.unsigned_abs().into()
}

/// Called for each fault; 1 goes on. Whoever put a certificate into the bundle trusts it as an authority: BoringSSL asks nothing more
/// of it, where AWS-LC would want it to say so itself. Whether its key may sign certificates, how deep its chain may be and when it is
/// valid is checked elsewhere.
///
/// # Safety
/// `context` is that of a check under way.
unsafe extern "C" fn on_fault(good: c_int, context: *mut lc::X509_STORE_CTX) -> c_int {
    // SAFETY: the caller's promise; the chain belongs to the context.
    unsafe {
        let last = lc::OPENSSL_sk_num(lc::X509_STORE_CTX_get0_chain(context).cast()).checked_sub(1);
        let depth = usize::try_from(lc::X509_STORE_CTX_get_error_depth(context)).ok();
        let is_anchor = depth == last && depth != Some(0);
        let forgiven = matches!(
            lc::X509_STORE_CTX_get_error(context),
            lc::X509_V_ERR_INVALID_CA | lc::X509_V_ERR_INVALID_PURPOSE | lc::X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION
        );
        if good == 0 && is_anchor && forgiven {
            lc::X509_STORE_CTX_set_error(context, lc::X509_V_OK);
            return 1;
        }
    }
    good
}

/// One check under way.
struct Check {
    context: *mut lc::X509_STORE_CTX,
    stack: *mut lc::OPENSSL_STACK,
}

impl Check {
    fn new() -> Option<Check> {
        // SAFETY: both are new and freed by `drop`, which takes null.
        let check = unsafe { Check { context: lc::X509_STORE_CTX_new(), stack: lc::OPENSSL_sk_new_null() } };
        (!check.context.is_null() && !check.stack.is_null()).then_some(check)
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        // SAFETY: both are ours or null; the stack does not own its certificates.
        unsafe {
            lc::X509_STORE_CTX_free(self.context);
            lc::OPENSSL_sk_free(self.stack);
        }
    }
}
