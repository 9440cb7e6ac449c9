//! Pages of the admin interface: status and kind of content, as the real Envoy answers them. `UPDATE_GOLDENS=1` writes what Envoy does
//! (`integration/parity/admin.txt`); what differs stands in `admin_differences.txt`, each with its reason.

#![allow(clippy::panic, reason = "helpers of a test: what they cannot do fails it")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use outrigger_integration::embedded::{binary, ports};
use outrigger_integration::parity::started::Started;
use outrigger_integration::parity::{golden, statistics};
use serde_json::json;

/// In this order: some change what later ones see.
const ASKED: &[&str] = &[
    "GET /",
    "GET /help",
    "GET /help?x",
    "GET /nothing",
    "GET /ready/",
    "GET /ready",
    "POST /ready",
    "PUT /ready",
    "HEAD /ready",
    "GET /ready?x=1",
    "GET /certs",
    "GET /clusters",
    "GET /clusters?format=json",
    "GET /clusters?filter=(",
    "GET /clusters?format=xml",
    "GET /config_dump",
    "POST /config_dump",
    "GET /config_dump?resource=static_clusters",
    "GET /config_dump?resource=nothing",
    "GET /config_dump?resource=bootstrap",
    "GET /config_dump?resource=version_info",
    "GET /config_dump?mask=nothing",
    "GET /config_dump?mask=bootstrap",
    "GET /config_dump?name_regex=(",
    "GET /config_dump?include_eds",
    "GET /contention",
    "POST /cpuprofiler",
    "GET /cpuprofiler?enable=y",
    "POST /cpuprofiler?enable=x",
    "POST /cpuprofiler?enable=y",
    "POST /cpuprofiler?enable=n",
    "POST /heapprofiler",
    "POST /heapprofiler?enable=y",
    "POST /allocprofiler",
    "POST /allocprofiler?enable=n",
    "GET /heap_dump",
    "GET /peak_heap_dump",
    "GET /hot_restart_version",
    "GET /init_dump",
    "GET /init_dump?mask=listener",
    "GET /listeners",
    "GET /listeners?format=json",
    "GET /listeners?format=xml",
    "GET /logging",
    "POST /logging",
    "POST /logging?level=debug",
    "POST /logging?level=error",
    "POST /logging?upstream=info",
    "POST /logging?ai_protocol_manager=info",
    "POST /logging?paths=upstream:error,http:error",
    "POST /logging?nothing=info",
    "POST /logging?level=loud",
    "GET /memory",
    "GET /memory/tcmalloc",
    "GET /reopen_logs",
    "POST /reopen_logs",
    "GET /reset_counters",
    "POST /reset_counters",
    "POST /reset_counters?x=1",
    "GET /runtime",
    "GET /runtime_modify?a=1",
    "POST /runtime_modify",
    "POST /runtime_modify?a=1",
    "GET /server_info",
    "GET /server_info?x=1",
    "GET /stats",
    "GET /stats?unknown=1",
    "GET /stats?usedonly",
    "GET /stats?format=json",
    "GET /stats?format=json&histogram_buckets=cumulative",
    "GET /stats?format=json&histogram_buckets=disjoint",
    "GET /stats?format=json&histogram_buckets=detailed",
    "GET /stats?format=prometheus",
    "GET /stats?format=html",
    "GET /stats?format=xml",
    "GET /stats?type=Gauges",
    "GET /stats?type=x",
    "GET /stats?filter=(",
    "GET /stats?hidden=include",
    "GET /stats?hidden=x",
    "GET /stats?histogram_buckets=x",
    "GET /stats/prometheus",
    "GET /stats/prometheus?text_readouts",
    "GET /stats/prometheus?histogram_buckets=summary",
    "GET /stats/prometheus?histogram_buckets=x",
    "GET /stats/recentlookups",
    "GET /stats/recentlookups/enable",
    "POST /stats/recentlookups/enable",
    "GET /stats/recentlookups",
    "POST /stats/recentlookups/disable",
    "POST /stats/recentlookups/clear",
    "GET /healthcheck/fail",
    "POST /healthcheck/fail",
    "GET /ready",
    "POST /healthcheck/ok",
    "GET /ready",
    "GET /drain_listeners",
    "POST /drain_listeners?inboundonly",
    "GET /quitquitquit",
];

/// `METHOD TARGET -> STATUS KIND`, a line each.
fn played(program: &Path) -> String {
    let admin = ports::free(ports::loopback());
    let address = json!({ "address": admin.ip().to_string(), "port_value": admin.port() });
    let bootstrap = json!({
        "admin": { "address": { "socket_address": address } },
        "node": { "id": "n", "cluster": "c" },
        "static_resources": { "clusters": [{ "name": "one", "type": "STATIC" }] },
    });
    let folder = tempfile::tempdir().expect("a folder");
    let _proxy = Started::working(program, folder, &bootstrap, admin).unwrap_or_else(|error| panic!("{error}"));
    ASKED.iter().map(|asked| format!("{asked} -> {}\n", answer(admin, asked))).collect()
}

fn answer(admin: SocketAddr, asked: &str) -> String {
    let mut stream = TcpStream::connect(admin).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let head = format!("{asked} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it takes a head");
    let mut all = Vec::new();
    // The head is all that counts.
    let _cut = stream.read_to_end(&mut all);
    let text = String::from_utf8_lossy(&all);
    let status = text.split(' ').nth(1).unwrap_or("none");
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or("-");
    format!("{status} {kind}")
}

#[tokio::test]
async fn envoy_answers_as_it_is_recorded() {
    golden::of_envoy("admin.txt", async |program| Ok(played(program))).await;
}

#[test]
fn the_same_is_answered_here() {
    let text = played(&binary::build().unwrap_or_else(|reason| panic!("{reason}")));
    let golden = std::fs::read_to_string(statistics::file("admin.txt")).expect("it is recorded");
    let known = std::fs::read_to_string(statistics::file("admin_differences.txt")).expect("they are written down");
    let known: Vec<(&str, &str)> = known
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(" : ").unwrap_or_else(|| panic!("no reason: {line}")))
        .collect();
    let asked = |line: &str| line.split_once(" -> ").map_or(String::new(), |(asked, _)| asked.to_owned());
    let is_known = |line: &str| known.iter().any(|(name, _)| *name == asked(line));
    assert_eq!(
        golden.lines().count(),
        text.lines().count(),
        "cases are missing, or left over: UPDATE_GOLDENS=1 with Envoy"
    );
    let pairs: Vec<(&str, &str)> = golden.lines().zip(text.lines()).collect();
    let differing: Vec<_> = pairs.iter().filter(|(theirs, ours)| theirs != ours).collect();
    let wrong: Vec<_> = differing.iter().filter(|(line, _)| !is_known(line)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let idle: Vec<_> =
        known.iter().filter(|(name, _)| !differing.iter().any(|(line, _)| asked(line) == *name)).collect();
    assert!(idle.is_empty(), "do not differ (any more): {idle:?}");
}
