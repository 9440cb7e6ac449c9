//! Signatures of handshakes, by the key of a certificate.

use std::ptr::{self, NonNull};

use rustls::SignatureScheme;

use super::{Certificate, Errors, lc};

impl Certificate {
    /// Whether its key is on the curve that the scheme names. Keys that are on none fit every scheme of their kind.
    pub fn has_curve_of(&self, scheme: SignatureScheme) -> bool {
        let wanted = match scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 => lc::NID_X9_62_prime256v1,
            SignatureScheme::ECDSA_NISTP384_SHA384 => lc::NID_secp384r1,
            _ => return true,
        };
        let Some(key) = Key::of(self) else { return false };
        // SAFETY: key and group belong to `key`, which outlives the calls; null is checked for.
        unsafe {
            let curve = lc::EVP_PKEY_get0_EC_KEY(key.0.as_ptr());
            !curve.is_null() && lc::EC_GROUP_get_curve_name(lc::EC_KEY_get0_group(curve)) == wanted
        }
    }

    /// Whether `signature` is that of `message` by its key and this scheme.
    pub fn has_signed(&self, scheme: SignatureScheme, message: &[u8], signature: &[u8]) -> bool {
        use SignatureScheme as Scheme;
        let _errors = Errors;
        let is_pss = matches!(scheme, Scheme::RSA_PSS_SHA256 | Scheme::RSA_PSS_SHA384 | Scheme::RSA_PSS_SHA512);
        let is_ecdsa = matches!(scheme, Scheme::ECDSA_NISTP256_SHA256 | Scheme::ECDSA_NISTP384_SHA384);
        // SAFETY: these take nothing and give what is static.
        let digest = unsafe {
            match scheme {
                Scheme::ECDSA_NISTP256_SHA256 | Scheme::RSA_PSS_SHA256 | Scheme::RSA_PKCS1_SHA256 => lc::EVP_sha256(),
                Scheme::ECDSA_NISTP384_SHA384 | Scheme::RSA_PSS_SHA384 | Scheme::RSA_PKCS1_SHA384 => lc::EVP_sha384(),
                Scheme::RSA_PSS_SHA512 | Scheme::RSA_PKCS1_SHA512 => lc::EVP_sha512(),
                Scheme::RSA_PKCS1_SHA1 => lc::EVP_sha1(),
                _ => return false,
            }
        };
        let Some(key) = Key::of(self) else { return false };
        // SAFETY: key and context are ours and live through all of it; the slices are borrowed.
        unsafe {
            let kind = lc::EVP_PKEY_id(key.0.as_ptr());
            if kind != if is_ecdsa { lc::EVP_PKEY_EC } else { lc::EVP_PKEY_RSA } {
                return false;
            }
            let Some(context) = NonNull::new(lc::EVP_MD_CTX_new()) else { return false };
            let context = Digest(context);
            let mut settings = ptr::null_mut();
            lc::EVP_DigestVerifyInit(context.0.as_ptr(), &mut settings, digest, ptr::null_mut(), key.0.as_ptr()) == 1
                && (!is_pss
                    || lc::EVP_PKEY_CTX_set_rsa_padding(settings, lc::RSA_PKCS1_PSS_PADDING) == 1
                        // The salt is as long as the digest.
                        && lc::EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, -1) == 1)
                && lc::EVP_DigestVerify(
                    context.0.as_ptr(),
                    signature.as_ptr(),
                    signature.len(),
                    message.as_ptr(),
                    message.len(),
                ) == 1
        }
    }
}

/// The public key of a certificate.
struct Key(NonNull<lc::EVP_PKEY>);

impl Key {
    fn of(certificate: &Certificate) -> Option<Key> {
        let _errors = Errors;
        // SAFETY: the certificate lives; the key is counted for us.
        NonNull::new(unsafe { lc::X509_get_pubkey(certificate.as_ptr()) }).map(Key)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: one count is ours.
        unsafe { lc::EVP_PKEY_free(self.0.as_ptr()) }
    }
}

struct Digest(NonNull<lc::EVP_MD_CTX>);

impl Drop for Digest {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { lc::EVP_MD_CTX_free(self.0.as_ptr()) }
    }
}
