//! Key material, parsed once when it arrives: own certificates with their signing key, and what peers are checked against.
//! Made by `secrets` and the contexts; never printed.

use std::sync::Arc;
use std::time::SystemTime;

use config::secret::{DataSource, TlsCertificate, ValidationContext};
use config::tls::SanKind;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, TrustAnchor};
use rustls::sign::CertifiedKey;
use webpki::{BorrowedCertRevocationList, CertRevocationList};

use super::certificate::Facts;

/// An own certificate chain with its key.
pub(super) struct Identity {
    pub key: Arc<CertifiedKey>,
    /// Of the leaf.
    pub facts: Facts,
    /// URI SANs of the leaf.
    pub uri_sans: Arc<[Arc<str>]>,
    /// The file that it came from.
    pub path: Option<Arc<str>>,
}

/// A validation context and what was read for it.
pub(super) struct PeerContext {
    pub config: ValidationContext,
    pub trust: Arc<Trust>,
}

/// What a peer's chain is checked against.
#[derive(Default)]
pub(super) struct Trust {
    /// `None`: the context names no roots, any chain is taken.
    pub roots: Option<Roots>,
    pub crls: Vec<CertRevocationList<'static>>,
}

/// Trusted roots.
pub(super) struct Roots {
    pub anchors: Vec<TrustAnchor<'static>>,
    /// The certificates that the anchors were read from: a peer may present one of them as its leaf.
    pub certificates: Vec<CertificateDer<'static>>,
    pub facts: Vec<Facts>,
    /// The file that they came from.
    pub path: Option<Arc<str>>,
}

impl Identity {
    /// Reads chain and key.
    ///
    /// # Errors
    /// What is wrong with them, and of which file.
    pub fn parse(config: &TlsCertificate) -> Result<Identity, String> {
        let (chain_bytes, key_bytes) = (read(&config.chain)?, read(&config.key)?);
        let chain = certificates(&chain_bytes, &place(&config.chain))?;
        let key = PrivateKeyDer::from_pem_slice(&key_bytes).map_err(|error| {
            format!("private key{}: not a PEM key: {error}; give one BEGIN PRIVATE KEY block", place(&config.key))
        })?;
        let signing = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| {
            format!("private key{} cannot be used: {error}; give an RSA or ECDSA key", place(&config.key))
        })?;
        let facts = Facts::parse(&chain[0]).map_err(|error| {
            format!("certificate chain{}: the first certificate does not parse: {error}; give the chain again, the own certificate first", place(&config.chain))
        })?;
        let key = CertifiedKey::new(chain, signing);
        key.keys_match().map_err(
            |_| "the private key does not match the certificate; send the key of the first certificate of the chain",
        )?;
        Ok(Identity {
            uri_sans: facts.of_kind(SanKind::Uri).collect(),
            key: Arc::new(key),
            facts,
            path: path(&config.chain),
        })
    }

    /// Whether one of its DNS names covers `name`.
    pub fn covers(&self, name: &str) -> bool {
        self.facts.of_kind(SanKind::Dns).any(|san| super::verify::dns_name_matches(name, &san))
    }

    /// A warning when the certificate cannot be in use at this moment; peers will refuse it, or the clock is wrong.
    pub fn time_warning(&self, now: SystemTime) -> Option<String> {
        if let Ok(behind) = self.facts.not_before.duration_since(now)
            && !behind.is_zero()
        {
            return Some(format!("not yet valid: if it is right, the clock is {} s behind", behind.as_secs().max(1)));
        }
        let expired = now.duration_since(self.facts.not_after).ok().filter(|since| !since.is_zero())?;
        Some(format!("expired {} s ago", expired.as_secs()))
    }
}

impl PeerContext {
    /// No roots and no demands.
    pub fn anything() -> PeerContext {
        PeerContext { config: ValidationContext::default(), trust: Arc::default() }
    }

    /// Reads what the context names.
    ///
    /// # Errors
    /// What is wrong with it, and of which file.
    pub fn parse(config: ValidationContext) -> Result<PeerContext, String> {
        Ok(PeerContext { trust: Arc::new(Trust::parse(&config)?), config })
    }

