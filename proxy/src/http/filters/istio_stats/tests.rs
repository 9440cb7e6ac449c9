//! Tests of Istio's metrics of requests: every label, in its order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use config::filters::HttpFilterConfig;
use config::filters::istio_stats::Change;
use config::filters::peer_metadata::{Discovery, PeerMetadata, Propagation};
use config::metadata::Metadata;
use config::workload::Workload;
use serde_json::json;

use super::*;
use crate::http::filters::bench::Filtered;
use crate::http::testing::fake::{self, Script};
use crate::http::testing::{get, post, route, to_app, with};
use crate::telemetry::mesh::{Goes, service_of};
use crate::tls::info::{PeerCertificate, TlsInfo};

fn workload(name: &str, namespace: &str) -> Workload {
    Workload {
        name: format!("{name}-v1").into(),
        namespace: namespace.into(),
        cluster: format!("{name}-cluster").into(),
        service: name.into(),
        revision: "version-1".into(),
        app: name.into(),
        version: "v1".into(),
        ..Workload::default()
    }
}

fn config() -> Config {
    Config {
        reporter: Configured::ByDirection,
        host_names_service: true,
        interval: Duration::from_secs(5),
        own: Arc::new(workload("productpage", "default")),
        version: "1.31".into(),
        changes: Vec::new(),
        definitions: Vec::new(),
        expressions: Vec::new(),
    }
}

fn exchange() -> HttpFilterConfig {
    HttpFilterConfig::PeerMetadata(Arc::new(PeerMetadata {
        downstream_discovery: vec![Discovery::Headers],
        upstream_discovery: vec![Discovery::Headers],
        downstream_propagation: Vec::new(),
        upstream_propagation: vec![Propagation::Headers { skip_external: false }],
        labels: Arc::from([]),
        id: "id".into(),
        header: "header".into(),
        baggage: "".into(),
    }))
}

fn bench_of(config: Config, direction: Direction) -> Filtered {
    let stats = HttpFilterConfig::IstioStats(Arc::new(config));
    let grpc = config::filters::grpc_stats::GrpcStats {
        emit_filter_state: true,
        methods: config::filters::grpc_stats::Methods::None,
        upstream_stats: false,
        replace_dots: false,
    };
    let grpc = HttpFilterConfig::GrpcStats(Arc::new(grpc));
    let mut bench = Filtered::with_routes(to_app(|_| ()), [("mx", exchange()), ("grpc", grpc), ("stats", stats)]);
    bench.direction = direction;
    bench
}

fn bench(direction: Direction) -> Filtered {
    bench_of(config(), direction)
}

/// The cluster says which service it is.
fn label(bench: &mut Filtered, service: serde_json::Value) {
    let mut cluster = fake::Cluster::new("app");
    cluster.config.metadata = Arc::new(Metadata::from([("istio", json!({ "services": [service] }))]));
    bench.clusters.insert("app".to_owned(), Rc::new(cluster));
}

fn ratings() -> serde_json::Value {
    json!({ "host": "server.default.svc.cluster.local", "name": "server", "namespace": "default" })
}

fn told(workload: &Workload) -> [(&'static str, &'static str); 1] {
    [("x-envoy-peer-metadata", String::leak(workload.header()))]
}

