//! The filters of clusters that are discovered (ECDS): a cluster waits for them, and ECDS asks for them while it is there.

use std::sync::Arc;

use super::Clusters;
use crate::cluster::Cluster;
use crate::discoveries::{Discoveries, Wanted};
use crate::http::each_discovery_of;

impl Clusters {
    /// Those of clusters that are in use or are to be.
    pub fn extensions_in_use(&self) -> impl Iterator<Item = Wanted> {
        let active = self.held.all_active().flat_map(|(_, active)| discovered(&active.cluster));
        active.chain(self.held.all_warming().flat_map(|(_, warming)| warming.extensions.iter().cloned()))
    }
}

/// What is to be discovered for a cluster.
pub(super) fn discovered(cluster: &Cluster) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    each_discovery_of(cluster.config(), &mut |asked| wanted.push(asked.wanted()));
    wanted
}

/// The types that its configuration names for filters that are something else now: a policy among them is not in force here.
pub(super) fn lacks(cluster: &Cluster, discoveries: &Discoveries) -> Vec<Arc<str>> {
    let mut lacks = Vec::new();
    each_discovery_of(cluster.config(), &mut |asked| lacks.append(&mut asked.lacks(discoveries)));
    lacks
}

#[cfg(test)]
mod tests;
