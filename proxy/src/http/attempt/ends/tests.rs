//! What cluster, route and connection manager count of attempts, by how these end. The real Envoy plays the same in the scenarios
//! `attempt_ends*` of `integration/parity/http_filters`.

use std::time::Duration;

use config::route::*;

use crate::cluster::{ConnectFailure, ConnectFailureKind, PickFailure};
use crate::http::filters::bench::Filtered;
use crate::http::testing::fake::Script;
use crate::http::testing::*;
use crate::wire::codec::StreamError;
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn bench(change: impl FnOnce(&mut Forward)) -> Filtered {
    let mut routes = to_app(change);
    routes[0].stat_prefix = Some("r".into());
    Filtered::with_routes(routes, [])
}

/// Of the cluster, and of the route.
fn counted(bench: &Filtered, name: &str) -> (u64, u64) {
    let value = |name: String| if bench.has_stat(&name) { bench.stat(&name) } else { 0 };
    (value(format!("cluster.app.upstream_rq_{name}")), value(format!("vhost.all.route.r.upstream_rq_{name}")))
}

#[tokio::test(start_paused = true)]
async fn each_attempt_that_the_routes_timeout_ends_is_counted() {
    for retries in 0..3 {
        let mut bench = bench(|forward| {
            forward.timeout = Some(MS(5000));
            forward.hedges = Some(true);
            let policy = RetryPolicy { per_try_timeout: Some(MS(100)), ..retry_on(RetryOn::SERVER_ERROR, retries) };
            forward.retry = Some(policy.into());
        });
        for _ in 0..=retries {
            bench.app(Script::hangs());
        }
        assert_eq!(bench.send(get("/")).await.status(), 504);
        let all = u64::from(retries) + 1;
        for name in ["timeout", "504", "total"] {
            assert_eq!(counted(&bench, name), (all, all), "{name}, {retries} retries");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_between_two_attempts_is_that_of_none() {
    let mut bench = bench(|forward| {
        forward.timeout = Some(MS(500));
        let header = ResetHeader { name: "retry-after".into(), is_timestamp: false };
        let limited = RateLimitedBackOff { headers: vec![header], max_interval: MS(60_000) };
        forward.retry = Some(RetryPolicy { rate_limited: Some(limited), ..retry_on(RetryOn::SERVER_ERROR, 1) }.into());
    });
    bench.app(Script::answers(503, &[("retry-after", "30"), ("content-length", "0")], &[]));
    assert_eq!(bench.send(get("/")).await.status(), 504);
    assert_eq!((counted(&bench, "timeout"), counted(&bench, "504")), ((0, 0), (0, 0)));
    assert_eq!((counted(&bench, "total"), counted(&bench, "retry")), ((1, 1), (0, 0)), "it is counted when it begins");
}

#[tokio::test(start_paused = true)]
async fn a_route_counts_the_attempts_that_got_a_stream() {
    let refused = || Script::refuses(ConnectFailure::new(ConnectFailureKind::Remote));
    let nobody = || Script { no_host: Some(PickFailure::NoEndpoints), ..Script::default() };
    let broken = || Script::fails(StreamError::Reset(2));
    let scripts: [(fn() -> Script, u64); 3] = [(refused, 0), (nobody, 0), (broken, 1)];
    for (script, count) in scripts {
        let mut bench = bench(|_| {});
        bench.app(script());
        assert_eq!(bench.send(get("/")).await.status(), 503);
        assert_eq!(counted(&bench, "total").1, count);
        assert_eq!(counted(&bench, "503").1, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_may_last_no_longer_is_no_answer_of_its_cluster() {
    let mut bench = bench(|forward| forward.timeout = Some(MS(5000)));
    bench.cluster("app").stream_limit.set(Some(MS(300)));
    bench.app(Script::hangs());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.details()), (504, "upstream_max_stream_duration_reached"));
    assert_eq!(counted(&bench, "max_duration_reached").0, 1);
    for name in ["504", "completed", "timeout"] {
        assert_eq!(counted(&bench, name), (0, 0), "{name}");
    }
    assert_eq!(bench.stat("http.test.downstream_rq_5xx"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_a_reset_of_both_kinds() {
    let mut bench = bench(|_| {});
    let lost = Some((MS(10), StreamError::Reset(2)));
    bench.app(Script { lost_in: lost, stalls: true, ..Script::answers(200, &[], &["half"]) });
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.client.reset.is_some()), (200, true));
    for name in ["tx_reset", "rx_reset"] {
        assert_eq!(bench.stat(&format!("http.test.downstream_rq_{name}")), 1, "{name}");
    }
}

/// What callers ask for is asked for by those that are believed; filters are.
fn asking(headers: &[(&str, &'static str)]) -> RequestHead {
    with(with(get("/"), headers), &[("x-forwarded-for", "10.1.2.3")])
}

fn believes(mut bench: Filtered) -> Filtered {
    bench.config.internal_ranges = vec!["10.0.0.0/8".parse().unwrap()];
    bench
}

#[tokio::test(start_paused = true)]
async fn canaries_and_names_that_are_asked_for_are_counted_by_themselves() {
    let mut bench = believes(bench(|_| {}));
    bench.app(Script::answers(200, &[("x-envoy-upstream-canary", "true")], &["ok"]));
    assert_eq!(bench.send(asking(&[("x-envoy-upstream-alt-stat-name", "alt")])).await.status(), 200);
    assert!(!bench.app_saw().head.headers.contains(&Name::X_ENVOY_UPSTREAM_ALT_STAT_NAME));
    for family in ["", "alt.", "canary.", "internal.", "alt.canary.", "alt.internal."] {
        for name in ["completed", "200", "2xx"] {
            assert_eq!(bench.stat(&format!("cluster.app.{family}upstream_rq_{name}")), 1, "{family} {name}");
        }
        assert_eq!(bench.histogram(&format!("cluster.app.{family}upstream_rq_time")).0, 1, "{family}");
    }
    bench.app(Script::answers(200, &[("x-envoy-upstream-canary", "TRUE")], &["ok"]));
    assert_eq!(bench.send(get("/")).await.status(), 200);
    assert_eq!(bench.stat("cluster.app.canary.upstream_rq_completed"), 1);
    assert_eq!(bench.stat("cluster.app.alt.upstream_rq_completed"), 1);
}

#[tokio::test(start_paused = true)]
async fn informational_heads_are_counted_and_not_timed() {
    for proxied in [false, true] {
        let mut bench = bench(|_| {});
        bench.config.proxy_100_continue = proxied;
        bench.app(Script { informational: vec![100, 103], ..Script::answers(200, &[], &["ok"]) });
        assert_eq!(bench.send(get("/")).await.status(), 200);
        for (name, count) in [("100", 1), ("103", 1), ("1xx", 2), ("200", 1), ("2xx", 1)] {
            assert_eq!(counted(&bench, name), (count, count), "{name}");
        }
        assert_eq!(bench.stat("cluster.app.upstream_rq_completed"), 3);
        assert_eq!(bench.stat("cluster.app.external.upstream_rq_completed"), 3);
        assert_eq!(bench.histogram("cluster.app.upstream_rq_time").0, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn callers_say_how_long_a_stream_may_last() {
    const WISH: &str = "x-envoy-upstream-stream-duration-ms";
    let late = || Script { head_in: MS(500), ..Script::answers(200, &[], &["ok"]) };
    for (headers, limit, status) in [
        (&[(WISH, "100")][..], None, 504),
        (&[(WISH, "0")], Some(MS(300)), 200),
        (&[(WISH, "900")], Some(MS(300)), 200),
        (&[(WISH, "soon")], None, 200),
        (&[(WISH, "soon")], Some(MS(300)), 504),
        (&[(WISH, "-5")], None, 200),
        (&[(WISH, "100"), ("x-forwarded-for", "8.8.8.8")], None, 200),
    ] {
        let mut bench = believes(bench(|forward| forward.timeout = Some(MS(5000))));
        bench.cluster("app").stream_limit.set(limit);
        bench.app(late());
        let outcome = bench.send(asking(headers)).await;
        assert_eq!(outcome.status(), status, "{headers:?} {limit:?}");
        let seen = bench.app_saw();
        assert!(!seen.head.headers.contains(&Name::X_ENVOY_UPSTREAM_STREAM_DURATION_MS), "{headers:?}");
        if status == 504 {
            assert_eq!(
                (outcome.details(), outcome.flags().as_str()),
                ("upstream_max_stream_duration_reached", "UMSDR")
            );
            assert_eq!(counted(&bench, "max_duration_reached").0, 1);
        }
    }
    let mut bench = believes(bench(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 1).into())));
    bench.app(Script::hangs()).app(Script::answers(200, &[], &["ok"]));
    assert_eq!(bench.send(asking(&[(WISH, "100")])).await.status(), 200, "the next attempt has as long");
}
