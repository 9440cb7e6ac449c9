//! What a finished handshake tells. Made by `tls`; read by filter-chain logs, XFCC and access logs. Plain data.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

/// Facts of a TLS connection. One per connection, shared by its requests.
#[derive(Debug, Clone, Default)]
pub struct TlsInfo {
    /// Server name the client asked for.
    pub server_name: Option<Arc<str>>,
    /// ALPN protocol that was negotiated.
    pub alpn: Option<Bytes>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// OpenSSL's name of the suite.
    pub cipher: &'static str,
    /// And of the group that keys were agreed in; empty where none was.
    pub group: &'static str,
    /// Whether a session was resumed.
    pub resumed: bool,
    /// The peer's certificate, when it sent one that was verified.
    pub peer: Option<Rc<PeerCertificate>>,
    /// The peer's certificate met the demands of a context that has some: it is not one that is accepted untrusted.
    pub validated: bool,
    /// DER of our own certificate.
    pub local: Option<Bytes>,
    /// URI SANs of our own certificate, for XFCC's `By`.
    pub local_uri_sans: Arc<[Arc<str>]>,
}

/// A verified peer certificate, taken apart once per connection.
#[derive(Debug, Clone, Default)]
pub struct PeerCertificate {
    /// URI SANs.
    pub uri_sans: Vec<PeerName>,
    /// DNS SANs.
    pub dns_sans: Vec<PeerName>,
    /// RFC 2253 subject; empty for SPIFFE certificates.
    pub subject: Arc<str>,
    /// SHA-256 of the DER, lower-case hex.
    pub sha256: Arc<str>,
    /// DER of the leaf, then of the chain.
    pub chain: Vec<Bytes>,
}

/// A name that a peer says: one of its certificate, or the server name that it asks for. It is octets, and judged by them: what is no Unicode has a text as well, for those who can print no
/// octets, and no rule must read that.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerName {
    text: Arc<str>,
    /// Where they are not those of the text.
    octets: Option<Arc<[u8]>>,
}

impl PeerName {
    /// As it came.
    pub fn new(octets: &[u8]) -> PeerName {
        match std::str::from_utf8(octets) {
            Ok(text) => text.into(),
            Err(_) => PeerName { text: String::from_utf8_lossy(octets).into(), octets: Some(octets.into()) },
        }
    }

    /// What it is.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// What is printed of it where octets cannot be.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

impl From<&str> for PeerName {
    fn from(text: &str) -> PeerName {
        PeerName { text: text.into(), octets: None }
    }
}

impl AsRef<[u8]> for PeerName {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.as_bytes().escape_ascii())
    }
}
