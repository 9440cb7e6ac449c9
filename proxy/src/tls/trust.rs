//! What peers' chains are checked against: the roots of a validation context, or those of each trust domain. Made when a context is
//! read, asked within handshakes. It says who is vouched for; which names are demanded is the verifier's matter.

use std::sync::Arc;
use std::time::SystemTime;

use config::secret::{DataSource, ValidationContext};
use rustls::{DistinguishedName, Error};

use super::certificate::{CertificateFacts, Facts};
use super::failure;
use super::files::Reader;
use super::material::{path, place};
use super::sha256;
use super::spiffe::Domains;
use super::x509::{self, Certificate, Checks, Purpose, RevocationList, Store};

/// Who may vouch for peers, and what that was read from.
#[derive(Default)]
pub(super) struct Trust {
    anchors: Anchors,
    /// SHA-256 of all that it was read from: roots and revocation lists.
    pub digest: [u8; 32],
    /// How many revocation lists there are.
    pub lists: usize,
}

#[derive(Default)]
enum Anchors {
    /// The context names no roots, any chain is taken.
    #[default]
    Anyone,
    /// Roots for all peers.
    Roots(Roots),
    /// Roots for the peers of each trust domain.
    Domains(Domains),
}

/// Trusted roots, with the revocation lists that came with them.
pub(super) struct Roots {
    pub store: Store,
    pub facts: Vec<Facts>,
    /// Their names.
    names: Vec<Vec<u8>>,
    /// How many revocation lists there are.
    lists: usize,
    /// The file that they came from.
    path: Option<Arc<str>>,
}

impl Roots {
    /// A store of the certificates.
    ///
    /// # Errors
    /// Memory is out.
    pub fn new(bundle: &x509::Bundle, checks: Checks, path: Option<Arc<str>>) -> Result<Roots, String> {
        let store = Store::new(&bundle.certificates, &bundle.lists, checks).ok_or("out of memory")?;
        let facts = bundle.certificates.iter().map(Facts::of).collect();
        let names = bundle.certificates.iter().filter_map(Certificate::subject_der).collect();
        Ok(Roots { store, facts, names, lists: bundle.lists.len(), path })
    }
}

impl Trust {
    /// Reads what the context names: once for all that name the same.
    ///
    /// # Errors
    /// What is wrong with it, and of which file.
    pub fn parse(config: &ValidationContext, reader: Reader<'_>) -> Result<Arc<Trust>, String> {
        let digest = digest(config, reader)?;
        let (Some(roots), None) = (&config.trusted_ca, &config.spiffe) else {
            return Trust::parse_anew(config, digest, reader).map(Arc::new);
        };
        let from = [place(roots), format!("{:?} {:?}", checks(config), config.crl.as_ref().map(place))];
        reader.made.trusts.of(&[&digest], &from, || Trust::parse_anew(config, digest, reader))
    }

    fn parse_anew(config: &ValidationContext, digest: [u8; 32], reader: Reader<'_>) -> Result<Trust, String> {
        let anchors = Anchors::parse(config, reader)?;
        let lists = anchors.roots().map(|roots| roots.lists).sum();
        Ok(Trust { anchors, digest, lists })
    }

    /// Whether what is read for one of these contexts is good for the other.
    pub fn is_of_both(one: &ValidationContext, other: &ValidationContext) -> bool {
        checks(one) == checks(other)
            && one.trusted_ca == other.trusted_ca
            && one.crl == other.crl
            && one.spiffe == other.spiffe
    }

    /// Whether anybody must vouch for a peer.
    pub fn is_given(&self) -> bool {
        !matches!(self.anchors, Anchors::Anyone)
    }

    /// Whether each trust domain has roots of its own: then every peer has a certificate, and no other is accepted.
    pub fn is_by_domain(&self) -> bool {
        matches!(self.anchors, Anchors::Domains(_))
    }

