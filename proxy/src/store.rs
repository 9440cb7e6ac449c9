//! What configuration is at one moment, as plain data: the bytes of every resource as received, with versions and times. The control
//! thread makes a [`Snapshot`] when admin asks for one.
//!
//! It never decodes, holds nothing of the runtime, and nothing here is shared: the truth is what `xds` holds.

use std::collections::BTreeMap;
use std::sync::Arc;
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
    /// `envoy.config.core.v3.TypedExtensionConfig`.
    Extension,
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

/// All resources of a kind.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// The version of the last response; empty when there was none.
    pub version: Arc<str>,
    /// By name. Bodies are shared, not copied.
    pub entries: Vec<Entry>,
}

/// All resources.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Each kind that holds anything.
    pub kinds: BTreeMap<Kind, Resources>,
}

impl Snapshot {
    /// Everything of a kind, by name.
    pub fn resources(&self, kind: Kind) -> &[Entry] {
        self.kinds.get(&kind).map(|resources| &*resources.entries).unwrap_or_default()
    }

    /// The version of a kind.
    pub fn version(&self, kind: Kind) -> Arc<str> {
        self.kinds.get(&kind).map(|resources| resources.version.clone()).unwrap_or_default()
    }

    /// One name, for tests: it looks at all before it.
    #[cfg(any(test, fuzzing))]
    pub fn find(&self, kind: Kind, name: &str) -> Option<&Entry> {
        self.resources(kind).iter().find(|entry| &*entry.name == name)
    }
}

impl Stored {
    /// A resource that came now.
    pub fn now(body: Bytes, version: &Arc<str>) -> Stored {
        Stored { body, version: version.clone(), last_updated: SystemTime::now() }
    }
}
