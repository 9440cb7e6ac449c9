//! A throw-away authority and one workload certificate of Istio's shape, as files that all four proxies read.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType};

/// Paths of the PEM files.
pub struct Certs {
    /// Authority.
    pub ca: PathBuf,
    /// Leaf, then authority.
    pub chain: PathBuf,
    /// Key of the leaf.
    pub key: PathBuf,
    /// Chain and key in one file, for HAProxy.
    pub combined: PathBuf,
}

/// Writes a new set (ECDSA P-256) into `folder`.
pub fn write(folder: &Path) -> Result<Certs, Box<dyn std::error::Error>> {
    let ca_key = KeyPair::generate()?;
    let mut ca_params = CertificateParams::default();
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "cluster.local");
    ca_params.distinguished_name = name;
    let ca = ca_params.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca_params, ca_key);

    let key = KeyPair::generate()?;
    let mut leaf_params = CertificateParams::default();
    leaf_params.distinguished_name = DistinguishedName::new();
    leaf_params.subject_alt_names = vec![
        SanType::URI("spiffe://cluster.local/ns/bench/sa/bench".try_into()?),
        SanType::DnsName("bench".try_into()?),
    ];
    let leaf = leaf_params.signed_by(&key, &issuer)?;

    let certs = Certs {
        ca: folder.join("ca.pem"),
        chain: folder.join("chain.pem"),
        key: folder.join("key.pem"),
        combined: folder.join("combined.pem"),
    };
    let chain = format!("{}{}", leaf.pem(), ca.pem());
    fs::write(&certs.ca, ca.pem())?;
    fs::write(&certs.chain, &chain)?;
    fs::write(&certs.key, key.serialize_pem())?;
    fs::write(&certs.combined, format!("{chain}{}", key.serialize_pem()))?;
    Ok(certs)
}
