//! Whether a table, or a tracer of Zipkin's, leads to clusters that there are. Called by the proxy before it takes a table or a listener; which clusters there are is
//! its matter.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Action, ClusterChoice, Mirror, MirrorTarget, Route, RouteConfiguration, VirtualHost};
use crate::access_log::AccessLog;
use crate::discreet::shown;
use crate::hcm::RouteSource;
use crate::listener::{FilterChain, Listener, TerminalFilter};
use crate::rejection::{At, Rejection};
use crate::tracing::Provider;

/// Whether there is a cluster of this name.
pub(crate) type Known<'a> = &'a dyn Fn(&str) -> bool;

pub(crate) mod in_bytes;

impl Listener {
    /// Refuses the listener for a table inside it that names a cluster which is not there, unless the table says that it may, and for a tracer
    /// of Zipkin's without its collector.
    pub fn leads_to(&self, known: Known<'_>) -> Result<(), Rejection> {
        self.leads_nowhere(known).into_iter().next().map_or(Ok(()), Err)
    }

    /// All such reasons to refuse it, within limits: whoever mends a file wants the list.
    pub fn leads_nowhere(&self, known: Known<'_>) -> Vec<Rejection> {
        let root = At::root();
        let at_chains = root.field("filter_chains");
        let mut faults = Faults::default();
        for (index, chain) in self.filter_chains.iter().enumerate() {
            chain_leads_to(&at_chains.index(index), chain, known, &mut faults);
        }
        if let Some(chain) = &self.default_filter_chain {
            chain_leads_to(&root.field("default_filter_chain"), chain, known, &mut faults);
        }
        faults.0
    }
}

/// Clusters that are not there.
#[derive(Default)]
struct Faults(Vec<Rejection>);

impl Faults {
    /// More are of no use to anybody.
    const MOST: usize = 100;

    fn add(&mut self, fault: impl FnOnce() -> Rejection) {
        if self.0.len() < Faults::MOST {
            self.0.push(fault());
        }
    }
}

impl Listener {
    /// What is to be said of access logs whose service is a cluster that is not there: such a log is no reason to refuse anything.
    pub fn logs_to_nowhere(&self, known: Known<'_>) -> Vec<String> {
        let chains = self.filter_chains.iter().chain(&self.default_filter_chain);
        let logs = chains.flat_map(|chain| logs_of(chain)).chain(&self.access_log);
        let names: BTreeSet<&Arc<str>> = logs.filter_map(AccessLog::cluster).filter(|name| !known(name)).collect();
        let told = |name: &Arc<str>| {
            format!(
                "listener '{}': access_log: cluster '{name}' is not there: entries are lost until it is; correct the name, or add it to \
                 static_resources.clusters",
                shown(&self.name)
            )
        };
        names.into_iter().map(told).collect()
    }
}

fn logs_of(chain: &FilterChain) -> &[AccessLog] {
    match &chain.terminal {
        TerminalFilter::Http(manager) => &manager.access_log,
        TerminalFilter::Tcp(proxy) => &proxy.access_log,
        TerminalFilter::Answers(_) | TerminalFilter::None => &[],
    }
}

fn chain_leads_to(at: &At<'_>, chain: &FilterChain, known: Known<'_>, faults: &mut Faults) {
    let TerminalFilter::Http(manager) = &chain.terminal else { return };
    let at = at.field("filters");
    let at = at.index(chain.filters.len());
    let at = at.field("typed_config");
    if let Some(Provider::Zipkin(zipkin)) = manager.tracing.as_ref().and_then(|tracing| tracing.provider.as_deref()) {
        spans_lead_to(&at.field("tracing"), &zipkin.collector.uri.cluster, known, faults);
    }
    if let RouteSource::Inline(table) = &manager.routes
        && table.validate_clusters.unwrap_or(true)
    {
        table.leads_to(&at.field("route_config"), known, faults);
    }
}

/// As in Envoy, Zipkin's collector alone: OpenTelemetry's may come later.
fn spans_lead_to(at: &At<'_>, name: &str, known: Known<'_>, faults: &mut Faults) {
    if known(name) {
        return;
    }
    let at = at.field("provider");
    let at = at.field("typed_config");
    faults.add(|| {
        at.field("collector_cluster").reject(format!(
            "envoy.tracers.zipkin: unknown cluster '{name}'; correct the name, or add the cluster (for a static listener: to \
             static_resources.clusters)"
        ))
    });
}

