//! The HTTP connection manager, compiled: what all connections of a filter chain share. `listener` compiles it, [`super::serve`] reads it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use config::hcm::{ClientCertDetails, ForwardClientCert, HttpConnectionManager, RouteSource};
use config::listener::Direction;
use config::{At, Rejection};

use super::buffers::OfConnection;
use super::filters::chain::{Chain, Chains};
use super::filters::filter::FilterDeps;
use super::local_reply::mapped::{self, LocalReplies};
use super::original_ip::OriginalIp;
use super::route::{RouteSlot, RouteSlots, RouteTable};
use super::stats::HttpStats;
use super::trace::Tracing;
use crate::compile::CompileDeps;
use crate::discoveries::{self, Discoveries, Key, Kind, Swap};
use crate::logs::{AccessLogs, Wants};
use crate::mutate::OrderedMutations;
use crate::policy::match_tree::Tree;
use crate::stats::Stats;
use crate::tls::Secrets;
use crate::wire::h2::CodecStats;

/// A compiled connection manager. Immutable and shared by all workers.
pub struct ConnectionManager {
    pub(super) config: Arc<HttpConnectionManager>,
    pub(super) direction: Direction,
    /// How much of a body a request may hold back.
    pub(super) buffers: OfConnection,
    pub(super) routes: Routes,
    pub(super) chains: Chains,
    /// Filters of upgrades that have their own.
    pub(super) upgrade_chains: OfUpgrades,
    pub(super) access_log: AccessLogs,
    /// Filters behind the router, for clusters without any.
    pub(super) upstream_chains: Chains,
    /// The router's: a line for each attempt.
    pub(super) upstream_log: AccessLogs,
    /// What one of the two tells that is not kept otherwise.
    pub(super) wants: Wants,
    pub(super) stats: HttpStats,
    /// `local_reply_config`.
    pub(super) local_replies: Option<LocalReplies>,
    /// `early_header_mutation_extensions`.
    pub(super) early_headers: OrderedMutations,
    /// `forward_client_cert_matcher`.
    pub(super) client_cert: Option<Tree<(ForwardClientCert, ClientCertDetails)>>,
    /// `original_ip_detection_extensions`.
    pub(super) original_ip: Box<[OriginalIp]>,
    /// `tracing`.
    pub(super) tracing: Option<Tracing>,
    /// What the HTTP/2 codec counts; as with Envoy it is there once a client has spoken HTTP/2.
    codec: OnceLock<CodecStats>,
    /// Where statistics of routes are registered.
    pub(super) registry: Arc<Stats>,
    /// For filters that are discovered.
    secrets: Arc<Secrets>,
}

