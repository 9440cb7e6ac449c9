//! The overload manager under a pressure that a file says: what a client sees and what is counted, as with the real Envoy.
//! `UPDATE_GOLDENS=1` writes what Envoy does (`integration/parity/overload.txt`).

#![allow(clippy::panic, reason = "helpers of a test: what they cannot do fails it")]

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use outrigger_integration::embedded::ports;
use outrigger_integration::parity::golden;
use outrigger_integration::parity::started::Started;
use serde_json::{Value, json};

const MONITOR: &str = "envoy.resource_monitors.injected_resource";
/// In this order, each after the one before is over.
const PRESSURES: [&str; 7] = ["0.1", "0.5", "0.72", "0.85", "0.92", MOST, "0.2"];
const MOST: &str = "0.97";

/// How a client of HTTP/2 begins, with settings that say nothing (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn bootstrap(admin: SocketAddr, listener: SocketAddr, file: &Path) -> Value {
    let socket = |address: SocketAddr| json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let action =
        |name: &str, trigger: Value| json!({ "name": format!("envoy.overload_actions.{name}"), "triggers": [trigger] });
    let threshold = |value: f64| json!({ "name": MONITOR, "threshold": { "value": value } });
    let scaled = json!({ "name": MONITOR, "scaled": { "scaling_threshold": 0.4, "saturation_threshold": 0.6 } });
    let mut reduce = action("reduce_timeouts", scaled);
    reduce["typed_config"] = json!({
        "@type": "type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig",
        "timer_scale_factors": [{ "timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "0.1s" }],
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "append_local_overload": true,
        "common_http_protocol_options": { "idle_timeout": "3600s" },
        "route_config": { "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "direct_response": { "status": 200, "body": { "inline_string": "hi" } } }] }] },
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
    });
    json!({
        "admin": { "address": socket(admin) },
        "node": { "id": "n", "cluster": "c" },
        "overload_manager": {
            "refresh_interval": "0.05s",
            "resource_monitors": [{ "name": MONITOR, "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig",
                "filename": file.to_str() } }],
            "actions": [reduce, action("disable_http_keepalive", threshold(0.7)), action("stop_accepting_requests", threshold(0.8))],
            "loadshed_points": [
                { "name": "envoy.load_shed_points.http_connection_manager_decode_headers", "triggers": [threshold(0.9)] },
                { "name": "envoy.load_shed_points.tcp_listener_accept", "triggers": [threshold(0.95)] },
            ],
        },
        "static_resources": { "listeners": [{ "name": "l", "address": socket(listener),
            "filter_chains": [{ "filters": [{ "name": "hcm", "typed_config": manager }] }] }] },
    })
}

/// The same with places where load is shed, and a route that leads somewhere.
fn bootstrap_of_points(admin: SocketAddr, listener: SocketAddr, file: &Path) -> Value {
    let mut bootstrap = bootstrap(admin, listener, file);
    let point = |name: &str, share: f64| json!({ "name": format!("envoy.load_shed_points.{name}"), "triggers": [{ "name": MONITOR, "threshold": { "value": share } }] });
    let manager = &mut bootstrap["overload_manager"];
    manager["actions"] = json!([]);
    manager["loadshed_points"] =
        json!([point("http_downstream_filter_check", 0.5), point("hcm_ondata_creating_codec", 0.9)]);
    let statics = &mut bootstrap["static_resources"];
    // Whether there is a host at all is looked at before.
    let nobody = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 9 } });
    statics["clusters"] = json!([{ "name": "nowhere", "type": "STATIC", "load_assignment": { "cluster_name": "nowhere",
        "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": nobody } }] }] } }]);
    let hcm = &mut statics["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let host = &mut hcm["route_config"]["virtual_hosts"][0];
    let mut direct = host["routes"][0].take();
    direct["match"]["prefix"] = json!("/direct");
    host["routes"] = json!([direct, { "match": { "prefix": "/" }, "route": { "cluster": "nowhere" } }]);
    bootstrap
}

/// As Envoy wants it: something else is moved there.
fn set(file: &Path, pressure: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, pressure).expect("the folder is writable");
    std::fs::rename(&next, file).expect("it is there");
}