impl RouteConfiguration {
    /// Refuses a table over RDS that names a cluster which is not there, if it says that this is to be looked at.
    pub fn leads_to_where_asked(&self, known: Known<'_>) -> Result<(), Rejection> {
        if !self.validate_clusters.unwrap_or(false) {
            return Ok(());
        }
        let mut faults = Faults::default();
        self.leads_to(&At::root(), known, &mut faults);
        faults.0.into_iter().next().map_or(Ok(()), Err)
    }

    /// In Envoy's order: of each route its clusters, then its mirrors, wherever it has them from. Those of a host without routes are nobody's.
    fn leads_to(&self, at: &At<'_>, known: Known<'_>, faults: &mut Faults) {
        let at_hosts = at.field("virtual_hosts");
        for (host_index, host) in self.virtual_hosts.iter().enumerate() {
            let at_host = at_hosts.index(host_index);
            let at_routes = at_host.field("routes");
            let mut of_tree = Vec::new();
            if let Some(tree) = &host.matcher {
                tree.each_action(&mut |routes| of_tree.extend(routes.iter().cloned()));
            }
            for (index, route) in host.routes.iter().chain(&of_tree).enumerate() {
                let at_route = if host.matcher.is_some() { at_host.field("matcher") } else { at_routes.index(index) };
                route_leads_to(&at_route, route, known, faults);
                let (level, mirrors) = self.mirrors_of(host, route);
                let at_level = match level {
                    Level::Table => *at,
                    Level::Host => at_host,
                    Level::Route => at_route,
                };
                let at_action = at_level.field("route");
                let at_level = if level == Level::Route { &at_action } else { &at_level };
                mirrors_lead_to(&at_level.field("request_mirror_policies"), mirrors, known, faults);
            }
        }
    }

    fn mirrors_of<'a>(&'a self, host: &'a VirtualHost, route: &'a Route) -> (Level, &'a [Mirror]) {
        match &route.action {
            Action::Forward(forward) if !forward.mirrors.is_empty() => (Level::Route, &forward.mirrors),
            _ if !host.mirrors.is_empty() => (Level::Host, &host.mirrors),
            _ => (Level::Table, &self.mirrors),
        }
    }
}

/// Where mirrors stand.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Level {
    Table,
    Host,
    Route,
}

fn route_leads_to(at: &At<'_>, route: &Route, known: Known<'_>, faults: &mut Faults) {
    let Action::Forward(forward) = &route.action else { return };
    let at = at.field("route");
    match &forward.cluster {
        ClusterChoice::Single(name) => exists(&at.field("cluster"), "unknown cluster", name, known, faults),
        ClusterChoice::Weighted(list) => {
            let at = at.field("weighted_clusters");
            let at = at.field("clusters");
            for (index, one) in list.iter().enumerate().filter(|(_, one)| one.header.is_none()) {
                let at = at.index(index);
                exists(&at.field("name"), "unknown weighted cluster", &one.name, known, faults);
            }
        }
        ClusterChoice::Header(_) => {}
    }
}

fn mirrors_lead_to(at: &At<'_>, mirrors: &[Mirror], known: Known<'_>, faults: &mut Faults) {
    for (index, mirror) in mirrors.iter().enumerate() {
        if let MirrorTarget::Cluster(name) = &mirror.to {
            let at = at.index(index);
            exists(&at.field("cluster"), "unknown shadow cluster", name, known, faults);
        }
    }
}

/// Envoy's words, and what to do.
fn exists(at: &At<'_>, problem: &str, name: &str, known: Known<'_>, faults: &mut Faults) {
    if known(name) {
        return;
    }
    faults.add(|| {
        at.reject(format!(
            "route: {problem} '{name}'; correct the name, add the cluster (for a static table: to static_resources.clusters), or set \
             validate_clusters of the table to false, and such requests are answered 503"
        ))
    });
}

#[cfg(test)]
mod tests;
