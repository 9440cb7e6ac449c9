//! Tests of `ext_authz`, against a gRPC service on loopback over real pools and codecs.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use config::filters::ext_authz::{BodySettings, ExtAuthz as Config, ExtAuthzPerRoute, Service};
use config::filters::{HttpFilterConfig, ScopedConfig};
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::rpc::Status;
use prost::Message as _;

use crate::call::tests::{Asked, OK, World, framed, serve, service};
use crate::cluster::testing::run;
use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::{Client, get, post, with};

mod over_http;
mod shadow;
mod told;

pub(in crate::http::filters) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut service = service();
    service.timeout = Some(Duration::from_secs(5));
    let mut config = Config {
        service: Service::Grpc(service.into()),
        failure_mode_allow: false,
        failure_mode_allow_header: false,
        body: None,
        clear_route_cache: false,
        status_on_error: 403,
        validate_mutations: false,
        metadata: Vec::new(),
        typed_metadata: Vec::new(),
        route_metadata: Vec::new(),
        enabled: None,
        enabled_metadata: None,
        deny_at_disable: false.into(),
        include_peer_certificate: false,
        include_tls_session: false,
        stat_prefix: None,
        labels: Vec::new(),
        allowed_headers: None,
        disallowed_headers: Vec::new(),
        charge_cluster: true,
        emits_span: true,
        raw_headers: false,
        mutation_rules: None,
        takes_metadata: true,
        shadow: false,
        emits_stats: false,
        filter_metadata: None,
        max_denied_body: None,
        enforce_header_limits: false,
    };
    change(&mut config);
    config
}

/// A chain with the filter, and a service that says this; what it was asked is kept.
async fn authorizer(
    config: Config,
    answer: impl Fn(&mut Asked) + 'static,
) -> (Filtered, World, Rc<RefCell<Vec<CheckRequest>>>) {
    let asked = Rc::new(RefCell::new(Vec::new()));
    let (kept, answer) = (asked.clone(), Rc::new(answer));
    let address = serve(move |mut one: Asked| {
        let (kept, answer) = (kept.clone(), answer.clone());
        Box::pin(async move {
            let body = one.body().await;
            kept.borrow_mut().push(CheckRequest::decode(&body[5..]).unwrap());
            answer(&mut one);
        })
    })
    .await;
    let world = World::http2(address);
    let mut bench = Filtered::new([("authz", HttpFilterConfig::ExtAuthz(config.into()))]);
    bench.calls = Some(world.calls.clone());
    (bench, world, asked)
}

fn says(response: CheckResponse) -> impl Fn(&mut Asked) {
    move |asked| asked.answer(&[&framed(&response.encode_to_vec())], OK)
}

fn header(name: &str, value: &str) -> HeaderValueOption {
    let header = HeaderValue { key: name.into(), value: value.into(), raw_value: Vec::new() };
    HeaderValueOption { header: Some(header), ..Default::default() }
}

fn allows(ok: OkHttpResponse) -> CheckResponse {
    CheckResponse { http_response: Some(HttpResponse::OkResponse(ok)), ..Default::default() }
}

fn denies(denied: DeniedHttpResponse) -> CheckResponse {
    let status = Some(Status { code: 7, ..Default::default() });
    CheckResponse { status, http_response: Some(HttpResponse::DeniedResponse(denied)), ..Default::default() }
}

#[test]
fn what_may_pass_passes_changed_as_the_service_says() {
    run(async {
        let ok = OkHttpResponse {
            headers: vec![header("x-user", "eve")],
            headers_to_remove: vec!["authorization".into(), ":path".into(), "host".into()],
            response_headers_to_add: vec![header("x-seen", "yes")],
            query_parameters_to_remove: vec!["token".into()],
            ..Default::default()
        };
        let (mut bench, _world, asked) = authorizer(config(|_| {}), says(allows(ok))).await;
        bench.app(Script::answers(200, &[], &["fine"]));
        let outcome = bench.send(with(get("/a?token=1&b=2"), &[("authorization", "secret")])).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (200, "fine"));
        assert_eq!(outcome.header("x-seen").as_deref(), Some("yes"));
        let seen = bench.app_saw();
        assert_eq!((seen.header("x-user").as_deref(), seen.header("authorization")), (Some("eve"), None));
        assert_eq!(&seen.head.path[..], b"/a?b=2");
        let asked = asked.borrow();
        let http = asked[0].attributes.as_ref().unwrap().request.as_ref().unwrap().http.as_ref().unwrap();
        assert_eq!((http.method.as_str(), http.path.as_str(), http.host.as_str()), ("GET", "/a?token=1&b=2", "svc"));
        assert_eq!(http.headers.get("authorization").map(String::as_str), Some("secret"));
        assert_eq!(bench.stat("http.test.ext_authz.ok"), 1);
    });
}

