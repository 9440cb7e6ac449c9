//! Which of its certificates a server shows: by the name that is asked for, then by what the client can verify; Envoy's rules.
//! rustls calls it within a handshake.

use std::fmt;
use std::sync::Arc;

use config::tls::SanKind;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SignatureAlgorithm};

use super::material::Identity;
use super::signature::{self, Schemes};

/// The certificates of a context, in its order.
pub(super) struct Chooser {
    all: Vec<Candidate>,
    /// A name that no certificate has is as good as none.
    full_scan: bool,
}

struct Candidate {
    key: Arc<CertifiedKey>,
    /// DNS names, or where there are no alternative names at all, the subject's common name.
    names: Vec<Box<str>>,
}

impl Candidate {
    fn new(identity: &Identity, schemes: &Schemes) -> Candidate {
        Candidate { key: signature::limited(&identity.key, schemes), names: names(identity) }
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
    pub fn new(identities: &[Arc<Identity>], schemes: &Schemes, full_scan: bool) -> Chooser {
        Chooser { all: identities.iter().map(|identity| Candidate::new(identity, schemes)).collect(), full_scan }
    }

    fn choose(&self, name: Option<&str>, client: &Client<'_>) -> Option<&Candidate> {
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

/// What a client says it can verify.
struct Client<'h> {
    hello: &'h ClientHello<'h>,
}

impl Client<'_> {
    /// An ECDSA certificate if the client can verify it, else an RSA certificate; the first of its kind.
    fn best<'c>(&self, candidates: impl Iterator<Item = &'c Candidate> + Clone) -> Option<&'c Candidate> {
        let ecdsa = candidates.clone().find(|candidate| candidate.is_ecdsa() && self.can_verify(candidate));
        ecdsa.or_else(|| candidates.clone().find(|candidate| !candidate.is_ecdsa()))
    }

    fn can_verify(&self, candidate: &Candidate) -> bool {
        let has_suite = || self.hello.cipher_suites().iter().any(|suite| is_of_tls13(*suite) || is_ecdsa(*suite));
        candidate.key.key.choose_scheme(self.hello.signature_schemes()).is_some() && has_suite()
    }
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
    identity.facts.of_kind(SanKind::Dns).map(|name| Box::from(&*name)).collect()
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = match &*self.all {
            [only] => only,
            _ => self.choose(hello.server_name(), &Client { hello: &hello })?,
        };
        Some(chosen.key.clone())
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Chooser({} certificates)", self.all.len())
    }
}