/// The series of a metric, with their values. Each must be there once.
fn series(bench: &Filtered, metric: &str) -> BTreeMap<String, u64> {
    let text: String = bench.registry().label_sets().prometheus(|_, _| true).collect();
    let mut all = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix(metric)
            && let Some(rest) = rest.strip_prefix('{')
        {
            let (labels, value) = rest.rsplit_once("} ").unwrap();
            assert!(all.insert(labels.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    all
}

fn only(bench: &Filtered, metric: &str) -> (String, u64) {
    let mut all = series(bench, metric);
    assert_eq!(all.len(), 1, "{metric}: {all:?}");
    all.pop_first().unwrap()
}

/// As the text format has them.
fn labels(pairs: &str) -> String {
    let pairs = pairs.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(",")
}

const CLIENT: &str = "reporter=source source_workload=productpage-v1 source_canonical_service=productpage
    source_canonical_revision=version-1 source_workload_namespace=default source_principal=unknown source_app=productpage
    source_version=v1 source_cluster=productpage-cluster";
const SERVER_AS_CALLED: &str =
    "destination_workload=ratings-v1 destination_workload_namespace=default destination_principal=unknown
    destination_app=ratings destination_version=v1 destination_service=server.default.svc.cluster.local
    destination_canonical_service=ratings destination_canonical_revision=version-1 destination_service_name=server
    destination_service_namespace=default destination_cluster=ratings-cluster";
const NOBODY_CALLED: &str =
    "destination_workload=unknown destination_workload_namespace=unknown destination_principal=unknown
    destination_app=unknown destination_version=unknown";
const OK: &str = "request_protocol=http response_code=200 grpc_response_status= response_flags=-";

#[tokio::test(start_paused = true)]
async fn a_source_reports_whom_it_called() {
    let mut bench = bench(Direction::Outbound);
    label(&mut bench, ratings());
    for _ in 0..3 {
        bench.app(Script::answers(200, &told(&workload("ratings", "default")), &["12345"]));
        bench.send(get("/")).await;
    }
    let expected = labels(&format!("{CLIENT} {SERVER_AS_CALLED} {OK} connection_security_policy=unknown"));
    assert_eq!(only(&bench, "istio_requests_total"), (expected.clone(), 3));
    assert_eq!(only(&bench, "istio_request_duration_milliseconds_count"), (expected.clone(), 3));
    assert_eq!(only(&bench, "istio_request_bytes_count"), (expected.clone(), 3));
    let (of, sent) = only(&bench, "istio_response_bytes_sum");
    assert!(of == expected && sent > 3 * 5, "{sent}");
    assert_eq!(series(&bench, "istio_request_messages_total").len(), 0);
    assert_eq!(bench.stat("istiocustom.istio_build.component.proxy.tag.1.31"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_tells_nothing_is_unknown_and_the_host_names_the_service() {
    let mut bench = bench(Direction::Outbound);
    bench.app(Script::answers(200, &[], &[]));
    bench.send(get("/")).await;
    let expected = labels(&format!(
        "{CLIENT} {NOBODY_CALLED} destination_service=svc destination_canonical_service=unknown
         destination_canonical_revision=latest destination_service_name=svc destination_service_namespace=unknown
         destination_cluster=unknown {OK} connection_security_policy=unknown"
    ));
    assert_eq!(only(&bench, "istio_requests_total"), (expected.clone(), 1));

    let mut bench = bench_of(Config { host_names_service: false, ..config() }, Direction::Outbound);
    bench.app(Script::answers(200, &[], &[]));
    bench.send(get("/")).await;
    assert_eq!(only(&bench, "istio_requests_total").0, expected.replace("\"svc\"", "\"unknown\""));
}

#[tokio::test(start_paused = true)]
async fn endpoints_say_who_they_are_where_nobody_else_does() {
    let mut bench = bench(Direction::Outbound);
    let mut cluster = fake::Cluster::new("app");
    let metadata = json!({ "workload": "ratings-v1;default;ratings;version-1;server-cluster" });
    cluster.labels = Arc::new(Metadata::from([("istio", metadata)]));
    bench.clusters.insert("app".to_owned(), Rc::new(cluster));
    bench.app(Script::answers(200, &[], &[]));
    bench.send(get("/")).await;
    let (labels, _) = only(&bench, "istio_requests_total");
    for part in [
        "destination_workload=\"ratings-v1\",destination_workload_namespace=\"default\"",
        "destination_app=\"unknown\",destination_version=\"unknown\"",
        "destination_canonical_service=\"ratings\",destination_canonical_revision=\"version-1\"",
        "destination_service_namespace=\"default\",destination_cluster=\"server-cluster\"",
    ] {
        assert!(labels.contains(part), "{part}: {labels}");
    }
}

/// A connection with the certificates of two accounts.
fn secured(bench: &mut Filtered) {
    let peer = PeerCertificate { uri_sans: vec!["spiffe://td/ns/other/sa/caller".into()], ..Default::default() };
    let own: Arc<[Arc<str>]> = Arc::from([Arc::from("spiffe://td/ns/default/sa/productpage")]);
    let tls = TlsInfo { peer: Some(Rc::new(peer)), local_uri_sans: own, ..Default::default() };
    bench.connection.tls = Some(Rc::new(tls));
}

const CALLED: &str = "destination_workload=productpage-v1 destination_workload_namespace=default
    destination_principal=spiffe://td/ns/default/sa/productpage destination_app=productpage destination_version=v1
    destination_service=server.default.svc.cluster.local destination_canonical_service=productpage
    destination_canonical_revision=version-1 destination_service_name=server destination_service_namespace=default
    destination_cluster=productpage-cluster";

#[tokio::test(start_paused = true)]
async fn a_destination_reports_who_called() {
    let mut bench = bench_of(Config { host_names_service: false, ..config() }, Direction::Inbound);
    label(&mut bench, ratings());
    secured(&mut bench);
    bench.app(Script::answers(200, &[], &[]));
    bench.send(with(get("/"), &told(&workload("curl", "said")))).await;
    bench.app(Script::answers(404, &[], &[]));
    bench.send(get("/")).await;
    let by = "source_principal=spiffe://td/ns/other/sa/caller";
    let known = labels(&format!(
        "reporter=destination source_workload=curl-v1 source_canonical_service=curl source_canonical_revision=version-1
         source_workload_namespace=other {by} source_app=curl source_version=v1 source_cluster=curl-cluster {CALLED} {OK}
         connection_security_policy=mutual_tls"
    ));
    let unknown = labels(&format!(
        "reporter=destination source_workload=unknown source_canonical_service=unknown source_canonical_revision=latest
         source_workload_namespace=other {by} source_app=unknown source_version=unknown source_cluster=unknown {CALLED}
         request_protocol=http response_code=404 grpc_response_status= response_flags=-
         connection_security_policy=mutual_tls"
    ));
    assert_eq!(series(&bench, "istio_requests_total"), BTreeMap::from([(known, 1), (unknown, 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_plain_client_is_none_and_the_workload_stands_for_its_service() {
    let mut bench = bench_of(Config { host_names_service: false, ..config() }, Direction::Inbound);
    bench.app(Script::answers(200, &[], &[]));
    bench.send(get("/")).await;
    let (labels, _) = only(&bench, "istio_requests_total");
    for part in [
        "source_workload_namespace=\"unknown\",source_principal=\"unknown\"",
        "destination_principal=\"unknown\"",
        "destination_service=\"productpage\"",
        "destination_service_name=\"productpage\",destination_service_namespace=\"default\"",
        "connection_security_policy=\"none\"",
    ] {
        assert!(labels.contains(part), "{part}: {labels}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_leads_out_of_the_mesh_has_the_name_of_its_way() {
    for (name, cluster) in [("allow_any", "PassthroughCluster"), ("block_all", "BlackHoleCluster")] {
        let mut way = route("/", crate::http::testing::forward("app", |_| ()));
        way.name = name.into();
        let filters = [("stats", HttpFilterConfig::IstioStats(Arc::new(config())))];
        let mut bench = Filtered::with_routes(vec![way], filters);
        label(&mut bench, ratings());
        bench.app(Script::answers(200, &[], &[]));
        bench.send(get("/")).await;
        let (labels, _) = only(&bench, "istio_requests_total");
        let part = format!("destination_service_name=\"{cluster}\",destination_service_namespace=\"unknown\"");
        assert!(labels.contains("destination_service=\"svc\"") && labels.contains(&part), "{labels}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_has_its_status_and_flags() {
    let mut bench = bench(Direction::Outbound);
    bench.app(Script { no_host: Some(crate::cluster::PickFailure::NoEndpoints), ..Script::default() });
    bench.send(get("/")).await;
    let (labels, count) = only(&bench, "istio_requests_total");
    assert!(labels.contains("response_code=\"503\",grpc_response_status=\"\",response_flags=\"UH\""), "{labels}");
    assert_eq!(count, 1);
}

#[tokio::test(start_paused = true)]
async fn grpc_has_a_status_of_its_own_and_counts_messages() {
    let mut bench = bench(Direction::Outbound);
    label(&mut bench, ratings());
    let grpc = [("content-type", "application/grpc")];
    let request = || with(post("/a.B/C"), &grpc);
    bench.app(Script {
        body: [
            Ok(crate::wire::message::Frame::Data("\0\0\0\0\x01a\0\0\0\0\x01b".into())),
            Ok(crate::wire::message::Frame::Trailers({
                let mut trailers = Headers::new();
                trailers.append(Name::GRPC_STATUS, "5");
                trailers
            })),
        ]
        .into(),
        ..Script::answers(200, &grpc, &["x"])
    });
    bench.send_pieces(request(), &["\0\0\0\0\x01a", "\0\0\0\0\x01b", "\0\0\0\0\x01c"]).await;
    let (of, count) = only(&bench, "istio_requests_total");
    let end = "request_protocol=\"grpc\",response_code=\"200\",grpc_response_status=\"5\",response_flags=\"-\"";
    assert!(of.contains(end) && count == 1, "{of}");
    // Messages say who and where, and not how it went.
    let of = labels(&format!("{CLIENT} {}", SERVER_AS_CALLED.replace("ratings-cluster", "unknown")));
    let (named, count) = only(&bench, "istio_request_messages_total");
    assert!(named.starts_with("reporter=\"source\"") && named.ends_with("destination_cluster=\"unknown\""), "{named}");
    assert_eq!((named.split(',').count(), of.split(',').count(), count), (20, 20, 3));
    assert_eq!(only(&bench, "istio_response_messages_total").1, 2);

    // A status that is none, and one that comes from that of HTTP.
    bench.app(Script::answers(200, &[grpc[0], ("grpc-status", "twelve")], &[]));
    bench.send(request()).await;
    bench.app(Script::answers(503, &[], &[]));
    bench.send(request()).await;
    let all = series(&bench, "istio_requests_total");
    let has = |part: &str| all.keys().any(|labels| labels.contains(part));
    assert!(has("grpc_response_status=\"-1\"") && has("response_code=\"503\",grpc_response_status=\"14\""), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_are_told_once_however_often() {
    let mut bench = bench_of(Config { interval: Duration::ZERO, ..config() }, Direction::Inbound);
    let grpc = [("content-type", "application/grpc")];
    bench.app(Script::answers(200, &grpc, &["\0\0\0\0\x01a", "\0\0\0\0\x01b"]));
    let request = with(with(post("/a.B/C"), &grpc), &told(&workload("curl", "x")));
    bench.send_pieces(request, &["\0\0\0\0\x01a", "\0\0\0\0\x01b", "\0\0\0\0\x01c"]).await;
    assert_eq!(only(&bench, "istio_request_messages_total").1, 3);
    assert_eq!(only(&bench, "istio_response_messages_total").1, 2);
}

/// Expressions have nothing to ask.
fn nothing(bench: &Filtered) -> crate::telemetry::stream_info::ConnectionInfo {
    bench.connection.clone()
}

fn change(metric: Option<&str>) -> Change {
    Change { metric: metric.map(Into::into), drop: false, remove: Vec::new(), labels: Vec::new() }
}

#[tokio::test(start_paused = true)]
async fn metrics_are_dropped_and_labels_removed() {
    let changes = vec![
        Change { drop: true, ..change(Some("request_duration_milliseconds")) },
        Change { remove: vec!["response_flags".into()], ..change(None) },
        Change { remove: vec!["grpc_response_status".into(), "reporter".into()], ..change(Some("requests_total")) },
        Change { remove: vec!["source_app".into()], ..change(Some("request_bytes")) },
    ];
    let mut bench = bench_of(Config { changes, ..config() }, Direction::Outbound);
    bench.app(Script::answers(200, &[], &[]));
    bench.send(get("/")).await;
    assert_eq!(series(&bench, "istio_request_duration_milliseconds_count").len(), 0);
    let names = |metric: &str| {
        let (labels, _) = only(&bench, metric);
        labels.split(',').map(|label| label.split('=').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let without = |gone: &[&str]| {
        let all = config::filters::istio_stats::LABELS.iter();
        all.filter(|name| !gone.contains(name)).map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("istio_requests_total"), without(&["response_flags", "grpc_response_status", "reporter"]));
    assert_eq!(names("istio_request_bytes_count"), without(&["response_flags", "source_app"]));
    assert_eq!(names("istio_response_bytes_count"), without(&["response_flags"]));
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_goes_on_with_the_same_series() {
    let mut bench = bench(Direction::Outbound);
    bench.app(Script::answers(200, &[], &[]));
    bench.send(get("/")).await;
    let changes = vec![Change { drop: true, ..change(Some("request_bytes")) }];
    let other = super::super::filter::FilterDeps {
        stats: bench.registry(),
        scope: "http.test.",
        discoveries: None,
        behind: false,
        secrets: None,
    };
    let second = IstioStats::compile(&Config { changes, ..config() }, &other).unwrap();
    let service = service_of(None, Goes::Nowhere);
    let parties = Parties {
        role: Role::Source,
        peer: None,
        behind: None,
        service: &service,
        host: b"svc",
        peer_principal: "",
        own_principal: "",
    };
    let outcome = Outcome {
        protocol: Protocol::Http,
        status: 200,
        grpc_status: None,
        flags: crate::failure::ResponseFlags::NONE,
    };
    second.reporter.request(&nothing(&bench), parties, outcome, Amounts { milliseconds: 1, received: 1, sent: 1 });
    assert_eq!(only(&bench, "istio_requests_total").1, 2);
    assert_eq!(only(&bench, "istio_request_bytes_count").1, 1);
    // What is evicted begins anew.
    bench.registry().evict();
    bench.registry().evict();
    second.reporter.request(&nothing(&bench), parties, outcome, Amounts { milliseconds: 1, received: 1, sent: 1 });
    assert_eq!(only(&bench, "istio_requests_total").1, 1);
}

/// A stranger who makes up names fills what there is room for, and then is nobody.
#[tokio::test(start_paused = true)]
async fn strangers_have_no_room_without_end() {
    let bench = bench(Direction::Inbound);
    let filter = IstioStats::compile(
        &config(),
        &super::super::filter::FilterDeps {
            stats: bench.registry(),
            scope: "http.test.",
            discoveries: None,
            behind: false,
            secrets: None,
        },
    )
    .unwrap();
    let service = service_of(None, Goes::Nowhere);
    let outcome = Outcome {
        protocol: Protocol::Http,
        status: 200,
        grpc_status: None,
        flags: crate::failure::ResponseFlags::NONE,
    };
    let send = |name: &str| {
        let peer = Peer::new(workload(name, "x"));
        let parties = Parties {
            role: Role::Destination,
            peer: Some(&peer),
            behind: None,
            service: &service,
            host: b"",
            peer_principal: "",
            own_principal: "",
        };
        filter.reporter.request(&nothing(&bench), parties, outcome, Amounts { milliseconds: 1, received: 1, sent: 1 });
    };
    (0..25_000).for_each(|number| send(&format!("stranger-{number}")));
    assert_eq!(bench.registry().label_set_count(), 20_001);
    assert!(bench.stat("label_sets.crowded") >= 5_000);
    let text: String = bench.registry().label_sets().prometheus(|name, _| name.contains("requests_total")).collect();
    let total: u64 = text.lines().filter_map(|line| line.rsplit_once("} ")?.1.parse::<u64>().ok()).sum();
    assert_eq!(total, 25_000);
}
