//! Secrets (`envoy.extensions.transport_sockets.tls.v3.Secret`). Key material is never printed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

pub(crate) mod decode;

pub use decode::{decode, from_proto};

/// A secret resource.
#[derive(Debug, Clone)]
pub struct Secret {
    /// Resource name.
    pub name: Arc<str>,
    /// What it holds.
    pub kind: SecretKind,
}

/// What a [`Secret`] holds.
#[derive(Debug, Clone)]
pub enum SecretKind {
    /// `tls_certificate`.
    TlsCertificate(TlsCertificate),
    /// `validation_context`.
    ValidationContext(ValidationContext),
    /// `session_ticket_keys` or `generic_secret`: parsed, not acting.
    Other,
}

/// Bytes from the config, or a file that the proxy reads.
#[derive(Clone, PartialEq, Eq)]
pub enum DataSource {
    /// `inline_bytes` or `inline_string`.
    Inline(Bytes),
    /// `filename`.
    File(PathBuf),
    /// `environment_variable`.
    Environment(Arc<str>),
}

impl fmt::Debug for DataSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(out, "Inline({} bytes)", bytes.len()),
            Self::File(path) => write!(out, "File({})", path.display()),
            Self::Environment(name) => write!(out, "Environment({name})"),
        }
    }
}

/// `TlsCertificate`: PEM chain and PEM key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsCertificate {
    /// Leaf first; Istio appends the root last.
    pub chain: DataSource,
    /// PKCS#1, SEC1 or PKCS#8.
    pub key: DataSource,
}

/// `CertificateValidationContext` as a secret.
#[derive(Debug, Clone, Default)]
pub struct ValidationContext {
    /// PEM bundle. `None`: nothing to verify against.
    pub trusted_ca: Option<DataSource>,
    /// PEM certificate revocation lists.
    pub crl: Option<DataSource>,
    /// SAN matchers given in the secret itself.
    pub subject_alt_names: Vec<crate::tls::SanMatcher>,
}
