//! Tests of tracing: spans of requests and attempts as a collector gets them, and what the next hop is told.

mod attempts;

use std::sync::Arc;
use std::time::Duration;

use config::access_log::{Format, Operator, Part};
use config::listener::Direction;
use config::matcher::Fraction;
use config::route::{Mirror, MirrorTarget};
use config::services::otlp;
use config::services::span::{Kind, Span};
use config::services::{HttpService, HttpUri};
use config::tracing::*;

use crate::http::exchange::exchange;
use crate::http::testing::fake::Script;
use crate::http::testing::{Bench, Client, forward, get, route, to_app, with};
use crate::wire::message::RequestHead;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const NONE: Fraction = Fraction { numerator: 0, denominator: 100 };

fn provider(change: impl FnOnce(&mut OpenTelemetry)) -> Option<Arc<Provider>> {
    let uri = HttpUri {
        cluster: "collector".into(),
        uri: "http://collector.example/v1/traces".into(),
        host: "collector.example".into(),
        path: "/v1/traces".into(),
        timeout: Some(Duration::from_secs(1)),
    };
    let mut config = OpenTelemetry {
        collector: Collector::Http(HttpService { uri, headers: Vec::new() }),
        service_name: Some("svc".into()),
        detectors: vec![Detector::Static(vec![("a".into(), "1".into())])],
        sampler: None,
        says_sdk: false,
        says_scope: true,
        batch: Batch { enough: 1, interval: Duration::from_secs(5), most: 100 },
    };
    change(&mut config);
    Some(Arc::new(Provider::OpenTelemetry(config)))
}

/// A bench whose requests are traced.
fn traced(routes: Vec<config::route::Route>, change: impl FnOnce(&mut Tracing)) -> Bench {
    let mut bench = Bench::new(routes);
    bench.direction = Direction::Inbound;
    bench.cluster("collector").otherwise.set(Some(|| Script::answers(200, &[], &[])));
    let node = Arc::new(Node { id: "node".into(), zone: "zone".into() });
    let mut tracing = Tracing { provider: provider(|_| {}), node, ..Tracing::default() };
    change(&mut tracing);
    bench.config.tracing = Some(tracing);
    bench
}

async fn send(bench: &mut Bench, request: RequestHead) {
    send_from(bench, Client::default(), request).await;
}

