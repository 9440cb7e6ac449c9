//! The store of secrets by name. The control thread updates it; contexts that use a name rebuild at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use config::secret::SecretKind;
use config::tls::SanKind;

use super::certificate::Facts;
use super::material::{Identity, PeerContext};

/// Secrets by name, and the contexts that use them.
///
/// The lock is taken by the control thread and when a context is made, never by a handshake.
pub struct Secrets {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: HashMap<Arc<str>, Held>,
    users: HashMap<Arc<str>, Vec<Weak<dyn SecretUser>>>,
}

/// The current version of a secret.
#[derive(Default, Clone)]
struct Held {
    identity: Option<Arc<Identity>>,
    peers: Option<Arc<PeerContext>>,
}

/// A context that uses secrets by name.
pub(super) trait SecretUser: Send + Sync {
    /// A secret that it names has changed.
    fn rebuild(&self, secrets: &Secrets);
}

impl Secrets {
    /// An empty store.
    pub fn new() -> Arc<Secrets> {
        Arc::new(Secrets { state: Mutex::default() })
    }

    /// Takes a new version of a secret. Every context that names it uses it for its next handshake; open connections live on.
    /// A certificate that is expired or not yet valid is taken, as Envoy does, and warned about: peers will refuse it, or the clock is wrong.
    ///
    /// # Errors
    /// One sentence that names the secret and what is wrong with it; the version before stays in use.
    pub fn update(&self, name: &str, secret: SecretKind) -> Result<(), String> {
        let held = parse(name, &secret).map_err(|reason| format!("secret {name}: {reason}"))?;
        let users: Vec<_> = {
            let mut state = self.lock();
            state.held.insert(name.into(), held);
            let users = state.users.entry(name.into()).or_default();
            users.retain(|user| user.strong_count() > 0);
            users.iter().filter_map(Weak::upgrade).collect()
        };
        for user in users {
            user.rebuild(self);
        }
        Ok(())
    }

    /// Whether some version of the secret is held.
    pub fn has(&self, name: &str) -> bool {
        self.lock().held.contains_key(name)
    }

    /// What the certificates held are, for the admin's `/certs`.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        let held = self.lock().held.clone();
        let mut all = Vec::new();
        for (name, held) in held {
            if let Some(identity) = &held.identity {
                all.push(CertificateFacts::of(&name, &identity.facts, identity.path.clone(), false));
            }
            if let Some(roots) = held.peers.as_ref().and_then(|peers| peers.trust.roots.as_ref()) {
                all.extend(
                    roots.facts.iter().map(|facts| CertificateFacts::of(&name, facts, roots.path.clone(), true)),
                );
            }
        }
        all.sort_by(|left, right| left.secret.cmp(&right.secret));
        all
    }

    pub(super) fn identity(&self, name: &str) -> Option<Arc<Identity>> {
        self.lock().held.get(name)?.identity.clone()
    }

    pub(super) fn peers(&self, name: &str) -> Option<Arc<PeerContext>> {
        self.lock().held.get(name)?.peers.clone()
    }

    /// From now on `user` is told of new versions of `name`.
    pub(super) fn watch(&self, name: &Arc<str>, user: Weak<dyn SecretUser>) {
        let mut state = self.lock();
        let users = state.users.entry(name.clone()).or_default();
        if users.len() == users.capacity() {
            users.retain(|user| user.strong_count() > 0);
        }
        users.push(user);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves maps that are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parse(name: &str, secret: &SecretKind) -> Result<Held, String> {
    match secret {
        SecretKind::TlsCertificate(certificate) => {
            let identity = Identity::parse(certificate)?;
            if let Some(warning) = identity.time_warning(SystemTime::now()) {
                tracing::warn!(secret = name, "the certificate is {warning}");
            }
            Ok(Held { identity: Some(Arc::new(identity)), peers: None })
        }
        SecretKind::ValidationContext(context) => {
            Ok(Held { identity: None, peers: Some(Arc::new(PeerContext::parse(context.clone())?)) })
        }
        SecretKind::Other => Ok(Held::default()),
    }
}

/// A certificate that the store holds.
#[derive(Debug, Clone)]
pub struct CertificateFacts {
    /// Name of the secret.
    pub secret: Arc<str>,
    /// Whether it is a trusted root; a leaf of our own otherwise.
    pub is_ca: bool,
    /// File it came from; `None` when it was given inline.
    pub path: Option<Arc<str>>,
    /// Serial number, lower-case hex.
    pub serial: Arc<str>,
    /// URI SANs.
    pub uri_sans: Vec<Arc<str>>,
    /// DNS SANs.
    pub dns_sans: Vec<Arc<str>>,
    /// IP SANs, printed.
    pub ip_sans: Vec<Arc<str>>,
    /// First moment of validity.
    pub valid_from: SystemTime,
    /// Last moment of validity.
    pub expires: SystemTime,
}

impl CertificateFacts {
    fn of(secret: &Arc<str>, facts: &Facts, path: Option<Arc<str>>, is_ca: bool) -> CertificateFacts {
        CertificateFacts {
            secret: secret.clone(),
            is_ca,
            path,
            serial: facts.serial.clone(),
            uri_sans: facts.of_kind(SanKind::Uri).collect(),
            dns_sans: facts.of_kind(SanKind::Dns).collect(),
            ip_sans: facts.of_kind(SanKind::IpAddress).collect(),
            valid_from: facts.not_before,
            expires: facts.not_after,
        }
    }
}
