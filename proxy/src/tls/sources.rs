//! What a context is built from: its own certificates and what peers are checked against, each by value or by name.
//! Shared by both directions.

use std::sync::Arc;

use arc_swap::ArcSwap;
use config::At;
use config::secret::{Sourced, TlsCertificate, ValidationContext};
use config::tls::{CommonTls, SdsName, SdsSource, SecretId, SecretSource, Validation};

use super::Secrets;
use super::certificate::Material;
use super::files::{self, Files, Reader, View};
use super::material::{Identity, PeerContext};
use super::sha256;
use super::signature;
use super::tickets::TicketKeys;
use super::verify::{PeerVerifier, SideDemands};

/// Where a context's key material comes from.
pub(super) struct Sources {
    pub needs: Vec<SdsName>,
    certificates: Vec<Source<Identity, Arc<TlsCertificate>>>,
    peers: Source<PeerContext, Arc<ValidationContext>>,
    /// Of a server that takes tickets under keys of others.
    tickets: Option<Source<TicketKeys, Arc<config::secret::TicketKeys>>>,
    /// What is given beside a fetched validation context, which is merged over it.
    default: Option<Arc<ValidationContext>>,
    side: SideDemands,
    /// Signatures that are taken, and made.
    pub schemes: signature::Schemes,
    /// Those that the given parts name.
    files: files::Held,
}

enum Source<T, C> {
    /// With what it is read from, and those of it that are files.
    Given(C, ArcSwap<T>, files::Held),
    Named(SecretId),
}

impl<T, C> Source<T, C> {
    fn named(&self) -> Option<&SecretId> {
        match self {
            Source::Given(..) => None,
            Source::Named(id) => Some(id),
        }
    }

    fn given(&self) -> Option<Arc<T>> {
        match self {
            Source::Given(_, now, _) => Some(now.load_full()),
            Source::Named(_) => None,
        }
    }

    /// Reads what is given again, if one of its files has changed, and has all that goes with it made anew. What is no good leaves the
    /// former in use.
    fn again(
        &self,
        pass: &mut Again<'_>,
        parse: impl FnOnce(&C) -> Result<Arc<T>, String>,
        rebuild: impl FnOnce() -> Result<(), String>,
    ) {
        let Source::Given(config, now, files) = self else { return };
        if !(pass.concerns)(files) {
            return;
        }
        let result = parse(config).and_then(|new| {
            let former = now.swap(new);
            rebuild().inspect_err(|_| now.store(former))
        });
        pass.read.push((files.clone(), result));
    }
}

/// What becomes of files that have changed.
struct Again<'p> {
    concerns: &'p dyn Fn(&files::Held) -> bool,
    read: Readings,
}

/// Files that were read again together, and whether they are good.
pub(super) type Readings = Vec<(files::Held, Result<(), String>)>;

/// Everything a context is built from, once all of it is here.
pub(super) struct Parts {
    pub identities: Vec<Arc<Identity>>,
    pub verifier: Arc<PeerVerifier>,
    /// SHA-256 of all that a session says of who was let in: own certificates, roots, revocation lists and demands.
    pub binding: [u8; 32],
    /// Where there are keys for tickets.
    pub tickets: Option<Arc<TicketKeys>>,
}

impl Sources {
    /// Reads what is given by value and notes what is named.
    ///
    /// # Errors
    /// What is wrong with a certificate, key or bundle given by value.
    pub fn new(
        common: &CommonTls,
        tickets: Option<&SecretSource<config::secret::TicketKeys>>,
        side: SideDemands,
        secrets: &Secrets,
    ) -> Result<Sources, String> {
        let files = secrets.files().hold(given(common, tickets))?;
        Files::newest_or_current(&files, |view| {
            Sources::read(common, tickets, side, (secrets.reader(view), files.clone()))
        })
    }

