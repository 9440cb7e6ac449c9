//! Tests of `local_ratelimit`.

use std::sync::Arc;
use std::time::Duration;

use config::access_log::Format;
use config::filters::local_ratelimit::{Descriptor, LocalRateLimit, VirtualHostLimits};
use config::filters::token_bucket::TokenBucket;
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::matcher::Fraction;
use config::rate_limit::{Action as Limits, Count, Hits, RateLimit};
use config::route::{Action, AppendAction, DirectResponse, HeaderAdd};
use config::runtime::Live;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::fake::Script;
use crate::http::testing::{Outcome, get, route, to_app, with};

const ALWAYS: Live<Fraction> = Live::fixed(Fraction { numerator: 100, denominator: 100 });
const NEVER: Live<Fraction> = Live::fixed(Fraction { numerator: 0, denominator: 100 });

/// So many tokens, and another one each minute.
pub(super) fn bucket(most: u32) -> TokenBucket {
    TokenBucket { max_tokens: most, tokens_per_fill: 1, fill_interval: Duration::from_secs(60) }
}

/// A limit by one bucket.
pub(super) fn limit(bucket: TokenBucket) -> LocalRateLimit {
    LocalRateLimit {
        stat_prefix: "lim".into(),
        status: 429,
        bucket: Some(bucket),
        enabled: Some(ALWAYS),
        enforced: Some(ALWAYS),
        request_headers: Vec::new(),
        response_headers: Vec::new(),
        descriptors: Vec::new(),
        stage: 0,
        per_connection: false,
        share_of: None,
        x_ratelimit_headers: false,
        virtual_host: VirtualHostLimits::Override,
        always_consume_default: true,
        resource_exhausted: false,
        rate_limits: Vec::new(),
        max_dynamic_descriptors: 20,
        retry_after: false,
    }
}

/// A descriptor of one entry with a bucket of this size.
fn descriptor(value: &str, most: u32) -> Descriptor {
    Descriptor { entries: vec![("k".into(), value.into())], bucket: bucket(most), shadow: false }
}

/// A limit that makes that descriptor.
fn makes(value: &str) -> RateLimit {
    RateLimit {
        stage: 0,
        disabled: false,
        actions: vec![Limits::GenericKey { key: "k".into(), value: value.into() }],
        hits: None,
        on_stream_done: false,
        x_ratelimit_headers: None,
        limit: None,
    }
}

fn header(name: &str, value: &str) -> HeaderAdd {
    let value = Format { parts: vec![config::access_log::Part::Literal(value.into())], omit_empty: true };
    HeaderAdd { name: name.into(), value, action: AppendAction::AppendOrAdd, keep_empty: false }
}

fn filtered(config: LocalRateLimit) -> Filtered {
    Filtered::new([("limit", HttpFilterConfig::LocalRateLimit(Arc::new(config)))])
}

