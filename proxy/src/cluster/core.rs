//! What pools, permits and guards of one cluster on one worker share. Made by `worker`.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use super::Cluster;
use super::balance::{SubsetCounters, ZoneCounters};
use super::connect::Connector;
use super::stats::ClusterStats;
use crate::wire::h2::CodecStats;

/// What pools and guards of one cluster on one worker share.
pub struct Core {
    /// The cluster.
    pub shared: Arc<Cluster>,
    /// Its statistics, copied so that a count costs no detour.
    pub stats: ClusterStats,
    /// What makes its connections.
    pub connector: Rc<dyn Connector>,
    codec: OnceCell<CodecStats>,
    subsets: OnceCell<SubsetCounters>,
    zones: OnceCell<ZoneCounters>,
}

impl Core {
    /// A cluster on this worker.
    pub fn new(shared: &Arc<Cluster>, connector: &Rc<dyn Connector>) -> Rc<Core> {
        Rc::new(Core {
            shared: Arc::clone(shared),
            stats: *shared.stats(),
            connector: Rc::clone(connector),
            codec: OnceCell::new(),
            subsets: OnceCell::new(),
            zones: OnceCell::new(),
        })
    }

    /// What balancing over subsets counts.
    pub fn subset_counters(&self) -> SubsetCounters {
        *self.subsets.get_or_init(|| SubsetCounters::new(self.shared.scope()))
    }

    /// What balancing over zones counts.
    pub fn zone_counters(&self) -> ZoneCounters {
        *self.zones.get_or_init(|| ZoneCounters::new(self.shared.scope()))
    }

    /// What the HTTP/2 codec counts; as with Envoy it is there once HTTP/2 is spoken.
    pub fn codec_stats(&self) -> CodecStats {
        let scope = self.shared.scope();
        *self.codec.get_or_init(|| CodecStats {
            close_notify: self.stats.upstream_cx_close_notify,
            ..CodecStats::new(|name| scope.counter(name), |name| scope.gauge(name))
        })
    }
}
