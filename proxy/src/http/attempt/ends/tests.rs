//! What cluster, route and connection manager count of attempts, by how these end. The real Envoy plays the same in the scenarios
//! `attempt_ends*` of `integration/parity/http_filters`.

use std::time::Duration;

use config::route::*;

use crate::cluster::{ConnectFailure, ConnectFailureKind, PickFailure};
use crate::http::filters::bench::Filtered;
use crate::http::testing::fake::Script;
use crate::http::testing::*;
use crate::wire::codec::StreamError;

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
