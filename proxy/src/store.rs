//! The bytes of every resource as received, with versions and times. Written by `xds`, read by admin's `config_dump`.
//!
//! It never decodes, and names nothing else of the runtime.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

/// Which list a resource belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `envoy.config.cluster.v3.Cluster`.
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`.
    Endpoints,
    /// `envoy.config.listener.v3.Listener`.
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration`.
    Route,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`.
    Secret,
}

/// One version of a resource.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The encoded message, unchanged.
    pub body: Bytes,
    /// The version it came with; empty for static ones.
    pub version: Arc<str>,
    /// When it came.
    pub last_updated: SystemTime,
}

/// A refused update of a resource.
#[derive(Debug, Clone)]
pub struct Refused {
    /// What was refused.
    pub resource: Stored,
    /// Why.
    pub reason: Arc<str>,
}

/// What is known of one name.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Name.
    pub name: Arc<str>,
    /// From the bootstrap, not from the control plane.
    pub is_static: bool,
    /// In use.
    pub active: Option<Stored>,
    /// Waits for what it depends on.
    pub warming: Option<Stored>,
    /// The last one refused; gone when a good one comes.
    pub refused: Option<Refused>,
}

/// Which versions of a resource were taken down.
#[derive(Debug, Clone, Copy, Default)]
pub struct TakenDown {
    /// The one in use.
    pub active: bool,
    /// The one that waited.
    pub warming: bool,
}

/// All resources.
#[derive(Debug, Default)]
pub struct ConfigStore {
    kinds: Mutex<BTreeMap<(Kind, Arc<str>), Entry>>,
    versions: Mutex<BTreeMap<Kind, Arc<str>>>,
}

impl ConfigStore {
    /// Empty.
    pub fn new() -> Arc<ConfigStore> {
        Arc::new(ConfigStore::default())
    }

    /// The version of the last accepted response of a kind.
    pub fn version(&self, kind: Kind) -> Arc<str> {
        lock(&self.versions).get(&kind).cloned().unwrap_or_default()
    }

    /// Notes the version of an accepted response.
    pub fn set_version(&self, kind: Kind, version: &str) {
        lock(&self.versions).insert(kind, version.into());
    }

    /// Changes one entry; an entry that holds nothing afterwards is forgotten.
    pub fn change(&self, kind: Kind, name: &Arc<str>, change: impl FnOnce(&mut Entry)) {
        let mut kinds = lock(&self.kinds);
        let key = (kind, name.clone());
        let entry = kinds.entry(key.clone()).or_insert_with(|| Entry { name: name.clone(), ..Entry::default() });
        change(entry);
        if entry.active.is_none() && entry.warming.is_none() && entry.refused.is_none() {
            kinds.remove(&key);
        }
    }

    /// A resource is in use at once.
    pub fn accept(&self, kind: Kind, name: &Arc<str>, stored: Stored) {
        self.change(kind, name, |entry| {
            entry.active = Some(stored);
            entry.refused = None;
        });
    }

    /// A resource is checked and waits for what it depends on.
    pub fn warm(&self, kind: Kind, name: &Arc<str>, stored: Stored, is_static: bool) {
        self.change(kind, name, |entry| {
            entry.is_static = is_static;
            entry.warming = Some(stored);
            entry.refused = None;
        });
    }

    /// What waited is in use now.
    pub fn activate(&self, kind: Kind, name: &Arc<str>) {
        self.change(kind, name, |entry| {
            if let Some(stored) = entry.warming.take() {
                entry.active = Some(stored);
            }
        });
    }

    /// A resource is refused; what is in use stays.
    pub fn refuse(&self, kind: Kind, name: &Arc<str>, resource: Stored, reason: &str) {
        self.change(kind, name, |entry| entry.refused = Some(Refused { resource, reason: reason.into() }));
    }

    /// Takes those versions of a name down whose bytes are `unjudged`: a refused one wants policy that they lack.
    pub fn take_down(&self, kind: Kind, name: &Arc<str>, unjudged: impl Fn(&[u8]) -> bool) -> TakenDown {
        let mut taken = TakenDown::default();
        self.change(kind, name, |entry| {
            let unjudged = |stored: &mut Stored| unjudged(&stored.body);
            taken.active = entry.active.take_if(unjudged).is_some();
            taken.warming = entry.warming.take_if(unjudged).is_some();
        });
        taken
    }

    /// Whether the bytes that came are those in use: then what came between, waiting or refused, is over.
    pub fn is_unchanged(&self, kind: Kind, name: &Arc<str>, body: &Bytes) -> bool {
        let unchanged = self.active(kind, name).is_some_and(|active| active == *body);
        if unchanged {
            self.change(kind, name, |entry| (entry.warming, entry.refused) = (None, None));
        }
        unchanged
    }

    /// Whether the bytes that came are those that wait already: they go on waiting, and a refusal between is over.
    pub fn is_warming(&self, kind: Kind, name: &Arc<str>, body: &Bytes) -> bool {
        let mut is_warming = false;
        self.change(kind, name, |entry| {
            is_warming = entry.warming.as_ref().is_some_and(|stored| stored.body == *body);
            if is_warming {
                entry.refused = None;
            }
        });
        is_warming
    }

    /// Forgets a name.
    pub fn remove(&self, kind: Kind, name: &Arc<str>) {
        lock(&self.kinds).remove(&(kind, name.clone()));
    }

    /// The bytes in use for a name.
    pub fn active(&self, kind: Kind, name: &Arc<str>) -> Option<Bytes> {
        lock(&self.kinds).get(&(kind, name.clone()))?.active.as_ref().map(|stored| stored.body.clone())
    }

    /// Whether a name is the bootstrap's.
    pub fn is_static(&self, kind: Kind, name: &Arc<str>) -> bool {
        lock(&self.kinds).get(&(kind, name.clone())).is_some_and(|entry| entry.is_static)
    }

    /// Entries of a kind, by name. Bodies are shared, not copied.
    pub fn list(&self, kind: Kind) -> Vec<Entry> {
        let first: Arc<str> = Arc::from("");
        lock(&self.kinds)
            .range((kind, first)..)
            .take_while(|((of, _), _)| *of == kind)
            .map(|(_, entry)| entry.clone())
            .collect()
    }
}

impl Stored {
    /// A resource that came now.
    pub fn now(body: Bytes, version: &Arc<str>) -> Stored {
        Stored { body, version: version.clone(), last_updated: SystemTime::now() }
    }
}

/// A poisoned lock means that a reader panicked, and readers do not change anything.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
