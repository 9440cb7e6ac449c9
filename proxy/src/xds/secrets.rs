//! SDS: which secrets are watched, and where. Secrets themselves live in [`crate::tls::Secrets`].
//!
//! The control loop tells it what is needed and hands it what came. A refused secret leaves the one before in use; one that
//! nobody needs any more is forgotten.

mod from_files;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::secret::SecretKind;
use config::tls::{SdsName, SdsSource, SecretId};
use config::xds_server::XdsServer;
use tokio::sync::mpsc;
use xds_client::{AdsSettings, SdsClient, SdsEvent, SdsHandle};

use self::from_files::FromFile;
use super::asked::{Asked, Awaited};
use super::audit;
use super::held::{Held, Seen};
use crate::stats::Stats;
use crate::store::{Resources, Stored};
use crate::tls::Secrets;

/// Something came over SDS.
#[derive(Debug)]
pub struct Arrival {
    /// The source that it came from.
    pub server: Arc<XdsServer>,
    /// What.
    pub event: SdsEvent,
}

/// How a server is reached, or why it cannot be.
pub type Resolve = Box<dyn Fn(&XdsServer) -> Result<AdsSettings, String>>;

/// The watches.
pub struct SecretWatches {
    secrets: Arc<Secrets>,
    held: Held<(), ()>,
    asked: Asked,
    options: Rc<config::Options>,
    resolve: Resolve,
    arrivals: mpsc::Sender<Arrival>,
    clients: HashMap<Arc<XdsServer>, SdsHandle>,
    unknown: HashSet<Arc<XdsServer>>,
    from_files: HashMap<SecretId, FromFile>,
    /// Those whose own files have changed for the worse.
    spoiled: HashSet<SecretId>,
    /// When files were looked at last.
    looked: Instant,
}

impl SecretWatches {
    /// No watch yet; what comes goes to `arrivals`.
    pub fn new(
        secrets: Arc<Secrets>,
        options: Rc<config::Options>,
        resolve: Resolve,
        arrivals: mpsc::Sender<Arrival>,
        stats: &Arc<Stats>,
    ) -> Self {
        SecretWatches {
            secrets,
            held: Held::default(),
            asked: Asked::new(stats),
            options,
            resolve,
            arrivals,
            clients: HashMap::new(),
            unknown: HashSet::new(),
            from_files: HashMap::new(),
            spoiled: HashSet::new(),
            looked: Instant::now(),
        }
    }

    /// Watches exactly these; those that nobody needs any more are let go and forgotten. Tells whether one was read meanwhile.
    pub fn want(&mut self, needed: &HashSet<SdsName>) -> bool {
        let ids: HashSet<SecretId> = needed.iter().map(SdsName::id).collect();
        for id in &ids {
            if let SdsSource::Server(server) = &id.source {
                self.watch(server, &id.name);
            }
        }
        self.clients.retain(|server, client| {
            let is_needed =
                |name: &str| ids.contains(&SecretId { source: SdsSource::Server(server.clone()), name: name.into() });
            let gone: Vec<String> = client.watched().filter(|name| !is_needed(name)).map(str::to_owned).collect();
            for name in gone {
                client.unwatch(&name);
            }
            // A source without a watch holds a connection for nothing.
            client.watched().next().is_some()
        });
        let asked = needed.iter().filter(|name| name.source != SdsSource::Static);
        self.asked.want(asked.map(|one| {
            let awaited = match one.source {
                SdsSource::File(_) => Awaited::File,
                _ => Awaited::Stream(one.initial_fetch_timeout),
            };
            (key(&one.id()), format!("sds.{}", one.name), awaited)
        }));
        // The bootstrap's secrets are never sent again.
        for id in self.secrets.forget(|id| id.source == SdsSource::Static || ids.contains(id)) {
            tracing::debug!(target: "secret", "secret '{}' is needed no more and forgotten", id.name);
            audit::secret_forgotten(&id.name);
            self.held.remove(&key(&id));
        }
        self.want_files(&ids)
    }

