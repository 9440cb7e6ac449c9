//! Tests of `ratelimit`, against a gRPC service on loopback over real pools and codecs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::filters::ratelimit::{RateLimit as Config, RateLimitPerRoute, VirtualHostLimits};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::matcher::Fraction;
use config::rate_limit::{Action as Limits, Count, Hits, Override, RateLimit as Limit, Unit};
use config::runtime::Live;
use envoy_types::pb::envoy::config::core::v3::HeaderValue;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit, rate_limit,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf as wkt;
use prost::Message as _;

use crate::call::tests::{Asked, OK, World, framed, serve, service};
use crate::cluster::testing::{run, until};
use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::{get, to_app, with};
use crate::telemetry::dynamic::{Form, Shared, StateObject};

const NEVER: Live<Fraction> = Live::fixed(Fraction { numerator: 0, denominator: 1 });
const ALWAYS: Live<Fraction> = Live::fixed(Fraction { numerator: 1, denominator: 1 });

fn config() -> Config {
    let mut service = service();
    service.timeout = Some(Duration::from_secs(5));
    Config {
        domain: "d".into(),
        stage: 0,
        internal: None,
        service: service.into(),
        deny_on_failure: NEVER,
        resource_exhausted: false,
        x_ratelimit_headers: false,
        x_envoy_ratelimited: true,
        status: 429,
        response_headers: Vec::new(),
        status_on_error: 500,
        stat_prefix: None,
        enabled: None,
        enforced: None,
        rate_limits: Vec::new(),
        metadata_namespace: "envoy.filters.http.ratelimit".into(),
        retry_after: false,
    }
}

/// A limit that makes a descriptor of one entry.
fn makes(value: &str) -> Limit {
    Limit {
        stage: 0,
        disabled: false,
        actions: vec![Limits::GenericKey { key: "k".into(), value: value.into() }],
        hits: None,
        on_stream_done: false,
        x_ratelimit_headers: None,
        limit: None,
    }
}

type Questions = Rc<RefCell<Vec<RateLimitRequest>>>;

/// Routes whose own limits these are, of a host whose limit makes `host`; and a service that says this. What it was asked is kept.
async fn limited(
    config: Config,
    route: Vec<Limit>,
    include: bool,
    answer: impl Fn(&mut Asked) + 'static,
) -> (Filtered, World, Questions) {
    let asked = Questions::default();
    let (kept, answer) = (asked.clone(), Rc::new(answer));
    let address = serve(move |mut one: Asked| {
        let (kept, answer) = (kept.clone(), answer.clone());
        Box::pin(async move {
            let body = one.body().await;
            kept.borrow_mut().push(RateLimitRequest::decode(&body[5..]).unwrap());
            answer(&mut one);
        })
    })
    .await;
    let world = World::http2(address);
    let routes = to_app(|forward| {
        forward.rate_limits = route;
        forward.include_host_rate_limits = include;
    });
    let mut bench = Filtered::with_routes(routes, [("limit", HttpFilterConfig::RateLimit(Arc::new(config)))]);
    bench.host(|host| host.rate_limits = vec![makes("host")]);
    bench.calls = Some(world.calls.clone());
    (bench, world, asked)
}

fn says(answer: RateLimitResponse) -> impl Fn(&mut Asked) {
    move |asked| asked.answer(&[&framed(&answer.encode_to_vec())], OK)
}

fn ok() -> RateLimitResponse {
    RateLimitResponse { overall_code: Code::Ok as i32, ..RateLimitResponse::default() }
}

fn over() -> RateLimitResponse {
    RateLimitResponse { overall_code: Code::OverLimit as i32, ..RateLimitResponse::default() }
}

fn header(key: &str, value: &str) -> HeaderValue {
    HeaderValue { key: key.into(), value: value.into(), raw_value: Vec::new() }
}

/// The values of the first entries.
fn values(question: &RateLimitRequest) -> Vec<&str> {
    question.descriptors.iter().map(|descriptor| descriptor.entries[0].value.as_str()).collect()
}

