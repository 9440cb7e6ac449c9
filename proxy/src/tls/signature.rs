//! Signatures of handshakes: which schemes BoringSSL takes, and what it asks of the certificate's key. Called by the verifiers.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};

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
    if !SCHEMES.contains(&scheme) || !fits {
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
