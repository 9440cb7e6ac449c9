//! Tests of the exchange over HTTP.

use std::sync::Arc;

use config::access_log::{Format, Operator, Part, StateFormat};
use config::filters::HttpFilterConfig;
use serde_json::json;

use super::*;
use crate::cluster::PickFailure;
use crate::http::filters::bench::Filtered;
use crate::http::testing::fake::{self, Script};
use crate::http::testing::{Outcome, get, with};
use crate::policy::facts::Facts;
use crate::telemetry::facts::Known;

fn own() -> Workload {
    Workload { name: "own".into(), namespace: "bookinfo".into(), app: "own".into(), ..Workload::default() }
}

fn theirs() -> Workload {
    let labels = vec![("role".into(), "caller".into())];
    Workload {
        name: "theirs".into(),
        namespace: "other".into(),
        service: "theirs".into(),
        labels,
        ..Workload::default()
    }
}

fn nothing() -> Config {
    let none: Vec<Discovery> = Vec::new();
    Config {
        downstream_discovery: none.clone(),
        upstream_discovery: none,
        downstream_propagation: Vec::new(),
        upstream_propagation: Vec::new(),
        labels: Arc::from([Arc::from("role")]),
        id: "sidecar~own".into(),
        header: own().header().into(),
        baggage: own().baggage().into(),
    }
}

fn inbound() -> Config {
    Config {
        downstream_discovery: vec![Discovery::Headers],
        downstream_propagation: vec![Propagation::Headers { skip_external: false }],
        ..nothing()
    }
}

fn outbound(skip_external: bool) -> Config {
    Config {
        upstream_discovery: vec![Discovery::Headers],
        upstream_propagation: vec![Propagation::Headers { skip_external }],
        ..nothing()
    }
}

fn bench(config: Config) -> Filtered {
    Filtered::new([("mx", HttpFilterConfig::PeerMetadata(config.into()))])
}

/// As a peer's proxy sends it. Tests leak as much as they have requests.
fn told(workload: &Workload) -> [(&'static str, &'static str); 2] {
    [("x-envoy-peer-metadata-id", "sidecar~theirs"), ("x-envoy-peer-metadata", String::leak(workload.header()))]
}

