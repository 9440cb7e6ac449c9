//! Virtual hosts and routes, made ready for the request path: header names interned, mutations parsed, weights summed.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use config::route::{Action, ClusterChoice, Forward, HostRewrite};

use super::super::mutate::Mutation;
use super::matching::Matcher;
use super::stats::RouteStats;
use crate::stats::Stats;
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// A compiled virtual host.
#[derive(Debug)]
pub struct VirtualHost {
    /// As configured.
    pub config: Arc<config::route::VirtualHost>,
    /// In order; the first match is taken.
    pub routes: Vec<Arc<Route>>,
    /// Header changes of the virtual host.
    pub mutation: Mutation,
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
    /// `decorator.operation`, when it is to be told to the next hop.
    pub decorator: Option<Bytes>,
    matcher: Matcher,
    stats: OnceLock<RouteStats>,
}

/// Names and weights of a forwarding route.
#[derive(Debug)]
pub struct Forwarding {
    /// As configured.
    pub config: Arc<Forward>,
    /// With `cluster_header`: that header.
    pub cluster_header: Option<Name>,
    /// With `host_rewrite_header`: that header.
    pub host_rewrite_header: Option<Name>,
    /// With `host_rewrite_literal`: the value.
    pub host_rewrite: Option<Bytes>,
    /// With `weighted_clusters`.
    pub weighted: Vec<WeightedTarget>,
    total_weight: u64,
}

/// One of a route's weighted clusters.
#[derive(Debug)]
pub struct WeightedTarget {
    /// Cluster.
    pub name: Arc<str>,
    /// Header changes when this one is chosen.
    pub mutation: Mutation,
    /// `host_rewrite_literal`.
    pub host_rewrite: Option<Bytes>,
    weight: u64,
}

impl VirtualHost {
    pub(super) fn compile(config: &Arc<config::route::VirtualHost>) -> VirtualHost {
        VirtualHost {
            config: config.clone(),
            routes: config.routes.iter().map(|route| Arc::new(Route::compile(route))).collect(),
            mutation: Mutation::compile(&config.headers),
        }
    }
}

impl Route {
    fn compile(config: &Arc<config::route::Route>) -> Route {
        let forwarding = match &config.action {
            Action::Forward(forward) => Some(Forwarding::compile(forward)),
            Action::Redirect(_) | Action::Direct(_) | Action::NonForwarding => None,
        };
        let decorator = config.decorator.as_ref().filter(|_| config.decorator_propagate);
        Route {
            config: config.clone(),
            forwarding,
            mutation: Mutation::compile(&config.headers),
            decorator: decorator.map(|operation| Bytes::copy_from_slice(operation.as_bytes())),
            matcher: Matcher::compile(&config.matches),
            stats: OnceLock::new(),
        }
    }

    /// Statistics of a route with a `stat_prefix`.
    pub fn stats(&self, stats: &Arc<Stats>, host: &VirtualHost) -> Option<&RouteStats> {
        let prefix = self.config.stat_prefix.as_deref().filter(|prefix| !prefix.is_empty())?;
        Some(self.stats.get_or_init(|| RouteStats::new(stats, &host.config.name, prefix)))
    }

    pub(super) fn matches(&self, head: &RequestHead, random: u64) -> bool {
        self.matcher.matches(&self.config.matches, head, random)
    }
}

impl Forwarding {
    fn compile(config: &Arc<Forward>) -> Forwarding {
        let bytes = |text: &Arc<str>| Bytes::copy_from_slice(text.as_bytes());
        let weighted: Vec<WeightedTarget> = match &config.cluster {
            ClusterChoice::Weighted(clusters) => clusters
                .iter()
                .map(|cluster| WeightedTarget {
                    name: cluster.name.clone(),
                    mutation: Mutation::compile(&cluster.headers),
                    host_rewrite: cluster.host_rewrite.as_ref().map(bytes),
                    weight: u64::from(cluster.weight),
                })
                .collect(),
            ClusterChoice::Single(_) | ClusterChoice::Header(_) => Vec::new(),
        };
        Forwarding {
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
            total_weight: weighted.iter().map(|target| target.weight).sum(),
            weighted,
            config: config.clone(),
        }
    }

    /// The weighted cluster that a random number falls on; `None` when all weights are zero.
    pub fn choose(&self, random: u64) -> Option<&WeightedTarget> {
        let mut left = random.checked_rem(self.total_weight)?;
        self.weighted.iter().find(|target| match left.checked_sub(target.weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    }
}

#[cfg(test)]
pub(super) fn compile_for_test(config: config::route::Route) -> Route {
    Route::compile(&Arc::new(config))
}
