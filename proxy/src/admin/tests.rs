//! Tests of `admin`.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::Method;
use config::bootstrap::{Layer, LayerSource};
use config::cluster::Thresholds;
use config::endpoint::{HealthStatus, Locality};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::source::*;
use super::*;
use crate::logs::SinkSettings;
use crate::stats::StatsSettings;
use crate::status::{Assignment, HealthFlags, HostCounts, HostStatus, ListenerStatus, Request, Shown};
use crate::store::{Entry, Kind, Snapshot};
use crate::telemetry::process_log::{self, DEFAULT_PATTERN, Settings};
use crate::tls::{CertificateFacts, ContextFacts};

/// A runtime made of plain data.
pub struct Fake {
    pub state: Mutex<&'static str>,
    pub resources: Mutex<Vec<(Kind, Entry)>>,
    pub bootstrap: Bytes,
    pub asked: Mutex<Vec<String>>,
}

impl Source for Fake {
    fn state(&self) -> &'static str {
        *self.state.lock().unwrap()
    }

    fn shown(&self) -> oneshot::Receiver<Shown> {
        let mut resources = Snapshot::default();
        for (kind, entry) in &*self.resources.lock().unwrap() {
            resources.kinds.entry(*kind).or_default().entries.push(entry.clone());
        }
        resources.kinds.entry(Kind::Cluster).or_default().version = "v7".into();
        let addresses = vec!["127.0.0.2:9080".parse().unwrap(), "[::1]:80".parse().unwrap()];
        let listeners = vec![ListenerStatus { name: "127.0.0.2_9080".into(), addresses, path: None, stopped: false }];
        let (reply, shown) = oneshot::channel();
        reply.send(Shown { resources, listeners, stale_since: None }).unwrap();
        shown
    }

    fn clusters(&self, _shown: &Shown) -> Vec<ClusterStatus> {
        let host = HostStatus {
            address: "10.0.0.1:80".into(),
            target: config::address::Address::Socket("10.0.0.1:80".parse().unwrap()),
            hostname: "".into(),
            health: HealthStatus::Unhealthy,
            flags: HealthFlags::FAILED_OUTLIER_CHECK,
            success_rates: [98.5, -1.0],
            weight: 3,
            priority: 0,
            locality: Locality { region: "a".into(), zone: "b".into(), sub_zone: "".into() },
            canary: true,
            counts: HostCounts { cx_total: 4, ..HostCounts::default() },
        };
        let cluster = |name: &str, hosts| ClusterStatus {
            name: name.into(),
            observability_name: format!("{name};").into(),
            added_via_api: true,
            eds_service_name: Some(name.into()),
            thresholds: [Thresholds::default(); 2],
            outlier_rates: Some([99.25, 90.0, -1.0, -1.0]),
            hosts,
        };
        vec![cluster("up", vec![host]), cluster("other", vec![])]
    }

    fn endpoints(&self, shown: &Shown) -> Vec<ClusterEndpoints> {
        let active = shown.resources.resources(Kind::Cluster).iter().filter(|entry| entry.active.is_some());
        let of = |entry: &Entry| ClusterEndpoints {
            cluster: entry.name.clone(),
            added_via_api: !entry.is_static,
            eds_service_name: shown.resources.find(Kind::Endpoints, &entry.name).map(|service| service.name.clone()),
            now: Box::new(|| Assignment { overprovisioning: 140, ..Assignment::default() }),
        };
        active.map(of).collect()
    }

    fn certificates(&self) -> Vec<ContextFacts> {
        let now = SystemTime::now();
        let leaf = CertificateFacts {
            path: None,
            serial: "abc".into(),
            uri_sans: vec!["spiffe://cluster.local/ns/a/sa/b".into()],
            dns_sans: vec!["b.a".into()],
            ip_sans: vec![],
            valid_from: UNIX_EPOCH,
            expires: now + Duration::from_secs(86_400 * 3 + 100),
            response: None,
        };
        let root = CertificateFacts { path: Some("/root.pem".into()), serial: "root".into(), ..leaf.clone() };
        let response = Some((UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(60)));
        let leaf = CertificateFacts { response, ..leaf };
        vec![ContextFacts { authorities: vec![root.clone(), root], chain: vec![leaf] }]
    }

    fn bootstrap(&self) -> (Bytes, SystemTime) {
        (self.bootstrap.clone(), UNIX_EPOCH + Duration::from_millis(1_795_254_660_524))
    }

    fn ask(&self, request: Request) {
        match request {
            Request::SetHealthy(healthy) => {
                *self.state.lock().unwrap() = if healthy { "LIVE" } else { "DRAINING" };
            }
            other => self.asked.lock().unwrap().push(format!("{other:?}")),
        }
    }
}

