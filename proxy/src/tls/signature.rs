//! Signatures of handshakes: which schemes BoringSSL takes, which a context allows, and what is asked of the certificate's key. Called
//! by the verifiers and by those who choose a certificate.

use std::fmt;
use std::sync::Arc;

use config::tls::{CommonTls, Compliance};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureAlgorithm, SignatureScheme};

use super::failure;
use super::x509::Certificate;

/// What BoringSSL offers, in its order.
pub(super) const SCHEMES: [SignatureScheme; 9] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA1,
];

/// What it has under `FIPS_202205`, in its order.
const FIPS: [SignatureScheme; 8] = [
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

/// Those of a context, in its order: what it offers, takes and signs with.
pub(super) type Schemes = Arc<[SignatureScheme]>;

/// The schemes of a context: those of its policy, or of its `signature_algorithms`, else all.
///
/// # Errors
/// One that has no such name, or that there is not here.
pub(super) fn schemes(common: &CommonTls) -> Result<Schemes, String> {
    let names = common.signature_algorithms.iter().flat_map(|list| list.split(':')).filter(|name| !name.is_empty());
    let named = |name: &str| {
        NAMES.iter().find(|(known, _)| known.contains(&name)).map(|(_, scheme)| *scheme).ok_or_else(|| {
            format!(
                "tls_params.signature_algorithms: {} is not available; name one of {}",
                config::discreet::shown(name),
                NAMES.map(|(known, _)| known[0]).join(", ")
            )
        })
    };
    let schemes: Schemes = names.map(named).collect::<Result<_, _>>()?;
    Ok(match common.compliance {
        Some(Compliance::Fips202205) => FIPS.into(),
        None if schemes.is_empty() => SCHEMES.into(),
        None => schemes,
    })
}

/// BoringSSL's names, also by halves.
const NAMES: [(&[&str], SignatureScheme); 9] = [
    (&["ecdsa_secp256r1_sha256", "ECDSA+SHA256"], SignatureScheme::ECDSA_NISTP256_SHA256),
    (&["rsa_pss_rsae_sha256", "RSA-PSS+SHA256", "PSS+SHA256"], SignatureScheme::RSA_PSS_SHA256),
    (&["rsa_pkcs1_sha256", "RSA+SHA256"], SignatureScheme::RSA_PKCS1_SHA256),
    (&["ecdsa_secp384r1_sha384", "ECDSA+SHA384"], SignatureScheme::ECDSA_NISTP384_SHA384),
    (&["rsa_pss_rsae_sha384", "RSA-PSS+SHA384", "PSS+SHA384"], SignatureScheme::RSA_PSS_SHA384),
    (&["rsa_pkcs1_sha384", "RSA+SHA384"], SignatureScheme::RSA_PKCS1_SHA384),
    (&["rsa_pss_rsae_sha512", "RSA-PSS+SHA512", "PSS+SHA512"], SignatureScheme::RSA_PSS_SHA512),
    (&["rsa_pkcs1_sha512", "RSA+SHA512"], SignatureScheme::RSA_PKCS1_SHA512),
    (&["rsa_pkcs1_sha1", "RSA+SHA1"], SignatureScheme::RSA_PKCS1_SHA1),
];

/// The key that signs with those schemes alone, the first that the other side takes, as BoringSSL's would.
pub(super) fn limited(key: &Arc<CertifiedKey>, schemes: &Schemes) -> Arc<CertifiedKey> {
    // The library would sign with the largest digest that the client takes.
    if **schemes == SCHEMES && key.key.algorithm() != SignatureAlgorithm::RSA {
        return key.clone();
    }
    let mut limited = CertifiedKey::clone(key);
    limited.key = Arc::new(Limited { key: key.key.clone(), schemes: schemes.clone() });
    Arc::new(limited)
}

struct Limited {
    key: Arc<dyn SigningKey>,
    schemes: Schemes,
}

impl SigningKey for Limited {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        // In our order, as BoringSSL.
        self.schemes
            .iter()
            .filter(|scheme| offered.contains(scheme))
            .find_map(|scheme| self.key.choose_scheme(&[*scheme]))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        self.key.public_key()
    }
}

impl fmt::Debug for Limited {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Limited").field("schemes", &self.schemes).finish_non_exhaustive()
    }
}

/// The protocol whose handshake is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

/// Checks the signature that proves that the peer has its certificate's key.
///
/// # Errors
/// The scheme was not offered or does not fit the key, the key is for something else, or the signature is not its.
pub(super) fn check(
    message: &[u8],
    der: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    version: Version,
    schemes: &[SignatureScheme],
) -> Result<HandshakeSignatureValid, Error> {
    use SignatureScheme as Scheme;
    let scheme = signed.scheme;
    let is_old = matches!(
        scheme,
        Scheme::RSA_PKCS1_SHA1 | Scheme::RSA_PKCS1_SHA256 | Scheme::RSA_PKCS1_SHA384 | Scheme::RSA_PKCS1_SHA512
    );
    let Some(certificate) = Certificate::from_der(der) else {
        return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
    };
    // TLS 1.3 ties a curve to each hash, and has only the newer padding.
    let fits = version == Version::Tls12 || (!is_old && certificate.has_curve_of(scheme));
    if !schemes.contains(&scheme) || !fits {
        return Err(Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme));
    }
    if !certificate.may_sign() {
        return Err(failure::wrong_usage());
    }
    match certificate.has_signed(scheme, message, signed.signature()) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
    }
}