    /// The secrets that filters show to services.
    pub fn of_credentials(&self) -> Vec<SdsName> {
        self.secrets.of_credentials()
    }

    fn watch(&mut self, server: &Arc<XdsServer>, name: &str) {
        if let Some(client) = self.clients.get_mut(server) {
            return client.watch(name);
        }
        let settings = match (self.resolve)(server) {
            Ok(settings) => settings,
            Err(reason) => {
                if self.unknown.insert(server.clone()) {
                    tracing::error!(target: "secret", "secret '{name}' cannot be asked for: {reason}");
                }
                return;
            }
        };
        let (mut handle, mut events) = SdsClient::spawn(settings);
        handle.watch(name);
        self.clients.insert(server.clone(), handle);
        let (server, arrivals) = (server.clone(), self.arrivals.clone());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if arrivals.send(Arrival { server: server.clone(), event }).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Takes what came and answers it.
    pub fn arrived(&mut self, arrival: Arrival) {
        let Arrival { server, event } = arrival;
        match event {
            SdsEvent::Secret { name, id, version, body } => {
                // It may have been on its way when it was let go.
                let is_watched =
                    self.clients.get(&server).is_some_and(|client| client.watched().any(|watched| watched == &*name));
                if !is_watched {
                    return;
                }
                let secret = SecretId { source: SdsSource::Server(server.clone()), name: name.clone() };
                let verdict = self.apply(&secret, Stored::now(body, &version.into()));
                if let Some(client) = self.clients.get(&server) {
                    client.verdict(&name, id, verdict);
                }
            }
            SdsEvent::Failed { name, reason, retry_in } => {
                let failed = key(&SecretId { source: SdsSource::Server(server.clone()), name: name.clone() });
                self.asked.failed(|key| *key == *failed);
                tracing::warn!(
                    target: "secret",
                    "no answer for secret '{name}' from cluster '{}': {reason}; the next attempt is in {} ms; if that fails too, look into the log of \
                     the server at this address (the agent)",
                    server.cluster,
                    retry_in.as_millis()
                );
            }
        }
    }

    /// The stream of ADS ended, or could not be opened.
    pub fn stream_ended(&self) {
        self.asked.failed(is_over_ads);
    }

    /// Those that nobody sent in time are counted.
    pub fn give_up_waiting(&mut self) {
        self.asked.give_up_waiting();
    }

    /// Checks a secret and puts it in use. The reason names the secret.
    pub fn apply(&mut self, id: &SecretId, stored: Stored) -> Result<(), String> {
        let (begun, version) = (Instant::now(), stored.version.clone());
        let verdict = self.take(id, stored);
        self.asked.came(&key(id), &version, verdict.is_ok(), begun.elapsed());
        verdict
    }

    fn take(&mut self, id: &SecretId, stored: Stored) -> Result<(), String> {
        // A key may be in it: it goes when it is replaced.
        let stored = Stored { body: config::secret::wipe(stored.body), ..stored };
        // Sent again by a new stream: nothing is built anew, no session is lost.
        if self.held.look(&key(id), &stored.body) == Seen::InUse {
            return Ok(());
        }
        match config::secret::decode(&stored.body, &self.options) {
            Ok(secret) => self.put(id, secret.kind, stored),
            Err(rejection) => Err(self.refuse(id, stored, rejection.to_string())),
        }
    }

    /// Puts a secret in use.
    pub fn put(&mut self, id: &SecretId, secret: SecretKind, stored: Stored) -> Result<(), String> {
        if let Err(reason) = self.secrets.update(id, secret) {
            return Err(self.refuse(id, stored, reason));
        }
        tracing::info!(target: "secret", "secret '{}' is in use, version '{}'", id.name, stored.version);
        audit::secret(&id.name, &stored.version, &self.secrets.material(id));
        self.held.put(&key(id), stored, ());
        self.show(id);
        Ok(())
    }

    /// What there is in the place of one that is no good.
    fn before(&self, id: &SecretId) -> &'static str {
        if self.secrets.has(id) { "the one before it stays" } else { "and there is none before it" }
    }