pub fn admin_with(resources: Vec<(Kind, Entry)>, bootstrap: Bytes) -> (Arc<Admin>, Arc<Fake>) {
    let source = Arc::new(Fake {
        state: Mutex::new("LIVE"),
        resources: Mutex::new(resources),
        bootstrap,
        asked: Mutex::default(),
    });
    let arguments =
        ["outrigger", "-c", "b.json", "--drain-time-s", "45", "--drain-strategy", "immediate", "-l", "warning"];
    let settings = Settings {
        level: crate::cli::LogLevel::Warning,
        component_levels: "",
        pattern: DEFAULT_PATTERN,
        escaped: false,
        path: Some(Path::new("/dev/null")),
    };
    let admin = Admin {
        source: Arc::clone(&source) as Arc<dyn Source>,
        stats: Stats::new(StatsSettings::default()),
        sinks: Sinks::new(SinkSettings::default()),
        log: process_log::tests::detached(&settings).unwrap(),
        options: crate::cli::parse(arguments.map(Into::into)).unwrap().options,
        concurrency: 2,
        node: node(),
        layers: layers(),
        allowed: Vec::new(),
        started: Instant::now(),
    };
    (Arc::new(admin), source)
}

fn layers() -> Arc<Layers> {
    let entries = |value: &str| [("a.b".into(), value.into())].into_iter().collect();
    let layer = |name: &str, source| Layer { name: name.into(), source };
    let layers = [
        layer("first", LayerSource::Static(entries("1"))),
        layer("second", LayerSource::Static(entries("2"))),
        layer("admin", LayerSource::Admin),
    ];
    Layers::new(&layers, &"".into(), &Arc::default(), &Stats::new(StatsSettings::default()), |_| ())
}

fn node() -> Bytes {
    let node = serde_json::json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.Node",
        "id": "sidecar~1",
        "metadata": { "ISTIO_VERSION": "1.31" },
        "user_agent_name": "outrigger",
    });
    config::dump::encode(&node).unwrap().into()
}

pub(super) fn admin() -> (Arc<Admin>, Arc<Fake>) {
    admin_with(Vec::new(), Bytes::new())
}

pub async fn ask(admin: &Arc<Admin>, method: Method, target: &str) -> (u16, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let response = commands::run(admin, &method, path, &Query::parse(query), &admin.source.shown().try_recv().unwrap());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub async fn get(admin: &Arc<Admin>, target: &str) -> (u16, String) {
    ask(admin, Method::GET, target).await
}

pub(super) async fn post(admin: &Arc<Admin>, target: &str) -> (u16, String) {
    ask(admin, Method::POST, target).await
}

/// What Istio's agent does with a statistics page: one colon a line, an unsigned number after it.
fn as_the_agent_reads(text: &str) -> Result<Vec<(String, u64)>, String> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| match line.split(':').collect::<Vec<_>>()[..] {
            [name, value] => Ok((name.to_owned(), value.trim().parse().map_err(|_| line.to_owned())?)),
            _ => Err(line.to_owned()),
        })
        .collect()
}

/// The whole way, with the request line as the agent writes it: nothing of the expression is escaped.
async fn over_the_wire(admin: Arc<Admin>, request_line: &str) -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let client = async {
        tokio::task::spawn_local(serve(Socket::Tcp(socket), admin, None));
        said(tokio::net::TcpStream::connect(address).await.unwrap(), request_line).await
    };
    tokio::task::LocalSet::new().run_until(client).await
}

#[tokio::test]
async fn a_unix_socket_serves_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin");
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let client = async {
        tokio::task::spawn_local(serve(Socket::Unix(socket), admin().0, None));
        said(tokio::net::UnixStream::connect(path).await.unwrap(), "GET /ready").await
    };
    let text = tokio::task::LocalSet::new().run_until(client).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("LIVE\n"), "{text}");
}

