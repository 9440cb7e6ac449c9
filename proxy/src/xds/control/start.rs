//! Readiness: the order of the first configuration, and what is told of it.

use std::time::Instant;

use config::bootstrap::DynamicSource;
use xds_client::{AdsHandle, Subscription, type_url};

use super::Control;
use crate::telemetry::stats::ServerState;

/// Progress of the first configuration: CDS, then EDS, then LDS, then RDS; then ready.
#[derive(Debug)]
pub struct Start {
    pub(super) began: Instant,
    pub(super) clusters_came: bool,
    pub(super) listeners_wanted: Option<Instant>,
    pub(super) listeners_came: bool,
    pub(super) live: bool,
}

impl Default for Start {
    fn default() -> Self {
        Start {
            began: Instant::now(),
            clusters_came: false,
            listeners_wanted: None,
            listeners_came: false,
            live: false,
        }
    }
}

impl Control {
    /// LDS is asked for once the first clusters have their endpoints, and even when no listener is to be expected.
    pub(super) fn want_listeners(&mut self, ads: &AdsHandle) {
        let clusters_done = self.start.clusters_came || self.waited_for(&self.cds, self.start.began);
        if clusters_done && self.start.listeners_wanted.is_none() && !self.clusters.awaits_endpoints() {
            ads.subscribe(type_url::LISTENER, Subscription::Wildcard);
            self.start.listeners_wanted = Some(Instant::now());
            self.set_state(ServerState::Initializing);
        }
    }

    /// Whether the initial fetch timeout of a source is over.
    fn waited_for(&self, source: &Option<DynamicSource>, since: Instant) -> bool {
        match source {
            Some(DynamicSource::Ads { initial_fetch_timeout: Some(timeout) }) => since.elapsed() >= *timeout,
            _ => false,
        }
    }

    pub(super) fn look_at_readiness(&mut self, dynamic: bool) {
        if self.start.live {
            return;
        }
        let listeners_done = self.start.listeners_came
            || self.start.listeners_wanted.is_some_and(|since| self.waited_for(&self.lds, since));
        let configured = !dynamic || listeners_done;
        if configured && self.listeners.warming_count() == 0 {
            self.start.live = true;
            self.show_health();
            self.stats.workers_started.set(1);
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