#[test]
fn limits_of_route_and_host_are_asked_about() {
    use VirtualHostLimits::{Ignore, Include, Override as Instead};
    run(async {
        let own = || vec![makes("route")];
        let keyed = vec![Limit { disabled: true, ..makes("keyed") }];
        let staged = vec![Limit { stage: 3, ..makes("staged") }];
        let late = vec![Limit { on_stream_done: true, ..makes("late") }];
        for (option, route, include, expected) in [
            (None, own(), false, &["route"][..]),
            (None, Vec::new(), false, &["host"]),
            (None, own(), true, &["route", "host"]),
            (None, keyed, false, &["keyed"]),
            (None, staged, false, &[]),
            (None, late, false, &[]),
            (Some(Instead), own(), false, &["route"]),
            (Some(Include), own(), false, &["route", "host"]),
            (Some(Ignore), Vec::new(), false, &[]),
            (Some(Ignore), own(), true, &["route", "host"]),
        ] {
            let (bench, _world, asked) = limited(config(), route, include, says(ok())).await;
            let mut bench = match option {
                None => bench,
                Some(virtual_host) => {
                    let scope = RateLimitPerRoute { virtual_host, rate_limits: Vec::new(), domain: Some("r".into()) };
                    bench.tell(Level::Route, "limit", ScopedConfig::RateLimit(scope.into()))
                }
            };
            bench.app(Script::answers(200, &[], &[]));
            assert_eq!(bench.send(get("/")).await.status(), 200);
            let asked = asked.borrow();
            let first = asked.first();
            assert_eq!(first.map(values).unwrap_or_default(), expected, "{option:?} {include}");
            if let Some(first) = first {
                assert_eq!(first.domain, if option.is_some() { "r" } else { "d" });
                assert_eq!(bench.stat("cluster.app.ratelimit.ok"), 1);
            }
        }
    });
}

#[test]
fn limits_of_the_filter_and_of_a_level_take_the_place_of_others() {
    run(async {
        let hits = |count| Some(Hits { count, negative: true });
        let own = vec![Limit { hits: hits(Count::Number(7)), ..makes("filter") }];
        let settings = Config { rate_limits: own, ..config() };
        let (mut bench, _world, asked) = limited(settings.clone(), vec![makes("route")], true, says(ok())).await;
        bench.app(Script::answers(200, &[], &[]));
        bench.send(get("/")).await;
        {
            let asked = asked.borrow();
            assert_eq!(values(&asked[0]), ["filter"]);
            let descriptor = &asked[0].descriptors[0];
            assert_eq!((descriptor.hits_addend.as_ref().unwrap().value, descriptor.is_negative_hits), (7, true));
        }
        let (bench, _world, asked) = limited(settings, vec![makes("route")], true, says(ok())).await;
        let scope = RateLimitPerRoute {
            virtual_host: VirtualHostLimits::Ignore,
            rate_limits: vec![makes("level"), makes("other")],
            domain: None,
        };
        let mut bench = bench.tell(Level::Host, "limit", ScopedConfig::RateLimit(scope.into()));
        bench.app(Script::answers(200, &[], &[]));
        bench.send(get("/")).await;
        assert_eq!((values(&asked.borrow()[0]), asked.borrow()[0].domain.as_str()), (vec!["level", "other"], "d"));
    });
}

#[test]
fn a_limit_may_say_what_the_service_is_to_enforce_and_filter_state_how_often() {
    run(async {
        let unit = Unit::named("HOUR").unwrap();
        let fixed = Limit { limit: Some(Override::Fixed { requests: 9, unit }), ..makes("fixed") };
        let path = vec!["limit".into()];
        let told = Limit { limit: Some(Override::Metadata { filter: "m".into(), path }), ..makes("told") };
        let set = config::filters::set_metadata::SetMetadata {
            entries: vec![config::filters::set_metadata::Entry {
                namespace: "m".into(),
                value: config::filters::set_metadata::Value::Struct(Arc::new(
                    serde_json::json!({ "limit": { "requests_per_unit": 4, "unit": "DAY" } }),
                )),
                allow_overwrite: true,
            }],
        };
        let asked = Questions::default();
        let (bench, world, kept) = limited(config(), Vec::new(), false, says(ok())).await;
        drop((bench, asked));
        let routes = to_app(|forward| forward.rate_limits = vec![fixed, told]);
        let filters = [
            ("set", HttpFilterConfig::SetMetadata(Arc::new(set))),
            ("limit", HttpFilterConfig::RateLimit(Arc::new(config()))),
        ];
        let mut bench = Filtered::with_routes(routes, filters);
        bench.calls = Some(world.calls.clone());
        bench.connection.filter_state.borrow_mut().set(StateObject {
            key: "envoy.ratelimit.hits_addend".into(),
            value: "5".into(),
            form: Form::Plain,
            read_only: false,
            shared: Shared::None,
        });
        bench.app(Script::answers(200, &[], &[]));
        bench.send(get("/")).await;
        let kept = kept.borrow();
        let limits: Vec<_> = kept[0].descriptors.iter().map(|one| one.limit.as_ref().unwrap()).collect();
        assert_eq!([limits[0].requests_per_unit, limits[1].requests_per_unit], [9, 4]);
        assert_eq!(([limits[0].unit, limits[1].unit], kept[0].hits_addend), ([3, 4], 5));
    });
}

