//! Why a handshake failed, in the words that Envoy prints as transport failure reason. Born in `tls`, read by logs and retries.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::verify::Unmet;

/// A failed handshake.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct HandshakeFailure {
    /// What `%UPSTREAM_TRANSPORT_FAILURE_REASON%` and `%DOWNSTREAM_TRANSPORT_FAILURE_REASON%` print, and local replies repeat; empty
    /// when the peer just went away, as Envoy's.
    pub reason: Arc<str>,
    /// Which counter it belongs to.
    pub kind: FailureKind,
}

/// Kinds of failed handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The secrets of the context have not arrived.
    NotReady,
    /// The peer closed the connection, or the socket failed.
    Closed,
    /// A certificate was demanded and none came.
    NoCertificate,
    /// The peer's certificate is not trusted.
    Certificate,
    /// The peer's certificate is good and its names are not those demanded.
    SubjectAltName,
    /// The peer's certificate is not one of the pinned ones.
    Pin,
    /// Anything else: no common version or suite, an alert from the peer, garbage.
    Protocol,
}

impl HandshakeFailure {
    /// The secrets have not arrived.
    pub(super) fn not_ready() -> HandshakeFailure {
        HandshakeFailure { reason: "TLS error: Secret is not supplied by SDS".into(), kind: FailureKind::NotReady }
    }

    /// A peer whose session was resumed and that is not accepted any longer.
    pub(super) fn of_check(error: Error) -> HandshakeFailure {
        of_tls(&error)
    }

    /// A failure of our own making, in one sentence.
    pub(super) fn refused(why: &str) -> HandshakeFailure {
        HandshakeFailure { reason: format!("TLS_error:{why}:TLS_error_end").into(), kind: FailureKind::Protocol }
    }

    /// What a TLS stream's error means, also after the handshake (TLS 1.3 refuses client certificates only then).
    /// `None`: it is not a matter of TLS.
    pub fn of_stream(error: &io::Error) -> Option<HandshakeFailure> {
        error.get_ref()?.downcast_ref::<Error>().map(of_tls)
    }
}

impl From<io::Error> for HandshakeFailure {
    fn from(error: io::Error) -> HandshakeFailure {
        if let Some(failure) = HandshakeFailure::of_stream(&error) {
            return failure;
        }
        // BoringSSL reports a system error by its number in the system library; a plain end has no error at all.
        let reason = match error.raw_os_error() {
            Some(number) => {
                wrap(2 << 24 | u32::try_from(number).unwrap_or(0), "system library", &system_reason(&error), None)
            }
            None => Arc::from(""),
        };
        HandshakeFailure { reason, kind: FailureKind::Closed }
    }
}

fn of_tls(error: &Error) -> HandshakeFailure {
    match error {
        Error::InvalidCertificate(certificate) => of_certificate(certificate),
        Error::NoCertificatesPresented => HandshakeFailure {
            reason: ssl(
                192,
                "PEER_DID_NOT_RETURN_A_CERTIFICATE",
                Some("peer did not provide required client certificate"),
            ),
            kind: FailureKind::NoCertificate,
        },
        error => HandshakeFailure { reason: of_protocol(error), kind: FailureKind::Protocol },
    }
}

fn of_certificate(error: &CertificateError) -> HandshakeFailure {
    let unmet = match error {
        CertificateError::Other(other) => other.0.downcast_ref::<Unmet>(),
        _ => None,
    };
    let (detail, kind) = match unmet {
        Some(unmet) if unmet.is_san => (unmet.text.clone(), FailureKind::SubjectAltName),
        Some(unmet) if unmet.text.ends_with("spki") => (unmet.text.clone(), FailureKind::Pin),
        Some(unmet) => (unmet.text.clone(), FailureKind::Certificate),
        None => (chain_detail(error), FailureKind::Certificate),
    };
    HandshakeFailure { reason: ssl(125, "CERTIFICATE_VERIFY_FAILED", Some(&detail)), kind }
}

