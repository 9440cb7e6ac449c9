//! What the control thread has made visible to the workers. Readers take a pointer and never lock.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;

use super::{Cluster, NameCache};

/// Clusters by name. Looked up once a request; names are the control plane's, so a quick hash will do.
pub type ClusterTable = HashMap<Arc<str>, Arc<Cluster>, RandomState>;

/// The state that all workers see. A stale read costs one request its newest cluster: it takes the one before.
#[derive(Debug, Default)]
pub struct Published {
    /// Warm clusters. Replaced as a whole; endpoints inside a cluster change by themselves.
    pub clusters: ArcSwap<ClusterTable>,
    /// Caches of names that their dynamic forward proxies resolve, by name. Changed with the clusters.
    pub names: ArcSwap<NameCaches>,
    /// The zone that the proxy is in, where it is known.
    pub zone: Option<Arc<str>>,
}

impl Published {
    /// Of a proxy in that zone; empty where it is not known.
    pub fn of(zone: &Arc<str>) -> Published {
        Published { zone: Some(zone.clone()).filter(|zone| !zone.is_empty()), ..Published::default() }
    }
}

/// Caches by name.
pub type NameCaches = HashMap<Arc<str>, Arc<NameCache>>;
