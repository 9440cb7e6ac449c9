//! Why a handshake failed, in the words that Envoy prints as transport failure reason. Born in `tls`, read by logs and retries.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible};

use super::verify::Unmet;
use super::x509::{Certificate, ChainFault};

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

thread_local! {
    /// The fault behind the certificate error that was made last: rustls carries only its own words. It is read in the same turn of
    /// the same task, for the error ends the handshake.
    static FAULT: RefCell<Option<(CertificateError, String)>> = const { RefCell::new(None) };
}

/// A chain that is not trusted, as the error that sends BoringSSL's alert.
pub(super) fn untrusted(fault: ChainFault, leaf: &Certificate, now: u64) -> Error {
    let mut text = format!("verify cert failed: X509_verify_cert: {fault}");
    if fault.is_early() && fault.depth == 0 {
        let starts = leaf.validity().0.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let behind = starts.saturating_sub(now);
        text.push_str(&format!(" (if it is right, the clock is {behind} s behind)"));
    }
    if fault.is_late() && fault.depth == 0 {
        // Its authority has signed it, so that its names are those of somebody; which of them it used is for nobody to say.
        let since = leaf.validity().1.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let name = leaf.sans().first().map(|san| san.value.text().to_string()).unwrap_or_else(|| leaf.subject());
        let name: String = name.chars().take(LONGEST_NAME).flat_map(char::escape_default).collect();
        text.push_str(&format!(" ({name}, {} s ago)", now.saturating_sub(since)));
    }
    let error = match fault.alert() {
        AlertDescription::UnknownCA => CertificateError::UnknownIssuer,
        AlertDescription::BadCertificate => CertificateError::BadEncoding,
        AlertDescription::DecryptError => CertificateError::BadSignature,
        AlertDescription::CertificateExpired => CertificateError::Expired,
        AlertDescription::CertificateRevoked => CertificateError::Revoked,
        AlertDescription::UnsupportedCertificate => CertificateError::InvalidPurpose,
        _ => {
            return Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Unmet {
                text,
                is_san: false,
            }))));
        }
    };
    FAULT.set(Some((error.clone(), text)));
    Error::InvalidCertificate(error)
}

/// Letters of a name that an expired peer is called by.
const LONGEST_NAME: usize = 256;

/// A key that signs though its certificate says that it is for something else.
pub(super) fn wrong_usage() -> Error {
    FAULT.set(Some((CertificateError::InvalidPurpose, KEY_USAGE.to_owned())));
    Error::InvalidCertificate(CertificateError::InvalidPurpose)
}

const KEY_USAGE: &str = "KEY_USAGE_BIT_INCORRECT";

fn of_certificate(error: &CertificateError) -> HandshakeFailure {
    if let Some((_, text)) = FAULT.take().filter(|(of, _)| of == error) {
        let reason = match &*text {
            KEY_USAGE => ssl(302, KEY_USAGE, None),
            detail => ssl(125, "CERTIFICATE_VERIFY_FAILED", Some(detail)),
        };
        return HandshakeFailure { reason, kind: FailureKind::Certificate };
    }
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

/// What rustls itself found wrong with a certificate.
fn chain_detail(error: &CertificateError) -> String {
    match error {
        CertificateError::BadSignature => "certificate signature failure".into(),
        CertificateError::BadEncoding => "certificate does not parse".into(),
        other => other.to_string(),
    }
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
