//! Tests of `fault`. What is expected is what Envoy 1.40 does with the same requests; the clock is the test's.

use std::sync::Arc;
use std::time::Duration;

use config::filters::fault::{Abort, AbortWith, Delay, Fault, RateLimit, Share};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::matcher::{Fraction, HeaderMatcher, HeaderRule};
use config::runtime::Key;
use tokio::time::Instant;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{Outcome, fake::Script, get, with};
use crate::wire::codec::StreamError;

mod runtime;

const ALWAYS: Share = share(100);
const NEVER: Share = share(0);

const fn share(percent: u32) -> Share {
    Share { percentage: Fraction { numerator: percent, denominator: 100 }, of_runtime: Key::none() }
}

fn abort(with: AbortWith) -> Abort {
    Abort { with, http_of_runtime: Key::none(), grpc_of_runtime: Key::none(), share: ALWAYS, body: None }
}

fn nothing() -> Fault {
    Fault {
        delay: None,
        abort: None,
        response_rate_limit: None,
        upstream_cluster: None,
        headers: Vec::new(),
        downstream_nodes: Vec::new(),
        max_active_faults: None,
        most_of_runtime: Key::none(),
        disable_downstream_cluster_stats: false,
        metadata: None,
    }
}

fn aborting(status: u16) -> Fault {
    Fault { abort: Some(abort(AbortWith::Http(status))), ..nothing() }
}

fn delaying(milliseconds: u64) -> Fault {
    let fixed = Some(Duration::from_millis(milliseconds));
    Fault { delay: Some(Delay { fixed, of_runtime: Key::none(), share: ALWAYS }), ..nothing() }
}

/// All that headers may ask for.
fn asked() -> Fault {
    Fault {
        delay: Some(Delay { fixed: None, of_runtime: Key::none(), share: ALWAYS }),
        abort: Some(abort(AbortWith::Header)),
        response_rate_limit: Some(RateLimit { kib_per_second: None, share: ALWAYS }),
        ..nothing()
    }
}

fn fault(config: Fault) -> Filtered {
    Filtered::new([("fault", HttpFilterConfig::Fault(Arc::new(config)))])
}

