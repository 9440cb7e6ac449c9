//! Virtual hosts and routes, made ready for the request path: header names interned, mutations parsed, weights summed.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use config::metadata::Criteria;
use config::route::{Action, ClusterChoice, Forward, HostRewrite, WeightsBy};
use config::runtime::Live;
use config::{At, Rejection};

use super::super::attempt::mirror::Mirror;
use super::super::filters::chain::{Acting, Scopes};
use super::super::filters::filter::FilterDeps;
use super::super::rate_limit::RateLimit;
use super::super::retry::Rules;
use super::super::trace::OfRoute;
use super::matching::Matcher;
use super::stats::RouteStats;
use crate::cluster::by_weight;
use crate::logs::Line;
use crate::mutate::Mutation;
use crate::policy::headers::HeaderMatchers;
use crate::policy::match_tree::{Tree, Verdict};
use crate::stats::Stats;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::facts::Known;
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// A compiled virtual host.
#[derive(Debug)]
pub struct VirtualHost {
    /// As configured.
    pub config: Arc<config::route::VirtualHost>,
    /// In order; the first match is taken.
    pub routes: Vec<Arc<Route>>,
    /// `retry_policy`, for routes that have none.
    pub(in crate::http) retry: Option<Rules>,
    /// Header changes of the virtual host.
    pub mutation: Mutation,
    /// `rate_limits`.
    pub(in crate::http) rate_limits: Box<[RateLimit]>,
    /// What it tells filters.
    pub(in crate::http) scopes: Scopes,
    /// `request_mirror_policies`.
    pub(in crate::http) mirrors: Box<[Mirror]>,
    /// `matcher`: which routes are tried in place of those.
    tree: Option<Tree<Box<[Arc<Route>]>>>,
    /// `virtual_clusters`, and behind them the one of all other requests.
    virtual_clusters: Box<[VirtualCluster]>,
}

/// Requests that are counted together.
#[derive(Debug)]
pub struct VirtualCluster {
    /// Name; `None`: those that are in no other.
    pub name: Option<Arc<str>>,
    headers: HeaderMatchers,
    stats: OnceLock<RouteStats>,
}

/// A compiled route.
#[derive(Debug)]
pub struct Route {
    /// As configured.
    pub config: Arc<config::route::Route>,
    /// What a forwarding route needs at hand.
    pub forwarding: Option<Forwarding>,
    /// Header changes of the route.
    pub mutation: Mutation,
    /// What it tells filters.
    pub(in crate::http) scopes: Scopes,
    /// And which of them act on its requests.
    pub(in crate::http) acting: Acting,
    /// `tracing`.
    pub(in crate::http) tracing: Option<Box<OfRoute>>,
    /// `decorator.operation`, when it is to be told to the next hop.
    pub decorator: Option<Bytes>,
    /// Of a direct response: how its body is written, and what it is then.
    pub(in crate::http) body_format: Option<(Line, Bytes)>,
    matcher: Matcher,
    stats: OnceLock<RouteStats>,
}

/// Names and weights of a forwarding route.
#[derive(Debug)]
pub struct Forwarding {
    /// As configured.
    pub config: Arc<Forward>,
    /// `retry_policy`.
    pub(in crate::http) retry: Option<Rules>,
    /// With `cluster_header`: that header.
    pub cluster_header: Option<Name>,
    /// With `host_rewrite_header`: that header.
    pub host_rewrite_header: Option<Name>,
    /// With `host_rewrite_literal`: the value.
    pub host_rewrite: Option<Bytes>,
    /// With `weighted_clusters.header_name`: that header.
    pub weights_header: Option<Name>,
    /// With `weighted_clusters`.
    pub weighted: Vec<WeightedTarget>,
    /// `rate_limits`.
    pub(in crate::http) rate_limits: Box<[RateLimit]>,
    /// `request_mirror_policies`.
    pub(in crate::http) mirrors: Box<[Mirror]>,
    /// What all weights are together, where no key of the runtime changes one.
    total_weight: Option<u64>,
}