async fn said(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, request_line: &str) -> String {
    let request = format!("{request_line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn the_agents_readiness_probe() {
    let (admin, _) = admin();
    let first =
        r"GET /stats?usedonly&filter=^(cluster_manager\.cds|listener_manager\.lds)\.(update_success|update_rejected)$";
    admin.stats.counter("cluster_manager.cds.update_success").inc();
    admin.stats.counter("cluster_manager.cds.update_rejected");
    admin.stats.counter("listener_manager.lds.update_success").inc();
    admin.stats.counter("listener_manager.lds.update_attempt").inc();
    let text = over_the_wire(Arc::clone(&admin), first).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(head.contains("content-type: text/plain; charset=UTF-8"), "{text}");
    assert_eq!(
        as_the_agent_reads(body).unwrap(),
        [("cluster_manager.cds.update_success".into(), 1), ("listener_manager.lds.update_success".into(), 1)]
    );
    // `server.state` is 0 and must be there all the same.
    admin.stats.gauge("server.state").set(0);
    admin.stats.gauge("listener_manager.workers_started").set(1);
    let second = r"GET /stats?usedonly&filter=^(server\.state|listener_manager\.workers_started)";
    let text = over_the_wire(admin, second).await;
    assert!(text.ends_with("listener_manager.workers_started: 1\nserver.state: 0\n"), "{text}");
}

#[tokio::test]
async fn the_agents_drain_probe() {
    let (admin, _) = admin();
    for (name, value) in [
        ("listener.0.0.0.0_15021.downstream_cx_active", 1),
        ("listener.0.0.0.0_15090.downstream_cx_active", 1),
        ("listener.admin.downstream_cx_active", 1),
        ("listener.127.0.0.2_9080.downstream_cx_active", 2),
        ("listener.10.1.2.3_8080.downstream_cx_active", 3),
    ] {
        admin.stats.gauge(name).add(value);
    }
    admin.stats.counter("listener.10.1.2.3_8080.downstream_cx_total").inc();
    let (status, text) = get(&admin, "/stats?usedonly&filter=downstream_cx_active$").await;
    assert_eq!(status, 200);
    let lines = as_the_agent_reads(&text).unwrap();
    let counted =
        |name: &str| name.starts_with("listener.") && !name.contains("_150") && !name.starts_with("listener.admin.");
    assert_eq!(lines.iter().filter(|(name, _)| counted(name)).map(|(_, value)| value).sum::<u64>(), 5);
    assert_eq!(lines.len(), 5);
}

#[tokio::test]
async fn draining() {
    let (admin, fake) = admin();
    let nothing = "OK: nothing drains, for no listener has the traffic_direction INBOUND\n";
    for (target, said) in [
        ("/drain_listeners?inboundonly&graceful", nothing),
        ("/drain_listeners?skip_exit", "OK\n"),
        ("/drain_listeners", "OK\n"),
    ] {
        assert_eq!(post(&admin, target).await, (200, said.into()));
    }
    assert_eq!(get(&admin, "/drain_listeners").await, (405, "Method GET not allowed, POST required.".into()));
    assert_eq!(
        *fake.asked.lock().unwrap(),
        [
            "Drain { inbound_only: true, graceful: true, skip_exit: false }",
            "Drain { inbound_only: false, graceful: false, skip_exit: true }",
            "Drain { inbound_only: false, graceful: false, skip_exit: false }",
        ]
    );
}

#[tokio::test]
async fn readiness_and_health() {
    let (admin, fake) = admin();
    assert_eq!(get(&admin, "/ready").await, (200, "LIVE\n".into()));
    assert_eq!(post(&admin, "/healthcheck/fail").await, (200, "OK\n".into()));
    assert_eq!(get(&admin, "/ready").await, (503, "DRAINING\n".into()));
    assert_eq!(post(&admin, "/healthcheck/ok").await.0, 200);
    assert_eq!(get(&admin, "/ready").await.0, 200);
    assert_eq!(get(&admin, "/quitquitquit").await.0, 405);
    assert_eq!(post(&admin, "/quitquitquit").await, (200, "OK\n".into()));
    assert_eq!(*fake.asked.lock().unwrap(), ["Quit"]);
}

#[tokio::test]
async fn stats_parameters() {
    let (admin, _) = admin();
    admin.stats.counter("a.count").inc();
    admin.stats.gauge("a.gauge").set(4);
    admin.stats.histogram("a.time");
    for (target, want) in [
        ("/stats", "a.count: 1\na.gauge: 4\na.time: No recorded values\n"),
        ("/stats?usedonly", "a.count: 1\na.gauge: 4\n"),
        ("/stats?type=Counters", "a.count: 1\n"),
        ("/stats?type=Gauges", "a.gauge: 4\n"),
        ("/stats?type=TextReadouts", ""),
        ("/stats?filter=gau", "a.gauge: 4\n"),
        ("/stats?filter=gau|time&invert_filter", "a.count: 1\n"),
        ("/stats?format=json&type=Gauges", r#"{"stats":[{"name":"a.gauge","value":4}]}"#),
        ("/stats?format=prometheus&filter=gau", "# TYPE envoy_a_gauge gauge\nenvoy_a_gauge{} 4\n"),
        ("/stats/prometheus?filter=count", "# TYPE envoy_a_count counter\nenvoy_a_count{} 1\n"),
    ] {
        assert_eq!(get(&admin, target).await, (200, want.into()), "{target}");
    }
    // Patterns are RE2's, as in configuration.
    for (pattern, taken) in [
        (r"^a\.(count|gauge)$", "a.count: 1\na.gauge: 4\n"),
        (r"(?i)A\.GAUGE", "a.gauge: 4\n"),
        (r"\Qa.g\E", "a.gauge: 4\n"),
        (r"\x61.\147", "a.gauge: 4\n"),
        (r"[[:punct:]]t\C", "a.time: No recorded values\n"),
        (r"{a}", ""),
    ] {
        assert_eq!(get(&admin, &format!("/stats?filter={pattern}")).await, (200, taken.into()), "{pattern}");
    }
    for (pattern, words) in [
        ("a**", "bad repetition operator: **"),
        ("(?x)a", "invalid perl operator: (?x"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("(", "missing ): ("),
    ] {
        for page in ["/stats?", "/stats?format=json&", "/stats/prometheus?", "/clusters?"] {
            let refused = get(&admin, &format!("{page}filter={pattern}")).await;
            assert_eq!(refused, (400, format!("Invalid re2 regex: {words}")), "{page}");
        }
    }
    assert_eq!(post(&admin, "/reset_counters").await.0, 200);
    assert_eq!(get(&admin, "/stats?filter=count").await.1, "a.count: 0\n");
}

/// Help, the check and the refusal are one table.
#[tokio::test]
async fn a_value_that_there_is_not_is_refused_with_those_that_there_are() {
    let (admin, _) = admin();
    let help = get(&admin, "/help").await.1;
    for (page, name, values) in [
        ("/clusters", "format", &["text", "json"][..]),
        ("/listeners", "format", &["text", "json"]),
        ("/stats", "format", &["html", "active-html", "json", "prometheus", "text"]),
        ("/stats/prometheus", "format", &["html", "active-html", "json", "prometheus", "text"]),
        ("/stats/prometheus", "histogram_buckets", &["cumulative", "summary"]),
        ("/stats", "type", &["All", "Counters", "Histograms", "Gauges", "TextReadouts"]),
        ("/stats", "histogram_buckets", &["cumulative", "disjoint", "detailed", "summary", "none"]),
    ] {
        let refused = format!("usage: {page}?{name}=({})\n\n", values.join("|"));
        assert_eq!(get(&admin, &format!("{page}?{name}=xml")).await, (400, refused));
        let own = help.split("\n  /").find(|own| own.starts_with(&format!("{}:", &page[1..]))).unwrap();
        assert!(own.contains(&format!("One of ({})", values.join(", "))), "{own}");
        for value in values.iter().chain(&[""]) {
            assert_eq!(get(&admin, &format!("{page}?{name}={value}")).await.0, 200, "{page} {name} {value}");
        }
    }
}

/// A slip of the pen must not close listeners at once that were to be drained.
#[tokio::test]
async fn what_changes_something_takes_no_parameter_that_there_is_not() {
    let (admin, fake) = admin();
    for (target, takes) in [
        ("/drain_listeners?gracefull", "'gracefull': /drain_listeners takes graceful, skip_exit, inboundonly\n"),
        ("/drain_listeners?graceful&inbound_only", "'inbound_only': /drain_listeners takes "),
        ("/healthcheck/fail?x=1", "'x': /healthcheck/fail takes none\n"),
        ("/quitquitquit?now", "'now': /quitquitquit takes none\n"),
        ("/reset_counters?filter=a", "'filter': /reset_counters takes none\n"),
    ] {
        let (status, text) = post(&admin, target).await;
        assert!(status == 400 && text.starts_with(&format!("unknown parameter {takes}")), "{target}: {status} {text}");
    }
    assert!(fake.asked.lock().unwrap().is_empty() && get(&admin, "/ready").await.0 == 200);
    // Where nothing is changed, more is asked for by the tools of tomorrow.
    assert_eq!(get(&admin, "/clusters?of_tomorrow").await.0, 200);
}

#[tokio::test]
async fn logging() {
    let (admin, _) = admin();
    let (status, list) = post(&admin, "/logging").await;
    assert_eq!(status, 200);
    assert!(
        list.starts_with("active loggers:\n  a2a: warning\n  admin: warning\n")
            && list.ends_with("  ip_tagging: warning\n  audit: info\n\n"),
        "{list}"
    );
    assert!(post(&admin, "/logging?upstream=debug").await.1.contains("\n  upstream: debug\n"));
    let (_, list) = post(&admin, "/logging?paths=http:trace,config:off").await;
    assert!(
        list.contains("\n  http: trace\n")
            && list.contains("\n  config: off\n")
            && list.contains("\n  main: warning\n")
    );
    let (_, list) = post(&admin, "/logging?level=error").await;
    assert_eq!(list.matches(": error\n").count(), process_log::LOGGERS.len());
    for (target, why) in [
        ("nope=debug", "unknown logger name 'nope'; the active loggers are listed below\n"),
        ("http=loud", "unknown logger level 'loud'\n"),
        ("level=loud", "unknown logger level 'loud'\n"),
        ("paths=http:info,x:info", "unknown logger name 'x'; "),
        ("group=http:info,x", "'x' is not name:level\n"),
        ("a=b&c=d", "invalid number of parameters; give one\n"),
    ] {
        let (status, text) = post(&admin, &format!("/logging?{target}")).await;
        assert_eq!(status, 400, "{target}");
        assert!(text.starts_with(&format!("error: {why}")) && text.contains("usage: /logging"), "{text}");
        // Nothing of it was applied.
        assert!(text.contains("\n  http: error\n"), "{text}");
    }
    assert_eq!(get(&admin, "/logging").await.0, 405);
}

#[tokio::test]
async fn server_info() {
    let (admin, _) = admin();
    let (status, text) = get(&admin, "/server_info").await;
    assert_eq!(status, 200);
    assert!(text.starts_with("{\n \"version\": \""), "{text}");
    let info: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(info["state"], "LIVE");
    assert_eq!(info["node"]["id"], "sidecar~1");
    let options = &info["command_line_options"];
    assert_eq!(options["drain_time"], "45s");
    assert_eq!(options["file_flush_interval"], "10s");
    assert_eq!(options["drain_strategy"], "Immediate");
    assert_eq!(options["log_level"], "warning");
    assert_eq!(options["concurrency"], 2);
    assert_eq!(info["version"].as_str().unwrap().split('/').count(), 5);
    // Fields at their defaults are there, too.
    assert_eq!(options["socket_mode"], 0);
    assert_eq!(info["hot_restart_initializing"], false);
    assert_eq!(info["node"]["client_features"], serde_json::json!([]));
}

#[tokio::test]
async fn clusters() {
    let (admin, _) = admin();
    let (_, text) = get(&admin, "/clusters").await;
    for line in [
        "up::observability_name::up;",
        "up::default_priority::max_connections::1024",
        "up::high_priority::max_retries::3",
        "up::added_via_api::true",
        "up::eds_service_name::up",
        "up::10.0.0.1:80::cx_total::4",
        "up::outlier::success_rate_average::99.25",
        "up::outlier::local_origin_success_rate_ejection_threshold::-1",
        "up::10.0.0.1:80::health_flags::/failed_outlier_check/failed_eds_health",
        "up::10.0.0.1:80::success_rate::98.5",
        "up::10.0.0.1:80::weight::3",
        "up::10.0.0.1:80::local_origin_success_rate::-1",
        "other::added_via_api::true",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    let (_, text) = get(&admin, "/clusters?format=json&filter=^up$").await;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let host = &json["cluster_statuses"][0]["host_statuses"][0];
    assert_eq!(json["cluster_statuses"].as_array().unwrap().len(), 1);
    assert_eq!(host["address"]["socket_address"]["port_value"], 80);
    assert_eq!(host["health_status"]["eds_health_status"], "UNHEALTHY");
    assert_eq!(host["health_status"]["failed_outlier_check"], true);
    assert_eq!(host["success_rate"]["value"], 98.5);
    assert!(host.get("local_origin_success_rate").is_none());
    assert_eq!(json["cluster_statuses"][0]["success_rate_ejection_threshold"]["value"], 90.0);
    assert_eq!(host["stats"][1], serde_json::json!({ "name": "cx_total", "value": "4" }));
    assert_eq!(get(&admin, "/clusters?filter=[").await.0, 400);
    assert_eq!(get(&admin, "/clusters?format=json&filter=none").await, (200, "{}\n".into()));
}

#[tokio::test]
async fn small_pages() {
    let (admin, _) = admin();
    assert_eq!(get(&admin, "/listeners").await.1, "127.0.0.2_9080::127.0.0.2:9080\n127.0.0.2_9080::[::1]:80\n");
    let listeners: serde_json::Value = serde_json::from_str(&get(&admin, "/listeners?format=json").await.1).unwrap();
    let status = &listeners["listener_statuses"][0];
    assert_eq!(status["local_address"]["socket_address"]["address"], "127.0.0.2");
    assert_eq!(status["additional_local_addresses"][0]["socket_address"]["address"], "::1");
    let certs: serde_json::Value = serde_json::from_str(&get(&admin, "/certs").await.1).unwrap();
    let leaf = &certs["certificates"][0]["cert_chain"][0];
    let response = serde_json::json!({ "valid_from": "1970-01-01T00:00:00Z", "expiration": "1970-01-01T00:01:00Z" });
    assert_eq!(leaf["ocsp_details"], response);
    assert!(certs["certificates"][0]["ca_cert"][0].get("ocsp_details").is_none());
    assert_eq!(leaf["days_until_expiration"], "3");
    assert_eq!(leaf["valid_from"], "1970-01-01T00:00:00Z");
    assert_eq!(leaf["subject_alt_names"][0]["dns"], "b.a");
    assert_eq!(leaf["subject_alt_names"][1]["uri"], "spiffe://cluster.local/ns/a/sa/b");
    let roots = certs["certificates"][0]["ca_cert"].as_array().unwrap();
    assert_eq!((roots.len(), &roots[1]["path"]), (2, &"/root.pem".into()));
    let memory: serde_json::Value = serde_json::from_str(&get(&admin, "/memory").await.1).unwrap();
    assert!(memory["total_physical_bytes"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    let runtime: serde_json::Value = serde_json::from_str(&get(&admin, "/runtime").await.1).unwrap();
    assert_eq!(runtime["entries"]["a.b"]["final_value"], "2");
    assert_eq!(runtime["entries"]["a.b"]["layer_values"], serde_json::json!(["1", "2", ""]));
    assert_eq!(post(&admin, "/runtime_modify?a.b=3&c=%7Bnum").await.0, 503);
    assert_eq!(post(&admin, "/runtime_modify?a.b=3").await, (200, "OK\n".into()));
    let runtime: serde_json::Value = serde_json::from_str(&get(&admin, "/runtime").await.1).unwrap();
    assert_eq!(runtime["entries"]["a.b"]["layer_values"], serde_json::json!(["1", "2", "3"]));
    assert_eq!(post(&admin, "/reopen_logs").await, (200, "OK\n".into()));
    assert_eq!(get(&admin, "/hot_restart_version").await.0, 200);
}

#[tokio::test]
async fn unknown_paths_teach() {
    let (admin, _) = admin();
    let (status, text) = get(&admin, "/nope").await;
    assert_eq!(status, 404);
    assert!(
        text.starts_with("invalid path. admin commands are:\n  /: ") && text.contains("  /drain_listeners (POST): ")
    );
    let (status, help) = get(&admin, "/help").await;
    assert_eq!((status, format!("invalid path. {help}")), (200, text));
    assert_eq!(get(&admin, "/").await.0, 200);
    assert_eq!(post(&admin, "/ready/").await.0, 200);
}

/// As Envoy: the path with its query is what is compared.
#[test]
fn paths_that_are_not_allowed_are_refused() {
    let exact = |path: &str| StringMatcher::Exact { value: path.into(), ignore_case: false };
    let allowed = [exact("/ready"), StringMatcher::Prefix { value: "/stats".into(), ignore_case: false }];
    let refused =
        |uri: &'static str| not_allowed(&allowed, &Uri::from_static(uri)).map(|refusal| refusal.status().as_u16());
    for (uri, status) in [("/ready", None), ("/stats?filter=a", None), ("/ready?x", Some(403)), ("/", Some(403))] {
        assert_eq!(refused(uri), status, "{uri}");
    }
    assert!(not_allowed(&[], &Uri::from_static("/quitquitquit")).is_none());
}
