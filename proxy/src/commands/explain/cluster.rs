//! What becomes of requests that a route gives to a cluster: its endpoints, their health, the handshake.

use serde_json::Value;

use super::forwarded::{self, Wanted};
use super::steps::Steps;
use super::tls;
use crate::commands::dump::{Dump, Held, State, address, health, items, text};

/// Endpoints that are told one by one.
const MOST: usize = 8;

/// Tells of a cluster. False where nothing can go there.
pub fn tell(name: &str, share: Option<u64>, wanted: &Wanted<'_>, dump: &Dump, steps: &mut Steps) -> bool {
    let share = share.map_or(String::new(), |share| format!(" ({share} % of requests)"));
    let clusters = dump.clusters();
    let of_name = |state| clusters.iter().find(|held| held.name == name && held.state == state);
    let Some(cluster) = of_name(State::Active) else {
        let why = match of_name(State::Warming) {
            Some(_) => "has come and waits for its endpoints or certificates (warming)",
            None => "is not there: the control plane has not sent it",
        };
        return steps.wrong("cluster", format!("{name}{share} {why}; requests are answered 503 (NC)"));
    };
    steps.good("cluster", format!("{name}{share}{}", kind(cluster)));
    if let Some(reason) = cluster.refused {
        steps.odd("cluster", format!("its last update was refused, the one before serves: {reason}"));
    }
    if forwarded::is_dynamic(cluster.body) {
        return forwarded::tell(cluster, wanted, dump, steps);
    }
    endpoints(cluster, dump, steps) && handshake(cluster, dump, steps)
}

fn kind(cluster: &Held<'_>) -> String {
    if forwarded::is_dynamic(cluster.body) {
        return ": wherever each request names (dynamic forward proxy)".to_owned();
    }
    let how = match text(&cluster.body["type"]) {
        "EDS" => "endpoints from the control plane",
        "STRICT_DNS" | "LOGICAL_DNS" => "endpoints by DNS",
        "ORIGINAL_DST" => "wherever the connection was meant to go",
        _ => "fixed endpoints",
    };
    format!(": {how}")
}

fn endpoints(cluster: &Held<'_>, dump: &Dump, steps: &mut Steps) -> bool {
    let name = cluster.name;
    let hosts: Vec<&Value> = dump.hosts(name).collect();
    if hosts.is_empty() {
        let why = match text(&cluster.body["type"]) {
            "ORIGINAL_DST" => {
                "goes where connections were redirected from, and nothing redirects them here (no iptables): it never has an endpoint"
            }
            "STRICT_DNS" | "LOGICAL_DNS" => {
                "has no endpoint: its names do not resolve; ask the DNS server of this machine for them"
            }
            _ => "has no endpoint: no workload of the service is ready",
        };
        return steps.wrong("endpoint", format!("{name} {why}; requests are answered 503 (UH)"));
    }
    let mut healthy = 0;
    // One that gets something has not failed each time.
    let mut connected = false;
    let mut lines = Vec::new();
    for host in &hosts {
        let state = health(host);
        healthy += usize::from(state.is_ok());
        let (failed, total) = connects(host);
        connected |= state.is_ok() && (total == 0 || failed < total);
        let counts = if failed == 0 { String::new() } else { format!(" ({failed} of {total} connects failed)") };
        let words = state.clone().map_or_else(|why| format!("gets nothing: {why}"), str::to_owned);
        lines.push((state.is_ok(), format!("{} {words}{counts}", address(&host["address"]))));
    }
    // What is wrong is told first.
    lines.sort_by_key(|(is_healthy, _)| *is_healthy);
    for (is_healthy, line) in lines.iter().take(MOST) {
        if *is_healthy { steps.good("endpoint", line.clone()) } else { steps.odd("endpoint", line.clone()) }
    }
    if lines.len() > MOST {
        steps.good("endpoint", format!("and {} more ({healthy} of {} healthy)", lines.len() - MOST, lines.len()));
    }
    // Protobuf's JSON leaves a zero out.
    let threshold = &cluster.body["common_lb_config"]["healthy_panic_threshold"];
    let panics = !threshold.is_object() || threshold["value"].as_f64().is_some_and(|share| share > 0.0);
    match (healthy, panics) {
        (0, false) => {
            steps.wrong("endpoint", format!("none of {} is healthy; requests are answered 503 (UH)", lines.len()))
        }
        (0, true) => {
            steps.odd("endpoint", "none is healthy, so all are tried (panic threshold)".to_owned());
            true
        }
        _ if !connected => steps.wrong(
            "endpoint",
            format!("no connect to any endpoint of {name} has ever succeeded; requests are answered 503 (UF)"),
        ),
        _ => true,
    }
}

/// Failed connects, and all.
fn connects(host: &Value) -> (u64, u64) {
    let count = |wanted: &str| {
        let stat = items(&host["stats"]).find(|stat| text(&stat["name"]) == wanted);
        stat.and_then(|stat| stat["value"].as_str()?.parse::<u64>().ok()).unwrap_or(0)
    };
    (count("cx_connect_fail"), count("cx_total"))
}

/// Of the first endpoint that gets anything, and of others that are spoken to in another way.
fn handshake(cluster: &Held<'_>, dump: &Dump, steps: &mut Steps) -> bool {
    let service = match text(&cluster.body["eds_cluster_config"]["service_name"]) {
        "" => cluster.name,
        name => name,
    };
    let assigned: Vec<&Value> = dump
        .assignments()
        .filter(|assignment| text(&assignment["cluster_name"]) == service)
        .flat_map(|assignment| items(&assignment["endpoints"]))
        .flat_map(|locality| items(&locality["lb_endpoints"]))
        .collect();
    let mut seen: Vec<&Value> = Vec::new();
    let mut is_good = true;
    for host in dump.hosts(cluster.name).filter(|host| health(host).is_ok()) {
        let place = address(&host["address"]);
        let endpoint = assigned.iter().find(|one| address(&one["endpoint"]["address"]) == place);
        let labels =
            endpoint.map_or(&Value::Null, |one| &one["metadata"]["filter_metadata"]["envoy.transport_socket_match"]);
        let socket = tls::socket(cluster.body, labels);
        if seen.contains(&socket) {
            continue;
        }
        let several = if seen.is_empty() { String::new() } else { format!("to {place} and its like: ") };
        seen.push(socket);
        is_good &= tls::tell(socket, &several, dump, steps);
    }
    is_good
}