fn page(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let head = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    // Who is closed at once cannot always be told anything.
    let _cut = stream.write_all(head.as_bytes());
    let mut all = Vec::new();
    let _reset = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// The statistics that say something about it, once the monitor has seen the pressure.
fn statistics(admin: SocketAddr, pressure: &str) -> String {
    let percent = (pressure.parse::<f64>().expect("a number") * 100.0).round();
    let seen = format!("{MONITOR}.pressure: {percent}\n");
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = page(admin, "/stats?filter=(overload|_shed_)");
        if text.contains(&seen) {
            return text.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
        }
        assert!(Instant::now() < until, "{pressure} is not seen: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A proxy, and the file that says how hard it is pressed.
struct Pressed {
    admin: SocketAddr,
    listener: SocketAddr,
    file: PathBuf,
    _proxy: Started,
}

impl Pressed {
    fn start(program: &Path, bootstrap: fn(SocketAddr, SocketAddr, &Path) -> Value) -> Pressed {
        let (admin, listener) = (ports::free(ports::loopback()), ports::free(ports::loopback()));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pressure");
        std::fs::write(&file, PRESSURES[0]).expect("the folder is writable");
        let bootstrap = bootstrap(admin, listener, &file);
        let _proxy = Started::working(program, folder, &bootstrap, admin).unwrap_or_else(|error| panic!("{error}"));
        Pressed { admin, listener, file, _proxy }
    }
}

fn played(program: &Path) -> String {
    let Pressed { admin, listener, file, _proxy } = Pressed::start(program, bootstrap);
    let mut told = String::new();
    // It is open when the pressure begins, and idle: its timeout of an hour becomes a tenth of a second.
    let mut idle = TcpStream::connect(listener).expect("it listens");
    idle.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut idle_http2 = TcpStream::connect(listener).expect("it listens");
    idle_http2.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    idle_http2.write_all(PREFACE).expect("it is open");
    for pressure in PRESSURES {
        set(&file, pressure);
        statistics(admin, pressure);
        let answer = page(listener, "/");
        let head = answer.lines().next().unwrap_or("closed");
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        let why =
            answer.lines().find(|line| line.contains("overloaded: ")).map_or(String::new(), |line| format!(", {line}"));
        writeln!(told, "== {pressure}\n{head}: {body}{why}").expect("a string takes it");
        for line in statistics(admin, pressure).lines().filter(|line| is_told(line)) {
            writeln!(told, "{line}").expect("a string takes it");
        }
        if pressure == MOST {
            let closed = idle.read(&mut [0; 16]).expect("it ends in time");
            writeln!(told, "idle: {closed} octets, closed").expect("a string takes it");
            // It is told first, and has its time.
            let mut goodbye = Vec::new();
            idle_http2.read_to_end(&mut goodbye).expect("it ends in time, too");
            writeln!(told, "idle over HTTP/2: closed").expect("a string takes it");
        }
    }
    told
}

/// Load is shed at each of the places, and no more when there is enough again.
fn played_points(program: &Path) -> String {
    let Pressed { admin, listener, file, _proxy } = Pressed::start(program, bootstrap_of_points);
    let mut told = String::new();
    for pressure in ["0.1", "0.7", "0.95", "0.2"] {
        set(&file, pressure);
        statistics(admin, pressure);
        writeln!(told, "== {pressure}").expect("a string takes it");
        for path in ["/direct", "/"] {
            let answer = page(listener, path);
            let head = answer.lines().next().unwrap_or("closed");
            let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
            writeln!(told, "{path}: {head}: {body}").expect("a string takes it");
        }
        for line in statistics(admin, pressure).lines().filter(|line| is_told(line)) {
            writeln!(told, "{line}").expect("a string takes it");
        }
    }
    told
}

/// Not what other parts are called, nor what takes its time.
fn is_told(line: &str) -> bool {
    // Memory is not accounted by stream: there is nobody to count.
    let others = [
        "http.admin.",
        "http.async-client.",
        "listener.",
        "envoy.overload_actions.",
        "overload.refresh_interval_delay",
    ];
    let is_line = line.contains(": ") && !line.contains("skipped_updates");
    is_line && !others.iter().any(|prefix| line.starts_with(prefix))
}

#[tokio::test]
async fn envoy_does_as_it_is_recorded() {
    golden::of_envoy("overload.txt", async |program| Ok(played(program))).await;
}

#[tokio::test]
async fn envoy_sheds_load_as_it_is_recorded() {
    golden::of_envoy("overload_points.txt", async |program| Ok(played_points(program))).await;
}

#[tokio::test]
async fn the_same_is_shed_here() {
    golden::of_outrigger("overload_points.txt", async |program| Ok(played_points(program))).await;
}

#[tokio::test]
async fn the_same_is_done_here() {
    golden::of_outrigger("overload.txt", async |program| Ok(played(program))).await;
}