    fn refuse(&mut self, id: &SecretId, stored: Stored, reason: String) -> String {
        tracing::error!(target: "secret", "secret '{}' is refused, {}: {reason}", id.name, self.before(id));
        self.held.refuse(&key(id), stored, &reason);
        self.show(id);
        reason
    }

    fn show(&mut self, id: &SecretId) {
        self.held.show_as(&key(id), &id.name, id.source == SdsSource::Static);
    }

    /// All versions, for admin.
    pub fn snapshot(&self) -> Resources {
        self.held.snapshot()
    }

    /// Looks at the files that secrets and contexts were read from, when it is time again. Gives how long until the next time, if there
    /// are any.
    pub fn look_at_files(&mut self) -> Option<Duration> {
        if !self.secrets.has_files() && self.from_files.is_empty() {
            return None;
        }
        let since = self.looked.elapsed();
        if since >= LOOK_INTERVAL {
            self.look_at_responses();
            self.secrets.look_at_files().iter().for_each(|(whose, material)| audit::files(whose, material));
            self.show_spoiled();
            self.looked = Instant::now();
            return Some(LOOK_INTERVAL);
        }
        Some(LOOK_INTERVAL - since)
    }

    /// Files of a secret in use that have changed for the worse are a refusal, until they are good, or as they were.
    fn show_spoiled(&mut self) {
        for (id, reason) in self.secrets.take_spoiled() {
            let key = key(&id);
            if let Some(body) = self.held.active_body(&key).cloned() {
                self.held.refuse(&key, Stored::now(body, &Arc::from("")), &reason);
                self.spoiled.insert(id);
            }
        }
        let (secrets, held) = (&self.secrets, &mut self.held);
        self.spoiled.retain(|id| {
            let is_good = secrets.is_as_its_files(id);
            if is_good {
                held.accept(&key(id));
            }
            !is_good
        });
    }

    /// Whether every secret is here, was looked for in its file, or was waited for long enough since `since`.
    pub fn are_ready(&self, needed: &[SdsName], since: Instant) -> bool {
        needed.iter().all(|name| {
            let id = name.id();
            let was_waited_for = || name.initial_fetch_timeout.is_some_and(|timeout| since.elapsed() >= timeout);
            self.secrets.has(&id) || self.was_read(&id) || was_waited_for()
        })
    }
}

/// A change is read at the second look that finds it: two seconds at most after it was made.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a secret is stored under: its name over ADS; of other sources more, for each may have one of that name.
fn key(id: &SecretId) -> Arc<str> {
    match &id.source {
        SdsSource::Ads => id.name.clone(),
        SdsSource::Static => format!("{}\0", id.name).into(),
        SdsSource::Server(server) => hashed(&id.name, &server.cluster, server),
        SdsSource::File(file) => hashed(&id.name, &file.shown(), file),
    }
}

fn hashed(name: &str, shown: &str, source: &impl Hash) -> Arc<str> {
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    format!("{name}\0{shown}\0{:x}", hasher.finish()).into()
}

/// Whether that is such a key.
fn is_over_ads(key: &str) -> bool {
    !key.contains('\0')
}

/// When the shortest of these waits is over, for the loop's timer.
pub fn next_timeout(needed: &[SdsName], since: Instant) -> Option<Duration> {
    needed
        .iter()
        .filter_map(|name| name.initial_fetch_timeout)
        .map(|timeout| timeout.saturating_sub(since.elapsed()))
        .filter(|left| !left.is_zero())
        .min()
}

#[cfg(test)]
mod tests;