    /// Whether a chain ends at somebody who may vouch for its leaf.
    ///
    /// # Errors
    /// The fault that was found.
    pub fn check(&self, chain: &[Certificate], purpose: Purpose, depth: Option<u32>, now: u64) -> Result<(), Error> {
        match &self.anchors {
            Anchors::Anyone => Ok(()),
            Anchors::Roots(roots) => roots
                .store
                .check(chain, Some(purpose), depth, now)
                .map_err(|fault| failure::untrusted(fault, &chain[0], now)),
            Anchors::Domains(domains) => domains.check(chain, now),
        }
    }

    /// Names of the roots, each once.
    pub fn names(&self) -> Vec<DistinguishedName> {
        let mut names: Vec<_> = self.anchors.roots().flat_map(|roots| &roots.names).collect();
        names.sort();
        names.dedup();
        names.into_iter().cloned().map(DistinguishedName::from).collect()
    }

    /// When each root is good no more.
    pub fn expire(&self) -> impl Iterator<Item = SystemTime> {
        self.anchors.roots().flat_map(|roots| roots.facts.iter().map(|facts| facts.not_after))
    }

    /// Its roots, for admin.
    pub fn shown(&self) -> impl Iterator<Item = CertificateFacts> {
        self.anchors
            .roots()
            .flat_map(|roots| roots.facts.iter().map(|facts| CertificateFacts::of(facts, roots.path.clone())))
    }
}

impl Anchors {
    fn parse(config: &ValidationContext, reader: Reader<'_>) -> Result<Anchors, String> {
        if let Some(spiffe) = &config.spiffe {
            return Domains::parse(spiffe, config.allow_expired, reader).map(Anchors::Domains);
        }
        let lists = config.crl.as_ref().map(|source| revocation_lists(source, reader)).transpose()?.unwrap_or_default();
        let Some(source) = &config.trusted_ca else { return Ok(Anchors::Anyone) };
        let place = place(source);
        let mut bundle = x509::bundle(&reader.read(source)?).map_err(|_| {
            format!("trusted_ca{place}: a block of it does not parse; it must hold whole BEGIN CERTIFICATE blocks")
        })?;
        if bundle.certificates.is_empty() {
            return Err(format!("trusted_ca{place}: no PEM certificate in it; give the certificate of an authority"));
        }
        bundle.lists.extend(lists);
        let roots = Roots::new(&bundle, checks(config), path(source));
        roots.map(Anchors::Roots).map_err(|reason| format!("trusted_ca{place}: {reason}"))
    }

    fn roots(&self) -> impl Iterator<Item = &Roots> {
        let (roots, domains) = match self {
            Anchors::Anyone => (None, None),
            Anchors::Roots(roots) => (Some(roots), None),
            Anchors::Domains(domains) => (None, Some(domains.roots())),
        };
        roots.into_iter().chain(domains.into_iter().flatten())
    }
}

/// What tells two states of the sources apart: their octets, one after the other.
fn digest(config: &ValidationContext, reader: Reader<'_>) -> Result<[u8; 32], String> {
    let mut digests = Vec::new();
    for (_, source) in config.sources() {
        digests.extend(sha256(&reader.read(source)?));
    }
    Ok(sha256(&digests))
}

fn checks(config: &ValidationContext) -> Checks {
    Checks { only_leaf_crl: config.only_leaf_crl, allow_expired: config.allow_expired, whole_chain: false }
}

/// The lists of a PEM bundle.
fn revocation_lists(source: &DataSource, reader: Reader<'_>) -> Result<Vec<RevocationList>, String> {
    let place = place(source);
    let bundle = x509::bundle(&reader.read(source)?)
        .map_err(|_| format!("crl{place}: a revocation list does not parse; give it again"))?;
    if bundle.lists.is_empty() {
        return Err(format!("crl{place}: no PEM revocation list in it; it must hold a BEGIN X509 CRL block"));
    }
    Ok(bundle.lists)
}