#[test]
fn a_request_above_its_limit_is_refused_as_the_service_says() {
    run(async {
        let answer = RateLimitResponse {
            response_headers_to_add: vec![
                header("x-told", "1"),
                header("content-type", "a/b"),
                header("content-length", "99"),
                header("bad name", "1"),
                header("x-bad", "1\r\nx: 2"),
            ],
            request_headers_to_add: vec![header("x-up", "1")],
            raw_body: b"too much".to_vec(),
            dynamic_metadata: Some(wkt::Struct {
                fields: [("k".to_owned(), wkt::Value { kind: Some(wkt::value::Kind::BoolValue(true)) })].into(),
            }),
            ..over()
        };
        let (bench, _world, _) = limited(config(), Vec::new(), false, says(answer.clone())).await;
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (429, "too much"));
        assert_eq!((outcome.flags().as_str(), outcome.details()), ("RL", "request_rate_limited"));
        for (name, value) in [
            ("x-told", Some("1")),
            ("x-envoy-ratelimited", Some("true")),
            ("content-type", Some("a/b")),
            ("content-length", Some("8")),
            ("x-bad", None),
        ] {
            assert_eq!(outcome.header(name).as_deref(), value, "{name}");
        }
        assert_eq!(outcome.info.metadata.get("envoy.filters.http.ratelimit"), Some(&serde_json::json!({ "k": true })));
        assert_eq!(bench.stat("cluster.app.ratelimit.over_limit"), 1);
        assert_eq!(bench.stat("cluster.app.internal.upstream_rq_429"), 1);

        // Counted and passed on where it is not enforced.
        let settings =
            Config { enforced: Some(NEVER), x_envoy_ratelimited: false, stat_prefix: Some("p".into()), ..config() };
        let (mut bench, _world, _) = limited(settings, Vec::new(), false, says(answer)).await;
        bench.app(Script::answers(200, &[], &["fine"]));
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.header("x-told").as_deref()), (200, Some("1")));
        assert_eq!(outcome.header("x-envoy-ratelimited"), None);
        assert_eq!(bench.app_saw().header("x-up").as_deref(), Some("1"));
        assert_eq!(bench.stat("cluster.app.ratelimit.p.over_limit"), 1);
    });
}

#[test]
fn what_is_no_header_is_not_sent_on() {
    run(async {
        for (name, value, told) in
            [("x-up", "a\x01b", "invalid header value for: x-up"), ("x y", "1", "invalid header name: x y")]
        {
            let answer = RateLimitResponse { request_headers_to_add: vec![header(name, value)], ..ok() };
            let (mut bench, _world, _) = limited(config(), Vec::new(), false, says(answer)).await;
            bench.app(Script::answers(200, &[], &["fine"]));
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.body().as_str()), (503, told));
        }
    });
}

#[test]
fn grpc_clients_get_a_status_of_theirs() {
    run(async {
        for (resource_exhausted, status) in [(false, "14"), (true, "8")] {
            let settings = Config { resource_exhausted, ..config() };
            let (bench, _world, _) = limited(settings, Vec::new(), false, says(over())).await;
            let outcome = bench.send(with(get("/"), &[("content-type", "application/grpc")])).await;
            assert_eq!((outcome.status(), outcome.header("grpc-status").as_deref()), (200, Some(status)));
        }
    });
}

fn status(over: bool, requests: u32, name: &str, remaining: u32, seconds: i64) -> DescriptorStatus {
    DescriptorStatus {
        code: if over { Code::OverLimit as i32 } else { Code::Ok as i32 },
        current_limit: Some(RateLimit {
            name: name.into(),
            requests_per_unit: requests,
            unit: rate_limit::Unit::Minute as i32,
        }),
        limit_remaining: remaining,
        duration_until_reset: Some(wkt::Duration { seconds, nanos: 0 }),
        ..DescriptorStatus::default()
    }
}

