//! Statistics of the process itself, by Envoy's names. The control thread sets them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{Counter, Gauge, Histogram, Kind, Names, Scope, Stats, Text};

/// `server.state`, and what `/ready` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// Everything needed at start has arrived.
    Live,
    /// `/healthcheck/fail` was called.
    Draining,
    /// Start-up before the control plane is connected.
    PreInitializing,
    /// Waiting for the first configuration.
    Initializing,
}

impl ServerState {
    /// As `/ready` and `/server_info` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            ServerState::Live => "LIVE",
            ServerState::Draining => "DRAINING",
            ServerState::PreInitializing => "PRE_INITIALIZING",
            ServerState::Initializing => "INITIALIZING",
        }
    }
}

/// Handles of `server.*`, `listener_manager.*` and `cluster_manager.*`. Cheap to copy.
#[derive(Clone, Copy)]
#[allow(missing_docs)] // The names are the statistics' own.
pub struct ServerStats {
    state: Gauge,
    live: Gauge,
    uptime: Gauge,
    started: Instant,
    pub concurrency: Gauge,
    pub total_connections: Gauge,
    pub memory_allocated: Gauge,
    pub memory_physical_size: Gauge,
    pub days_until_first_cert_expiring: Gauge,
    pub seconds_until_first_ocsp_response_expiring: Gauge,
    pub initialization_time_ms: Histogram,
    pub dropped_log_lines: Counter,
    pub workers_started: Gauge,
    pub total_listeners_active: Gauge,
    pub total_listeners_warming: Gauge,
    pub total_listeners_draining: Gauge,
    pub total_filter_chains_draining: Gauge,
    pub listener_added: Counter,
    pub listener_modified: Counter,
    pub listener_in_place_updated: Counter,
    pub listener_removed: Counter,
    pub listener_stopped: Counter,
    pub listener_create_success: Counter,
    pub listener_create_failure: Counter,
    pub lds: DiscoveryStats,
    pub active_clusters: Gauge,
    pub warming_clusters: Gauge,
    pub cluster_added: Counter,
    pub cluster_modified: Counter,
    pub cluster_removed: Counter,
    pub cds: DiscoveryStats,
    pub static_unknown_fields: Counter,
    pub dynamic_unknown_fields: Counter,
    pub control_plane_connected: Gauge,
    pub control_plane_pending_requests: Gauge,
    pub control_plane_identifier: Text,
}

/// Handles of one subscription: `<prefix>.update_success` and its like.
#[derive(Clone, Copy)]
pub struct DiscoveryStats {
    /// Responses and reconnects.
    pub update_attempt: Counter,
    /// Responses that were accepted whole (an empty one too).
    pub update_success: Counter,
    /// The stream broke.
    pub update_failure: Counter,
    /// Responses of which something was refused.
    pub update_rejected: Counter,
    /// No answer within `initial_fetch_timeout`.
    pub init_fetch_timeout: Counter,
    /// Milliseconds since 1970 of the last success.
    pub update_time: Gauge,
    /// Hash of the version text.
    pub version: Gauge,
    /// The version text.
    pub version_text: Text,
    /// How long taking an update took, ms.
    pub update_duration: Histogram,
}

/// What Envoy shows of itself and does not happen here: nothing deprecated is counted, and nothing is merged or pinned.
const QUIET: Names = &[
    (Kind::Counter, "cluster_manager.cluster_updated_via_merge"),
    (Kind::Counter, "cluster_manager.update_merge_cancelled"),
    (Kind::Counter, "cluster_manager.update_out_of_merge_window"),
    (Kind::Counter, "http1.metadata_not_supported_error"),
    (Kind::Counter, "http1.response_flood"),
    (Kind::Gauge, "listener_manager.workers_pinned"),
    (Kind::Gauge, "runtime.deprecated_feature_seen_since_process_start"),
    (Kind::Counter, "runtime.deprecated_feature_use"),
    (Kind::Gauge, "server.compilation_settings.fips_mode"),
    (Kind::Counter, "server.debug_assertion_failures"),
    (Kind::Counter, "server.dropped_stat_flushes"),
    (Kind::Counter, "server.envoy_bug_failures"),
    (Kind::Counter, "server.envoy_notifications"),
    (Kind::Gauge, "server.stats_recent_lookups"),
    (Kind::Counter, "server.wip_protos"),
];