/// One of a route's weighted clusters.
#[derive(Debug)]
pub struct WeightedTarget {
    /// Cluster; empty where a header names it.
    pub name: Arc<str>,
    /// With `cluster_header`: that header.
    pub cluster_header: Option<Name>,
    /// `metadata_match`, over that of the route.
    pub metadata_match: Option<Arc<Criteria>>,
    /// Header changes when this one is chosen.
    pub mutation: Mutation,
    /// What it tells filters.
    pub(in crate::http) scopes: Scopes,
    /// `host_rewrite_literal`.
    pub host_rewrite: Option<Bytes>,
    weight: Live<u32>,
}

impl VirtualHost {
    pub(super) fn compile(
        at: &At<'_>,
        config: &Arc<config::route::VirtualHost>,
        deps: &FilterDeps<'_>,
    ) -> Result<VirtualHost, Rejection> {
        let list = at.field("routes");
        let route = |(index, route)| Ok(Arc::new(Route::compile(&list.index(index), route, deps)?));
        Ok(VirtualHost {
            config: config.clone(),
            routes: config.routes.iter().enumerate().map(route).collect::<Result<_, Rejection>>()?,
            retry: config.retry.as_ref().map(Rules::compile),
            mutation: Mutation::compile(&config.headers),
            rate_limits: RateLimit::compile(&config.rate_limits),
            scopes: Scopes::compile(at, &config.per_filter, deps)?,
            mirrors: Mirror::compile(&config.mirrors),
            tree: match &config.matcher {
                None => None,
                Some(tree) => {
                    let at = at.field("matcher");
                    Some(Tree::compile(&at, tree, &mut |at, routes: &Vec<Arc<config::route::Route>>| {
                        routes.iter().map(|route| Ok(Arc::new(Route::compile(at, route, deps)?))).collect()
                    })?)
                }
            },
            virtual_clusters: VirtualCluster::compile(&config.virtual_clusters),
        })
    }

    /// The routes that are tried for a request, in order.
    pub(in crate::http) fn routes_for(&self, head: &RequestHead, info: &StreamInfo) -> &[Arc<Route>] {
        let Some(tree) = &self.tree else { return &self.routes };
        let entry = LogEntry { request: Some(head), ..LogEntry::of(info) };
        match tree.judge(&Known::of(&entry)) {
            Verdict::Action(routes) => routes,
            Verdict::Nothing | Verdict::Later => &[],
        }
    }

    /// What a request is counted with.
    pub fn virtual_cluster(&self, head: &RequestHead) -> Option<&VirtualCluster> {
        let (rest, named) = self.virtual_clusters.split_last()?;
        Some(named.iter().find(|one| one.headers.match_request(head)).unwrap_or(rest))
    }
}

impl VirtualCluster {
    fn compile(config: &[config::route::VirtualCluster]) -> Box<[VirtualCluster]> {
        let rest = (!config.is_empty()).then(|| VirtualCluster {
            name: None,
            headers: HeaderMatchers::compile(&[]),
            stats: OnceLock::new(),
        });
        let named = config.iter().map(|one| VirtualCluster {
            name: Some(one.name.clone()),
            headers: HeaderMatchers::compile(&one.headers),
            stats: OnceLock::new(),
        });
        named.chain(rest).collect()
    }

    /// Statistics.
    pub fn stats(&self, stats: &Arc<Stats>, host: &VirtualHost) -> &RouteStats {
        let name = self.name.as_deref().unwrap_or("other");
        self.stats.get_or_init(|| RouteStats::new(stats, &format!("{}.vcluster.{name}", host.config.name)))
    }
}

impl Route {
    pub(super) fn compile(
        at: &At<'_>,
        config: &Arc<config::route::Route>,
        deps: &FilterDeps<'_>,
    ) -> Result<Route, Rejection> {
        let forwarding = match &config.action {
            Action::Forward(forward) => Some(Forwarding::compile(at, forward, deps)?),
            Action::Redirect(_) | Action::Direct(_) | Action::NonForwarding => None,
        };
        let decorator = config.decorator.as_ref().filter(|_| config.decorator_propagate);
        Ok(Route {
            config: config.clone(),
            forwarding,
            mutation: Mutation::compile(&config.headers),
            tracing: config.tracing.as_ref().map(|tracing| Box::new(OfRoute::compile(tracing))),
            decorator: decorator.map(|operation| Bytes::copy_from_slice(operation.as_bytes())),
            body_format: match &config.action {
                Action::Direct(direct) => direct.format.as_ref().map(|format| {
                    (Line::compile(&format.format), Bytes::copy_from_slice(format.content_type.as_bytes()))
                }),
                _ => None,
            },
            matcher: Matcher::compile(&config.matches),
            scopes: Scopes::compile(at, &config.per_filter, deps)?,
            acting: Acting::default(),
            stats: OnceLock::new(),
        })
    }

