//! The store of secrets, by source and name. The control thread updates it; contexts that use one rebuild at once. What is read from files
//! is read again by [`of_files`].

mod of_files;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use config::secret::SecretKind;
use config::tls::{SdsName, SdsSource, SecretId};

use super::certificate::{ContextFacts, Material, days_left};
use super::credential::{self, Credential};
use super::files::{self, Files, Reader, View};
use super::made::Made;
use super::material::{Identity, PeerContext};
use super::sources::Readings;
use super::tickets::TicketKeys;

use of_files::FromFiles;
pub use of_files::Renewed;

/// Secrets by source and name, and the contexts that use them.
///
/// The lock is taken by the control thread and when a context is made, never by a handshake.
pub struct Secrets {
    state: Mutex<State>,
    files: Files,
    made: Made,
}

#[derive(Default)]
struct State {
    held: HashMap<SecretId, Held>,
    users: HashMap<SecretId, Vec<Weak<dyn SecretUser>>>,
    /// Contexts with material of their own in files.
    readers: Vec<Weak<dyn SecretUser>>,
    /// All contexts.
    contexts: Vec<Weak<dyn SecretUser>>,
    /// What filters show to services.
    credentials: Vec<Weak<Credential>>,
    /// The secrets of those that were asked for since somebody began to compile.
    asked: Vec<SdsName>,
    /// Secrets whose files have changed and are no good, and why.
    spoiled: Vec<(SecretId, String)>,
}

/// The current version of a secret.
#[derive(Default, Clone)]
struct Held {
    identity: Option<Arc<Identity>>,
    peers: Option<Arc<PeerContext>>,
    tickets: Option<Arc<TicketKeys>>,
    generic: Option<Bytes>,
    /// Also where nothing of it can be shown.
    is_generic: bool,
    /// What it is read from, where that is files.
    from: Option<Arc<FromFiles>>,
}

/// A context that uses secrets of this store.
pub(super) trait SecretUser: Send + Sync {
    /// A secret that it names has changed.
    fn rebuild(&self, secrets: &Secrets);

    /// As what it names a secret ([`SecretKind::field`]).
    fn wants(&self, id: &SecretId) -> Vec<&'static str>;

    /// The files that its own material is read from.
    fn files(&self) -> &files::Held;

    /// Some of them have changed, those that `concerns` knows. What is no good leaves the former in use.
    fn read_again(&self, secrets: &Secrets, concerns: &dyn Fn(&files::Held) -> bool) -> Readings;

    /// Its name for messages, and what it reads from files of its own.
    fn own_material(&self) -> (Arc<str>, Material);

    /// What is in use; `None` while something is missing.
    fn certificates(&self) -> Option<ContextFacts>;

    /// When the first of them is good no more.
    fn expires(&self) -> Option<SystemTime>;

    /// When the first OCSP response is good no more; `None` where there is none.
    fn responses_expire(&self) -> Option<SystemTime> {
        None
    }
}

impl Secrets {
    /// An empty store.
    pub fn new() -> Arc<Secrets> {
        Arc::new(Secrets { state: Mutex::default(), files: Files::default(), made: Made::default() })
    }

    /// Takes a new version of a secret. Every context that names it uses it for its next handshake; open connections live on.
    /// A certificate that is expired or not yet valid is taken, as Envoy does, and warned about: peers will refuse it, or the clock is wrong.
    ///
    /// # Errors
    /// One sentence that names the secret and what is wrong with it; the version before stays in use.
    pub fn update(&self, id: &SecretId, secret: SecretKind) -> Result<(), String> {
        let name = &id.name;
        let named = |reason| format!("secret {name}: {reason}");
        self.refuse_another_kind(id, &secret).map_err(named)?;
        let files = self.files.hold(secret.sources()).map_err(named)?;
        let parsed = Files::newest_or_current(&files, |view| parse(name, &secret, self.reader(view)));
        let mut held = parsed.map_err(named)?;
        if !files.is_empty() {
            held.from = Some(Arc::new(FromFiles { secret, files }));
        }
        self.lock().held.insert(id.clone(), held);
        self.rebuild_users(id);
        Ok(())
    }

