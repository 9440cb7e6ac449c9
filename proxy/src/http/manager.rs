//! The HTTP connection manager, compiled: what all connections of a filter chain share. `listener` compiles it, [`super::serve`] reads it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use config::hcm::{HttpConnectionManager, RouteSource};
use config::listener::Direction;
use config::{At, Rejection};

use super::filters::chain::{Chain, Chains};
use super::filters::filter::FilterDeps;
use super::route::{RouteSlot, RouteSlots, RouteTable};
use super::stats::{HttpStats, TracingStats};
use crate::compile::CompileDeps;
use crate::discoveries::{self, Discoveries, Key, Kind, Swap};
use crate::stats::Stats;
use crate::telemetry::access_log::AccessLogs;
use crate::tls::Secrets;
use crate::wire::h2::CodecStats;

/// A compiled connection manager. Immutable and shared by all workers.
pub struct ConnectionManager {
    pub(super) config: Arc<HttpConnectionManager>,
    pub(super) direction: Direction,
    pub(super) routes: Routes,
    pub(super) chains: Chains,
    pub(super) access_log: AccessLogs,
    /// Filters behind the router, for clusters without any.
    pub(super) upstream_chain: Chain,
    /// The router's: a line for each attempt.
    pub(super) upstream_log: AccessLogs,
    /// One of the two tells of moments that are not kept otherwise.
    pub(super) wants_times: bool,
    pub(super) stats: HttpStats,
    /// Where trace decisions are counted, with tracing.
    pub(super) tracing: Option<TracingStats>,
    /// What the HTTP/2 codec counts; as with Envoy it is there once a client has spoken HTTP/2.
    codec: OnceLock<CodecStats>,
    /// Where statistics of routes are registered.
    pub(super) registry: Arc<Stats>,
    /// For filters that are discovered.
    secrets: Arc<Secrets>,
    /// Value of `server`.
    pub(super) server: Bytes,
}

/// Where a connection manager's routes are.
pub(super) enum Routes {
    /// In its configuration.
    Inline(Arc<RouteTable>),
    /// Wherever RDS puts them.
    Rds(Arc<RouteSlot>),
}

impl ConnectionManager {
    /// How long a connection may be without a request.
    pub fn idle_timeout(&self) -> Option<std::time::Duration> {
        self.config.idle_timeout
    }

    /// Compiles. `direction` is the listener's; `slots` has the route tables that come over RDS.
    ///
    /// # Errors
    /// The inline route table or a filter is refused; the path is relative to the connection manager.
    pub fn compile(
        config: &Arc<HttpConnectionManager>,
        direction: Direction,
        deps: &CompileDeps<'_>,
        slots: &dyn RouteSlots,
    ) -> Result<Arc<ConnectionManager>, Rejection> {
        let at = At::root();
        let scope = scope(config);
        let filter_deps = FilterDeps {
            stats: deps.stats,
            scope: &scope,
            discoveries: Some(deps.discoveries),
            secrets: Some(deps.secrets),
        };
        // As Envoy names their statistics: without a dot.
        let behind_deps = FilterDeps { scope: scope.trim_end_matches('.'), discoveries: None, ..filter_deps };
        let routes = match &config.routes {
            RouteSource::Inline(table) => Routes::Inline(
                RouteTable::compile(table, deps.stats)
                    .map_err(|rejection| Rejection { path: format!("route_config.{}", rejection.path), ..rejection })?,
            ),
            RouteSource::Rds { name, .. } => Routes::Rds(slots.slot(name)),
        };
        let access_log = AccessLogs::compile(&config.access_log, deps.log_sinks);
        let upstream_log = AccessLogs::compile(&config.router.upstream_log, deps.log_sinks);
        let manager = Arc::new(ConnectionManager {
            direction,
            routes,
            chains: Chains::compile(&at.field("http_filters"), &config.filters, &filter_deps)?,
            wants_times: access_log.wants_times() || upstream_log.wants_times(),
            access_log,
            upstream_chain: Chain::compile(
                &at.field("upstream_http_filters"),
                &config.router.upstream_filters,
                &behind_deps,
            )?,
            upstream_log,
            stats: HttpStats::new(&config.stat_prefix, deps.stats),
            codec: OnceLock::new(),
            registry: deps.stats.clone(),
            secrets: deps.secrets.clone(),
            tracing: config
                .tracing
                .map(|_| TracingStats::new(deps.stats, &format!("http.{}.tracing.", config.stat_prefix))),
            server: Bytes::copy_from_slice(config.server_name.as_bytes()),
            config: config.clone(),
        });
        if let Chains::Discovered(_) = manager.chains {
            let weak = Arc::downgrade(&manager);
            deps.discoveries.register(weak);
        }
        Ok(manager)
    }

    /// What the HTTP/2 codec counts, for all listeners together.
    pub(super) fn codec_stats(&self) -> CodecStats {
        let stats = &self.registry;
        *self.codec.get_or_init(|| CodecStats::new(|name| stats.counter(name), |name| stats.gauge(name)))
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<HttpConnectionManager> {
        &self.config
    }
}

impl discoveries::Chain for ConnectionManager {
    fn rebuild(&self, key: &Key, discoveries: &Discoveries) -> Result<Option<Swap>, Rejection> {
        let (Kind::Http, name) = key else { return Ok(None) };
        let scope = scope(&self.config);
        let deps = FilterDeps {
            stats: &self.registry,
            scope: &scope,
            discoveries: Some(discoveries),
            secrets: Some(&self.secrets),
        };
        self.chains.rebuild(&self.config.filters, name, &deps)
    }
}

impl fmt::Debug for ConnectionManager {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ConnectionManager").field("stat_prefix", &self.config.stat_prefix).finish_non_exhaustive()
    }
}

/// What its statistics begin with.
fn scope(config: &HttpConnectionManager) -> String {
    format!("http.{}.", config.stat_prefix)
}