    fn read(
        common: &CommonTls,
        tickets: Option<&SecretSource<config::secret::TicketKeys>>,
        side: SideDemands,
        (reader, files): (Reader<'_>, files::Held),
    ) -> Result<Sources, String> {
        let mut needs = Vec::new();
        let mut certificates = Vec::with_capacity(common.certificates.len());
        for certificate in &common.certificates {
            certificates.push(match certificate {
                SecretSource::Inline(given) => {
                    let read = Identity::parse(given, reader)?;
                    Source::Given(given.clone(), ArcSwap::from(read), files::among(&files, given.sources()))
                }
                SecretSource::Sds(name) => named(name, &mut needs),
            });
        }
        let (peers, default) = match &common.validation {
            None => {
                let anything = ArcSwap::from_pointee(PeerContext::anything());
                (Source::Given(Arc::default(), anything, files::Held::new()), None)
            }
            Some(Validation::Inline(context)) => {
                let read = PeerContext::parse(context.clone(), reader)?;
                let files = files::among(&files, context.sources());
                (Source::Given(context.clone(), ArcSwap::from_pointee(read), files), None)
            }
            Some(Validation::Fetched { name, default }) => (named(name, &mut needs), default.clone()),
        };
        let tickets = match tickets {
            None => None,
            Some(SecretSource::Inline(keys)) => {
                let read = TicketKeys::parse(keys, reader)?;
                Some(Source::Given(keys.clone(), ArcSwap::from_pointee(read), files::among(&files, keys.sources())))
            }
            Some(SecretSource::Sds(name)) => Some(named(name, &mut needs)),
        };
        if let Source::Given(_, peers, _) = &peers {
            refuse_blind_names(&peers.load(), side)?;
        }
        Ok(Sources { needs, certificates, peers, tickets, default, side, schemes: signature::schemes(common)?, files })
    }

    /// What is given, for the trail of changes.
    pub fn given_material(&self) -> Material {
        let chain = self.certificates.iter().filter_map(Source::given).map(|identity| identity.shown());
        Material {
            chain: chain.collect(),
            trust: self.peers.given().filter(|peers| peers.trust.is_given()).map(|peers| peers.facts()),
            ticket_keys: self.tickets.as_ref().and_then(Source::given).map_or(0, |keys| keys.count()),
            is_generic: false,
        }
    }

    /// The files that the given parts name.
    pub fn files(&self) -> &files::Held {
        &self.files
    }

    /// Reads what is given anew from the newest octets of its files: each certificate with its key, who may vouch for peers (what is
    /// revoked is of that), ticket keys. Each stands or falls by itself: a pair that does not fit keeps no revocation out. `concerns` tells
    /// of which files there is news; `rebuild` makes the context of what is there.
    pub fn read_again(
        &self,
        secrets: &Secrets,
        concerns: &dyn Fn(&files::Held) -> bool,
        rebuild: &dyn Fn(View) -> Result<(), String>,
    ) -> Readings {
        let (reader, mut pass) = (secrets.reader(View::Newest), Again { concerns, read: Vec::new() });
        let default = self.default.as_ref().map(|default| files::among(&self.files, default.sources()));
        let mut view = View::Current;
        if let Some(files) = default.filter(|files| concerns(files)) {
            // Merged when the context is made: whatever follows is made with what was good.
            let result = rebuild(View::Newest);
            if result.is_ok() {
                view = View::Newest;
            }
            pass.read.push((files, result));
        }
        let parse = |context: &Arc<_>| PeerContext::parse(Arc::clone(context), reader).map(Arc::new);
        self.peers.again(&mut pass, parse, || rebuild(view));
        for certificate in &self.certificates {
            certificate.again(&mut pass, |certificate| Identity::parse(certificate, reader), || rebuild(view));
        }
        if let Some(tickets) = &self.tickets {
            tickets.again(&mut pass, |keys| TicketKeys::parse(keys, reader).map(Arc::new), || rebuild(view));
        }
        pass.read
    }

    /// A secret of the bootstrap is there already, or never will be.
    ///
    /// # Errors
    /// What is missing.
    pub fn refuse_unknown(&self, secrets: &Secrets) -> Result<(), String> {
        let is_missing = |id: &&SecretId, is_held: bool| id.source == SdsSource::Static && !is_held;
        let certificates = self.certificates.iter().filter_map(Source::named);
        let missing = certificates.filter(|id| is_missing(id, secrets.identity(id).is_some())).map(|id| ("secret", id));
        let roots = self.peers.named().filter(|id| is_missing(id, secrets.peers(id).is_some()));
        let tickets = self.tickets.as_ref().and_then(Source::named);
        let tickets = tickets.filter(|id| is_missing(id, secrets.tickets(id).is_some())).map(|id| ("secret", id));
        let roots = roots.map(|id| ("certificate validation context", id));
        match missing.chain(roots).chain(tickets).next() {
            None => Ok(()),
            Some((what, id)) => Err(format!(
                "Unknown static {what}: {}; add it to the bootstrap's static_resources.secrets, or give an sds_config",
                id.name
            )),
        }
    }

    /// As what a secret is named here.
    pub fn wants(&self, id: &SecretId) -> Vec<&'static str> {
        let mut wanted = Vec::new();
        wanted.extend(self.certificates.iter().any(|source| source.named() == Some(id)).then_some("tls_certificate"));
        wanted.extend((self.peers.named() == Some(id)).then_some("validation_context"));
        let tickets = self.tickets.as_ref().and_then(Source::named);
        wanted.extend((tickets == Some(id)).then_some("session_ticket_keys"));
        wanted
    }

    /// Whether it has a certificate of its own.
    pub fn has_certificate(&self) -> bool {
        !self.certificates.is_empty()
    }

