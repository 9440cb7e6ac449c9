//! What a verdict of RBAC costs: judging one request, and writing down what was found. The policies come from JSON as istiod sends them.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::filters::HttpFilterConfig;
use config::listener::TerminalFilter;
use criterion::{Criterion, criterion_group, criterion_main};
use proxy::policy::rbac::{Engine, in_metadata};
use proxy::telemetry::dynamic::{DynamicMetadata, Saying};
use proxy::telemetry::facts::Known;
use proxy::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use proxy::tls::info::{PeerCertificate, TlsInfo};
use proxy::wire::headers::{Headers, Name};
use proxy::wire::message::{BodyLength, Method, Protocol, RequestHead};
use serde_json::{Value, json};

fn engine(action: &str, policies: Value) -> Engine<Saying> {
    let typed = |name: &str, mut fields: Value| {
        fields["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.{name}"));
        fields
    };
    let rbac = typed("http.rbac.v3.RBAC", json!({ "rules": { "action": action, "policies": policies } }));
    let router = typed("http.router.v3.Router", json!({}));
    let manager = typed(
        "network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": "p", "route_config": {},
            "http_filters": [{ "name": "rbac", "typed_config": rbac }, { "name": "router", "typed_config": router }]
        }),
    );
    let listener = json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "l",
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 1 } },
        "filter_chains": [{ "filters": [{ "name": "http", "typed_config": manager }] }]
    });
    let bytes = config::dump::encode(&listener).expect("it is a listener");
    let listener = config::listener::decode(&bytes, &config::Options::default()).expect("it is sound");
    let TerminalFilter::Http(manager) = &listener.filter_chains[0].terminal else { unreachable!("it is HTTP") };
    let HttpFilterConfig::Rbac(rbac) = &manager.filters[0].config else { unreachable!("it is RBAC") };
    let rules = rbac.rules.as_ref().expect("it has rules");
    let tell = |name: Option<&Arc<str>>, allowed| {
        Saying::new("envoy.filters.http.rbac", in_metadata("", "enforced", name, allowed))
    };
    Engine::compile(rules, None, &tell).expect("it compiles")
}

/// A rule of an AuthorizationPolicy, as istiod writes it.
fn rule(path: Value, principal: Value) -> Value {
    let one_of = |rules: Value| json!({ "or_rules": { "rules": [rules] } });
    let method = one_of(json!({ "header": { "name": ":method", "string_match": { "exact": "GET" } } }));
    let path = one_of(json!({ "url_path": { "path": path } }));
    let who = json!({ "or_ids": { "ids": [{ "authenticated": { "principal_name": principal } }] } });
    json!({ "permissions": [{ "and_rules": { "rules": [method, path] } }], "principals": [{ "and_ids": { "ids": [who] } }] })
}

fn request() -> StreamInfo {
    let address = "10.1.2.3:4567".parse().expect("an address");
    let peer = PeerCertificate {
        uri_sans: vec!["spiffe://cluster.local/ns/default/sa/sleep".into()],
        ..PeerCertificate::default()
    };
    let tls = TlsInfo { peer: Some(Rc::new(peer)), validated: true, ..TlsInfo::default() };
    let connection = ConnectionInfo {
        tls: Some(Rc::new(tls)),
        handshake: Some(Duration::ZERO),
        ..ConnectionInfo::between(address, address)
    };
    StreamInfo::begin(Rc::new(connection), Some(Protocol::Http11))
}

fn head(path: &'static str) -> RequestHead {
    let mut headers = Headers::new();
    for (name, value) in [("user-agent", "curl/8.5.0"), ("accept", "*/*"), ("x-request-id", "466307b8"), ("x-a", "1")] {
        headers.append(Name::new(name), value);
    }
    RequestHead {
        protocol: Protocol::Http11,
        method: Method::Get,
        path: Bytes::from_static(path.as_bytes()),
        about_server: false,
        authority: "httpbin:8000".into(),
        scheme: "http".into(),
        headers,
        body: BodyLength::Empty,
        upgrade: None,
        wire_size: 0,
    }
}

