//! The filters behind the router that a cluster has of its own. Compiled by the control thread before the cluster is published, and anew
//! when a config of one that is discovered comes; a worker's requests to the cluster, and its mirrors, find the newest ones here.

use std::any::Any;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use config::{At, Rejection};

use super::chain::{Chain, ChainSlot, Chains};
use super::filter::FilterDeps;
use crate::cluster::{Attach, Attached, Cluster, stats_prefix};
use crate::discoveries::{self, Asked, Discoveries, Key, Kind, Swap};
use crate::http::held::{Held, Pinned};
use crate::stats::Stats;
use crate::tls::Secrets;

/// Of one cluster, for all workers.
struct OfCluster {
    config: Arc<config::cluster::Cluster>,
    chains: Chains,
    stats: Arc<Stats>,
    secrets: Arc<Secrets>,
}

/// The same on one worker.
struct OnWorker {
    filters: Arc<OfCluster>,
    /// Where the newest are, if discovery may change them.
    held: Option<Rc<Held<ChainSlot>>>,
}

/// The filters behind the router that a request, or a mirror, goes past: it keeps those that it began with.
pub(in crate::http) enum PinnedBehind {
    /// They never change. Of a cluster.
    Fixed(Attached),
    /// The newest when it began.
    Held(Pinned<Chain>),
}

/// Compiles the filters of a cluster's own, if it has any. The control thread calls it before the cluster is published.
///
/// # Errors
/// The first one that cannot be honoured.
pub(crate) fn attach(
    cluster: &Cluster,
    secrets: &Arc<Secrets>,
    stats: &Arc<Stats>,
    discoveries: &Discoveries,
) -> Result<(), Rejection> {
    let config = cluster.config();
    if config.http.filters.is_empty() {
        return Ok(());
    }
    let scope = stats_prefix(config);
    let deps =
        FilterDeps { stats, scope: &scope, discoveries: Some(discoveries), secrets: Some(secrets), behind: true };
    let root = At::root();
    let at = root.field("typed_extension_protocol_options");
    let at = at.key("envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
    let chains = Chains::compile(&at.field("http_filters"), &config.http.filters, &deps)?;
    let filters =
        Arc::new(OfCluster { config: config.clone(), chains, stats: stats.clone(), secrets: secrets.clone() });
    if let Chains::Discovered(_) = filters.chains {
        let weak = Arc::downgrade(&filters);
        discoveries.register(weak);
    }
    cluster.attach(filters);
    Ok(())
}

/// Hands over the filters of a cluster's own that are to be discovered.
pub(crate) fn each_discovery(config: &config::cluster::Cluster, found: &mut dyn FnMut(Asked<'_>)) {
    for filter in &config.http.filters {
        let found = &mut |name: &_, discovery: &_| found(Asked::Http(Kind::UpstreamHttp, name, discovery));
        filter.config.each_discovery(&filter.name, found);
    }
}

impl discoveries::Chain for OfCluster {
    fn rebuild(self: Arc<Self>, key: &Key, discoveries: &Discoveries) -> Result<Option<Swap>, Rejection> {
        let (Kind::UpstreamHttp, name) = key else { return Ok(None) };
        let scope = stats_prefix(&self.config);
        let deps = FilterDeps {
            stats: &self.stats,
            scope: &scope,
            discoveries: Some(discoveries),
            secrets: Some(&self.secrets),
            behind: true,
        };
        self.chains.rebuild(&self.config.http.filters, name, &deps)
    }
}

impl Attach for OfCluster {
    fn on_worker(self: Arc<Self>) -> Attached {
        Rc::new(OnWorker { held: self.chains.held(), filters: self })
    }
}

impl PinnedBehind {
    /// Those of a cluster, of this moment.
    pub fn of(cluster: &Attached) -> PinnedBehind {
        let held = on_worker(cluster).and_then(|on_worker| on_worker.held.as_ref()?.current());
        held.map_or_else(|| PinnedBehind::Fixed(Rc::clone(cluster)), PinnedBehind::Held)
    }
}

fn on_worker(cluster: &Attached) -> Option<&OnWorker> {
    let any: &dyn Any = &**cluster;
    any.downcast_ref()
}

impl Deref for PinnedBehind {
    type Target = Chain;

    fn deref(&self) -> &Chain {
        match self {
            PinnedBehind::Held(chain) => chain,
            PinnedBehind::Fixed(cluster) => match on_worker(cluster).map(|on_worker| &on_worker.filters.chains) {
                Some(Chains::Fixed(chain)) => chain,
                // Not reached: what is discovered is held, and nothing else is attached to clusters.
                _ => Chain::none(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