    /// This context, which was fetched, merged over the part of a TLS context that was given. Roots are read again only where the given
    /// part changes them: hundreds of clusters share one bundle.
    ///
    /// # Errors
    /// The two do not go together.
    pub fn over(&self, default: &ValidationContext) -> Result<PeerContext, String> {
        let merged = self.config.over(default).map_err(|rejection| rejection.to_string())?;
        if merged.trusted_ca == self.config.trusted_ca && merged.crl == self.config.crl {
            return Ok(PeerContext { config: merged, trust: Arc::clone(&self.trust) });
        }
        PeerContext::parse(merged)
    }
}

impl Trust {
    fn parse(config: &ValidationContext) -> Result<Trust, String> {
        let unmet = [
            ("max_verify_depth", config.max_verify_depth.is_some()),
            ("allow_expired_certificate", config.allow_expired),
            ("only_verify_leaf_cert_crl", config.only_leaf_crl),
        ];
        if let Some((field, _)) = unmet.iter().find(|(_, set)| *set) {
            return Err(format!("{field} is not supported; peers would not be verified as asked; take it out"));
        }
        let roots = config.trusted_ca.as_ref().map(Roots::parse).transpose()?;
        let crls = config.crl.as_ref().map(revocation_lists).transpose()?.unwrap_or_default();
        Ok(Trust { roots, crls })
    }
}

impl Roots {
    fn parse(source: &DataSource) -> Result<Roots, String> {
        let place = place(source);
        let certificates = certificates(&read(source)?, &place)?;
        let mut anchors = Vec::with_capacity(certificates.len());
        let mut facts = Vec::with_capacity(certificates.len());
        let mut unusable = 0;
        for certificate in &certificates {
            match (webpki::anchor_from_trusted_cert(certificate), Facts::parse(certificate)) {
                (Ok(anchor), Ok(read)) => {
                    anchors.push(anchor.to_owned());
                    facts.push(read);
                }
                _ => unusable += 1,
            }
        }
        if anchors.is_empty() {
            return Err(format!(
                "trusted_ca{place}: no certificate of it can be used as a root; give the certificate of an authority"
            ));
        }
        if unusable > 0 {
            tracing::warn!(
                unusable,
                used = anchors.len(),
                "some certificates of a trusted_ca bundle cannot be used and are left out"
            );
        }
        Ok(Roots { anchors, certificates, facts, path: path(source) })
    }
}

/// The bytes of a source.
fn read(source: &DataSource) -> Result<Vec<u8>, String> {
    match source {
        DataSource::Inline(bytes) => Ok(bytes.to_vec()),
        DataSource::File(path) => std::fs::read(path).map_err(|error| {
            format!("cannot read {}: {error}; put the file there, or correct its path", path.display())
        }),
        DataSource::Environment(name) => std::env::var(&**name)
            .map(String::into_bytes)
            .map_err(|_| format!("environment variable {name} is not set; set it before the proxy starts")),
    }
}

fn path(source: &DataSource) -> Option<Arc<str>> {
    match source {
        DataSource::File(path) => Some(path.display().to_string().into()),
        _ => None,
    }
}

fn place(source: &DataSource) -> String {
    path(source).map(|path| format!(" ({path})")).unwrap_or_default()
}

fn certificates(pem: &[u8], place: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("certificates{place}: not PEM: {error}; it must hold BEGIN CERTIFICATE blocks"))?;
    if certificates.is_empty() {
        return Err(format!("certificates{place}: no PEM certificate in it; it must hold a BEGIN CERTIFICATE block"));
    }
    Ok(certificates)
}

/// The lists of a PEM bundle.
fn revocation_lists(source: &DataSource) -> Result<Vec<CertRevocationList<'static>>, String> {
    let place = place(source);
    let mut lists = Vec::new();
    for der in CertificateRevocationListDer::pem_slice_iter(&read(source)?) {
        let der = der.map_err(|error| format!("crl{place}: not PEM: {error}; it must hold BEGIN X509 CRL blocks"))?;
        let list = BorrowedCertRevocationList::from_der(&der)
            .and_then(|list| list.to_owned())
            .map_err(|error| format!("crl{place}: a revocation list does not parse: {error:?}; give it again"))?;
        lists.push(list.into());
    }
    if lists.is_empty() {
        return Err(format!("crl{place}: no PEM revocation list in it; it must hold a BEGIN X509 CRL block"));
    }
    Ok(lists)
}
