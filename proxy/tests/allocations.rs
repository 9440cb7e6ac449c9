//! Holds how often a request asks for memory: a whole proxy in this process, between a client and a service that ask for none.
//! What it counts is everything that the process asks for meanwhile, so that the least of many counts is the requests' own.

#![allow(clippy::unwrap_used, reason = "helpers of a test: what they cannot do fails it")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of one count, and counts: a short one in which nothing happens by the clock is among many.
const REQUESTS: usize = 100;
const COUNTS: usize = 30;
const REQUEST: &[u8] =
    b"GET /details/0 HTTP/1.1\r\nhost: details.bookinfo:9080\r\nuser-agent: load\r\naccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nfine";

/// Calls for memory of that many requests, HTTP/1.1 both ways with an access log: seven each, and the half of one for what is asked for
/// every few requests. Less is good: put the new number here.
const MOST: usize = 7 * REQUESTS + REQUESTS / 2;
/// And so many more with Istio's exchange of metadata and its metrics: the list of headers grows.
const MORE: usize = REQUESTS;

#[test]
fn a_request_asks_for_memory_no_more_often_than_before() {
    let folder = tempfile::tempdir().unwrap();
    let [mut plain, mut reported, mut judged] = connect(folder.path());
    let (plain, reported, judged) = (least(&mut plain), least(&mut reported), least(&mut judged));
    assert!(plain <= MOST, "{plain} for {REQUESTS} requests");
    assert!(reported <= MOST + MORE, "{reported} for {REQUESTS} requests that are reported");
    // Three RBAC filters that let it pass ask for none.
    assert!(judged <= plain, "{judged} for {REQUESTS} requests that are judged, {plain} for those that are not");
}

/// The least that so many requests have asked for.
fn least(client: &mut TcpStream) -> usize {
    ask(client, REQUESTS);
    let counts = (0..COUNTS).map(|_| {
        let region = Region::new(ALLOCATOR);
        ask(client, REQUESTS);
        let change = region.change();
        change.allocations + change.reallocations
    });
    let least = counts.min().unwrap();
    proxy::cli::say(format_args!("{} a request", least as f64 / REQUESTS as f64));
    least
}

/// Connections to the listeners of a proxy that runs on threads of this process, until that ends.
fn connect(folder: &Path) -> [TcpStream; 3] {
    let bootstrap = folder.join("bootstrap.json");
    std::fs::write(&bootstrap, config(folder, serve()).to_string()).unwrap();
    let admin = folder.join("admin");
    let arguments = ["outrigger", "--concurrency", "1", "-l", "error", "--disable-hot-restart", "-c"];
    let paths = [bootstrap.as_os_str(), "--admin-address-path".as_ref(), admin.as_os_str()];
    let words = arguments.iter().map(|word| word.into()).chain(paths.iter().map(|path| path.into()));
    let invocation = proxy::cli::parse(words).unwrap();
    thread::spawn(move || proxy::app::run(&invocation));
    loop {
        if let [Some(plain), Some(reported), Some(judged)] =
            ["counted", "reported", "judged"].map(|name| listener(&admin, name))
        {
            return [plain, reported, judged].map(|address| TcpStream::connect(address).unwrap());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Where a listener listens, once it does.
fn listener(admin: &Path, name: &str) -> Option<String> {
    let mut stream = TcpStream::connect(std::fs::read_to_string(admin).ok()?).ok()?;
    stream.write_all(b"GET /listeners HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("::"))?;
    Some(line.to_owned())
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// A listener on whatever port is free, with these filters before the router.
fn listener_of(folder: &Path, name: &str, mut filters: Vec<Value>) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    json!({
        "name": name, "address": address(0),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "route_config": {"virtual_hosts": [{
                    "name": "all", "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "service"}}],
                }]},
                "access_log": [{
                    "name": "envoy.access_loggers.file",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                        "path": folder.join("access.log"),
                    },
                }],
                "http_filters": filters,
            },
        }]}],
    })
}

fn config(folder: &Path, service: u16) -> Value {
    json!({
        "admin": {"address": address(0)},
        "static_resources": {
            "listeners": [
                listener_of(folder, "counted", Vec::new()),
                listener_of(folder, "reported", vec![
                    json!({"name": "istio.metadata_exchange", "typed_config": {
                        "@type": "type.googleapis.com/io.istio.http.peer_metadata.Config",
                        "upstream_discovery": [{"istio_headers": {}}],
                        "upstream_propagation": [{"istio_headers": {}}],
                    }}),
                    json!({"name": "istio.stats", "typed_config": {"@type": "type.googleapis.com/stats.PluginConfig"}}),
                ]),
                listener_of(folder, "judged", ["one", "two", "three"].map(rbac).into()),
            ],
            "clusters": [{
                "name": "service", "type": "STATIC",
                "load_assignment": {"cluster_name": "service", "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": address(service)}}]},
                ]},
            }],
        },
    })
}

/// A filter that lets everybody pass, by its rules and by its shadow's.
fn rbac(name: &str) -> Value {
    let rules = |policy: &str| {
        let all = json!([{"any": true}]);
        json!({"action": "ALLOW", "policies": {policy: {"permissions": all, "principals": all}}})
    };
    json!({"name": name, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": rules("told"), "shadow_rules": rules("dry"), "shadow_rules_stat_prefix": format!("{name}_"),
    }})
}

/// A service that answers each request; its port.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                let mut filled = 0;
                loop {
                    filled += match stream.read(&mut buffer[filled..]) {
                        Ok(0) | Err(_) => return,
                        Ok(count) => count,
                    };
                    if buffer[..filled].ends_with(b"\r\n\r\n") {
                        filled = 0;
                        stream.write_all(ANSWER).unwrap();
                    }
                }
            });
        }
    });
    port
}

fn ask(client: &mut TcpStream, requests: usize) {
    let mut buffer = [0; 4096];
    for _ in 0..requests {
        client.write_all(REQUEST).unwrap();
        let mut filled = 0;
        while !buffer[..filled].ends_with(b"\r\n\r\nfine") {
            let count = client.read(&mut buffer[filled..]).unwrap();
            assert!(count > 0, "{:?}", String::from_utf8_lossy(&buffer[..filled]));
            filled += count;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200 "));
    }
}
