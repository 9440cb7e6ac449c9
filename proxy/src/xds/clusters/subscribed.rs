//! What clusters count of the endpoints that they ask for: `cluster.<name>.update_*`, as every subscription, and what is EDS's own. Each
//! name has one subscription, begun anew with each version of its cluster; what is counted goes with the last of them. It decides nothing.

use std::sync::Arc;
use std::time::Duration;

use config::cluster::Discovery;

use super::Clusters;
use crate::cluster::{Cluster, stats_prefix};
use crate::stats::{Counter, DiscoveryStats, Scope};
use crate::xds::asked::One;

/// Of one name.
pub(super) struct Subscribed {
    one: One,
    empty: Counter,
    no_rebuild: Counter,
    /// What is counted lives as long.
    _scope: Scope,
}

impl Clusters {
    /// A version of a cluster asks for its endpoints.
    pub(super) fn begin_asking(&mut self, cluster: &Cluster) {
        let Discovery::Eds { initial_fetch_timeout, .. } = cluster.config().discovery else { return };
        let name = &cluster.config().name;
        let stats = &self.parts.stats;
        let subscribed = self.subscribed.entry(name.clone()).or_insert_with(|| {
            let scope = stats.scope(&stats_prefix(cluster.config()));
            Subscribed {
                one: One::new(DiscoveryStats::of(&scope)),
                empty: scope.counter("update_empty"),
                no_rebuild: scope.counter("update_no_rebuild"),
                _scope: scope,
            }
        });
        // Endpoints of the version before are as good.
        subscribed.one.begins(initial_fetch_timeout.filter(|_| !cluster.is_warm()));
    }

    /// The clusters of a service got endpoints, or they were refused.
    pub(super) fn count_answer(&mut self, service: &Arc<str>, version: &str, answer: Answer) {
        for name in self.by_service.get(service).into_iter().flatten() {
            let Some(subscribed) = self.subscribed.get_mut(name) else { continue };
            match answer {
                Answer::Taken { is_new, took } => {
                    subscribed.one.came(version, true, took);
                    if !is_new {
                        subscribed.no_rebuild.inc();
                    }
                }
                Answer::Gone => {
                    subscribed.one.came(version, true, Duration::ZERO);
                    subscribed.empty.inc();
                }
                Answer::Refused => subscribed.one.came(version, false, Duration::ZERO),
            }
        }
    }

    /// The stream to the control plane ended, or could not be opened.
    pub fn stream_ended(&self) {
        self.subscribed.values().for_each(|subscribed| subscribed.one.failed());
    }

    /// Counts those whose endpoints did not come in time.
    pub fn give_up_waiting(&mut self) {
        self.subscribed.values_mut().for_each(|subscribed| subscribed.one.give_up_waiting());
    }
}

/// What came.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// Endpoints, other ones than before or not.
    Taken { is_new: bool, took: Duration },
    /// That there are none of the name.
    Gone,
    /// Endpoints that are none.
    Refused,
}
