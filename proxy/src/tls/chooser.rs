//! Which of its certificates a server shows: by the name that is asked for, then by what the client can verify; Envoy's rules.
//! rustls calls it within a handshake.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use config::tls::{SanKind, StaplePolicy};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, NamedGroup, SignatureAlgorithm, SignatureScheme};

use super::material::Identity;
use super::signature::{self, Schemes};
use super::staple::{Response, Stapling};

/// The certificates of a context, in its order.
pub(super) struct Chooser {
    all: Vec<Candidate>,
    /// A name that no certificate has is as good as none.
    full_scan: bool,
    staples: bool,
    /// The server speaks TLS 1.3.
    tls13: bool,
}

struct Candidate {
    key: Arc<CertifiedKey>,
    /// The curve of an ECDSA key.
    curve: Option<NamedGroup>,
    /// DNS names, or where there are no alternative names at all, the subject's common name.
    names: Vec<Box<str>>,
    response: Option<Response>,
    /// The same key with that response.
    stapled: Option<Arc<CertifiedKey>>,
    policy: StaplePolicy,
}

impl Candidate {
    fn new(identity: &Identity, schemes: &Schemes, policy: StaplePolicy) -> Candidate {
        let key = signature::limited(&identity.key, schemes);
        let stapled = identity.response.as_ref().map(|response| {
            let mut stapled = CertifiedKey::clone(&key);
            stapled.ocsp = Some(response.der.clone());
            Arc::new(stapled)
        });
        Candidate {
            key,
            curve: curve(&identity.key),
            names: names(identity),
            response: identity.response.clone(),
            stapled,
            policy: if identity.demands_response { StaplePolicy::Must } else { policy },
        }
    }

    fn stapling(&self, status: Option<Status>) -> Stapling {
        match status {
            None => Stapling::NotAsked,
            Some(status) => Stapling::of(self.response.as_ref(), self.policy, status.asked, status.now),
        }
    }

    fn is_ecdsa(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::ECDSA
    }

    /// To the letter; or `*.` for exactly one label.
    fn has_name(&self, name: &str) -> bool {
        self.names.iter().any(|have| have.eq_ignore_ascii_case(name))
    }
}

impl Chooser {
    pub fn new(
        identities: &[Arc<Identity>],
        schemes: &Schemes,
        (full_scan, tls13): (bool, bool),
        policy: StaplePolicy,
    ) -> Chooser {
        let all: Vec<_> = identities.iter().map(|identity| Candidate::new(identity, schemes, policy)).collect();
        let staples = all.iter().any(|one| one.response.is_some() || one.policy != StaplePolicy::Lenient);
        Chooser { all, full_scan, staples, tls13 }
    }

    /// Whether OCSP responses have a say in what is shown.
    pub fn staples(&self) -> bool {
        self.staples
    }

    /// What is shown to a client who has asked for a response, or has not; nothing where none may be shown.
    pub fn choose_stapled(&self, hello: &ClientHello<'_>, status: Status) -> (Option<Arc<CertifiedKey>>, Stapling) {
        let client = Client { hello, status: Some(status), tls13: self.tls13 };
        let chosen = match &*self.all {
            [only] => Some(only),
            _ => self.choose(hello.server_name(), &client),
        };
        let Some(chosen) = chosen else { return (None, Stapling::NotAsked) };
        let stapling = chosen.stapling(Some(status));
        let key = match stapling {
            Stapling::Failed => None,
            Stapling::Shown => chosen.stapled.clone(),
            Stapling::NotAsked | Stapling::Omitted => Some(chosen.key.clone()),
        };
        (key, stapling)
    }

    fn choose(&self, name: Option<&str>, client: &Client<'_, '_>) -> Option<&Candidate> {
        let named = |pattern: &str| client.best(self.all.iter().filter(|candidate| candidate.has_name(pattern)));
        if let Some(name) = name {
            let wild = || name.split_once('.').and_then(|(_, rest)| named(&format!("*.{rest}")));
            match named(name).or_else(wild) {
                None if self.full_scan => {}
                found => return found.or(self.all.first()),
            }
        }
        client.best(self.all.iter()).or(self.all.first())
    }
}

/// What is known of OCSP responses in a handshake.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    /// The client wants one.
    pub asked: bool,
    /// When that is.
    pub now: SystemTime,
}

/// What a client says it can verify.
struct Client<'h, 's> {
    hello: &'h ClientHello<'s>,
    /// Where responses have a say.
    status: Option<Status>,
    /// The server speaks TLS 1.3.
    tls13: bool,
}

impl Client<'_, '_> {
    /// An ECDSA certificate if the client can verify it, else an RSA certificate; the first of its kind.
    fn best<'c>(&self, candidates: impl Iterator<Item = &'c Candidate> + Clone) -> Option<&'c Candidate> {
        let candidates = candidates.filter(|candidate| candidate.stapling(self.status) != Stapling::Failed);
        let ecdsa = candidates.clone().find(|candidate| candidate.is_ecdsa() && self.can_verify(candidate));
        ecdsa.or_else(|| candidates.clone().find(|candidate| !candidate.is_ecdsa()))
    }

    /// In TLS 1.3 a signature names its curve; before, curves have a list of their own, and suites say which kind of key they are for.
    fn can_verify(&self, candidate: &Candidate) -> bool {
        let offers = |is: fn(CipherSuite) -> bool| self.hello.cipher_suites().iter().any(|suite| is(*suite));
        let knows_curve = || {
            self.hello.named_groups().is_some_and(|groups| candidate.curve.is_some_and(|curve| groups.contains(&curve)))
        };
        candidate.key.key.choose_scheme(self.hello.signature_schemes()).is_some()
            && ((self.tls13 && offers(is_of_tls13)) || (offers(is_ecdsa) && knows_curve()))
    }
}

fn curve(key: &CertifiedKey) -> Option<NamedGroup> {
    [
        (SignatureScheme::ECDSA_NISTP256_SHA256, NamedGroup::secp256r1),
        (SignatureScheme::ECDSA_NISTP384_SHA384, NamedGroup::secp384r1),
        (SignatureScheme::ECDSA_NISTP521_SHA512, NamedGroup::secp521r1),
    ]
    .into_iter()
    .find_map(|(scheme, curve)| key.key.choose_scheme(&[scheme]).map(|_| curve))
}

fn is_of_tls13(suite: CipherSuite) -> bool {
    u16::from(suite) >> 8 == 0x13
}

fn is_ecdsa(suite: CipherSuite) -> bool {
    suite.as_str().is_some_and(|name| name.starts_with("TLS_ECDHE_ECDSA_"))
}

fn names(identity: &Identity) -> Vec<Box<str>> {
    if identity.facts.sans.is_empty() {
        return identity.common_name.iter().cloned().collect();
    }
    identity.facts.of_kind(SanKind::Dns).map(|name| Box::from(&**name.text())).collect()
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = match &*self.all {
            [only] => only,
            _ => self.choose(hello.server_name(), &Client { hello: &hello, status: None, tls13: self.tls13 })?,
        };
        Some(chosen.key.clone())
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Chooser({} certificates)", self.all.len())
    }
}

/// What was chosen before the library asked; nothing, where none may be shown.
#[derive(Debug)]
pub(super) struct Chosen(pub Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for Chosen {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}