    /// Who names a secret as one thing has nothing in another: the one before stays in use.
    fn refuse_another_kind(&self, id: &SecretId, secret: &SecretKind) -> Result<(), String> {
        let (users, credentials) = {
            let state = self.lock();
            (state.users.get(id).cloned().unwrap_or_default(), state.credentials.clone())
        };
        let users = users.iter().filter_map(Weak::upgrade);
        let mut wanted: BTreeSet<&str> = users.flat_map(|user| user.wants(id)).collect();
        if credentials.iter().filter_map(Weak::upgrade).any(|one| one.name().id() == *id) {
            wanted.insert("generic_secret");
        }
        let is = secret.field();
        if wanted.is_empty() || wanted.contains(is) {
            return Ok(());
        }
        let wanted: Vec<&str> = wanted.into_iter().collect();
        let wanted = wanted.join(" or ");
        Err(format!("it is {is}, and is named where {wanted} is wanted; send that, or correct the name"))
    }

    fn rebuild_users(&self, id: &SecretId) {
        let users: Vec<_> = {
            let mut state = self.lock();
            state.show(id);
            let Some(users) = state.users.get_mut(id) else { return };
            users.retain(|user| user.strong_count() > 0);
            users.iter().filter_map(Weak::upgrade).collect()
        };
        for user in users {
            user.rebuild(self);
        }
    }

    /// A generic secret behind a prefix. Whoever compiles waits for it; it follows its secret while it is held.
    ///
    /// # Errors
    /// A secret of the bootstrap is not there, and so will never be; or the file that it is to come from is not.
    pub fn credential(&self, name: &SdsName, prefix: &Arc<str>) -> Result<Arc<Credential>, String> {
        self.refuse_missing_files(std::slice::from_ref(name))?;
        let mut state = self.lock();
        let id = name.id();
        if id.source == SdsSource::Static && !state.held.get(&id).is_some_and(|held| held.is_generic) {
            return Err(format!(
                "Unknown static generic secret: {}; add it to the bootstrap's static_resources.secrets, or give an sds_config",
                config::discreet::shown(&name.name)
            ));
        }
        let credential = Arc::new(Credential::new(name.clone(), prefix.clone()));
        state.credentials.retain(|one| one.strong_count() > 0);
        state.credentials.push(Arc::downgrade(&credential));
        if !state.asked.contains(name) {
            state.asked.push(name.clone());
        }
        state.show(&id);
        Ok(credential)
    }

    /// The secrets of credentials that somebody holds.
    pub fn of_credentials(&self) -> Vec<SdsName> {
        self.lock().credentials.iter().filter_map(Weak::upgrade).map(|one| one.name().clone()).collect()
    }

    /// The secrets of credentials that were asked for while something was compiled.
    pub fn asked_during<T>(&self, compile: impl FnOnce() -> T) -> (T, Vec<SdsName>) {
        self.lock().asked.clear();
        let compiled = compile();
        (compiled, std::mem::take(&mut self.lock().asked))
    }

    /// What a secret is made of.
    pub fn material(&self, id: &SecretId) -> Material {
        let held = self.lock().held.get(id).cloned().unwrap_or_default();
        Material {
            chain: held.identity.iter().map(|identity| identity.shown()).collect(),
            trust: held.peers.map(|peers| peers.facts()),
            ticket_keys: held.tickets.map_or(0, |keys| keys.count()),
            is_generic: held.is_generic,
        }
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    pub(super) fn reader(&self, view: View) -> Reader<'_> {
        Reader { files: &self.files, made: &self.made, view }
    }

    /// Whether some version of the secret is held.
    pub fn has(&self, id: &SecretId) -> bool {
        self.lock().held.contains_key(id)
    }