#[test]
fn what_is_no_header_goes_nowhere() {
    run(async {
        for (name, value, told) in [
            ("x-z", "a\x01b", "invalid header value for: x-z"),
            ("x y", "1", "invalid header name: x y"),
            (":path", "/a\r\nx-evil: 1", "invalid header value for: :path"),
            ("host", "a\x7f", "invalid header value for: :authority"),
        ] {
            let ok = OkHttpResponse { headers: vec![header(name, value)], ..Default::default() };
            let (mut bench, _world, _) = authorizer(config(|_| {}), says(allows(ok.clone()))).await;
            bench.app(Script::answers(200, &[], &["fine"]));
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.body().as_str()), (503, told));
            // Where the service's changes are looked at, they are its error.
            let strict = config(|config| config.validate_mutations = true);
            let (mut bench, _world, _) = authorizer(strict, says(allows(ok))).await;
            bench.app(Script::answers(200, &[], &["fine"]));
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.details()), (500, "ext_authz_invalid"));
        }
        let told = vec![header("x-bad", "a\r\nx-evil: 1"), header("x-good", "1")];
        let ok = OkHttpResponse { response_headers_to_add: told.clone(), ..Default::default() };
        let denied = DeniedHttpResponse { headers: told, ..Default::default() };
        for (answer, status) in [(allows(ok), 200), (denies(denied), 403)] {
            let (mut bench, _world, _) = authorizer(config(|_| {}), says(answer)).await;
            bench.app(Script::answers(200, &[], &["fine"]));
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.header("x-good").as_deref()), (status, Some("1")));
            assert_eq!((outcome.header("x-bad"), outcome.header("x-evil")), (None, None));
        }
    });
}

#[test]
fn what_may_not_is_answered_as_the_service_says() {
    run(async {
        let denied = DeniedHttpResponse {
            status: Some(HttpStatus { code: 401 }),
            headers: vec![header("www-authenticate", "Basic")],
            body: "who are you".into(),
        };
        let (bench, _world, _) = authorizer(config(|_| {}), says(denies(denied))).await;
        let outcome = bench.send(get("/nowhere/at/all")).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (401, "who are you"));
        assert_eq!((outcome.flags().as_str(), outcome.details()), ("UAEX", "ext_authz_denied"));
        assert_eq!(outcome.header("www-authenticate").as_deref(), Some("Basic"));
        assert_eq!(bench.stat("http.test.ext_authz.denied"), 1);
    });
}

#[test]
fn without_a_verdict_nobody_passes_unless_that_is_wanted() {
    run(async {
        let broken: [fn(&mut Asked); 4] = [
            |asked| asked.only_head(200, &[("content-type", "application/grpc"), ("grpc-status", "14")]),
            |asked| asked.only_head(500, &[]),
            |asked| asked.answer(&[&framed(b"\xff\xff\xff")], OK),
            |asked| asked.answer(&[b"\x00\x00\x00\x00\x20half"], OK),
        ];
        for answer in broken {
            let (bench, _world, _) = authorizer(config(|config| config.status_on_error = 503), answer).await;
            let outcome = bench.send(get("/")).await;
            assert_eq!(
                (outcome.status(), outcome.details(), outcome.flags().as_str()),
                (503, "ext_authz_error", "UAEX")
            );
            assert_eq!(bench.stat("http.test.ext_authz.error"), 1);

            let open = config(|config| (config.failure_mode_allow, config.failure_mode_allow_header) = (true, true));
            let (mut bench, _world, _) = authorizer(open, answer).await;
            bench.app(Script::answers(200, &[], &[]));
            let (lines, _guard) = crate::testing::lines::Lines::listen();
            assert_eq!(bench.send(get("/")).await.status(), 200);
            let told = lines.with("what it should judge passes without its judgement: ");
            assert!(told.len() == 1 && told[0].starts_with("WARN") && told[0].contains("ext_authz '"), "{told:?}");
            assert_eq!(bench.app_saw().header("x-envoy-auth-failure-mode-allowed").as_deref(), Some("true"));
            assert_eq!(bench.stat("http.test.ext_authz.failure_mode_allowed"), 1);
        }
    });
}

