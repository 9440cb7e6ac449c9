//! Certificates taken apart: names for matchers, XFCC and logs. Called once per handshake for the peer, once per secret for our own.
//! It never decides whether a certificate is trusted.

use std::sync::Arc;
use std::time::SystemTime;

use config::tls::SanKind;

use super::info::PeerName;
use super::x509::Certificate;

/// A subject alternative name, printed as Envoy prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct San {
    pub kind: SanKind,
    pub value: PeerName,
    /// Of an otherName: its object identifier.
    pub oid: Option<Arc<str>>,
}

/// What is read from a certificate.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub sans: Vec<San>,
    /// RFC 2253.
    pub subject: Arc<str>,
    /// Lower-case hex.
    pub serial: Arc<str>,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

impl Facts {
    /// Reads a certificate.
    pub fn of(certificate: &Certificate) -> Facts {
        let (not_before, not_after) = certificate.validity();
        Facts {
            sans: certificate.sans(),
            subject: certificate.subject().into(),
            serial: certificate.serial().into(),
            not_before,
            not_after,
        }
    }

    /// Values of one kind.
    pub fn of_kind(&self, kind: SanKind) -> impl Iterator<Item = &PeerName> {
        self.sans.iter().filter(move |san| san.kind == kind).map(|san| &san.value)
    }

    /// The same as text, for certificates of our own side.
    pub fn texts_of(&self, kind: SanKind) -> impl Iterator<Item = Arc<str>> {
        self.of_kind(kind).map(|name| name.text().clone())
    }
}

/// A certificate in use, as admin shows it.
#[derive(Debug, Clone)]
pub struct CertificateFacts {
    /// File it came from; `None` when it was given inline.
    pub path: Option<Arc<str>>,
    /// Serial number, lower-case hex.
    pub serial: Arc<str>,
    /// DNS SANs.
    pub dns_sans: Vec<Arc<str>>,
    /// URI SANs.
    pub uri_sans: Vec<Arc<str>>,
    /// IP SANs, printed.
    pub ip_sans: Vec<Arc<str>>,
    /// First moment of validity.
    pub valid_from: SystemTime,
    /// Last moment of validity.
    pub expires: SystemTime,
    /// Of an OCSP response that is shown with it: since when, and until when it is good.
    pub response: Option<(SystemTime, SystemTime)>,
}

impl CertificateFacts {
    pub(super) fn of(facts: &Facts, path: Option<Arc<str>>) -> CertificateFacts {
        CertificateFacts {
            path,
            serial: facts.serial.clone(),
            dns_sans: facts.texts_of(SanKind::Dns).collect(),
            uri_sans: facts.texts_of(SanKind::Uri).collect(),
            ip_sans: facts.texts_of(SanKind::IpAddress).collect(),
            valid_from: facts.not_before,
            expires: facts.not_after,
            response: None,
        }
    }

    /// Whole days that are left.
    pub fn days_left(&self, now: SystemTime) -> u64 {
        days_left(self.expires, now)
    }
}

/// Whole days until then, 0 when it is past.
pub(super) fn days_left(end: SystemTime, now: SystemTime) -> u64 {
    end.duration_since(now).unwrap_or_default().as_secs() / 86_400
}

/// The certificates of a TLS context.
#[derive(Debug, Clone, Default)]
pub struct ContextFacts {
    /// Trusted roots.
    pub authorities: Vec<CertificateFacts>,
    /// Leaves of its own.
    pub chain: Vec<CertificateFacts>,
}

/// What a secret, or what a context reads from files of its own, is made of: for the trail of changes. Nothing of a key is in it.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// Leaves with their keys.
    pub chain: Vec<CertificateFacts>,
    /// Roots and revocation lists, where it holds any demand on peers.
    pub trust: Option<TrustFacts>,
    /// How many ticket keys there are.
    pub ticket_keys: usize,
    /// It is a secret that filters show to services.
    pub is_generic: bool,
}

/// Who may vouch for peers.
#[derive(Debug, Clone)]
pub struct TrustFacts {
    /// Roots.
    pub roots: Vec<CertificateFacts>,
    /// How many revocation lists there are.
    pub lists: usize,
    /// Beginning of the SHA-256 of all of it: other lists have another.
    pub digest: Arc<str>,
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> Arc<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.into()
}

#[cfg(test)]
mod tests;
