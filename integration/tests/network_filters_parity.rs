//! Network filters of the real Envoy and of Outrigger, from one bootstrap: the same bytes to the same client, the same lines in the logs,
//! the same counters.

#![allow(clippy::unwrap_used, reason = "helpers of a test: what they cannot do fails it")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outrigger_integration::embedded::{binary, ports};
use outrigger_integration::parity::envoy;
use outrigger_integration::skip::or_skip;
use serde_json::{Value, json};

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(10);

fn filter(type_name: &str, mut fields: Value) -> Value {
    fields["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.network.{type_name}"));
    json!({ "name": type_name, "typed_config": fields })
}

fn log(path: &Path, format: &str) -> Value {
    json!([{ "name": "log", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path.display().to_string(),
        "log_format": { "text_format_source": { "inline_string": format!("{format}\n") } }
    } }])
}

/// A proxy with one listener for each case.
struct Proxy {
    child: Child,
    ports: BTreeMap<&'static str, SocketAddr>,
    admin: SocketAddr,
    log: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Proxy {
    fn start(program: &Path) -> Proxy {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let local = || ports::free(Ipv4Addr::LOCALHOST.into());
        let (mut addresses, mut listeners) = (BTreeMap::new(), Vec::new());
        let mut listener = |name: &'static str, filters: Vec<Value>, inspects: bool| {
            let address = local();
            addresses.insert(name, address);
            let inspector = json!([{ "name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" } }]);
            listeners.push(json!({
                "name": name, "stat_prefix": name,
                "address": { "socket_address": { "address": "127.0.0.1", "port_value": address.port() } },
                "listener_filters": if inspects { inspector } else { json!([]) },
                "filter_chains": [{ "filters": filters }],
                "access_log": log(&path, &format!("{name} %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER%"))
            }));
            address
        };
        let tcp = |prefix: &str| {
            let log = log(&path, &format!("tcp.{prefix} %RESPONSE_FLAGS% %UPSTREAM_CLUSTER%"));
            filter("tcp_proxy.v3.TcpProxy", json!({ "stat_prefix": prefix, "cluster": "up", "access_log": log }))
        };
        let answers =
            |text: &str| filter("direct_response.v3.Config", json!({ "response": { "inline_string": text } }));
        let sets = |moment: &str, cluster: &str| {
            let format = json!({ "text_format_source": { "inline_string": cluster } });
            let value = json!([{ "object_key": "envoy.tcp_proxy.cluster", "format_string": format }]);
            filter("set_filter_state.v3.Config", json!({ moment: value }))
        };
        let bucket = json!({ "max_tokens": 1, "fill_interval": "3600s" });
        let limited = json!({ "stat_prefix": "limit", "max_connections": 1 });
        listener("echo", vec![filter("echo.v3.Echo", json!({}))], false);
        listener("direct", vec![answers("bye")], false);
        listener(
            "limit",
            vec![filter("connection_limit.v3.ConnectionLimit", limited), filter("echo.v3.Echo", json!({}))],
            false,
        );
        let rated = json!({ "stat_prefix": "rate", "token_bucket": bucket });
        listener("rate", vec![filter("local_ratelimit.v3.LocalRateLimit", rated), tcp("rate")], false);
        listener("sni", vec![filter("sni_cluster.v3.SniCluster", json!({})), tcp("sni")], true);
        listener("state", vec![sets("on_new_connection", "other"), tcp("state")], false);
        listener("late", vec![sets("on_downstream_data", "other"), tcp("late")], false);
        listener("nowhere", vec![sets("on_new_connection", "nowhere"), tcp("nowhere")], false);
        let (up, other) =
            (listener("up", vec![answers("up")], false), listener("other", vec![answers("other")], false));
        let cluster = |name: &str, address: SocketAddr| {
            let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": address.port() } });
            json!({ "name": name, "connect_timeout": "5s", "load_assignment": { "cluster_name": name,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }] } })
        };
        let clusters = [cluster("up", up), cluster("other", other), cluster("a.example", other)];
        let admin = local();
        let bootstrap = json!({
            "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": admin.port() } } },
            "static_resources": { "listeners": listeners, "clusters": clusters }
        });
        let file = folder.path().join("bootstrap.json");
        std::fs::write(&file, bootstrap.to_string()).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(&file)
            .args(["--concurrency", "1", "-l", "error", "--disable-hot-restart", "--file-flush-interval-msec", "5"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut proxy = Proxy { child, ports: addresses, admin, log: path, _folder: folder };
        let began = Instant::now();
        while proxy.stats().is_none_or(|text| !text.contains("listener_manager.workers_started: 1")) {
            let ended = proxy.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < DEADLINE,
                "it does not start: {:?}",
                std::fs::read_to_string(file.with_file_name("stderr"))
            );
            std::thread::sleep(POLL);
        }
        proxy
    }

    fn stats(&self) -> Option<String> {
        let mut stream = TcpStream::connect(self.admin).ok()?;
        stream.write_all(b"GET /stats HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    fn connect(&self, name: &str) -> TcpStream {
        let stream = TcpStream::connect(self.ports[name]).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Says this, ends its side if it is to, and hears all until the connection ends in some way.
    fn ask(&self, name: &str, words: &[u8], end: bool) -> String {
        let mut stream = self.connect(name);
        let _ = stream.write_all(words);
        if end {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    }

    fn counter(&self, name: &str) -> u64 {
        let text = self.stats().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| unreachable!("no statistic {name}")).trim().parse().unwrap()
    }

    /// The lines of the log, sorted, once there are so many.
    fn lines(&self, count: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            if lines.len() >= count || began.elapsed() > DEADLINE {
                return lines;
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A ClientHello of TLS 1.2 that names a server and nothing else.
fn hello(name: &str) -> Vec<u8> {
    let length = |bytes: Vec<u8>| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
    let list = length([&[0][..], &length(name.as_bytes().to_vec())].concat());
    let extensions = length([&[0, 0][..], &length(list)].concat());
    let body = [&[3, 3][..], &[7; 32], &[0], &length(vec![0xc0, 0x2f]), &[1, 0], &extensions].concat();
    let handshake = [&[1, 0][..], &length(body)].concat();
    [&[22, 3, 1][..], &length(handshake)].concat()
}

fn check(program: &Path) {
    let proxy = Proxy::start(program);
    let mut echo = proxy.connect("echo");
    echo.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    echo.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
    drop(echo);
    assert_eq!(proxy.ask("direct", b"", false), "bye");

    let mut first = proxy.connect("limit");
    first.write_all(b"x").unwrap();
    first.read_exact(&mut [0]).unwrap();
    assert_eq!(proxy.ask("limit", b"", false), "");
    assert_eq!(proxy.counter("connection_limit.limit.limited_connections"), 1);
    drop(first);

    assert_eq!(proxy.ask("rate", b"", true), "up");
    assert_eq!(proxy.ask("rate", b"", true), "");
    assert_eq!(proxy.counter("local_rate_limit.rate.rate_limited"), 1);
    assert_eq!(proxy.counter("tcp.rate.downstream_cx_total"), 2);

    assert_eq!(proxy.ask("sni", &hello("a.example"), false), "other");
    assert_eq!(proxy.ask("sni", &hello("b.example"), false), "");
    assert_eq!(proxy.ask("sni", b"a line of plain text", false), "up");
    assert_eq!(proxy.ask("state", b"", true), "other");
    assert_eq!(proxy.ask("late", b"x", true), "up");
    assert_eq!(proxy.ask("nowhere", b"", true), "");

    let told: Vec<_> =
        proxy.lines(25).into_iter().filter(|line| !line.starts_with("up ") && !line.starts_with("other ")).collect();
    let expected = [
        "direct direct_response - -",
        "echo - - -",
        "late - - up",
        "limit - - -",
        "limit - - -",
        "nowhere - NC -",
        "rate - - up",
        "rate - URX -",
        "sni - - a.example",
        "sni - - up",
        "sni - NC -",
        "state - - other",
        "tcp.late - up",
        "tcp.nowhere NC -",
        "tcp.rate - up",
        "tcp.rate URX -",
        "tcp.sni - a.example",
        "tcp.sni - up",
        "tcp.sni NC -",
        "tcp.state - other",
    ];
    assert_eq!(told, expected);
}

#[test]
fn envoy_does_what_is_written_here() {
    if let Some(envoy) = or_skip("envoy_does_what_is_written_here", envoy()) {
        check(&envoy);
    }
}

#[test]
fn outrigger_does_the_same() {
    check(&binary::build().expect("the binary builds"));
}