#[test]
fn an_unknown_cluster_is_no_permission() {
    run(async {
        let mut unknown = service();
        unknown.cluster = "nowhere".into();
        let (bench, _world, _) =
            authorizer(config(|config| config.service = Service::Grpc(unknown.into())), |_| {}).await;
        assert_eq!(bench.send(get("/")).await.status(), 403);
    });
}

#[test]
fn the_service_sees_a_body_up_to_its_limit_and_the_application_all_of_it() {
    run(async {
        let body = |partial| Some(BodySettings { most: 5, partial, as_bytes: false });
        let (mut bench, _world, asked) =
            authorizer(config(|config| config.body = body(true)), says(allows(OkHttpResponse::default()))).await;
        bench.app(Script { after_request: true, ..Script::answers(200, &[], &[]) });
        let outcome = bench.send_pieces(post("/"), &["abc", "def", "ghi"]).await;
        assert_eq!(outcome.status(), 200);
        assert_eq!(bench.app_saw().body, b"abcdefghi");
        let attributes = asked.borrow()[0].attributes.clone().unwrap();
        let http = attributes.request.unwrap().http.unwrap();
        assert_eq!(http.body, "abcde");
        assert_eq!(http.headers.get("x-envoy-auth-partial-body").map(String::as_str), Some("true"));

        let (bench, _world, asked) =
            authorizer(config(|config| config.body = body(false)), says(allows(OkHttpResponse::default()))).await;
        let outcome = bench.send_pieces(post("/"), &["abc", "def"]).await;
        assert_eq!((outcome.status(), outcome.details()), (413, "request_payload_too_large"));
        assert!(asked.borrow().is_empty(), "nobody was asked");
        assert_eq!(bench.stat("http.test.downstream_rq_too_large"), 1);
    });
}

#[test]
fn a_route_may_switch_it_off_or_say_more() {
    run(async {
        let per_route = |disabled| {
            ScopedConfig::ExtAuthz(
                ExtAuthzPerRoute {
                    disabled,
                    context_extensions: vec![("who".into(), "route".into())],
                    without_body: false,
                    body: None,
                    service: None,
                    emits_span: None,
                }
                .into(),
            )
        };
        let (bench, _world, asked) = authorizer(config(|_| {}), says(denies(DeniedHttpResponse::default()))).await;
        let mut bench = bench.tell(Level::Route, "authz", per_route(true));
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get("/")).await.status(), 200);
        assert!(asked.borrow().is_empty());

        let (bench, _world, asked) = authorizer(config(|_| {}), says(denies(DeniedHttpResponse::default()))).await;
        let bench = bench.tell(Level::Route, "authz", per_route(false));
        assert_eq!(bench.send(get("/")).await.status(), 403);
        let asked = asked.borrow();
        let extensions = &asked[0].attributes.as_ref().unwrap().context_extensions;
        assert_eq!(extensions.get("who").map(String::as_str), Some("route"));
    });
}

#[test]
fn a_client_that_leaves_ends_the_question() {
    run(async {
        let (bench, world, _) = authorizer(config(|_| {}), |_| {}).await;
        let client = Client { gone: Some(crate::wire::codec::StreamError::Reset(8)), ..Client::default() };
        let outcome = bench.send_from(client, get("/")).await;
        assert_eq!((outcome.status(), outcome.flags().as_str()), (0, "DR"));
        drop(world);
    });
}

#[test]
fn the_route_s_cluster_counts_verdicts_too() {
    run(async {
        for charge in [true, false] {
            let settings = config(|config| config.charge_cluster = charge);
            let (bench, _world, _) = authorizer(settings, says(denies(DeniedHttpResponse::default()))).await;
            assert_eq!(bench.send(get("/")).await.status(), 403);
            for name in ["cluster.app.upstream_rq_403", "cluster.app.internal.upstream_rq_403"] {
                assert_eq!(bench.has_stat(name) && bench.stat(name) == 1, charge, "{name}");
            }
            assert_eq!(bench.stat("cluster.app.ext_authz.denied"), 1);
        }
        let settings = config(|config| config.stat_prefix = Some("p".into()));
        let (mut bench, _world, _) = authorizer(settings, says(allows(OkHttpResponse::default()))).await;
        bench.app(Script::answers(200, &[], &[]));
        bench.send(get("/")).await;
        assert_eq!((bench.stat("http.test.ext_authz.p.ok"), bench.stat("cluster.app.ext_authz.p.ok")), (1, 1));
    });
}

