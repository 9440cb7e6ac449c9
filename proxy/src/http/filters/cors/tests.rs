//! Tests of `cors`. Values are Envoy's.

use config::filters::cors::{Cors, CorsPolicy};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::matcher::{Fraction, StringMatcher};
use config::runtime::Live;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::{get, with};
use crate::wire::message::{Method, RequestHead};

fn policy(change: impl FnOnce(&mut CorsPolicy)) -> ScopedConfig {
    let mut policy = CorsPolicy {
        allow_origin: vec![StringMatcher::Suffix { value: ".example".into(), ignore_case: false }],
        allow_methods: Some("GET,POST".into()),
        allow_headers: Some("*".into()),
        expose_headers: Some("x-seen".into()),
        max_age: Some("60".into()),
        allow_credentials: None,
        enabled: None,
        shadow: None,
        allow_private_network: None,
        forward_not_matching_preflights: None,
    };
    change(&mut policy);
    ScopedConfig::Cors(policy.into())
}

fn cors() -> Filtered {
    Filtered::new([("cors", HttpFilterConfig::Cors(Cors {}.into()))])
}

fn preflight(origin: &'static str) -> RequestHead {
    let mut request = get("/");
    request.method = Method::Options;
    with(
        request,
        &[("origin", origin), ("access-control-request-method", "PUT"), ("access-control-request-headers", "x-a,x-b")],
    )
}

#[tokio::test(start_paused = true)]
async fn a_preflight_is_answered_and_a_response_says_who_may_read_it() {
    let mut bench = cors().tell(Level::Host, "cors", policy(|policy| policy.allow_credentials = Some(true))).tell(
        Level::Route,
        "cors",
        policy(|policy| policy.max_age = None),
    );
    let outcome = bench.send(preflight("http://a.example")).await;
    assert_eq!((outcome.status(), outcome.details()), (200, "cors_response"));
    assert_eq!(outcome.header("access-control-allow-origin").as_deref(), Some("http://a.example"));
    assert_eq!(outcome.header("access-control-allow-methods").as_deref(), Some("GET,POST"));
    assert_eq!(outcome.header("access-control-allow-headers").as_deref(), Some("x-a,x-b"));
    assert_eq!(
        outcome.header("access-control-max-age").as_deref(),
        Some("60"),
        "the host's word, for the route has none"
    );
    assert_eq!(outcome.header("access-control-allow-credentials").as_deref(), Some("true"));
    assert_eq!(outcome.header("content-length"), None);

    bench.app(Script::answers(200, &[("access-control-allow-origin", "*")], &["x"]));
    let outcome = bench.send(with(get("/"), &[("origin", "http://b.example")])).await;
    assert_eq!(outcome.header("access-control-allow-origin").as_deref(), Some("http://b.example"));
    assert_eq!(outcome.header("access-control-expose-headers").as_deref(), Some("x-seen"));
    assert_eq!((bench.stat("http.test.cors.origin_valid"), bench.stat("http.test.cors.origin_invalid")), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn other_origins_are_counted_and_told_nothing() {
    let mut bench = cors().tell(Level::Route, "cors", policy(|_| {}));
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(preflight("http://evil.test")).await;
    assert_eq!((outcome.status(), outcome.header("access-control-allow-origin")), (200, None));
    assert_eq!(bench.app_saw().head.method, Method::Options, "forwarded");
    assert_eq!(bench.stat("http.test.cors.origin_invalid"), 1);

    let bench =
        cors().tell(Level::Route, "cors", policy(|policy| policy.forward_not_matching_preflights = Some(false)));
    let outcome = bench.send(preflight("http://evil.test")).await;
    assert_eq!((outcome.details(), outcome.header("access-control-allow-origin")), ("cors_response", None));
}

#[tokio::test(start_paused = true)]
async fn a_shadow_counts_and_changes_nothing() {
    let never = Some(Live::fixed(Fraction { numerator: 0, denominator: 100 }));
    let always = Some(Live::fixed(Fraction { numerator: 100, denominator: 100 }));
    let mut bench = cors().tell(
        Level::Route,
        "cors",
        policy(|policy| (policy.enabled, policy.shadow) = (never.clone(), always.clone())),
    );
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &[("origin", "http://a.example")])).await;
    assert_eq!(outcome.header("access-control-allow-origin"), None);
    assert_eq!(bench.stat("http.test.cors.origin_valid"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_response_of_ours_is_readable_too() {
    let mut bench = cors().tell(Level::Route, "cors", policy(|_| {}));
    bench.app(Script { no_host: Some(crate::cluster::PickFailure::NoEndpoints), ..Script::default() });
    let outcome = bench.send(with(get("/"), &[("origin", "http://a.example")])).await;
    assert_eq!(outcome.status(), 503);
    assert_eq!(outcome.header("access-control-allow-origin").as_deref(), Some("http://a.example"));
}