fn name_of(outcome: &Outcome, side: Side) -> Option<String> {
    Some(outcome.info.filter_state.peer(side)?.workload().name.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_client_is_known_by_what_it_tells_and_told_as_much() {
    let mut bench = bench(inbound());
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &told(&theirs()))).await;
    let seen = bench.app_saw();
    assert_eq!((seen.header("x-envoy-peer-metadata"), seen.header("x-envoy-peer-metadata-id")), (None, None));
    assert_eq!(outcome.info.filter_state.peer(Side::Downstream).unwrap().workload(), &theirs());
    assert_eq!(outcome.header("x-envoy-peer-metadata-id").as_deref(), Some("sidecar~own"));
    assert_eq!(outcome.header("x-envoy-peer-metadata"), Some(own().header()));

    // With one of the headers, the other is not said.
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &told(&theirs())[1..])).await;
    assert_eq!(outcome.header("x-envoy-peer-metadata-id"), None);
    assert_eq!(outcome.header("x-envoy-peer-metadata"), Some(own().header()));

    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(get("/")).await;
    assert_eq!(outcome.header("x-envoy-peer-metadata"), None);
    assert_eq!(name_of(&outcome, Side::Downstream), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_is_told_and_known_by_what_it_answers() {
    let mut bench = bench(outbound(true));
    bench.app(Script::answers(200, &told(&theirs()), &[]));
    let outcome = bench.send(get("/")).await;
    let seen = bench.app_saw();
    assert_eq!(seen.header("x-envoy-peer-metadata").as_deref(), Some(&*own().header()));
    assert_eq!(seen.header("x-envoy-peer-metadata-id").as_deref(), Some("sidecar~own"));
    assert_eq!(name_of(&outcome, Side::Upstream).as_deref(), Some("theirs"));
    assert_eq!(outcome.header("x-envoy-peer-metadata"), None);
    assert_eq!(outcome.header("x-envoy-peer-metadata-id"), None);
    // An application's own header is not believed to be ours.
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &told(&theirs()))).await;
    assert_eq!(bench.app_saw().header("x-envoy-peer-metadata").as_deref(), Some(&*own().header()));
    assert_eq!(name_of(&outcome, Side::Downstream), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_outside_of_the_mesh_is_told_nothing() {
    for (skip, metadata, silent) in [
        (true, json!({"external": true}), true),
        (false, json!({"external": true}), false),
        (true, json!({"external": false}), false),
        (false, json!({"disable_mx": true}), true),
        (true, json!({"external": "true"}), false),
    ] {
        let mut bench = bench(outbound(skip));
        let labels = config::metadata::Metadata::from([("istio", metadata.clone())]);
        let mut cluster = fake::Cluster::new("app");
        cluster.config.metadata = Arc::new(labels);
        bench.clusters.insert("app".to_owned(), std::rc::Rc::new(cluster));
        bench.app(Script::answers(200, &[], &[]));
        bench.send(get("/")).await;
        assert_eq!(bench.app_saw().header("x-envoy-peer-metadata").is_none(), silent, "{skip} {metadata}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_metadata_is_stripped_and_counted() {
    let mut bench = bench(inbound());
    let long: &'static str = String::leak("A".repeat(30_000));
    for bad in ["no base64!", "////", long] {
        bench.app(Script::answers(200, &[], &[]));
        let outcome = bench.send(with(get("/"), &[("x-envoy-peer-metadata", bad)])).await;
        assert_eq!(bench.app_saw().header("x-envoy-peer-metadata"), None);
        assert_eq!(name_of(&outcome, Side::Downstream), None);
        assert_eq!(outcome.header("x-envoy-peer-metadata"), Some(own().header()));
    }
    assert_eq!(bench.stat("http.test.peer_metadata.rejected"), 3);
    bench.app(Script::answers(200, &[], &[]));
    let long = Workload { name: "n".repeat(1000).into(), ..theirs() };
    let outcome = bench.send(with(get("/"), &told(&long))).await;
    assert_eq!(name_of(&outcome, Side::Downstream).unwrap().len(), 256);
    assert_eq!(bench.stat("http.test.peer_metadata.cut"), 1);
}

#[tokio::test(start_paused = true)]
async fn baggage_is_read_and_said_where_that_is_configured() {
    let config = Config {
        downstream_discovery: vec![Discovery::Baggage, Discovery::Headers],
        downstream_propagation: vec![Propagation::Baggage, Propagation::Headers { skip_external: false }],
        upstream_propagation: vec![Propagation::Baggage],
        ..nothing()
    };
    let mut bench = bench(config);
    bench.app(Script::answers(200, &[], &[]));
    let request = with(get("/"), &[("baggage", "k8s.pod.name=curl,k8s.namespace.name=default")]);
    let outcome = bench.send(with(request, &told(&theirs()))).await;
    assert_eq!(name_of(&outcome, Side::Downstream).as_deref(), Some("curl"));
    let seen = bench.app_saw();
    assert_eq!(seen.header("baggage").as_deref(), Some(&*own().baggage()));
    assert_eq!(seen.header("x-envoy-peer-metadata"), None);
    assert_eq!(outcome.header("baggage"), Some(own().baggage()));
    // The headers were not asked for, for the first method knew the peer.
    assert_eq!(outcome.header("x-envoy-peer-metadata"), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_our_own_tells_the_client_too() {
    let mut bench = bench(inbound());
    bench.app(Script { no_host: Some(PickFailure::NoEndpoints), ..Script::default() });
    let outcome = bench.send(with(get("/"), &told(&theirs()))).await;
    assert_eq!(outcome.status(), 503);
    assert_eq!(outcome.header("x-envoy-peer-metadata"), Some(own().header()));
}

#[tokio::test(start_paused = true)]
async fn logs_and_expressions_see_the_peer() {
    let mut bench = bench(inbound());
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &told(&theirs()))).await;
    let write = |key: &str, format: StateFormat| {
        let part = Part::Operator { operator: Operator::FilterState(key.into(), format), limit: None };
        outcome.logged(&Format { parts: vec![part], omit_empty: false })
    };
    let json = r#"{"labels":{"role":"caller"},"namespace":"other","service":"theirs","workload":"theirs"}"#;
    assert_eq!(write("downstream_peer_obj", StateFormat::Typed), json);
    let any = format!(r#"{{"@type":"type.googleapis.com/google.protobuf.Struct","value":{json}}}"#);
    assert_eq!(write("downstream_peer", StateFormat::Typed), any);
    assert_eq!(write("downstream_peer_obj", StateFormat::Field("workload".into())), "theirs");
    let text = "workload=theirs,namespace=other,service=theirs,labels[]role=caller";
    assert_eq!(write("downstream_peer_obj", StateFormat::Plain), text);
    assert_eq!(write("upstream_peer", StateFormat::Typed), "-");
    let known = Known {
        info: &outcome.info,
        request: None,
        request_trailers: None,
        response: None,
        response_trailers: None,
        route_name: None,
        route: None,
        virtual_host: None,
    };
    assert_eq!(known.filter_state_object("downstream_peer").unwrap()["labels"]["role"], "caller");
    assert_eq!(known.filter_state("downstream_peer_obj").unwrap(), text);
}

#[tokio::test(start_paused = true)]
async fn who_tells_nothing_is_looked_up_by_its_address() {
    let mut bench = bench(Config {
        downstream_discovery: vec![Discovery::Headers, Discovery::Workloads],
        upstream_discovery: vec![Discovery::Workloads],
        ..nothing()
    });
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(get("/")).await;
    let client = outcome.info.remote().ip();
    let server = outcome.info.upstream_host.as_ref().unwrap().parse::<SocketAddr>().unwrap().ip();
    assert_eq!((name_of(&outcome, Side::Downstream), name_of(&outcome, Side::Upstream)), (None, None));
    let workload = |name: &str| Arc::new(Workload { name: name.into(), ..Workload::default() });
    let (one, other) = (workload("client"), workload("server"));
    peer::discovered::change(&[], &[(client, one.clone()), (server, other.clone())]);
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(get("/")).await;
    let names = (name_of(&outcome, Side::Downstream), name_of(&outcome, Side::Upstream));
    assert_eq!(names, (Some("client".into()), Some("server".into())));
    // What it says itself counts.
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &told(&theirs()))).await;
    assert_eq!(name_of(&outcome, Side::Downstream), Some("theirs".into()));
    peer::discovered::change(&[(one, vec![client]), (other, vec![server])], &[]);
}