fn chain_detail(error: &CertificateError) -> String {
    let words = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired".into(),
        CertificateError::NotValidYetContext { time, not_before } => {
            let behind = not_before.as_secs().saturating_sub(time.as_secs());
            format!("certificate is not yet valid (if it is right, the clock is {behind} s behind)")
        }
        CertificateError::NotValidYet => "certificate is not yet valid".into(),
        CertificateError::Revoked => "certificate revoked".into(),
        CertificateError::UnknownIssuer => "unable to get local issuer certificate".into(),
        CertificateError::UnknownRevocationStatus => "unable to get certificate CRL".into(),
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "CRL has expired".into()
        }
        CertificateError::BadSignature => "certificate signature failure".into(),
        CertificateError::UnhandledCriticalExtension => "unhandled critical extension".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "unsuitable certificate purpose".into()
        }
        other => other.to_string(),
    };
    format!("verify cert failed: X509_verify_cert: certificate verification error at depth 0: {words}")
}

fn of_protocol(error: &Error) -> Arc<str> {
    match error {
        Error::AlertReceived(alert) => {
            let (number, name) = alert_reason(*alert);
            ssl(1000 + u32::from(number), name, None)
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            ssl(247, "WRONG_VERSION_NUMBER", None)
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::SupportedVersionsExtensionRequired
            // Clients of TLS 1.1 and older send none.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => ssl(240, "UNSUPPORTED_PROTOCOL", None),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => ssl(184, "NO_SHARED_CIPHER", None),
        Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => ssl(187, "NO_SHARED_GROUP", None),
        Error::PeerIncompatible(PeerIncompatible::NoSignatureSchemesInCommon) => {
            ssl(253, "NO_COMMON_SIGNATURE_ALGORITHMS", None)
        }
        other => format!("TLS_error:{other}:TLS_error_end").into(),
    }
}

/// `TLS_error:|<packed code>:SSL routines:OPENSSL_internal:<name>[:<detail>]:TLS_error_end`.
fn ssl(reason: u32, name: &str, detail: Option<&str>) -> Arc<str> {
    wrap(16 << 24 | reason, "SSL routines", name, detail)
}

fn wrap(code: u32, library: &str, name: &str, detail: Option<&str>) -> Arc<str> {
    match detail {
        Some(detail) => format!("TLS_error:|{code}:{library}:OPENSSL_internal:{name}:{detail}:TLS_error_end"),
        None => format!("TLS_error:|{code}:{library}:OPENSSL_internal:{name}:TLS_error_end"),
    }
    .into()
}

/// The words of `strerror`, without Rust's addition of the number.
fn system_reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}

/// Number and BoringSSL's name of an alert.
fn alert_reason(alert: AlertDescription) -> (u8, &'static str) {
    let number = u8::from(alert);
    let name = match number {
        10 => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        20 => "SSLV3_ALERT_BAD_RECORD_MAC",
        22 => "TLSV1_ALERT_RECORD_OVERFLOW",
        40 => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        42 => "SSLV3_ALERT_BAD_CERTIFICATE",
        43 => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        44 => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        45 => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        46 => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        47 => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        48 => "TLSV1_ALERT_UNKNOWN_CA",
        49 => "TLSV1_ALERT_ACCESS_DENIED",
        50 => "TLSV1_ALERT_DECODE_ERROR",
        51 => "TLSV1_ALERT_DECRYPT_ERROR",
        70 => "TLSV1_ALERT_PROTOCOL_VERSION",
        71 => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        80 => "TLSV1_ALERT_INTERNAL_ERROR",
        86 => "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
        90 => "TLSV1_ALERT_USER_CANCELLED",
        109 => "TLSV1_ALERT_MISSING_EXTENSION",
        110 => "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
        112 => "TLSV1_ALERT_UNRECOGNIZED_NAME",
        113 => "TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE",
        114 => "TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE",
        115 => "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
        116 => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        120 => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => "TLSV1_ALERT_UNKNOWN",
    };
    (number, name)
}

#[cfg(test)]
mod tests;
