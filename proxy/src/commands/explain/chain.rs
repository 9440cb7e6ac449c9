//! Which filter chain of a listener takes a connection, in Envoy's order of specificity, and what stands in it.

use serde_json::Value;

use crate::commands::dump::{items, text};

/// A connection, as far as chains look at it.
#[derive(Debug, Clone)]
pub struct Connection<'a> {
    /// Where it arrives.
    pub port: u64,
    /// `raw_buffer` or `tls`.
    pub transport: &'a str,
    /// `http/1.1`, or what a client of TLS offers.
    pub protocols: &'a [&'a str],
    /// What a client of TLS asks for.
    pub server_name: &'a str,
}

/// The chain, or none. Levels are looked at from the most to the least specific, and there is no way back.
pub fn choose<'a>(listener: &'a Value, connection: &Connection<'_>) -> Option<&'a Value> {
    let mut left: Vec<&Value> = items(&listener["filter_chains"]).collect();
    type Rank = fn(&Value, &Connection<'_>) -> Option<usize>;
    let levels: [Rank; 4] = [port, server_name, transport, protocol];
    for rank in levels {
        let ranked: Vec<(usize, &Value)> =
            left.iter().filter_map(|chain| Some((rank(&chain["filter_chain_match"], connection)?, *chain))).collect();
        let best = ranked.iter().map(|(rank, _)| *rank).max();
        left = ranked.into_iter().filter(|(rank, _)| Some(*rank) == best).map(|(_, chain)| chain).collect();
    }
    let default = &listener["default_filter_chain"];
    left.first().copied().or_else(|| default.is_object().then_some(default))
}

// Each: none where the chain wants something else, 0 where it wants nothing, more where it wants this.

fn port(demands: &Value, connection: &Connection<'_>) -> Option<usize> {
    match demands["destination_port"].as_u64() {
        None => Some(0),
        Some(port) => (port == connection.port).then_some(1),
    }
}

fn server_name(demands: &Value, connection: &Connection<'_>) -> Option<usize> {
    let mut names = items(&demands["server_names"]).map(text).peekable();
    if names.peek().is_none() {
        return Some(0);
    }
    let host = connection.server_name;
    let rank = |name: &str| match name.strip_prefix("*") {
        _ if host.is_empty() => None,
        Some(end) => host.ends_with(end).then_some(1 + end.len()),
        None => (name == host).then_some(usize::MAX),
    };
    names.filter_map(rank).max()
}

fn transport(demands: &Value, connection: &Connection<'_>) -> Option<usize> {
    match text(&demands["transport_protocol"]) {
        "" => Some(0),
        wanted => (wanted == connection.transport).then_some(1),
    }
}

fn protocol(demands: &Value, connection: &Connection<'_>) -> Option<usize> {
    let mut wanted = items(&demands["application_protocols"]).map(text).peekable();
    if wanted.peek().is_none() {
        return Some(0);
    }
    wanted.any(|protocol| connection.protocols.contains(&protocol)).then_some(1)
}

/// What a chain takes, for tables.
pub fn condition(chain: &Value) -> String {
    let demands = &chain["filter_chain_match"];
    let names: Vec<&str> = items(&demands["server_names"]).map(text).collect();
    let protocols: Vec<&str> = items(&demands["application_protocols"]).map(text).collect();
    let mut words = Vec::new();
    match text(&demands["transport_protocol"]) {
        "" => {}
        "raw_buffer" => words.push("plain".to_owned()),
        other => words.push(other.to_owned()),
    }
    if !names.is_empty() {
        words.push(format!("SNI {}", names.join(",")));
    }
    match &protocols[..] {
        [] => {}
        protocols if protocols.iter().any(|protocol| protocol.starts_with("istio")) => {
            words.push("mesh clients".to_owned())
        }
        protocols => words.push(protocols.join(",")),
    }
    if words.is_empty() { "all".to_owned() } else { words.join(" ") }
}

const MANAGER: &str = "http_connection_manager.v3.HttpConnectionManager";
const TCP_PROXY: &str = "tcp_proxy.v3.TcpProxy";

/// What stands at the end of a chain.
pub enum End<'a> {
    /// Requests: the manager's config.
    Http(&'a Value),
    /// Bytes: clusters with their share of a hundred.
    Tcp(Vec<(&'a str, Option<u64>)>),
    /// Something else, by name.
    Other(&'a str),
}

/// The last filter that says where things go.
pub fn end(chain: &Value) -> End<'_> {
    let mut last = "nothing";
    for filter in items(&chain["filters"]) {
        let config = &filter["typed_config"];
        let kind = text(&config["@type"]);
        if kind.ends_with(MANAGER) {
            return End::Http(config);
        }
        if kind.ends_with(TCP_PROXY) {
            return End::Tcp(super::route::clusters_of(config));
        }
        last = text(&filter["name"]);
    }
    End::Other(last)
}

/// Where a chain leads, for tables.
pub fn leads_to(chain: &Value) -> String {
    match end(chain) {
        End::Http(manager) => match text(&manager["rds"]["route_config_name"]) {
            "" => format!("routes {} (inline)", text(&manager["route_config"]["name"])),
            name => format!("routes {name}"),
        },
        End::Tcp(clusters) => clusters.iter().map(|(name, _)| format!("TCP to {name}")).collect::<Vec<_>>().join(", "),
        End::Other(name) => name.to_owned(),
    }
}

/// Filters before the end that may refuse, by name.
pub fn guards(filters: &Value) -> Vec<&str> {
    const GUARDS: [&str; 12] = [
        ".rbac.",
        ".jwt_authn.",
        ".ext_authz.",
        ".ext_proc.",
        ".ratelimit.",
        ".local_ratelimit.",
        ".basic_auth.",
        ".api_key_auth.",
        ".csrf.",
        ".fault.",
        ".oauth2.",
        ".connection_limit.",
    ];
    let kind = |filter: &Value| {
        let config = &filter["typed_config"];
        config["type_url"].as_str().unwrap_or(text(&config["@type"])).to_owned()
    };
    items(filters)
        .filter(|filter| GUARDS.iter().any(|guard| kind(filter).contains(guard)))
        .map(|filter| text(&filter["name"]))
        .collect()
}