/// What a log of this format has of a request that this filter lets pass.
async fn logged(change: impl FnOnce(&mut Config), format: &str) -> String {
    let (mut bench, _world, _) = authorizer(config(change), says(allows(OkHttpResponse::default()))).await;
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(get("/")).await;
    assert_eq!(bench.stat("http.test.ext_authz.filter_state_name_collision"), 0);
    outcome.logged(&config::access_log::format::parse(format).unwrap())
}

#[test]
fn filter_metadata_is_for_logs() {
    run(async {
        let metadata = || Some(serde_json::json!({"who": "authz"}).into());
        let format = "%FILTER_STATE(authz)% %FILTER_STATE(authz:PLAIN)%";
        let seen = logged(|config| config.filter_metadata = metadata(), format).await;
        assert_eq!(seen, "{\"who\":\"authz\"} -");
        let seen = logged(
            |config| {
                config.filter_metadata = metadata();
                config.emits_stats = true;
            },
            format,
        )
        .await;
        assert_eq!(seen, "{\"who\":\"authz\"} -");
    });
}

#[test]
fn how_long_it_took_and_its_octets_are_for_logs() {
    run(async {
        let fields =
            ["latency_us", "bytesSent", "bytesReceived"].map(|name| format!("%FILTER_STATE(authz:FIELD:{name})%"));
        let format = format!("{} %FILTER_STATE(authz)% %FILTER_STATE(authz:FIELD:other)%", fields.join(" "));
        let seen = logged(|config| config.emits_stats = true, &format).await;
        let words: Vec<&str> = seen.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap_or_else(|_| panic!("{seen}"));
        // A head and a message each way.
        assert!(number(0) > 0 && number(1) > 50 && number(2) > 10, "{seen}");
        assert_eq!(words[3..], ["-", "-"]);
        assert_eq!(logged(|_| {}, &format).await, "- - - - -");
    });
}

#[test]
fn a_head_that_is_full_takes_no_more_headers_where_limits_are_enforced() {
    run(async {
        for (enforced, omitted) in [(true, true), (false, false)] {
            let headers = ["x-there", "x-new", "x-other"]
                .map(|name| HeaderValueOption { append_action: 2, ..header(name, "authz") });
            let ok = OkHttpResponse { response_headers_to_add: headers.into(), ..Default::default() };
            let settings = config(|config| config.enforce_header_limits = enforced);
            let (mut bench, _world, _) = authorizer(settings, says(allows(ok))).await;
            // The status, x-there, content-length, x-envoy-upstream-service-time and one more.
            let cluster = bench.clusters.get_mut("app").and_then(Rc::get_mut).expect("nobody else has it");
            cluster.config.http.max_headers_count = 5;
            bench.app(Script::answers(200, &[("x-there", "app")], &[]));
            let outcome = bench.send(get("/")).await;
            assert_eq!(outcome.header("x-there").as_deref(), Some("authz"));
            assert_eq!((outcome.header("x-new").is_some(), outcome.header("x-other").is_some()), (true, !omitted));
            assert_eq!(bench.stat("http.test.ext_authz.omitted_response_headers"), u64::from(omitted));
        }
    });
}

#[test]
fn what_leads_nowhere_is_not_asked_about() {
    run(async {
        let (bench, _world, asked) = authorizer(config(|_| {}), says(denies(DeniedHttpResponse::default()))).await;
        let mut bench = bench;
        bench.host(|host| host.routes.clear());
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.details()), (404, "route_not_found"));
        assert!(asked.borrow().is_empty());
    });
}

