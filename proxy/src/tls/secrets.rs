//! The store of secrets, by source and name. The control thread updates it; contexts that use one rebuild at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use config::secret::SecretKind;
use config::tls::{SanKind, SecretId};

use super::certificate::Facts;
use super::material::{Identity, PeerContext};

/// Secrets by source and name, and the contexts that use them.
///
/// The lock is taken by the control thread and when a context is made, never by a handshake.
pub struct Secrets {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: HashMap<SecretId, Held>,
    users: HashMap<SecretId, Vec<Weak<dyn SecretUser>>>,
}

/// The current version of a secret.
#[derive(Default, Clone)]
struct Held {
    identity: Option<Arc<Identity>>,
    peers: Option<Arc<PeerContext>>,
}

/// A context that uses secrets of this store.
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
    pub fn update(&self, id: &SecretId, secret: SecretKind) -> Result<(), String> {
        let name = &id.name;
        let held = parse(name, &secret).map_err(|reason| format!("secret {name}: {reason}"))?;
        let users: Vec<_> = {
            let mut state = self.lock();
            state.held.insert(id.clone(), held);
            match state.users.get_mut(id) {
                Some(users) => {
                    users.retain(|user| user.strong_count() > 0);
                    users.iter().filter_map(Weak::upgrade).collect()
                }
                None => Vec::new(),
            }
        };
        for user in users {
            user.rebuild(self);
        }
        Ok(())
    }

    /// Whether some version of the secret is held.
    pub fn has(&self, id: &SecretId) -> bool {
        self.lock().held.contains_key(id)
    }

    /// Tells versions of a secret apart.
    #[cfg(test)]
    pub(crate) fn version(&self, id: &SecretId) -> Option<usize> {
        let held = self.lock().held.get(id)?.clone();
        held.identity
            .map(|identity| Arc::as_ptr(&identity).addr())
            .or(held.peers.map(|peers| Arc::as_ptr(&peers).addr()))
    }

    /// Forgets the secrets that `keep` does not want, and gives their names: whoever needs one again waits for it again.
    pub fn forget(&self, keep: impl Fn(&SecretId) -> bool) -> Vec<SecretId> {
        let mut state = self.lock();
        let gone: Vec<SecretId> = state.held.keys().filter(|id| !keep(id)).cloned().collect();
        for id in &gone {
            state.held.remove(id);
        }
        state.users.retain(|_, users| users.iter().any(|user| user.strong_count() > 0));
        gone
    }

    /// What the certificates held are, for the admin's `/certs`.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        let held = self.lock().held.clone();
        let mut all = Vec::new();
        for (SecretId { name, .. }, held) in held {
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

    pub(super) fn identity(&self, id: &SecretId) -> Option<Arc<Identity>> {
        self.lock().held.get(id)?.identity.clone()
    }

    pub(super) fn peers(&self, id: &SecretId) -> Option<Arc<PeerContext>> {
        self.lock().held.get(id)?.peers.clone()
    }

    /// From now on `user` is told of new versions of a secret.
    pub(super) fn watch(&self, id: SecretId, user: Weak<dyn SecretUser>) {
        let mut state = self.lock();
        let users = state.users.entry(id).or_default();
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
