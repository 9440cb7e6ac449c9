//! The mesh's certificate authority: roots, SPIFFE leaf certificates, and the secrets made of them.
//!
//! Called by the control plane and its SDS streams. Must never be used outside of tests and the demo.

use std::time::{Duration, SystemTime};

use envoy_types::pb::envoy::config::core::v3::DataSource;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as tls;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Leaf first, the root last, as the agent sends it. PEM.
    pub chain: String,
    /// PKCS#8, PEM.
    pub key: String,
}

/// The authority. The newest root signs; all roots are trusted until the old ones are dropped.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    roots: Vec<String>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({} roots)", self.roots.len())
    }
}

impl Authority {
    /// An authority with one root.
    pub fn new() -> Self {
        let (issuer, root) = new_root(1);
        Self { issuer, roots: vec![root] }
    }

    /// Adds a root, which signs from now on. The ones before it stay trusted.
    pub fn add_root(&mut self) {
        let (issuer, root) = new_root(self.roots.len() + 1);
        self.issuer = issuer;
        self.roots.push(root);
    }

    /// Trusts the newest root alone.
    pub fn drop_old_roots(&mut self) {
        self.roots.drain(..self.roots.len() - 1);
    }

    /// The trusted roots, PEM.
    pub fn roots(&self) -> String {
        self.roots.concat()
    }

    /// A certificate as istiod issues it: empty subject, one critical URI SAN.
    pub fn issue(&self, identity: &str) -> Leaf {
        let now = SystemTime::now();
        self.issue_for(identity, now - Duration::from_secs(120), now + Duration::from_secs(24 * 3600))
    }

    /// A certificate for some other time.
    pub fn issue_for(&self, identity: &str, from: SystemTime, until: SystemTime) -> Leaf {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(identity.try_into().expect("identities are ASCII"))];
        params.not_before = from.into();
        params.not_after = until.into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("the system has randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are complete");
        let root = self.roots.last().expect("there is always a root");
        Leaf { chain: certificate.pem() + root, key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn new_root(number: usize) -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, format!("embedded mesh, root {number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("the system has randomness");
    let pem = params.self_signed(&key).expect("the parameters are complete").pem();
    (Issuer::new(params, key), pem)
}

/// The secret `default`.
pub fn certificate_secret(name: &str, leaf: &Leaf) -> tls::Secret {
    let certificate = tls::TlsCertificate {
        certificate_chain: Some(inline(&leaf.chain)),
        private_key: Some(inline(&leaf.key)),
        ..Default::default()
    };
    tls::Secret { name: name.to_owned(), r#type: Some(tls::secret::Type::TlsCertificate(certificate)) }
}

/// The secret `ROOTCA`.
pub fn roots_secret(name: &str, roots: &str) -> tls::Secret {
    let context = tls::CertificateValidationContext { trusted_ca: Some(inline(roots)), ..Default::default() };
    tls::Secret { name: name.to_owned(), r#type: Some(tls::secret::Type::ValidationContext(context)) }
}

fn inline(text: &str) -> DataSource {
    DataSource { specifier: Some(Specifier::InlineBytes(text.as_bytes().to_vec())), ..Default::default() }
}