#[test]
fn the_response_tells_of_the_limit_that_is_closest() {
    run(async {
        let statuses =
            vec![status(false, 10, "per-ip", 7, 3), status(false, 20, "", 5, 9), DescriptorStatus::default()];
        let settings = Config { x_ratelimit_headers: true, retry_after: true, ..config() };
        let answer = RateLimitResponse { statuses, ..ok() };
        let (mut bench, _world, _) = limited(settings.clone(), Vec::new(), false, says(answer)).await;
        bench.app(Script::answers(200, &[], &[]));
        let outcome = bench.send(get("/")).await;
        assert_eq!(outcome.header("x-ratelimit-limit").as_deref(), Some("20, 10;w=60;name=\"per-ip\", 20;w=60"));
        assert_eq!(outcome.header("x-ratelimit-remaining").as_deref(), Some("5"));
        assert_eq!(outcome.header("x-ratelimit-reset").as_deref(), Some("9"));
        assert_eq!(outcome.header("retry-after"), None);

        for (own, expected) in [(None, "12"), (Some("99"), "99")] {
            let statuses = vec![status(true, 10, "", 0, 4), status(true, 10, "", 0, 12), status(false, 10, "", 1, 50)];
            let told = own.map(|value| header("retry-after", value));
            let answer = RateLimitResponse { statuses, response_headers_to_add: told.into_iter().collect(), ..over() };
            let (bench, _world, _) = limited(settings.clone(), Vec::new(), false, says(answer)).await;
            let outcome = bench.send(get("/")).await;
            assert_eq!((outcome.status(), outcome.header("retry-after").as_deref()), (429, Some(expected)));
        }
    });
}

#[test]
fn without_an_answer_requests_pass_unless_that_is_not_wanted() {
    run(async {
        let broken: [fn(&mut Asked); 4] = [
            |asked| asked.only_head(200, &[("content-type", "application/grpc"), ("grpc-status", "14")]),
            |asked| asked.only_head(500, &[]),
            |asked| asked.answer(&[&framed(b"\xff\xff\xff")], OK),
            |asked| asked.answer(&[b"\x00\x00\x00\x00\x20half"], OK),
        ];
        for answer in broken {
            let (mut bench, _world, _) = limited(config(), Vec::new(), false, answer).await;
            bench.app(Script::answers(200, &[], &[]));
            let (lines, _guard) = crate::testing::lines::Lines::listen();
            assert_eq!(bench.send(get("/")).await.status(), 200);
            let told = lines.with("ratelimit of the domain ");
            assert!(told.len() == 1 && told[0].contains("passes without its judgement: "), "{told:?}");
            assert_eq!(bench.stat("cluster.app.ratelimit.error"), 1);
            assert_eq!(bench.stat("cluster.app.ratelimit.failure_mode_allowed"), 1);

            let closed = Config { deny_on_failure: ALWAYS, status_on_error: 503, ..config() };
            let (bench, _world, _) = limited(closed, Vec::new(), false, answer).await;
            let outcome = bench.send(get("/")).await;
            let (status, details) = (outcome.status(), outcome.details());
            assert_eq!((status, details, outcome.flags().as_str()), (503, "rate_limiter_error", "RLSE"));
        }
    });
}

#[test]
fn only_requests_of_one_kind_are_asked_about_where_that_is_said() {
    run(async {
        for (wanted, asks) in [(None, true), (Some(true), false), (Some(false), true)] {
            let settings = Config { internal: wanted, ..config() };
            let (mut bench, _world, asked) = limited(settings, Vec::new(), false, says(ok())).await;
            bench.app(Script::answers(200, &[], &[]));
            bench.send(get("/")).await;
            assert_eq!(asked.borrow().len(), usize::from(asks), "{wanted:?}");
        }
        let (mut bench, _world, asked) =
            limited(Config { enabled: Some(NEVER), ..config() }, Vec::new(), false, says(over())).await;
        bench.app(Script::answers(200, &[], &[]));
        assert_eq!((bench.send(get("/")).await.status(), asked.borrow().len()), (200, 0));
    });
}

#[test]
fn the_end_of_a_request_is_reported_where_a_limit_counts_it() {
    run(async {
        let format = config::access_log::format::parse("%RESPONSE_CODE%").unwrap();
        let hits = Some(Hits { count: Count::Format(format), negative: false });
        let own = vec![makes("first"), Limit { on_stream_done: true, hits, ..makes("last") }];
        let (mut bench, _world, asked) =
            limited(Config { rate_limits: own, ..config() }, Vec::new(), false, says(ok())).await;
        bench.app(Script::answers(201, &[], &["fine"]));
        assert_eq!(bench.send(get("/")).await.status(), 201);
        until(|| asked.borrow().len() == 2).await;
        let asked = asked.borrow();
        assert_eq!((values(&asked[0]), values(&asked[1])), (vec!["first"], vec!["last"]));
        assert_eq!(asked[1].descriptors[0].hits_addend.as_ref().map(|hits| hits.value), Some(201));
    });
}