async fn sent(bench: &mut Filtered, headers: &[(&str, &'static str)]) -> Outcome {
    bench.app(Script::answers(200, &[], &["ok"]));
    let outcome = bench.send(with(get("/"), headers)).await;
    bench.cluster("app").scripts.borrow_mut().clear();
    outcome
}

/// The three headers, in order.
fn told(outcome: &Outcome) -> Option<[u64; 3]> {
    let one = |name: &str| outcome.header(&format!("x-ratelimit-{name}")).map(|value| value.parse().unwrap());
    Some([one("limit")?, one("remaining")?, one("reset")?])
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_token_is_refused() {
    let config = LocalRateLimit {
        x_ratelimit_headers: true,
        retry_after: true,
        response_headers: vec![header("x-a", "1"), header("x-a", "2")],
        ..limit(bucket(2))
    };
    let mut bench = filtered(config);
    assert_eq!(told(&sent(&mut bench, &[]).await), Some([2, 1, 0]));
    assert_eq!(told(&sent(&mut bench, &[]).await), Some([2, 0, 60]));
    tokio::time::advance(Duration::from_millis(1500)).await;
    let outcome = sent(&mut bench, &[]).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (429, "local_rate_limited"));
    assert_eq!((outcome.flags().as_str(), outcome.details()), ("RL", "local_rate_limited"));
    assert_eq!((told(&outcome), outcome.header("retry-after").as_deref()), (Some([2, 0, 59]), Some("59")));
    let names: Vec<_> = outcome.client.head.as_ref().unwrap().headers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names[..3], ["x-a", "x-a", "retry-after"]);
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(sent(&mut bench, &[]).await.status(), 200);
    for (name, count) in [("enabled", 4), ("ok", 3), ("rate_limited", 1), ("enforced", 1), ("shadow_mode", 0)] {
        assert_eq!(bench.stat(&format!("lim.http_local_rate_limit.{name}")), count, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_status_has_no_retry_after_and_grpc_its_own() {
    let mut bench = filtered(LocalRateLimit { status: 503, retry_after: true, ..limit(bucket(0)) });
    let outcome = sent(&mut bench, &[]).await;
    assert_eq!((outcome.status(), outcome.header("retry-after")), (503, None));
    for (resource_exhausted, status) in [(false, "14"), (true, "8")] {
        let mut bench = filtered(LocalRateLimit { resource_exhausted, ..limit(bucket(0)) });
        let outcome = sent(&mut bench, &[("content-type", "application/grpc")]).await;
        assert_eq!((outcome.status(), outcome.header("grpc-status").as_deref()), (200, Some(status)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_not_enforced_marks_the_request() {
    let mut bench = filtered(LocalRateLimit {
        enforced: Some(NEVER),
        request_headers: vec![header("x-limited", "yes")],
        ..limit(bucket(1))
    });
    for (expected, ok) in [(None, 1), (Some("yes"), 1)] {
        assert_eq!(sent(&mut bench, &[]).await.status(), 200);
        assert_eq!(bench.app_saw().header("x-limited").as_deref(), expected);
        assert_eq!(bench.stat("lim.http_local_rate_limit.ok"), ok);
    }
    assert_eq!(bench.stat("lim.http_local_rate_limit.enforced"), 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_switched_off_takes_nothing() {
    for enabled in [None, Some(NEVER)] {
        let mut bench = filtered(LocalRateLimit { enabled, x_ratelimit_headers: true, ..limit(bucket(0)) });
        let outcome = sent(&mut bench, &[]).await;
        assert_eq!((outcome.status(), told(&outcome)), (200, None));
        assert_eq!(bench.stat("lim.http_local_rate_limit.enabled"), 0);
    }
}

/// Routes whose own limit makes `route`, of a host whose limit makes `host`.
fn with_limits(config: LocalRateLimit, route: &[RateLimit], include: bool) -> Filtered {
    let routes = to_app(|forward| {
        forward.rate_limits = route.to_vec();
        forward.include_host_rate_limits = include;
    });
    let mut bench = Filtered::with_routes(routes, [("limit", HttpFilterConfig::LocalRateLimit(Arc::new(config)))]);
    bench.host(|host| host.rate_limits = vec![makes("host")]);
    bench
}

#[tokio::test(start_paused = true)]
async fn limits_of_route_and_host_make_descriptors() {
    use VirtualHostLimits::{Ignore, Include, Override};
    let config = |virtual_host| LocalRateLimit {
        virtual_host,
        x_ratelimit_headers: true,
        descriptors: vec![descriptor("route", 5), descriptor("host", 4)],
        ..limit(bucket(100))
    };
    let own = [makes("route")];
    let disabled = [RateLimit { disabled: true, ..makes("route") }];
    let staged = [RateLimit { stage: 3, ..makes("route") }];
    // Which bucket the response tells of, and how many tokens that of the host has lost.
    for (virtual_host, route, include, size, of_host) in [
        (Override, &own[..], false, 5, 0),
        (Override, &[], false, 4, 1),
        (Override, &disabled, false, 100, 0),
        (Override, &staged, false, 100, 0),
        (Include, &own, false, 5, 1),
        (Ignore, &[], false, 100, 0),
        (Ignore, &own, true, 5, 1),
    ] {
        let mut bench = with_limits(config(virtual_host), route, include);
        let outcome = sent(&mut bench, &[]).await;
        assert_eq!(told(&outcome).map(|told| told[0]), Some(size), "{virtual_host:?} {route:?}");
        let mut others = 0;
        while sent(&mut bench, &[]).await.status() == 200 && others < 4 {
            others += 1;
        }
        let host_is_empty = others < 4;
        assert_eq!(host_is_empty, of_host == 1, "{virtual_host:?} {route:?} {include}");
    }
    let staged = LocalRateLimit { stage: 3, ..config(Override) };
    let route = [RateLimit { stage: 3, ..makes("route") }];
    assert_eq!(told(&sent(&mut with_limits(staged, &route, false), &[]).await), Some([5, 4, 0]));
}

#[tokio::test(start_paused = true)]
async fn limits_of_the_filter_take_the_place_of_the_route_s_and_count_hits() {
    let hits = |count| Some(Hits { count, negative: false });
    let rate_limits = vec![RateLimit { hits: hits(Count::Number(3)), ..makes("own") }];
    let config = LocalRateLimit {
        rate_limits,
        x_ratelimit_headers: true,
        descriptors: vec![descriptor("own", 5), descriptor("route", 4)],
        ..limit(bucket(100))
    };
    let mut bench = with_limits(config.clone(), &[makes("route")], false);
    assert_eq!(told(&sent(&mut bench, &[]).await), Some([5, 2, 0]));
    let refused = sent(&mut bench, &[]).await;
    assert_eq!((refused.status(), told(&refused)), (429, Some([5, 2, 0])));

    let off = vec![RateLimit { x_ratelimit_headers: Some(false), ..makes("own") }];
    let mut bench = with_limits(LocalRateLimit { rate_limits: off, ..config.clone() }, &[], false);
    assert_eq!(told(&sent(&mut bench, &[]).await), None);
    let on = vec![RateLimit { x_ratelimit_headers: Some(true), ..makes("own") }];
    let quiet = LocalRateLimit { rate_limits: on, x_ratelimit_headers: false, ..config };
    assert_eq!(told(&sent(&mut with_limits(quiet, &[], false), &[]).await), Some([5, 4, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_shadow_limit_counts_and_lets_pass() {
    let shadow = Descriptor { shadow: true, ..descriptor("route", 1) };
    let config = LocalRateLimit { descriptors: vec![shadow], ..limit(bucket(100)) };
    let mut bench = with_limits(config, &[makes("route")], false);
    for _ in 0..2 {
        assert_eq!(sent(&mut bench, &[]).await.status(), 200);
    }
    for (name, count) in [("ok", 1), ("rate_limited", 1), ("shadow_mode", 1), ("enforced", 0)] {
        assert_eq!(bench.stat(&format!("lim.http_local_rate_limit.{name}")), count, "{name}");
    }
}

/// A shadow that is empty is no reason to let pass what another limit refuses.
#[tokio::test(start_paused = true)]
async fn what_is_in_the_shadow_hides_no_other_limit() {
    let shadow = |most| Descriptor { shadow: true, ..descriptor("route", most) };
    let faster = Descriptor {
        bucket: TokenBucket { fill_interval: Duration::from_secs(1), ..bucket(1) },
        ..descriptor("host", 1)
    };
    for (default, descriptors, refused) in [
        (1, vec![shadow(1)], true),
        (100, vec![shadow(1), faster.clone()], true),
        (100, vec![shadow(1), Descriptor { shadow: true, ..faster }], false),
    ] {
        let config = LocalRateLimit { descriptors, ..limit(bucket(default)) };
        let mut bench = with_limits(config, &[makes("route"), makes("host")], false);
        assert_eq!(sent(&mut bench, &[]).await.status(), 200);
        assert_eq!(sent(&mut bench, &[]).await.status(), if refused { 429 } else { 200 });
        let (enforced, shadow_mode) = (u64::from(refused), u64::from(!refused));
        for (name, count) in [("ok", 1), ("rate_limited", 1), ("shadow_mode", shadow_mode), ("enforced", enforced)] {
            assert_eq!(bench.stat(&format!("lim.http_local_rate_limit.{name}")), count, "{default} {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_that_does_not_forward_has_the_default_bucket() {
    let mut config = LocalRateLimit { x_ratelimit_headers: true, ..limit(bucket(100)) };
    config.descriptors = vec![descriptor("host", 4)];
    let direct = DirectResponse { status: 201, body: Default::default(), format: None };
    let routes = vec![route("/", Action::Direct(direct.into()))];
    let mut bench = Filtered::with_routes(routes, [("limit", HttpFilterConfig::LocalRateLimit(Arc::new(config)))]);
    bench.host(|host| host.rate_limits = vec![makes("host")]);
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), told(&outcome)), (201, Some([100, 99, 0])));
}

#[tokio::test(start_paused = true)]
async fn levels_have_limits_of_their_own() {
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let scoped = LocalRateLimit { stat_prefix: "own".into(), ..limit(bucket(1)) };
        let told = ScopedConfig::LocalRateLimit(Arc::new(scoped));
        let mut bench = filtered(limit(bucket(0))).tell(level, "limit", told);
        assert_eq!(sent(&mut bench, &[]).await.status(), 200, "{level:?}");
        assert_eq!(sent(&mut bench, &[]).await.status(), 429, "{level:?}");
        assert_eq!(bench.stat("own.http_local_rate_limit.enforced"), 1);
        assert_eq!(bench.stat("lim.http_local_rate_limit.enabled"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_have_buckets_of_its_own() {
    let config = LocalRateLimit { per_connection: true, ..limit(bucket(1)) };
    let mut bench = filtered(config);
    assert_eq!(sent(&mut bench, &[]).await.status(), 200);
    assert_eq!(sent(&mut bench, &[]).await.status(), 429);
    bench.reconnect();
    assert_eq!(sent(&mut bench, &[]).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn members_of_a_cluster_share_the_tokens() {
    let config = LocalRateLimit { share_of: Some("app".into()), ..limit(bucket(4)) };
    let mut bench = filtered(config);
    *bench.cluster("app").hosts.borrow_mut() = vec!["10.0.0.1:80".into(), "10.0.0.2:80".into()];
    let mut passed = 0;
    while sent(&mut bench, &[]).await.status() == 200 {
        passed += 1;
    }
    assert_eq!(passed, 2);
}
