//! SDS: which secrets are watched, and where. Secrets themselves live in [`crate::tls::Secrets`].
//!
//! The control loop tells it what is needed and hands it what came. A refused secret leaves the one before in use.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::secret::SecretKind;
use config::tls::{SdsName, SdsSource};
use tokio::sync::mpsc;
use xds_client::{SdsClient, SdsEvent, SdsHandle, SdsSettings};

use crate::store::{ConfigStore, Kind, Stored};
use crate::tls::Secrets;

/// Something came over SDS.
#[derive(Debug)]
pub struct Arrival {
    /// The cluster that carries the stream.
    pub cluster: Arc<str>,
    /// What.
    pub event: SdsEvent,
}

/// How a static cluster that carries SDS is reached; `None` when there is no such cluster.
pub type Resolve = Box<dyn Fn(&str) -> Option<SdsSettings>>;

/// The watches.
pub struct SecretWatches {
    secrets: Arc<Secrets>,
    store: Arc<ConfigStore>,
    options: Rc<config::Options>,
    resolve: Resolve,
    arrivals: mpsc::Sender<Arrival>,
    clients: HashMap<Arc<str>, SdsHandle>,
    unknown: HashSet<Arc<str>>,
}

impl SecretWatches {
    /// No watch yet; what comes goes to `arrivals`.
    pub fn new(
        secrets: Arc<Secrets>,
        store: Arc<ConfigStore>,
        options: Rc<config::Options>,
        resolve: Resolve,
        arrivals: mpsc::Sender<Arrival>,
    ) -> Self {
        SecretWatches { secrets, store, options, resolve, arrivals, clients: HashMap::new(), unknown: HashSet::new() }
    }

    /// Watches exactly these; those that nobody needs any more are let go.
    pub fn want(&mut self, needed: &HashSet<SdsName>) {
        for name in needed {
            if let SdsSource::Cluster(cluster) = &name.source {
                self.watch(cluster, &name.name);
            }
        }
        for (cluster, client) in &mut self.clients {
            let gone: Vec<String> = client
                .watched()
                .filter(|watched| {
                    !needed.iter().any(|name| {
                        &*name.name == *watched && matches!(&name.source, SdsSource::Cluster(of) if of == cluster)
                    })
                })
                .map(str::to_owned)
                .collect();
            for name in gone {
                client.unwatch(&name);
            }
        }
    }

    fn watch(&mut self, cluster: &Arc<str>, name: &str) {
        if let Some(client) = self.clients.get_mut(cluster) {
            return client.watch(name);
        }
        let Some(settings) = (self.resolve)(cluster) else {
            if self.unknown.insert(cluster.clone()) {
                tracing::error!(
                    target: "secret",
                    "secret '{name}' is to come from cluster '{cluster}', which is not a static cluster with one address: \
                     add it to the bootstrap's static_resources"
                );
            }
            return;
        };
        let (mut handle, mut events) = SdsClient::spawn(settings);
        handle.watch(name);
        self.clients.insert(cluster.clone(), handle);
        let (cluster, arrivals) = (cluster.clone(), self.arrivals.clone());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if arrivals.send(Arrival { cluster: cluster.clone(), event }).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Takes what came and answers it.
    pub fn arrived(&mut self, arrival: Arrival) {
        match arrival.event {
            SdsEvent::Secret { name, id, version, body } => {
                let verdict = self.apply(&name, Stored::now(body, &version.into()));
                if let Some(client) = self.clients.get(&arrival.cluster) {
                    client.verdict(&name, id, verdict);
                }
            }
            SdsEvent::Failed { name, reason, retry_in } => tracing::warn!(
                target: "secret",
                "no answer for secret '{name}' from cluster '{}': {reason}; the next attempt is in {} ms; if that fails too, look into the log of \
                 the server at this address (the agent)",
                arrival.cluster,
                retry_in.as_millis()
            ),
        }
    }

    /// Checks a secret and puts it in use. The reason names the secret.
    pub fn apply(&mut self, name: &Arc<str>, stored: Stored) -> Result<(), String> {
        match config::secret::decode(&stored.body, &self.options) {
            Ok(secret) => self.put(name, secret.kind, stored),
            Err(rejection) => Err(self.refuse(name, stored, rejection.to_string())),
        }
    }

    /// Puts a secret in use.
    pub fn put(&mut self, name: &Arc<str>, secret: SecretKind, stored: Stored) -> Result<(), String> {
        if let Err(reason) = self.secrets.update(name, secret) {
            return Err(self.refuse(name, stored, reason));
        }
        tracing::info!(target: "secret", "secret '{name}' is in use, version '{}'", stored.version);
        self.store.accept(Kind::Secret, name, stored);
        Ok(())
    }

    fn refuse(&self, name: &Arc<str>, stored: Stored, reason: String) -> String {
        tracing::error!(target: "secret", "secret '{name}' is refused, the one before it stays: {reason}");
        self.store.refuse(Kind::Secret, name, stored, &reason);
        reason
    }

    /// Whether every secret is here, or was waited for long enough since `since`.
    pub fn are_ready(&self, needed: &[SdsName], since: Instant) -> bool {
        needed.iter().all(|name| {
            self.secrets.has(&name.name) || name.initial_fetch_timeout.is_some_and(|timeout| since.elapsed() >= timeout)
        })
    }
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
