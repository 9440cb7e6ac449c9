//! What a finished handshake tells. Made by `tls`; read by filter-chain logs, XFCC and access logs. Plain data.

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
    pub uri_sans: Vec<Arc<str>>,
    /// DNS SANs.
    pub dns_sans: Vec<Arc<str>>,
    /// RFC 2253 subject; empty for SPIFFE certificates.
    pub subject: Arc<str>,
    /// SHA-256 of the DER, lower-case hex.
    pub sha256: Arc<str>,
    /// DER of the leaf, then of the chain.
    pub chain: Vec<Bytes>,
}
