//! What the control thread has made visible to the workers. Readers take a pointer and never lock.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Cluster;

/// Clusters by name.
pub type ClusterTable = HashMap<Arc<str>, Arc<Cluster>>;

/// The state that all workers see. A stale read costs one request its newest cluster: it takes the one before.
#[derive(Debug, Default)]
pub struct Published {
    /// Warm clusters. Replaced as a whole; endpoints inside a cluster change by themselves.
    pub clusters: ArcSwap<ClusterTable>,
}