#[test]
fn a_service_that_fails_may_say_how_that_is_answered() {
    run(async {
        let error = DeniedHttpResponse {
            status: Some(HttpStatus { code: 502 }),
            headers: vec![header("x-e", "1")],
            body: "broken".into(),
        };
        let status = Some(Status { code: 13, ..Default::default() });
        let answer =
            CheckResponse { status, http_response: Some(HttpResponse::ErrorResponse(error)), ..Default::default() };
        let (bench, _world, _) = authorizer(config(|_| {}), says(answer.clone())).await;
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (502, "broken"));
        assert_eq!((outcome.details(), outcome.flags().as_str()), ("ext_authz_error", "UAEX"));
        assert_eq!(outcome.header("x-e").as_deref(), Some("1"));
        let (mut bench, _world, _) = authorizer(config(|config| config.failure_mode_allow = true), says(answer)).await;
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!(bench.send(get("/")).await.status(), 200);
    });
}

#[test]
fn a_denial_has_nothing_to_append_to() {
    run(async {
        #[allow(deprecated)]
        let append = HeaderValueOption {
            append: Some(envoy_types::pb::google::protobuf::BoolValue { value: true }),
            ..header("x-a", "2")
        };
        let denied = DeniedHttpResponse {
            headers: vec![header("x-a", "1"), append, header("x-b", "1"), header("x-b", "2")],
            ..Default::default()
        };
        let (bench, _world, _) = authorizer(config(|_| {}), says(denies(denied))).await;
        let outcome = bench.send(get("/")).await;
        let lines = |name: &str| {
            let headers = &outcome.client.head.as_ref().unwrap().headers;
            headers
                .iter()
                .filter(|header| header.name.as_str() == name)
                .map(|header| header.value.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!((lines("x-a"), lines("x-b")), (vec!["1".into()], vec!["1".into(), "2".into()]));
    });
}

#[test]
fn mutations_are_validated_wherever_they_go() {
    run(async {
        let bad = || header("x-bad", "a\r\nb");
        let query = |value: &str| envoy_types::pb::envoy::config::core::v3::QueryParameter {
            key: "a".into(),
            value: value.into(),
        };
        for ok in [
            OkHttpResponse { headers: vec![bad()], ..Default::default() },
            OkHttpResponse { response_headers_to_add: vec![bad()], ..Default::default() },
            OkHttpResponse { query_parameters_to_set: vec![query("x y")], ..Default::default() },
        ] {
            let (bench, _world, _) =
                authorizer(config(|config| config.validate_mutations = true), says(allows(ok))).await;
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.details()), (500, "ext_authz_invalid"));
            assert_eq!(
                (bench.stat("http.test.ext_authz.invalid"), bench.stat("cluster.app.ext_authz.invalid")),
                (1, 1)
            );
        }
    });
}

#[test]
fn what_may_not_be_removed_is_an_error_where_the_rules_say_so() {
    run(async {
        let rules = config::header_mutation::MutationRules {
            allow_all_routing: false,
            allow_envoy: false,
            disallow_system: false,
            disallow_all: true,
            allow: None,
            disallow: None,
            disallow_is_error: true,
        };
        let ok = OkHttpResponse { headers_to_remove: vec!["x-a".into()], ..Default::default() };
        let settings = config(|config| config.mutation_rules = Some(rules));
        let (bench, _world, _) = authorizer(settings, says(allows(ok))).await;
        let outcome = bench.send(with(get("/"), &[("x-a", "1")])).await;
        assert_eq!((outcome.status(), outcome.details()), (500, "ext_authz_invalid"));
    });
}

#[test]
fn metadata_tells_how_long_the_service_took() {
    run(async {
        let field = envoy_types::pb::google::protobuf::Value {
            kind: Some(envoy_types::pb::google::protobuf::value::Kind::StringValue("me".into())),
        };
        let metadata =
            envoy_types::pb::google::protobuf::Struct { fields: [("who".to_owned(), field)].into_iter().collect() };
        let granted = CheckResponse { dynamic_metadata: Some(metadata), ..allows(OkHttpResponse::default()) };
        let (mut bench, _world, asked) = authorizer(config(|_| {}), says(granted)).await;
        bench.app(Script::answers(200, &[], &[]));
        let outcome = bench.send(get("/")).await;
        let told = outcome.info.metadata.get("envoy.filters.http.ext_authz").unwrap();
        assert_eq!(told["who"], "me");
        assert!(told["ext_authz_duration"].is_u64(), "{told}");
        let http = asked.borrow()[0].attributes.clone().unwrap().request.unwrap().http.unwrap();
        assert_eq!(http.size, 0, "nothing of a body came");
    });
}