fn judge(criterion: &mut Criterion) {
    let sleep = || json!({ "exact": "spiffe://cluster.local/ns/default/sa/sleep" });
    let many = |rule: &dyn Fn(usize) -> Value| {
        let all = (0..1000).map(|number| (format!("ns[foo]-policy[p]-rule[{number:03}]"), rule(number)));
        Value::Object(all.collect())
    };
    let usual = json!({
        "ns[foo]-policy[httpbin]-rule[0]": rule(json!({ "prefix": "/status" }), json!({ "exact": "spiffe://cluster.local/ns/a/sa/b" })),
        "ns[foo]-policy[httpbin]-rule[1]": rule(json!({ "prefix": "/info" }), sleep()),
        "ns[foo]-policy[httpbin]-rule[2]": rule(json!({ "exact": "/get" }), json!({ "safe_regex": { "regex": ".*/ns/default/.*" } })),
    });
    let condition = json!({ "call_expr": { "function": "_&&_", "args": [
        { "call_expr": { "function": "_==_", "args": [
            { "select_expr": { "operand": { "ident_expr": { "name": "request" } }, "field": "method" } }, { "const_expr": { "string_value": "GET" } }] } },
        { "call_expr": { "function": "_==_", "args": [
            { "call_expr": { "function": "_[_]", "args": [
                { "select_expr": { "operand": { "ident_expr": { "name": "request" } }, "field": "headers" } }, { "const_expr": { "string_value": "x-a" } }] } },
            { "const_expr": { "string_value": "1" } }] } }] } });
    let mut with_condition = rule(json!({ "prefix": "/info" }), sleep());
    with_condition["condition"] = condition;
    let cases = [
        ("istio's usual shape, the second rule allows", engine("ALLOW", usual.clone()), "/info?x=1"),
        ("istio's usual shape, the third rule allows", engine("ALLOW", usual.clone()), "/get"),
        ("istio's usual shape, nobody allows", engine("ALLOW", usual), "/other"),
        ("a CEL condition", engine("ALLOW", json!({ "p": with_condition })), "/info"),
        (
            "1000 rules by path, the last allows",
            engine("ALLOW", many(&|number| rule(json!({ "exact": format!("/svc/{number}") }), sleep()))),
            "/svc/999",
        ),
        (
            "1000 rules by beginning, the last allows",
            engine("ALLOW", many(&|number| rule(json!({ "prefix": format!("/svc/{number:03}/") }), sleep()))),
            "/svc/999/x",
        ),
        (
            "1000 rules by principal, nobody denies",
            engine(
                "DENY",
                many(&|number| {
                    rule(
                        json!({ "prefix": "/" }),
                        json!({ "exact": format!("spiffe://cluster.local/ns/n{number}/sa/x") }),
                    )
                }),
            ),
            "/svc/999/x",
        ),
        (
            "1000 rules by namespace, nobody denies",
            engine(
                "DENY",
                many(&|number| {
                    rule(json!({ "prefix": "/" }), json!({ "safe_regex": { "regex": format!(".*/ns/n{number}/.*") } }))
                }),
            ),
            "/svc/999/x",
        ),
        (
            "1000 rules by header alone, nobody denies",
            engine(
                "DENY",
                many(&|number| {
                    json!({
                        "permissions": [{ "header": { "name": "x-a", "string_match": { "exact": format!("v{number}") } } }],
                        "principals": [{ "any": true }]
                    })
                }),
            ),
            "/",
        ),
    ];
    let info = request();
    let mut group = criterion.benchmark_group("rbac");
    for (name, engine, path) in &cases {
        let (head, allows) = (head(path), !name.ends_with("nobody allows"));
        let known = Known {
            info: &info,
            request: Some(&head),
            request_trailers: None,
            response: None,
            response_trailers: None,
            route: None,
            virtual_host: None,
            route_name: None,
        };
        assert_eq!(engine.judge(&known).allowed, allows, "{name}");
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let mut metadata = DynamicMetadata::default();
                let decision = engine.judge(black_box(&known));
                metadata.say(decision.told);
                black_box((decision.allowed, metadata))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
