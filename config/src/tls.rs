//! TLS contexts (`envoy.extensions.transport_sockets.tls.v3`), as data; rustls is the proxy's matter.

use std::sync::Arc;
use std::time::Duration;

use crate::matcher::StringMatcher;
use crate::secret::{FileSource, TicketKeys, TlsCertificate, ValidationContext};
use crate::xds_server::XdsServer;

pub(crate) mod decode;
mod spiffe;
#[cfg(test)]
mod tests;
pub(crate) mod validation;

pub use spiffe::{SpiffeTrust, TrustDomain};

/// A secret by value or by name.
#[derive(Debug, Clone)]
pub enum SecretSource<T> {
    /// Given inline, or as a file name inside the context.
    Inline(Arc<T>),
    /// To be fetched.
    Sds(SdsName),
}

/// `SdsSecretConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SdsName {
    /// Resource name: `default`, `ROOTCA`, `file-root:…`, `kubernetes://…`.
    pub name: Arc<str>,
    /// Where to ask.
    pub source: SdsSource,
    /// `None` waits for ever (`initial_fetch_timeout` 0); unset in the config is Envoy's 15 s.
    pub initial_fetch_timeout: Option<Duration>,
}

/// What a secret is held under: two sources may each have a `default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretId {
    /// Where it comes from.
    pub source: SdsSource,
    /// Resource name.
    pub name: Arc<str>,
}

impl SecretId {
    /// A secret of the bootstrap.
    pub fn of_bootstrap(name: &Arc<str>) -> SecretId {
        SecretId { source: SdsSource::Static, name: name.clone() }
    }

    /// A secret that comes over ADS.
    pub fn over_ads(name: &Arc<str>) -> SecretId {
        SecretId { source: SdsSource::Ads, name: name.clone() }
    }
}

impl SdsName {
    /// What it is held under.
    pub fn id(&self) -> SecretId {
        SecretId { source: self.source.clone(), name: self.name.clone() }
    }
}

/// Where a secret is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SdsSource {
    /// A gRPC server behind a static cluster (`sds-grpc`).
    Server(Arc<XdsServer>),
    /// The ADS stream.
    Ads,
    /// A static secret of the bootstrap (no `sds_config`).
    Static,
    /// A file with the answer of a server (`path_config_source`, `path`).
    File(Arc<FileSource>),
}

/// `CommonTlsContext`, shared by both directions.
#[derive(Debug, Clone)]
pub struct CommonTls {
    /// Lowest protocol version.
    pub min_version: TlsVersion,
    /// Highest protocol version.
    pub max_version: TlsVersion,
    /// Rules of BoringSSL's language, in order; empty means Envoy's default. They are read where the suites are known.
    pub cipher_suites: Vec<Arc<str>>,
    /// `signature_algorithms`; empty means the library's.
    pub signature_algorithms: Vec<Arc<str>>,
    /// `ecdh_curves`.
    pub ecdh_curves: Vec<Arc<str>>,
    /// `compliance_policies`: in the place of all of the above.
    pub compliance: Option<Compliance>,
    /// ALPN protocols in order.
    pub alpn: Vec<Arc<[u8]>>,
    /// Own certificates. More than one: chosen by key type.
    pub certificates: Vec<SecretSource<TlsCertificate>>,
    /// How the peer is checked; `None`: any certificate is accepted.
    pub validation: Option<Validation>,
}

/// What versions, suites, curves and signatures there are, whatever else is said of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compliance {
    /// `FIPS_202205`.
    Fips202205,
}

/// Where the validation context comes from.
#[derive(Debug, Clone)]
pub enum Validation {
    /// Given by value.
    Inline(Arc<ValidationContext>),
    /// To be fetched, and then merged over the part that is given by value (`combined_validation_context`).
    Fetched {
        /// The secret.
        name: SdsName,
        /// `default_validation_context`.
        default: Option<Arc<ValidationContext>>,
    },
}

/// One demanded subject alternative name.
#[derive(Debug, Clone)]
pub struct SanMatcher {
    /// `None` matches e-mail, DNS, URI and IP names alike (the deprecated field).
    pub kind: Option<SanKind>,
    /// `oid`, which an otherName must have too.
    pub oid: Option<Arc<str>>,
    /// What it must be.
    pub matcher: StringMatcher,
}

/// Kinds of subject alternative names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SanKind {
    /// rfc822Name.
    Email,
    /// dNSName.
    Dns,
    /// uniformResourceIdentifier.
    Uri,
    /// iPAddress.
    IpAddress,
    /// otherName.
    OtherName,
}

/// TLS protocol versions that can be asked for. Older ones than 1.2 are refused by the translation when they are the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// `DownstreamTlsContext`.
#[derive(Debug, Clone)]
pub struct DownstreamTls {
    /// Shared part.
    pub common: CommonTls,
    /// `require_client_certificate`.
    pub require_client_certificate: bool,
    /// `require_sni`.
    pub require_sni: bool,
    /// Whether sessions are resumed by tickets, and with whose keys.
    pub tickets: SessionTickets,
    /// Sessions are not kept for clients of TLS 1.2 either (`disable_stateful_session_resumption`).
    pub disable_stateful_resumption: bool,
    /// `session_timeout`; `None` is the library's.
    pub session_timeout: Option<Duration>,
    /// `ocsp_staple_policy`.
    pub staple_policy: StaplePolicy,
    /// `prefer_client_ciphers`.
    pub prefer_client_ciphers: bool,
    /// `full_scan_certs_on_sni_mismatch`.
    pub full_scan_on_sni_mismatch: bool,
}

/// `OcspStaplePolicy`: what a certificate needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StaplePolicy {
    /// Nothing: a response is shown while it is good.
    #[default]
    Lenient,
    /// If it has a response, a good one.
    Strict,
    /// A good response.
    Must,
}

/// `session_ticket_keys_type`.
#[derive(Debug, Clone)]
pub enum SessionTickets {
    /// `disable_stateless_session_resumption`.
    Off,
    /// With keys that are made and rotated in the process.
    OwnKeys,
    /// With these keys, which other processes may have too: the first one is for new tickets.
    Keys(SecretSource<TicketKeys>),
}

/// `UpstreamTlsContext`.
#[derive(Debug, Clone)]
pub struct UpstreamTls {
    /// Shared part.
    pub common: CommonTls,
    /// Server name indication; routing data, never checked against the certificate.
    pub sni: Option<Arc<str>>,
    /// `auto_host_sni`.
    pub auto_host_sni: bool,
    /// `auto_sni_san_validation`.
    pub auto_sni_san_validation: bool,
    /// `max_session_keys`; 0 turns resumption off. Envoy's default is 1.
    pub max_session_keys: u32,
}