/// Sends a request, and waits until the collector has its spans.
async fn send_from(bench: &mut Bench, mut client: Client, request: RequestHead) {
    let context = bench.context();
    let work = async {
        exchange(&context, &mut client, request).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    bench.run(&context, work).await;
}

/// What the collector has got since this was last asked.
fn collected(bench: &mut Bench) -> Vec<Span> {
    let collector = bench.cluster("collector");
    collector.seen().iter().flat_map(|seen| otlp::decode(&seen.body).unwrap()).flat_map(|(_, spans)| spans).collect()
}

fn tag<'s>(span: &'s Span, name: &str) -> &'s str {
    span.tags.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn told(bench: &mut Bench) -> Vec<String> {
    bench.seen().iter().map(|seen| seen.header("traceparent").unwrap_or_default()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_is_one_span_and_the_next_hop_is_told() {
    let mut bench = traced(to_app(|_| {}), |_| {});
    bench.upstream(Script::answers(200, &[], &["ok"]));
    let headers = [("traceparent", PARENT), ("tracestate", "a=1"), ("user-agent", "curl"), ("x-client-trace-id", "c")];
    send(&mut bench, with(get("/x?y=1"), &headers)).await;
    let spans = collected(&mut bench);
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((hex(&span.trace).as_str(), &*span.state, &*span.name), (TRACE, "a=1", "ingress"));
    assert_eq!((span.parent.map(|id| hex(&id)), span.remote_parent), (Some("b7ad6b7169203331".into()), true));
    assert_eq!(span.kind, Kind::Server);
    assert!(span.end >= span.start && span.start > 0);
    for (name, value) in [
        ("node_id", "node"),
        ("zone", "zone"),
        ("guid:x-client-trace-id", "c"),
        ("http.url", "http://svc/x?y=1"),
        ("http.method", "GET"),
        ("downstream_cluster", "-"),
        ("user_agent", "curl"),
        ("http.protocol", "HTTP/1.1"),
        ("request_size", "0"),
        ("response_size", "2"),
        ("component", "proxy"),
        ("upstream_cluster", "app"),
        ("upstream_cluster.name", "app"),
        ("http.status_code", "200"),
        ("response_flags", "-"),
        ("error", ""),
    ] {
        assert_eq!(tag(span, name), value, "{name}");
    }
    let seen = bench.seen();
    assert_eq!(seen[0].header("traceparent"), Some(format!("00-{TRACE}-{}-01", hex(&span.id))));
    assert_eq!(seen[0].header("tracestate").as_deref(), Some("a=1"));
    assert_eq!(tag(span, "guid:x-request-id"), seen[0].header("x-request-id").unwrap());
}

/// As with Envoy the caller's decision and ours must both be for it.
#[tokio::test(start_paused = true)]
async fn what_is_not_traced_leaves_no_span_and_tells_the_next_hop_so() {
    let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    for (random, headers, expected) in [
        (NONE.into(), &[("traceparent", PARENT)][..], Some(TRACE)),
        (Sampling::default().random, &[("traceparent", unsampled)][..], Some(TRACE)),
        (NONE.into(), &[][..], None),
        (NONE.into(), &[("tracestate", "lonely=1")][..], None),
    ] {
        let mut bench = traced(to_app(|_| {}), |tracing| tracing.sampling.random = random);
        bench.upstream(Script::answers(200, &[], &[]));
        send(&mut bench, with(get("/"), headers)).await;
        assert!(collected(&mut bench).is_empty());
        let seen = &bench.seen()[0];
        let told = seen.header("traceparent").unwrap();
        assert!(told.ends_with("-00") && !told.contains("b7ad6b7169203331"), "{told}");
        assert!(expected.is_none_or(|trace| told[3..35] == *trace), "{told}");
        assert_eq!(seen.header("tracestate").as_deref(), Some(""));
    }
    // What cannot be read passes as it is; so does everything without a provider, or where nobody is to be told.
    let bad = [("traceparent", "garbage")];
    let change: [fn(&mut Tracing); 3] =
        [|_| {}, |tracing| tracing.provider = None, |tracing| tracing.propagates = false];
    for (index, change) in change.into_iter().enumerate() {
        let mut bench = traced(to_app(|_| {}), change);
        bench.upstream(Script::answers(200, &[], &[]));
        send(&mut bench, with(get("/"), &bad)).await;
        assert_eq!((told(&mut bench), collected(&mut bench)), (vec!["garbage".into()], vec![]), "{index}");
    }
    let mut bench = traced(to_app(|_| {}), |tracing| tracing.propagates = false);
    bench.upstream(Script::answers(200, &[], &[]));
    send(&mut bench, with(get("/"), &[("traceparent", PARENT)])).await;
    assert_eq!((told(&mut bench), collected(&mut bench).len()), (vec![PARENT.into()], 1));
}

fn operation(operator: Operator) -> Option<Format> {
    Some(Format { parts: vec![Part::Operator { operator, limit: None }], omit_empty: true })
}

#[tokio::test(start_paused = true)]
async fn routes_and_custom_tags_have_their_say() {
    let header = |name: &str| operation(Operator::RequestHeader(name.into(), None)).unwrap();
    let custom = |name: &str, value| CustomTag { name: name.into(), value };
    let of_manager = vec![
        custom("literal", TagValue::Literal("L".into())),
        custom("environment", TagValue::Environment("OUTRIGGER_NO_SUCH".into(), "default".into())),
        custom("header", TagValue::Written(header("x-h"), "none".into())),
        custom("path", TagValue::Written(header(":path"), "none".into())),
        custom("absent", TagValue::Written(header("x-absent"), "".into())),
        custom("both", TagValue::Literal("manager".into())),
        custom("http.url", TagValue::Literal("mine".into())),
    ];
    let mut routes = to_app(|_| {});
    routes[0].tracing = Some(Arc::new(OfRoute {
        custom_tags: vec![custom("both", TagValue::Literal("route".into()))],
        operation: operation(Operator::ResponseCode),
        ..OfRoute::default()
    }));
    routes[0].decorator = Some("decorated".into());
    routes.insert(0, route("/never", forward("app", |_| {})));
    routes[0].tracing = Some(Arc::new(OfRoute {
        sampling: Sampling { random: NONE.into(), ..Sampling::default() },
        ..OfRoute::default()
    }));
    routes.insert(0, route("/decorated", forward("app", |_| {})));
    routes[0].decorator = Some("decorated".into());
    let mut bench = traced(routes, |tracing| tracing.custom_tags = of_manager);
    for _ in 0..4 {
        bench.upstream(Script::answers(201, &[], &[]));
    }
    send(&mut bench, with(get("/"), &[("x-h", "H"), ("x-envoy-decorator-operation", "theirs")])).await;
    let spans = collected(&mut bench);
    let expected = [
        ("literal", "L"),
        ("environment", "default"),
        ("header", "H"),
        ("path", "/"),
        ("absent", ""),
        ("both", "route"),
        ("http.url", "mine"),
    ];
    for (name, value) in expected {
        assert_eq!(tag(&spans[0], name), value, "{name}");
    }
    assert_eq!(spans[0].name, "201");
    assert_eq!(bench.seen()[0].header("x-envoy-decorator-operation").as_deref(), Some("theirs"), "an operation wins");
    send(&mut bench, get("/never")).await;
    send(&mut bench, get("/decorated")).await;
    send(&mut bench, with(get("/decorated"), &[("x-envoy-decorator-operation", "theirs")])).await;
    let names: Vec<String> = collected(&mut bench).into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["decorated", "theirs"]);
}

#[tokio::test(start_paused = true)]
async fn outbound_spans_are_of_the_client() {
    let mut bench = traced(to_app(|_| {}), |_| {});
    bench.direction = Direction::Outbound;
    let grpc = [("content-type", "application/grpc"), ("grpc-status", "13"), ("grpc-message", "why")];
    bench.upstream(Script::answers(200, &[("x-envoy-decorator-operation", "theirs")], &[]));
    bench.upstream(Script::answers(200, &grpc, &[]));
    send(&mut bench, get("/")).await;
    send(&mut bench, with(get("/s/m"), &[("content-type", "application/grpc"), ("grpc-timeout", "5S")])).await;
    let spans = collected(&mut bench);
    let [plain, rpc] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&*plain.name, plain.kind, &*rpc.name), ("theirs", Kind::Client, "egress svc"));
    let names = ["grpc.path", "grpc.authority", "grpc.timeout", "grpc.status_code", "grpc.message", "error"];
    assert_eq!(names.map(|name| tag(rpc, name)), ["/s/m", "svc", "5S", "13", "why", "true"]);
}

#[tokio::test(start_paused = true)]
async fn mirrors_belong_to_the_trace_if_they_are_to() {
    for (traced_too, flags) in [(true, "01"), (false, "00")] {
        let mirror = Mirror {
            to: MirrorTarget::Cluster("copy".into()),
            fraction: None,
            keeps_host: true,
            mutations: Vec::new(),
            host_rewrite: None,
            traced: traced_too,
        };
        let mut bench = traced(to_app(|forward| forward.mirrors = vec![mirror]), |_| {});
        bench.cluster("copy").otherwise.set(Some(|| Script::answers(200, &[], &[])));
        bench.upstream(Script::answers(200, &[], &[]));
        send(&mut bench, with(get("/"), &[("traceparent", PARENT)])).await;
        let span = collected(&mut bench).remove(0);
        let copy = bench.cluster("copy").seen().remove(0);
        assert_eq!(copy.header("traceparent"), Some(format!("00-{TRACE}-{}-{flags}", hex(&span.id))));
    }
}
