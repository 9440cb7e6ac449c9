//! Certificates as logs print them and as authorizers are told of them: taken apart when that is done, for few ask. Called by `telemetry`,
//! `http` and `tcp`. It never says whether a certificate is any good.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use config::tls::SanKind;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::certificate::{Facts, hex};
use super::info::{PeerName, TlsInfo};
use super::sha256;
use super::x509::{Certificate, sha1};

/// One certificate.
pub struct Described {
    facts: Facts,
    issuer: String,
}

impl Described {
    /// Of DER.
    pub fn of(der: &[u8]) -> Option<Described> {
        let certificate = Certificate::from_der(der)?;
        Some(Described { facts: Facts::of(&certificate), issuer: certificate.issuer() })
    }

    /// Subject alternative names of one kind.
    pub fn sans(&self, kind: SanKind) -> Vec<PeerName> {
        self.facts.of_kind(kind).cloned().collect()
    }

    /// RFC 2253.
    pub fn subject(&self) -> &str {
        &self.facts.subject
    }

    /// RFC 2253.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Lower-case hex.
    pub fn serial(&self) -> &str {
        &self.facts.serial
    }

    /// First and last moment of validity.
    pub fn validity(&self) -> (SystemTime, SystemTime) {
        (self.facts.not_before, self.facts.not_after)
    }
}

/// Whom the peer's certificate and our own name, for an authorizer: the first URI, else the first DNS name, else the subject.
pub fn principals(tls: &TlsInfo) -> (&str, Cow<'_, str>) {
    let peer = tls.peer.as_deref();
    let peer = peer.map_or("", |peer| {
        let name = peer.uri_sans.first().or(peer.dns_sans.first());
        name.map_or(&*peer.subject, |name| &**name.text())
    });
    if let Some(name) = tls.local_uri_sans.first() {
        return (peer, Cow::Borrowed(name));
    }
    let local = tls.local.as_deref().and_then(Described::of);
    let local = local.map(|local| match local.sans(SanKind::Dns).first() {
        Some(name) => name.text().to_string(),
        None => local.subject().to_owned(),
    });
    (peer, Cow::Owned(local.unwrap_or_default()))
}

/// Lower-case hex of the SHA-256 of a certificate, or of its SHA-1.
pub fn fingerprint(der: &[u8], is_sha256: bool) -> Arc<str> {
    if is_sha256 { hex(&sha256(der)) } else { hex(&sha1(der)) }
}

/// PEM of the certificates, with the octets escaped that Envoy escapes.
pub fn url_encoded_pem(certificates: &[Bytes]) -> String {
    const ESCAPED: &AsciiSet = &CONTROLS.add(b'+').add(b'/').add(b'=');
    let mut text = String::new();
    for der in certificates {
        text.push_str("-----BEGIN%20CERTIFICATE-----%0A");
        // A line of PEM holds 64 digits: 48 octets.
        for line in der.chunks(48) {
            text.extend(utf8_percent_encode(&STANDARD.encode(line), ESCAPED));
            text.push_str("%0A");
        }
        text.push_str("-----END%20CERTIFICATE-----%0A");
    }
    text
}

/// PEM of a certificate.
pub fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in der.chunks(48) {
        text.push_str(&STANDARD.encode(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
