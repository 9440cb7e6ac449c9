//! Secrets (`envoy.extensions.transport_sockets.tls.v3.Secret`). Key material is never printed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::discreet;
use crate::tls::validation;
use crate::tls::{SanMatcher, SpiffeTrust};

pub(crate) mod decode;
pub mod response;
mod wiped;

pub use decode::{decode, from_proto};
pub use wiped::{wipe, wiped};

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
    /// `session_ticket_keys`.
    TicketKeys(TicketKeys),
    /// `generic_secret`.
    Generic(GenericSecret),
}

/// Bytes from the config, or a file that the proxy reads.
#[derive(Clone, PartialEq, Eq)]
pub enum DataSource {
    /// `inline_bytes` or `inline_string`.
    Inline(Bytes),
    /// `filename`.
    File(FileSource),
    /// `environment_variable`.
    Environment(Arc<str>),
}

impl fmt::Debug for DataSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(out, "Inline({} bytes)", bytes.len()),
            Self::File(file) => match &file.watched {
                None => write!(out, "File({})", file.shown()),
                Some(watched) => write!(out, "File({}, as {} changes)", file.shown(), watched.shown()),
            },
            Self::Environment(name) => write!(out, "Environment({})", discreet::shown(name)),
        }
    }
}

/// A file, and what tells that it has changed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FileSource {
    /// `filename`.
    pub path: PathBuf,
    /// `watched_directory`; otherwise the file itself is looked at.
    pub watched: Option<WatchedDirectory>,
}

/// `WatchedDirectory`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WatchedDirectory {
    /// `path`: the file is read again when something is moved there.
    pub path: PathBuf,
    /// `watch_modify`: and when the file itself is written to.
    pub modify: bool,
}

impl FileSource {
    /// The path for messages, unless it looks like a key that stands in the wrong field.
    pub fn shown(&self) -> String {
        shown(&self.path)
    }
}

impl WatchedDirectory {
    /// The path for messages, unless it looks like a key that stands in the wrong field.
    pub fn shown(&self) -> String {
        shown(&self.path)
    }
}

fn shown(path: &Path) -> String {
    discreet::shown(&path.display().to_string()).into_owned()
}

impl fmt::Debug for FileSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown())
    }
}

impl fmt::Debug for WatchedDirectory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown())
    }
}

impl DataSource {
    /// The field that says which it is.
    pub fn specifier(&self) -> &'static str {
        match self {
            Self::Inline(_) => "inline_bytes",
            Self::File(_) => "filename",
            Self::Environment(_) => "environment_variable",
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&FileSource> {
        match self {
            Self::File(file) => Some(file),
            Self::Inline(_) | Self::Environment(_) => None,
        }
    }
}

/// What something is read from, and the field that names it.
pub type Sourced<'a> = (&'static str, &'a DataSource);

impl TlsCertificate {
    /// Everything that it is read from.
    pub fn sources(&self) -> impl Iterator<Item = Sourced<'_>> {
        // Taken apart without `..`: a source that is added and not watched does not compile.
        let TlsCertificate { chain, key, password, staple } = self;
        let password = password.iter().map(|password| ("password", password));
        let staple = staple.iter().map(|staple| ("ocsp_staple", staple));
        [("certificate_chain", chain), ("private_key", key)].into_iter().chain(password).chain(staple)
    }
}

impl TicketKeys {
    /// Everything that they are read from.
    pub fn sources(&self) -> impl Iterator<Item = Sourced<'_>> {
        self.keys.iter().map(|key| ("keys", key))
    }
}

impl GenericSecret {
    /// Everything that it is read from.
    pub fn sources(&self) -> impl Iterator<Item = Sourced<'_>> {
        let GenericSecret { secret, secrets } = self;
        let secret = secret.iter().map(|secret| ("secret", secret));
        secret.chain(secrets.values().map(|secret| ("secrets", secret)))
    }
}

impl ValidationContext {
    /// Everything that it is read from.
    pub fn sources(&self) -> impl Iterator<Item = Sourced<'_>> {
        let roots = self.trusted_ca.iter().map(|roots| ("trusted_ca", roots));
        let spiffe = self.spiffe.iter().flat_map(SpiffeTrust::sources);
        let spiffe = spiffe.map(|bundle| ("custom_validator_config", bundle));
        roots.chain(self.crl.iter().map(|lists| ("crl", lists))).chain(spiffe)
    }
}

impl SecretKind {
    /// The field that it stands in.
    pub fn field(&self) -> &'static str {
        match self {
            Self::TlsCertificate(_) => "tls_certificate",
            Self::ValidationContext(_) => "validation_context",
            Self::TicketKeys(_) => "session_ticket_keys",
            Self::Generic(_) => "generic_secret",
        }
    }

    /// Everything that it is read from.
    pub fn sources(&self) -> Vec<Sourced<'_>> {
        match self {
            Self::TlsCertificate(certificate) => certificate.sources().collect(),
            Self::ValidationContext(context) => context.sources().collect(),
            Self::TicketKeys(keys) => keys.sources().collect(),
            Self::Generic(generic) => generic.sources().collect(),
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
    /// `ocsp_staple`: DER of an OCSP response for the first certificate.
    pub staple: Option<DataSource>,
}

/// `TlsSessionTicketKeys`: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketKeys {
    /// Of 80 octets each. New tickets have the first, all are taken.
    pub keys: Vec<DataSource>,
}

/// `GenericSecret`: what filters show to services.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GenericSecret {
    /// `secret`.
    pub secret: Option<DataSource>,
    /// `secrets`, which belong together. They must be readable; nothing here asks for one of them.
    pub secrets: BTreeMap<Arc<str>, DataSource>,
}

/// `CertificateValidationContext`: roots, and what is demanded of peers on top of them. Given in a TLS context, fetched, or both merged.
#[derive(Debug, Clone, Default)]
pub struct ValidationContext {
    /// PEM bundle. `None`: nothing to verify against.
    pub trusted_ca: Option<DataSource>,
    /// `custom_validator_config`: roots by trust domain, in the place of `trusted_ca`.
    pub spiffe: Option<SpiffeTrust>,
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
    /// `suppress_client_ca_list`.
    pub suppress_client_ca_list: bool,
    /// SHA-256 of the DER certificate, any of.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// SHA-256 of the SPKI, any of.
    pub certificate_spki: Vec<[u8; 32]>,
    /// As it came, so that it can be merged with another as protobuf merges.
    pub(crate) proto: validation::AsItCame,
}