    /// Forgets the secrets that `keep` does not want, and gives their names: whoever needs one again waits for it again.
    pub fn forget(&self, keep: impl Fn(&SecretId) -> bool) -> Vec<SecretId> {
        let mut state = self.lock();
        let gone: Vec<SecretId> = state.held.keys().filter(|id| !keep(id)).cloned().collect();
        for id in &gone {
            state.held.remove(id);
            state.show(id);
        }
        state.users.retain(|_, users| users.iter().any(|user| user.strong_count() > 0));
        gone
    }

    /// From now on the context's certificates are shown, while it lives.
    pub(super) fn register(&self, context: Weak<dyn SecretUser>) {
        let mut state = self.lock();
        if state.contexts.len() == state.contexts.capacity() {
            state.contexts.retain(|context| context.strong_count() > 0);
        }
        state.contexts.push(context);
    }

    /// The certificates of every context that has them all, for the admin's `/certs`.
    pub fn contexts(&self) -> Vec<ContextFacts> {
        let contexts = self.lock().contexts.clone();
        let ready = contexts.iter().filter_map(Weak::upgrade).filter_map(|context| context.certificates());
        ready.filter(|facts| !(facts.chain.is_empty() && facts.authorities.is_empty())).collect()
    }

    /// Days until the first certificate in use is good no more, 0 if one is not; `None` where none is in use. Asked for with every
    /// page of statistics, so it copies nothing.
    pub fn days_until_first_expires(&self, now: SystemTime) -> Option<u64> {
        let contexts = self.lock().contexts.clone();
        let first = contexts.iter().filter_map(Weak::upgrade).filter_map(|context| context.expires()).min()?;
        Some(days_left(first, now))
    }

    /// Seconds until the first OCSP response is good no more, 0 if one is not; `None` where there is none.
    pub fn seconds_until_first_response_expires(&self, now: SystemTime) -> Option<u64> {
        let contexts = self.lock().contexts.clone();
        let first = contexts.iter().filter_map(Weak::upgrade).filter_map(|context| context.responses_expire()).min()?;
        Some(first.duration_since(now).unwrap_or_default().as_secs())
    }

    pub(super) fn identity(&self, id: &SecretId) -> Option<Arc<Identity>> {
        self.lock().held.get(id)?.identity.clone()
    }

    pub(super) fn peers(&self, id: &SecretId) -> Option<Arc<PeerContext>> {
        self.lock().held.get(id)?.peers.clone()
    }

    pub(super) fn tickets(&self, id: &SecretId) -> Option<Arc<TicketKeys>> {
        self.lock().held.get(id)?.tickets.clone()
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

impl State {
    /// Gives the secret as it is now to its credentials.
    fn show(&self, id: &SecretId) {
        let now = self.held.get(id).and_then(|held| held.generic.as_ref());
        let live = self.credentials.iter().filter_map(Weak::upgrade);
        live.filter(|one| one.name().id() == *id).for_each(|one| one.put(now));
    }
}

fn parse(name: &str, secret: &SecretKind, reader: Reader<'_>) -> Result<Held, String> {
    match secret {
        SecretKind::TlsCertificate(certificate) => {
            let identity = Identity::parse(certificate, reader)?;
            if let Some(warning) = identity.time_warning(SystemTime::now()) {
                tracing::warn!(secret = name, "the certificate is {warning}");
            }
            Ok(Held { identity: Some(identity), ..Held::default() })
        }
        SecretKind::ValidationContext(context) => {
            let peers = PeerContext::parse(Arc::new(context.clone()), reader)?;
            Ok(Held { peers: Some(Arc::new(peers)), ..Held::default() })
        }
        SecretKind::TicketKeys(keys) => {
            let tickets = TicketKeys::parse(keys, reader)?;
            Ok(Held { tickets: Some(Arc::new(tickets)), ..Held::default() })
        }
        SecretKind::Generic(generic) => {
            let generic = credential::parse(name, generic, reader)?;
            Ok(Held { generic, is_generic: true, ..Held::default() })
        }
    }
}

#[cfg(test)]
mod testing;