    /// Statistics of a route with a `stat_prefix`.
    pub fn stats(&self, stats: &Arc<Stats>, host: &VirtualHost) -> Option<&RouteStats> {
        let prefix = self.config.stat_prefix.as_deref().filter(|prefix| !prefix.is_empty())?;
        Some(self.stats.get_or_init(|| RouteStats::new(stats, &format!("{}.route.{prefix}", host.config.name))))
    }

    pub(super) fn matches(&self, head: &RequestHead, info: &StreamInfo, random: u64) -> bool {
        self.matcher.matches(&self.config.matches, head, info, random)
    }

    /// Whether it would, if the request had that path.
    pub(in crate::http) fn matches_at(&self, path: &[u8], head: &RequestHead, info: &StreamInfo, random: u64) -> bool {
        self.matcher.matches_at(path, &self.config.matches, (head, info), random)
    }
}

impl Forwarding {
    fn compile(at: &At<'_>, config: &Arc<Forward>, deps: &FilterDeps<'_>) -> Result<Forwarding, Rejection> {
        let bytes = |text: &Arc<str>| Bytes::copy_from_slice(text.as_bytes());
        let weighted: Vec<WeightedTarget> = match &config.cluster {
            ClusterChoice::Weighted(clusters) => {
                let route = at.field("route");
                let weighted = route.field("weighted_clusters");
                let list = weighted.field("clusters");
                let target = |(index, cluster): (usize, &config::route::WeightedCluster)| {
                    Ok(WeightedTarget {
                        name: cluster.name.clone(),
                        cluster_header: cluster.header.as_ref().map(|name| Name::new(name)),
                        metadata_match: cluster.metadata_match.clone(),
                        mutation: Mutation::compile(&cluster.headers),
                        host_rewrite: cluster.host_rewrite.as_ref().map(bytes),
                        scopes: Scopes::compile(&list.index(index), &cluster.per_filter, deps)?,
                        weight: cluster.weight.clone(),
                    })
                };
                clusters.iter().enumerate().map(target).collect::<Result<_, Rejection>>()?
            }
            ClusterChoice::Single(_) | ClusterChoice::Header(_) => Vec::new(),
        };
        Ok(Forwarding {
            retry: config.retry.as_ref().map(Rules::compile),
            cluster_header: match &config.cluster {
                ClusterChoice::Header(name) => Some(Name::new(name)),
                _ => None,
            },
            host_rewrite_header: match &config.host_rewrite {
                Some(HostRewrite::Header(name)) => Some(Name::new(name)),
                _ => None,
            },
            host_rewrite: match &config.host_rewrite {
                Some(HostRewrite::Literal(value)) => Some(bytes(value)),
                _ => None,
            },
            weights_header: match &config.weights_by {
                WeightsBy::Header(name) => Some(Name::new(name)),
                WeightsBy::Chance | WeightsBy::Hash => None,
            },
            total_weight: weighted.iter().map(|target| target.weight.settled().map(u64::from)).sum(),
            weighted,
            rate_limits: RateLimit::compile(&config.rate_limits),
            mirrors: Mirror::compile(&config.mirrors),
            config: config.clone(),
        })
    }

    /// The weighted cluster that a random number falls on; `None` when all weights are zero.
    pub fn choose(&self, random: u64) -> Option<&WeightedTarget> {
        let weight = |target: &WeightedTarget| u64::from(target.weight.get());
        let total = self.total_weight.unwrap_or_else(|| self.weighted.iter().map(weight).sum());
        let chosen = by_weight(&self.weighted, weight, total, random);
        // A weight may become less in between.
        chosen.or_else(|| self.weighted.iter().rfind(|target| weight(target) > 0))
    }
}
