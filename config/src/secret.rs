//! Secrets (`envoy.extensions.transport_sockets.tls.v3.Secret`). Key material is never printed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::tls::SanMatcher;
use crate::tls::validation;

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
    /// What the key is encrypted with.
    pub password: Option<DataSource>,
}

/// `CertificateValidationContext`: roots, and what is demanded of peers on top of them. Given in a TLS context, fetched, or both merged.
#[derive(Debug, Clone, Default)]
pub struct ValidationContext {
    /// PEM bundle. `None`: nothing to verify against.
    pub trusted_ca: Option<DataSource>,
    /// PEM certificate revocation lists.
    pub crl: Option<DataSource>,
    /// `only_verify_leaf_cert_crl`.
    pub only_leaf_crl: bool,
    /// `allow_expired_certificate`.
    pub allow_expired: bool,
    /// `max_verify_depth`.
    pub max_verify_depth: Option<u32>,
    /// `match_typed_subject_alt_names`, else the deprecated `match_subject_alt_names`. Empty means any.
    pub subject_alt_names: Vec<SanMatcher>,
    /// `trust_chain_verification: ACCEPT_UNTRUSTED`.
    pub accept_untrusted: bool,
    /// SHA-256 of the DER certificate, any of.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// SHA-256 of the SPKI, any of.
    pub certificate_spki: Vec<[u8; 32]>,
    /// As it came, so that it can be merged with another as protobuf merges.
    pub(crate) proto: validation::AsItCame,
}
