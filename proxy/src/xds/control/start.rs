//! Readiness: the order of the first configuration, and what is told of it.

use std::time::{Duration, Instant};

use config::bootstrap::DynamicSource;
use xds_client::{AdsHandle, Subscription, type_url};

use super::Control;
use crate::stats::ServerState;

/// Progress of the first configuration: CDS, then EDS, then LDS, then RDS; then ready.
#[derive(Debug)]
pub struct Start {
    /// The runtime is as it is to be, and the first clusters are asked for.
    pub(super) begun: bool,
    pub(super) began: Instant,
    pub(super) clusters_came: bool,
    pub(super) listeners_wanted: Option<Instant>,
    pub(super) listeners_came: bool,
    pub(super) live: bool,
    /// The first CDS response, or LDS response, has not come in time.
    late: [bool; 2],
    /// The stream of this moment has carried a response.
    pub(super) answered: bool,
}

impl Default for Start {
    fn default() -> Self {
        Start {
            begun: false,
            began: Instant::now(),
            clusters_came: false,
            listeners_wanted: None,
            listeners_came: false,
            live: false,
            late: [false; 2],
            answered: false,
        }
    }
}

impl Control {
    /// LDS is asked for once the first clusters have their endpoints, and even when no listener is to be expected.
    pub(super) fn want_listeners(&mut self, ads: &AdsHandle) {
        let [wait, _] = self.fetches_left();
        if wait == Some(Duration::ZERO)
            && !self.start.clusters_came
            && !std::mem::replace(&mut self.start.late[0], true)
        {
            self.stats.cds.timed_out();
        }
        let clusters_done = self.start.clusters_came || wait == Some(Duration::ZERO);
        if clusters_done && self.start.listeners_wanted.is_none() && !self.clusters.awaits_endpoints() {
            if self.lds.is_some() {
                ads.subscribe(type_url::LISTENER, Subscription::Wildcard);
                self.stats.lds.begun();
            }
            self.start.listeners_wanted = Some(Instant::now());
            self.show_health();
        }
    }

    /// How long the first CDS and LDS responses are still waited for; zero when that is over, `None` without an end.
    pub(super) fn fetches_left(&self) -> [Option<Duration>; 2] {
        let left = |source: Option<DynamicSource>, since: Option<Instant>| {
            Some(source?.initial_fetch_timeout?.saturating_sub(since?.elapsed()))
        };
        [left(self.cds, Some(self.start.began)), left(self.lds, self.start.listeners_wanted)]
    }

    pub(super) fn look_at_readiness(&mut self, dynamic: bool) {
        if self.start.live || !self.start.begun {
            return;
        }
        let [_, wait] = self.fetches_left();
        if wait == Some(Duration::ZERO)
            && !self.start.listeners_came
            && !std::mem::replace(&mut self.start.late[1], true)
        {
            self.stats.lds.timed_out();
        }
        // Where no listeners are asked for, clusters and their endpoints are waited for all the same.
        let came = self.start.listeners_came && (self.lds.is_some() || self.start.listeners_wanted.is_some());
        let configured = !dynamic || came || wait == Some(Duration::ZERO);
        if configured && self.listeners.warming_count() == 0 && !self.clusters.holds_back() {
            self.start.live = true;
            self.show_health();
            self.stats.workers_started.set(1);
            let took = u64::try_from(self.start.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.stats.initialization_time_ms.record(took);
            tracing::info!(
                target: "main",
                "ready after {} ms: {} clusters, {} listeners",
                self.start.began.elapsed().as_millis(),
                self.clusters.active_count(),
                self.listeners.active_count()
            );
            crate::sys::trim_memory();
        }
    }

    /// Live only once the first configuration is here and while no operator says otherwise.
    pub(super) fn show_health(&self) {
        if !self.healthy {
            self.set_state(ServerState::Draining);
        } else if self.start.live {
            self.set_state(ServerState::Live);
        } else {
            self.set_state(ServerState::Initializing);
        }
    }

    fn set_state(&self, state: ServerState) {
        self.stats.set_state(state);
        self.status.set_state(state);
    }
}