async fn sent(bench: &mut Filtered, headers: &[(&str, &'static str)]) -> Outcome {
    bench.cluster("app").scripts.borrow_mut().clear();
    bench.app(Script::answers(200, &[], &["ok"]));
    bench.send(with(get("/"), headers)).await
}

#[tokio::test]
async fn an_abort_is_an_answer_with_its_flag() {
    let mut bench = fault(aborting(418));
    let outcome = sent(&mut bench, &[("x-envoy-downstream-service-cluster", "c1")]).await;
    assert_eq!((outcome.status(), outcome.body()), (418, "fault filter abort".into()));
    assert_eq!((outcome.flags().as_str(), outcome.details()), ("FI", "fault_filter_abort"));
    for name in ["aborts_injected", "c1.aborts_injected"] {
        assert_eq!(bench.stat(&format!("http.test.fault.{name}")), 1, "{name}");
    }
    for name in ["active_faults", "delays_injected", "c1.delays_injected", "faults_overflow", "response_rl_injected"] {
        assert_eq!(bench.stat(&format!("http.test.fault.{name}")), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_tells_of_delays_and_aborts() {
    let metadata = Some(Arc::new(serde_json::json!({"a": "b"})));
    for (headers, told) in [
        (&[][..], false),
        (&[("x-envoy-fault-abort-request", "418")], true),
        (&[("x-envoy-fault-delay-request", "10")], true),
        (&[("x-envoy-fault-throughput-response", "100")], false),
    ] {
        let mut bench = fault(Fault { metadata: metadata.clone(), ..asked() });
        let outcome = sent(&mut bench, headers).await;
        let there = outcome.info.metadata.get("fault");
        assert_eq!(there, told.then(|| serde_json::json!({"a": "b"})).as_ref(), "{headers:?}");
    }
}

#[tokio::test]
async fn callers_are_not_counted_where_nobody_wants_that() {
    let mut bench = fault(Fault { disable_downstream_cluster_stats: true, ..aborting(500) });
    sent(&mut bench, &[("x-envoy-downstream-service-cluster", "c1")]).await;
    assert!(!bench.has_stat("http.test.fault.c1.aborts_injected"));
    let bench = fault(aborting(500));
    for caller in 0..1100 {
        let mut request = get("/");
        let name = crate::wire::headers::Name::X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER;
        request.headers.append(name, format!("caller{caller}"));
        bench.send(request).await;
    }
    assert_eq!(bench.stat("http.test.fault.aborts_injected"), 1100);
    assert_eq!(bench.stat("http.test.fault.caller1023.aborts_injected"), 1);
    assert!(!bench.has_stat("http.test.fault.caller1024.aborts_injected"), "there is an end to names of strangers");
}

#[tokio::test]
async fn grpc_callers_see_a_grpc_status() {
    let config = Abort { body: Some("gone".into()), ..abort(AbortWith::Grpc(14)) };
    let mut bench = fault(Fault { abort: Some(config), ..nothing() });
    let outcome = sent(&mut bench, &[("content-type", "application/grpc")]).await;
    assert_eq!((outcome.status(), outcome.header("grpc-status").as_deref()), (200, Some("14")));
    assert_eq!(outcome.header("grpc-message").as_deref(), Some("gone"));
    let outcome = sent(&mut bench, &[]).await;
    assert_eq!((outcome.status(), outcome.body()), (200, "gone".into()));
}

#[tokio::test(start_paused = true)]
async fn a_delay_comes_before_the_application_and_before_an_abort() {
    let mut bench = fault(Fault { abort: aborting(503).abort, ..delaying(300) });
    let begin = Instant::now();
    let outcome = sent(&mut bench, &[]).await;
    assert_eq!(begin.elapsed(), Duration::from_millis(300));
    assert_eq!((outcome.status(), outcome.flags().as_str()), (503, "DI,FI"));
    let mut bench = fault(delaying(300));
    let begin = Instant::now();
    let outcome = sent(&mut bench, &[("x-envoy-downstream-service-cluster", "c1")]).await;
    assert_eq!((outcome.status(), outcome.flags().as_str(), begin.elapsed()), (200, "DI", Duration::from_millis(300)));
    for (name, count) in
        [("delays_injected", 1), ("c1.delays_injected", 1), ("aborts_injected", 0), ("active_faults", 0)]
    {
        assert_eq!(bench.stat(&format!("http.test.fault.{name}")), count, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_ask_for_faults() {
    let mut bench = fault(asked());
    for (headers, status, flags, milliseconds) in [
        (&[("x-envoy-fault-abort-request", "418")][..], 418, "FI", 0),
        (&[("x-envoy-fault-abort-request", "600")], 200, "-", 0),
        (&[("x-envoy-fault-abort-request", "418"), ("x-envoy-fault-abort-request-percentage", "0")], 200, "-", 0),
        (&[("x-envoy-fault-abort-grpc-request", "7")], 200, "FI", 0),
        (&[("x-envoy-fault-delay-request", "100")], 200, "DI", 100),
        (&[("x-envoy-fault-delay-request", "0")], 200, "-", 0),
        (&[("x-envoy-fault-delay-request", "soon")], 200, "-", 0),
        (&[("x-envoy-fault-delay-request", "100"), ("x-envoy-fault-delay-request-percentage", "0")], 200, "-", 0),
        (&[("x-envoy-fault-delay-request", "100"), ("x-envoy-fault-abort-request", "503")], 503, "DI,FI", 100),
        (&[], 200, "-", 0),
    ] {
        let begin = Instant::now();
        let outcome = sent(&mut bench, headers).await;
        assert_eq!((outcome.status(), outcome.flags().as_str()), (status, flags), "{headers:?}");
        assert_eq!(begin.elapsed(), Duration::from_millis(milliseconds), "{headers:?}");
    }
    let grpc = [("content-type", "application/grpc"), ("x-envoy-fault-abort-grpc-request", "300")];
    assert_eq!(sent(&mut bench, &grpc).await.header("grpc-status").as_deref(), Some("300"));
}

#[tokio::test]
async fn only_those_who_are_meant_have_faults() {
    let header = HeaderMatcher {
        name: "x-test".into(),
        rule: HeaderRule::Present(true),
        invert: false,
        missing_is_empty: false,
    };
    let node = "x-envoy-downstream-service-node";
    for (config, headers, status) in [
        (Fault { headers: vec![header.clone()], ..aborting(500) }, &[][..], 200),
        (Fault { headers: vec![header], ..aborting(500) }, &[("x-test", "1")], 500),
        (Fault { upstream_cluster: Some("other".into()), ..aborting(500) }, &[], 200),
        (Fault { upstream_cluster: Some("app".into()), ..aborting(500) }, &[], 500),
        (Fault { downstream_nodes: vec!["n1".into()], ..aborting(500) }, &[], 200),
        (Fault { downstream_nodes: vec!["n1".into()], ..aborting(500) }, &[(node, "n2")], 200),
        (Fault { downstream_nodes: vec!["n0".into(), "n1".into()], ..aborting(500) }, &[(node, "n1")], 500),
        (Fault { max_active_faults: Some(0), ..aborting(500) }, &[], 200),
        (Fault { abort: Some(Abort { share: NEVER, ..abort(AbortWith::Http(500)) }), ..nothing() }, &[], 200),
        (nothing(), &[], 200),
    ] {
        let text = format!("{config:?} {headers:?}");
        assert_eq!(sent(&mut fault(config), headers).await.status(), status, "{text}");
    }
}

#[tokio::test]
async fn routes_have_faults_of_their_own() {
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let told = ScopedConfig::Fault(Arc::new(aborting(501)));
        let mut bench = fault(nothing()).tell(level, "fault", told);
        assert_eq!(sent(&mut bench, &[]).await.status(), 501, "{level:?}");
        assert_eq!(bench.stat("http.test.fault.aborts_injected"), 1);
        let told = ScopedConfig::Fault(Arc::new(nothing()));
        assert_eq!(sent(&mut fault(aborting(500)).tell(level, "fault", told), &[]).await.status(), 200, "{level:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_at_once() {
    let mut bench = fault(Fault { max_active_faults: Some(2), ..delaying(1000) });
    for _ in 0..3 {
        bench.app(Script::answers(200, &[], &["ok"]));
    }
    let begin = Instant::now();
    let timed = async || {
        let outcome = bench.send(get("/")).await;
        (outcome.status(), begin.elapsed().as_millis())
    };
    let watch = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bench.stat("http.test.fault.active_faults")
    };
    let (first, second, third, active) = tokio::join!(timed(), timed(), timed(), watch);
    assert_eq!((first, second, third), ((200, 1000), (200, 1000), (200, 0)));
    assert_eq!((active, bench.stat("http.test.fault.faults_overflow")), (2, 1));
    assert_eq!((bench.stat("http.test.fault.active_faults"), bench.stat("http.test.fault.delays_injected")), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_while_it_waits_frees_its_place() {
    let bench = fault(Fault { max_active_faults: Some(1), ..delaying(1000) });
    {
        let request = bench.send(get("/"));
        let soon = tokio::time::timeout(Duration::from_millis(10), request).await;
        assert!(soon.is_err(), "its connection has gone, and the task with it");
    }
    assert_eq!(bench.stat("http.test.fault.active_faults"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_response_is_slowed_down() {
    // 1 KiB a second: 51 octets at once, then 51 or 52 every 50 ms.
    let limit = RateLimit { kib_per_second: Some(1), share: ALWAYS };
    let mut bench = fault(Fault { response_rate_limit: Some(limit), ..nothing() });
    let text: &'static str = "x".repeat(1024).leak();
    bench.app(Script::answers(200, &[], &[text, "end"]));
    let begin = Instant::now();
    let outcome = bench.send(get("/")).await;
    let elapsed = begin.elapsed();
    assert_eq!(outcome.body().len(), 1027);
    assert!((Duration::from_millis(950)..=Duration::from_millis(1050)).contains(&elapsed), "{elapsed:?}");
    assert!(outcome.client.body.iter().all(|piece| piece.len() <= 53), "{:?}", outcome.client.body);
    assert_eq!(bench.stat("http.test.fault.response_rl_injected"), 1);
    assert_eq!((bench.stat("http.test.fault.active_faults"), outcome.flags().as_str()), (0, "-"));
}

/// While a filter holds the response back, its upstream is watched.
#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_lost_meanwhile_is_noticed() {
    let limit = RateLimit { kib_per_second: Some(1), share: ALWAYS };
    let mut bench = fault(Fault { response_rate_limit: Some(limit), ..nothing() });
    let text: &'static str = "x".repeat(10_240).leak();
    let lost_in = Some((Duration::from_millis(2010), StreamError::Reset(2)));
    bench.app(Script { lost_in, ..Script::answers(200, &[], &[text]) });
    let begin = Instant::now();
    let outcome = bench.send(get("/")).await;
    assert_eq!((begin.elapsed().as_secs(), outcome.flags().as_str()), (2, "UR"));
    assert_eq!(bench.stat("http.test.fault.active_faults"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_saved_up_goes_at_once_but_no_more_than_a_second_s_worth() {
    let mut bench = fault(Fault { delay: delaying(5000).delay, ..asked() });
    let text: &'static str = "x".repeat(3072).leak();
    bench.app(Script::answers(200, &[], &[text]));
    let begin = Instant::now();
    let outcome = bench.send(with(get("/"), &[("x-envoy-fault-throughput-response", "1")])).await;
    assert_eq!((outcome.body().len(), outcome.client.body[0].len()), (3072, 1024));
    assert_eq!(begin.elapsed().as_secs(), 7);
}
