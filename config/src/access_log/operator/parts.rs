//! What a command may say more precisely: which part, whose, how.

use std::sync::Arc;

/// Which part of an address is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPart {
    /// `ip:port`.
    Whole,
    /// `ip`.
    WithoutPort,
    /// `port`.
    Port,
    /// `ip/bits`, the rest of the address cut off.
    Masked(u8),
}

/// A moment that is printed as a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The stream began.
    Start,
    /// Now.
    Emit,
    /// `notBefore` of the client's certificate.
    DownstreamCertificateStart,
    /// And `notAfter`.
    DownstreamCertificateEnd,
    /// `notBefore` of the upstream's certificate.
    UpstreamCertificateStart,
    /// And `notAfter`.
    UpstreamCertificateEnd,
}

/// A point of `COMMON_DURATION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePoint {
    /// `DS_RX_BEG`.
    RequestBegins,
    /// `DS_RX_END`.
    RequestEnds,
    /// `US_CX_BEG`.
    ConnectBegins,
    /// `US_CX_END`.
    ConnectEnds,
    /// `US_HS_END`.
    HandshakeEnds,
    /// `US_TX_BEG`.
    UploadBegins,
    /// `US_TX_END`.
    UploadEnds,
    /// `US_RX_BEG`.
    ResponseBegins,
    /// `US_RX_BODY_BEG`.
    ResponseBodyBegins,
    /// `US_RX_END`.
    ResponseEnds,
    /// `DS_TX_BEG`.
    DownloadBegins,
    /// `DS_TX_END`.
    DownloadEnds,
    /// A name that nothing sets.
    Never,
}

/// Of `COMMON_DURATION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// `ms`.
    Milliseconds,
    /// `us`.
    Microseconds,
    /// `ns`.
    Nanoseconds,
}

/// What a request tried, in order and each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempted {
    /// Addresses.
    Hosts {
        /// With their ports.
        port: bool,
    },
    /// Host names, else addresses.
    HostNames {
        /// With their ports.
        port: bool,
    },
    /// Connections, by their ids.
    Connections,
}

/// Octets as they pass a socket (of HTTP/1) or in frames (of HTTP/2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireBytes {
    /// Of the upstream's side.
    pub upstream: bool,
    /// Of heads alone.
    pub heads: bool,
    /// Of their names and values, whatever they are packed into.
    pub unpacked: bool,
    /// By us.
    pub sent: bool,
}

/// Whose certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateOf {
    /// The client's.
    DownstreamPeer,
    /// Ours, that the client saw.
    DownstreamLocal,
    /// The upstream's.
    UpstreamPeer,
    /// Ours, that the upstream saw.
    UpstreamLocal,
}

/// What of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateField {
    /// Addresses.
    IpSan,
    /// Host names.
    DnsSan,
    /// URIs.
    UriSan,
    /// E-mail addresses.
    EmailSan,
    /// Other names.
    OtherNameSan,
    /// RFC 2253.
    Subject,
    /// RFC 2253.
    Issuer,
    /// Hex.
    Fingerprint {
        /// SHA-256; else SHA-1.
        sha256: bool,
        /// Of all certificates that were sent.
        chain: bool,
    },
    /// Hex.
    Serial {
        /// Of all certificates that were sent.
        chain: bool,
    },
    /// PEM, URL-encoded.
    Pem,
}

/// How a gRPC status is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcStatusFormat {
    /// `NotFound`.
    Camel,
    /// `NOT_FOUND`.
    Snake,
    /// `5`.
    Number,
}

/// Whose metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataOf {
    /// What filters have written.
    Request,
    /// The cluster's.
    Cluster,
    /// The route's.
    Route,
    /// The endpoint's.
    Endpoint,
    /// The listener's.
    Listener,
    /// The filter chain's.
    FilterChain,
    /// The virtual host's.
    VirtualHost,
}

/// How filter state is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateFormat {
    /// As text.
    Plain,
    /// As JSON.
    Typed,
    /// A field of an object; texts have none.
    Field(Arc<str>),
}

/// What `REQUESTED_SERVER_NAME` looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerNameFrom {
    /// The SNI, else the host.
    SniThenHost,
    /// The host, else the SNI.
    HostThenSni,
}

/// Which host of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFrom {
    /// `x-envoy-original-host`.
    Original,
    /// `:authority`.
    Host,
    /// The first that is there.
    OriginalOrHost,
}

/// Which path of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFrom {
    /// `x-envoy-original-path`.
    Original,
    /// `:path`.
    Path,
    /// The first that is there.
    OriginalOrPath,
}
