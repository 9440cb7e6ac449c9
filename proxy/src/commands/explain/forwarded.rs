//! Dynamic forward proxies: a cluster that goes where each request names. Called by `cluster` and `listener`. Whether the name has an address is
//! asked of this machine's resolver, which the proxy's cache may differ from; that is said.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::route::{Request, without_port};
use super::steps::Steps;
use super::{resolved, tls};
use crate::commands::dump::{Dump, Held, address, health, items, text};

/// What a request asks such a cluster for, and by what.
pub struct Wanted<'a> {
    /// A host, perhaps with a port.
    pub authority: String,
    /// Filters that it passes.
    pub filters: &'a Value,
    /// Where it has come in.
    pub address: SocketAddr,
}

const CLUSTER: &str = "dynamic_forward_proxy.v3.ClusterConfig";
const FILTERS: [&str; 2] =
    [".http.dynamic_forward_proxy.v3.FilterConfig", ".sni_dynamic_forward_proxy.v3.FilterConfig"];
const OF_ROUTES: &str = ".dynamic_forward_proxy.v3.PerRouteConfig";

/// Whether a cluster is one.
pub fn is_dynamic(cluster: &Value) -> bool {
    text(&cluster["cluster_type"]["typed_config"]["@type"]).ends_with(CLUSTER)
}

/// The host that is resolved: that of the request, or another one by what route, virtual host or table say.
pub fn host_of_request(request: &Request<'_>, levels: [&Value; 3]) -> String {
    let told = levels.into_iter().find_map(|level| {
        let configs = level["typed_per_filter_config"].as_object()?;
        configs.values().find(|config| text(&config["@type"]).ends_with(OF_ROUTES))
    });
    let told = told.unwrap_or(&Value::Null);
    let literal = told["host_rewrite_literal"].as_str();
    let named = told["host_rewrite_header"].as_str().and_then(|name| request.header(&name.to_ascii_lowercase()));
    literal.or(named).unwrap_or(&request.authority).to_owned()
}

/// Tells where a request goes. False where that is nowhere.
pub fn tell(cluster: &Held<'_>, wanted: &Wanted<'_>, dump: &Dump, steps: &mut Steps) -> bool {
    let asks = |filter: &Value| FILTERS.iter().any(|name| text(&filter["typed_config"]["@type"]).ends_with(name));
    if !items(wanted.filters).any(asks) {
        steps.odd(
            "endpoint",
            "no filter dynamic_forward_proxy stands before it: requests wait here for the name".to_owned(),
        );
    }
    let default = if tls::of_cluster(cluster.body) == "plain" { 80 } else { 443 };
    let Some((host, port)) = split(&wanted.authority, default) else {
        return steps.wrong("endpoint", format!("'{}' is no host with a port; 503 (DF)", wanted.authority));
    };
    let key = format!("{host}:{port}");
    let known: Vec<&Value> = dump.hosts(cluster.name).filter(|one| text(&one["hostname"]) == key).collect();
    let places = if known.is_empty() { resolved(&host) } else { known.iter().flat_map(|one| place(one)).collect() };
    if places.is_empty() {
        let words = "does not resolve on this machine, and the proxy has no address for it";
        return steps.wrong("endpoint", format!("{host} {words}; requests are answered 503 (DF)"));
    }
    if leads_back(&places, port, wanted.address) {
        let here = wanted.address;
        return steps.wrong("endpoint", format!("{key} leads back to {here}; requests are answered 503 (DF)"));
    }
    let list = places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match known.first().map(|one| health(one)) {
        None => {
            steps.good("endpoint", format!("{key} is {list} on this machine; the proxy will ask when a request comes"))
        }
        Some(Ok(words)) => steps.good("endpoint", format!("{key} is {list}, {words}")),
        Some(Err(why)) => return steps.wrong("endpoint", format!("{key} is {list} and gets nothing: {why}; 503 (UH)")),
    }
    tls::tell(tls::socket(cluster.body, &Value::Null), "", dump, steps)
}

fn split(authority: &str, default: u16) -> Option<(String, u16)> {
    let host = without_port(authority);
    let port = match &authority[host.len()..] {
        "" => default,
        port => port[1..].parse().ok()?,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    (!host.is_empty()).then_some((host, port))
}

fn place(host: &Value) -> Option<IpAddr> {
    address(&host["address"]).parse::<SocketAddr>().ok().map(|address| address.ip())
}

fn leads_back(places: &[IpAddr], port: u16, here: SocketAddr) -> bool {
    let is_here = |place: &IpAddr| {
        here.ip().is_unspecified() && place.is_loopback() || place.is_unspecified() || *place == here.ip()
    };
    port == here.port() && places.iter().any(is_here)
}

#[cfg(test)]
mod tests;