    /// The parts, or `None` while a secret is missing.
    ///
    /// # Errors
    /// Names are demanded, and nothing holds the roots; or what was fetched and what was given do not go together.
    pub fn resolve(&self, secrets: &Secrets, view: View) -> Result<Option<Parts>, String> {
        let identities = self.certificates.iter().map(|source| match source {
            Source::Given(_, identity, _) => Some(identity.load_full()),
            Source::Named(id) => secrets.identity(id),
        });
        let peers = match &self.peers {
            Source::Given(_, peers, _) => Some(peers.load_full()),
            Source::Named(id) => secrets.peers(id),
        };
        let (Some(identities), Some(mut peers)) = (identities.collect::<Option<Vec<_>>>(), peers) else {
            return Ok(None);
        };
        let tickets = match &self.tickets {
            None => None,
            Some(Source::Given(_, keys, _)) => Some(keys.load_full()),
            Some(Source::Named(id)) => match secrets.tickets(id) {
                Some(keys) => Some(keys),
                None => return Ok(None),
            },
        };
        if let Some(default) = &self.default {
            peers = Arc::new(peers.over(default, secrets.reader(view))?);
        }
        peers.config.stands_alone(&At::root()).map_err(|rejection| rejection.to_string())?;
        refuse_blind_names(&peers, self.side)?;
        let binding = binding(&identities, &peers, self.side);
        let verifier = Arc::new(PeerVerifier::new(peers, self.side, self.schemes.clone()));
        Ok(Some(Parts { identities, verifier, binding, tickets }))
    }
}

/// A ticket is good where this is the same: rustls restores a peer's chain from it and asks no verifier.
fn binding(identities: &[Arc<Identity>], peers: &PeerContext, side: SideDemands) -> [u8; 32] {
    let mut digests = Vec::new();
    for identity in identities {
        identity.key.cert.iter().for_each(|der| digests.extend(sha256(der)));
        digests.extend(sha256(b"next"));
    }
    digests.extend(peers.trust.digest);
    digests.extend(sha256(peers.config.encoded()));
    digests.extend([side.match_server_name, side.certificate_required].map(u8::from));
    sha256(&digests)
}

/// Everything that the parts given by value are read from.
fn given<'c>(
    common: &'c CommonTls,
    tickets: Option<&'c SecretSource<config::secret::TicketKeys>>,
) -> impl Iterator<Item = Sourced<'c>> {
    let certificates = common.certificates.iter().filter_map(|certificate| match certificate {
        SecretSource::Inline(given) => Some(given.sources()),
        SecretSource::Sds(_) => None,
    });
    let context = common.validation.as_ref().and_then(|validation| match validation {
        Validation::Inline(context) => Some(context),
        Validation::Fetched { default, .. } => default.as_ref(),
    });
    let tickets = tickets.into_iter().filter_map(|tickets| match tickets {
        SecretSource::Inline(keys) => Some(keys.sources()),
        SecretSource::Sds(_) => None,
    });
    let context = context.into_iter().flat_map(|context| context.sources());
    certificates.flatten().chain(context).chain(tickets.flatten())
}

fn named<T, C>(name: &SdsName, needs: &mut Vec<SdsName>) -> Source<T, C> {
    if !needs.contains(name) {
        needs.push(name.clone());
    }
    Source::Named(name.id())
}

/// Envoy's rule: names of a certificate that nobody vouches for say nothing. And ours: nor does such a certificate itself.
fn refuse_blind_names(peers: &PeerContext, side: SideDemands) -> Result<(), String> {
    if side.match_server_name && peers.trust.is_by_domain() {
        return Err("'auto_sni_san_validation' and the SPIFFE validator do not go together: it compares URI names alone; take one of them out".into());
    }
    if peers.trust.is_given() {
        return Ok(());
    }
    if !peers.config.subject_alt_names.is_empty() {
        return Err("SAN-based verification of peer certificates without trusted CA is insecure and not allowed".into());
    }
    if side.match_server_name {
        return Err("'auto_sni_san_validation' was configured without configuring a trusted CA".into());
    }
    let config = &peers.config;
    let is_pinned = !(config.certificate_hashes.is_empty() && config.certificate_spki.is_empty());
    // Envoy asks for no certificate then, and lets everybody in.
    if side.certificate_required && !is_pinned && !config.accept_untrusted {
        return Err("a client certificate is required (require_client_certificate), and nothing says who may vouch for it: anybody's would do; give trusted_ca".into());
    }
    Ok(())
}

/// The protocols of a configuration that may be negotiated.
pub(super) fn negotiable<'a>(protocols: impl IntoIterator<Item = &'a Arc<[u8]>>) -> Vec<Vec<u8>> {
    protocols.into_iter().map(|protocol| protocol.to_vec()).collect()
}