/// What a connection manager is told of its listener.
#[derive(Debug, Clone, Copy)]
pub struct OfListener<'a> {
    /// Which traffic comes there.
    pub direction: Direction,
    /// `per_connection_buffer_limit_bytes`; 0 is none.
    pub buffer_limit: u32,
    /// What its statistics begin with, up to a dot.
    pub stats: &'a str,
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

    /// A connection that ended before any of its octets were HTTP. `remote`: the client ended it.
    pub fn count_unserved(&self, is_tls: bool, remote: bool) {
        let stats = &self.stats;
        stats.downstream_cx_total.inc();
        if is_tls {
            stats.downstream_cx_ssl_total.inc();
        }
        stats.downstream_cx_destroy.inc();
        if remote { stats.downstream_cx_destroy_remote } else { stats.downstream_cx_destroy_local }.inc();
    }

    /// Octets of such a connection, which no codec has read.
    pub fn count_unserved_octets(&self, octets: u64) {
        self.stats.downstream_cx_rx_bytes_total.add(octets);
    }

    /// Compiles for a listener; `slots` has the route tables that come over RDS.
    ///
    /// # Errors
    /// The inline route table or a filter is refused; the path is relative to the connection manager.
    pub fn compile(
        config: &Arc<HttpConnectionManager>,
        listener: OfListener<'_>,
        deps: &CompileDeps<'_>,
        slots: &dyn RouteSlots,
    ) -> Result<Arc<ConnectionManager>, Rejection> {
        let at = At::root();
        let scope = scope(config);
        let before = before(&scope, deps.stats, deps.discoveries, deps.secrets);
        let behind = behind(&scope, deps.stats, deps.discoveries, deps.secrets);
        let routes = match &config.routes {
            RouteSource::Inline(table) => Routes::Inline(
                RouteTable::compile(table, deps.stats)
                    .map_err(|rejection| Rejection { path: format!("route_config.{}", rejection.path), ..rejection })?,
            ),
            RouteSource::Rds { name, .. } => Routes::Rds(slots.slot(name)),
        };
        let access_log = AccessLogs::compile(&config.access_log, deps.log_sinks, deps.stats);
        let upstream_log = AccessLogs::compile(&config.router.upstream_log, deps.log_sinks, deps.stats);
        let manager = Arc::new(ConnectionManager {
            direction: listener.direction,
            buffers: OfConnection::new(listener.buffer_limit, config),
            routes,
            chains: Chains::compile(&at.field("http_filters"), &config.filters, &before)?,
            upgrade_chains: of_upgrades(&at.field("upgrade_configs"), config, &before)?,
            wants: access_log
                .wants()
                .and(upstream_log.wants())
                .and(Wants { times: config.local_replies.as_ref().is_some_and(mapped::wants_times), spans: false }),
            local_replies: config.local_replies.as_ref().map(LocalReplies::compile),
            early_headers: OrderedMutations::compile(&config.early_headers),
            client_cert: match &config.client_cert_matcher {
                None => None,
                Some(tree) => {
                    let at = at.field("forward_client_cert_matcher");
                    Some(Tree::compile(&at, tree, &mut |_, rule| Ok(*rule))?)
                }
            },
            original_ip: config.original_ip.iter().map(OriginalIp::compile).collect(),
            access_log,
            upstream_chains: Chains::compile(
                &at.field("upstream_http_filters"),
                &config.router.upstream_filters,
                &behind,
            )?,
            upstream_log,
            stats: HttpStats::new(&config.stat_prefix, listener.stats, deps.stats),
            codec: OnceLock::new(),
            registry: deps.stats.clone(),
            secrets: deps.secrets.clone(),
            tracing: config.tracing.as_ref().map(|tracing| {
                Tracing::compile(tracing, config.router.starts_child_span, &scope, listener.direction, deps.stats)
            }),
            config: config.clone(),
        });
        if [&manager.chains, &manager.upstream_chains].into_iter().any(|chains| matches!(chains, Chains::Discovered(_)))
        {
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
    fn rebuild(self: Arc<Self>, key: &Key, discoveries: &Discoveries) -> Result<Option<Swap>, Rejection> {
        let ((kind, name), scope) = (key, scope(&self.config));
        match kind {
            Kind::Http => {
                let deps = before(&scope, &self.registry, discoveries, &self.secrets);
                self.chains.rebuild(&self.config.filters, name, &deps)
            }
            Kind::UpstreamHttp => {
                let deps = behind(&scope, &self.registry, discoveries, &self.secrets);
                self.upstream_chains.rebuild(&self.config.router.upstream_filters, name, &deps)
            }
            Kind::Network | Kind::Listener => Ok(None),
        }
    }
}

impl fmt::Debug for ConnectionManager {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ConnectionManager").field("stat_prefix", &self.config.stat_prefix).finish_non_exhaustive()
    }
}

/// Filters of upgrades that have their own, by what is upgraded to.
type OfUpgrades = Box<[(Arc<str>, Chain)]>;

fn of_upgrades(at: &At<'_>, config: &HttpConnectionManager, deps: &FilterDeps<'_>) -> Result<OfUpgrades, Rejection> {
    let chain = |(kind, filters): &(Arc<str>, Vec<_>)| {
        let place = config.upgrades.iter().position(|upgrade| upgrade.kind == *kind).unwrap_or(0);
        let chain = Chain::compile(&at.index(place).field("filters"), filters, deps)?;
        Ok((kind.clone(), chain))
    };
    config.upgrade_filters.iter().map(chain).collect()
}

/// What filters before the router are compiled with.
fn before<'a>(
    scope: &'a str,
    stats: &'a Arc<Stats>,
    discoveries: &'a Discoveries,
    secrets: &'a Secrets,
) -> FilterDeps<'a> {
    FilterDeps { stats, scope, discoveries: Some(discoveries), secrets: Some(secrets), behind: false }
}

/// The same of those behind it. As Envoy names their statistics: without a dot.
fn behind<'a>(
    scope: &'a str,
    stats: &'a Arc<Stats>,
    discoveries: &'a Discoveries,
    secrets: &'a Secrets,
) -> FilterDeps<'a> {
    FilterDeps { scope: scope.trim_end_matches('.'), behind: true, ..before(scope, stats, discoveries, secrets) }
}

/// What its statistics begin with.
fn scope(config: &HttpConnectionManager) -> String {
    format!("http.{}.", config.stat_prefix)
}
