//! The tags that a proxy takes out of the names of statistics. Prefixes of statistics are the bootstrap's to choose, so it can make names
//! of every form without traffic. Called by the `statistics_parity` test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::{Value, json};

use super::world::{listener, manager, typed};
use crate::embedded::ports;
use crate::parity::address;
use crate::parity::http::Failure;
use crate::parity::started::{Started, page};

/// Prefixes of connection managers.
const MANAGERS: [&str; 16] = [
    "one",
    "outbound_0.0.0.0_80;",
    "x.user_agent.ios",
    "x.fault.cc",
    "x.rbac.pre",
    "x.rbac.policy.pol",
    "x.rbac.pre.policy.pol",
    "x.ext_authz.p",
    "x.rds.a.b",
    "x.scoped_rds.s.t",
    "x.dynamodb.table.t.capacity.op",
    "x.dynamodb.operation.op",
    "x.dynamodb.error.t",
    "x.grpc.s.m",
    "x.tracing",
    "x.ssl.curves.c",
];
/// Prefixes of TCP proxies.
const PROXIES: [&str; 4] = ["one", "tcp.two", "a.b;", "rbac.x"];
/// Prefixes of listeners.
const LISTENERS: [&str; 8] = [
    "127.0.0.1_80",
    "[__1]_80",
    "name",
    "a.worker_3.q",
    "x.http.y",
    "x.ssl.certificate.crt",
    "10.1.2.3_80.http.z",
    "x;",
];
/// Names of clusters in their statistics.
const CLUSTERS: [&str; 9] = [
    "plain",
    "outbound|80||a.b;",
    "s.grpc.svc",
    "s.grpc.svc.meth",
    "s.health_check.name.hc",
    "s.health_check",
    "s.ext_authz.p",
    "s.ssl.certificate.crt",
    "s.external",
];
/// What is looked at of each.
const LAST: [&str; 4] = [
    "_downstream_cx_total{",
    "_downstream_rq_xx{envoy_response_code_class=\"2\"",
    "_downstream_rq_completed{",
    "_membership_total{",
];

/// Starts the program; gives series without their values, sorted.
///
/// # Errors
/// What could not be done.
pub fn play(program: &Path) -> Result<String, Failure> {
    let admin = ports::free(Ipv4Addr::LOCALHOST.into());
    let process = Started::working(program, tempfile::tempdir()?, &bootstrap(admin), admin)?;
    let text = page(admin, "/stats/prometheus")?;
    drop(process);
    // Connections are counted by worker by Envoy alone; and its admin interface is a listener.
    let is_shown = |line: &&str| {
        LAST.iter().any(|last| line.contains(last))
            && !line.contains("admin")
            && !line.contains("worker_id=\"0\"")
            && !line.contains("_worker_0_")
    };
    let mut lines: Vec<&str> =
        text.lines().filter(is_shown).filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    lines.sort_unstable();
    lines.dedup();
    Ok(lines.join("\n") + "\n")
}

fn bootstrap(admin: SocketAddr) -> Value {
    let free = || ports::free(Ipv4Addr::LOCALHOST.into());
    let proxy = |prefix: &str| {
        typed("filters.network.tcp_proxy.v3.TcpProxy", &json!({ "stat_prefix": prefix, "cluster": "cluster0" }))
    };
    let managers = MANAGERS
        .iter()
        .enumerate()
        .map(|(index, prefix)| listener(&format!("manager{index}"), free(), manager(prefix, &json!([]))));
    let proxies =
        PROXIES.iter().enumerate().map(|(index, prefix)| listener(&format!("proxy{index}"), free(), proxy(prefix)));
    let listeners = LISTENERS.iter().map(|prefix| listener(prefix, free(), proxy("any")));
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let clusters = CLUSTERS.iter().enumerate().map(|(index, name)| {
        json!({ "name": format!("cluster{index}"), "alt_stat_name": name, "connect_timeout": "5s",
            "load_assignment": { "cluster_name": name,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(nobody) } }] }] } })
    });
    json!({
        "admin": { "address": address(admin) },
        "static_resources": {
            "listeners": managers.chain(proxies).chain(listeners).collect::<Vec<_>>(),
            "clusters": clusters.collect::<Vec<_>>()
        }
    })
}