impl ServerStats {
    /// Makes (or finds) all of them.
    pub fn new(stats: &Arc<Stats>) -> ServerStats {
        let counter = |name: &str| stats.counter(name);
        let gauge = |name: &str| stats.gauge(name);
        // Shown from the start though nobody sets it: there is one epoch.
        gauge("server.hot_restart_epoch").set(0);
        gauge("server.parent_connections").set(0);
        stats.quiet("", QUIET);
        ServerStats {
            state: gauge("server.state"),
            live: gauge("server.live"),
            uptime: gauge("server.uptime"),
            started: Instant::now(),
            concurrency: gauge("server.concurrency"),
            total_connections: gauge("server.total_connections"),
            memory_allocated: gauge("server.memory_allocated"),
            memory_physical_size: gauge("server.memory_physical_size"),
            days_until_first_cert_expiring: gauge("server.days_until_first_cert_expiring"),
            seconds_until_first_ocsp_response_expiring: gauge("server.seconds_until_first_ocsp_response_expiring"),
            initialization_time_ms: stats.histogram("server.initialization_time_ms"),
            dropped_log_lines: counter("server.dropped_log_lines"),
            workers_started: gauge("listener_manager.workers_started"),
            total_listeners_active: gauge("listener_manager.total_listeners_active"),
            total_listeners_warming: gauge("listener_manager.total_listeners_warming"),
            total_listeners_draining: gauge("listener_manager.total_listeners_draining"),
            total_filter_chains_draining: gauge("listener_manager.total_filter_chains_draining"),
            listener_added: counter("listener_manager.listener_added"),
            listener_modified: counter("listener_manager.listener_modified"),
            listener_in_place_updated: counter("listener_manager.listener_in_place_updated"),
            listener_removed: counter("listener_manager.listener_removed"),
            listener_stopped: counter("listener_manager.listener_stopped"),
            listener_create_success: counter("listener_manager.listener_create_success"),
            listener_create_failure: counter("listener_manager.listener_create_failure"),
            lds: DiscoveryStats::new(stats, "listener_manager.lds"),
            active_clusters: gauge("cluster_manager.active_clusters"),
            warming_clusters: gauge("cluster_manager.warming_clusters"),
            cluster_added: counter("cluster_manager.cluster_added"),
            cluster_modified: counter("cluster_manager.cluster_modified"),
            cluster_removed: counter("cluster_manager.cluster_removed"),
            cds: DiscoveryStats::new(stats, "cluster_manager.cds"),
            static_unknown_fields: counter("server.static_unknown_fields"),
            dynamic_unknown_fields: counter("server.dynamic_unknown_fields"),
            control_plane_connected: gauge("control_plane.connected_state"),
            control_plane_pending_requests: gauge("control_plane.pending_requests"),
            control_plane_identifier: stats.text("control_plane.identifier"),
        }
    }

    /// Tells the state; `server.live` follows it.
    pub fn set_state(&self, state: ServerState) {
        self.state.set(match state {
            ServerState::Live => 0,
            ServerState::Draining => 1,
            ServerState::PreInitializing => 2,
            ServerState::Initializing => 3,
        });
        self.live.set(u64::from(state == ServerState::Live));
    }

    /// Brings `server.uptime` up to date; admin calls it before each reading.
    pub fn tick(&self) {
        self.uptime.set(self.started.elapsed().as_secs());
    }
}

impl DiscoveryStats {
    /// For `listener_manager.lds`, `cluster_manager.cds` or `http.<prefix>.rds.<route>`.
    pub fn new(stats: &Arc<Stats>, prefix: &str) -> DiscoveryStats {
        let full = |name: &str| format!("{prefix}.{name}");
        let rest = (stats.text(&full("version_text")), stats.histogram(&full("update_duration")));
        DiscoveryStats::made(|name| stats.counter(&full(name)), |name| stats.gauge(&full(name)), rest)
    }

    /// For something whose statistics go with it: `cluster.<name>`.
    pub fn of(scope: &Scope) -> DiscoveryStats {
        let rest = (scope.text("version_text"), scope.histogram("update_duration"));
        DiscoveryStats::made(|name| scope.counter(name), |name| scope.gauge(name), rest)
    }

    fn made(
        counter: impl Fn(&str) -> Counter,
        gauge: impl Fn(&str) -> Gauge,
        (version_text, update_duration): (Text, Histogram),
    ) -> DiscoveryStats {
        DiscoveryStats {
            update_attempt: counter("update_attempt"),
            update_success: counter("update_success"),
            update_failure: counter("update_failure"),
            update_rejected: counter("update_rejected"),
            init_fetch_timeout: counter("init_fetch_timeout"),
            update_time: gauge("update_time"),
            version: gauge("version"),
            version_text,
            update_duration,
        }
    }

    /// A response of this version was accepted; `took`: what that took.
    pub fn succeeded(&self, version: &str, took: Duration) {
        self.update_duration.record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self.update_attempt.inc();
        self.update_success.inc();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.update_time.set(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        // Envoy's hash.
        self.version.set(xxhash_rust::xxh64::xxh64(version.as_bytes(), 0));
        self.version_text.set(version);
    }

    /// It is asked for.
    pub fn begun(&self) {
        self.update_attempt.inc();
    }

    /// Nothing came within `initial_fetch_timeout`.
    pub fn timed_out(&self) {
        self.update_attempt.inc();
        self.init_fetch_timeout.inc();
    }

    /// The stream ended, or could not be opened.
    pub fn failed(&self) {
        self.update_attempt.inc();
        self.update_failure.inc();
    }

    /// Something in a response was refused.
    pub fn rejected(&self) {
        self.update_attempt.inc();
        self.update_rejected.inc();
    }
}
