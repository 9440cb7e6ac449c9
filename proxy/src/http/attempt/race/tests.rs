//! Tests of hedging, in paused time.

use std::time::Duration;

use config::route::*;

use crate::http::testing::fake::Script;
use crate::http::testing::*;
use crate::wire::codec::{ResetReason, StreamError};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn bench(retries: u32) -> Bench {
    let policy = RetryPolicy {
        per_try_timeout: Some(MS(100)),
        predicates: vec![HostPredicate::PreviousHosts],
        ..retry_on(RetryOn::SERVER_ERROR, retries)
    };
    let mut bench = Bench::new(to_app(|forward| {
        forward.timeout = Some(MS(5000));
        forward.hedges = Some(true);
        forward.retry = Some(policy.into());
    }));
    *bench.cluster("app").hosts.borrow_mut() = vec!["10.0.0.1:80".into(), "10.0.0.2:80".into()];
    bench
}

fn after(time: u64, script: Script) -> Script {
    Script { head_in: MS(time), ..script }
}

#[tokio::test(start_paused = true)]
async fn the_first_good_answer_wins_and_the_other_is_ended() {
    for (first, second, body) in [(900, 100, "second"), (400, 5000, "first")] {
        let mut bench = bench(1);
        bench.upstream(after(first, Script::answers(200, &[], &["first"])));
        bench.upstream(after(second, Script::answers(200, &[], &["second"])));
        let outcome = bench.send_from(Client::sending(&["he", "llo"]), post("/a")).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (200, body));
        assert_eq!(outcome.info.attempts, 2);
        let seen = bench.seen();
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|seen| seen.body == b"hello" && seen.ended), "both got the whole request");
        let reset: Vec<_> = seen.iter().filter(|seen| seen.reset == Some(ResetReason::Cancel)).collect();
        assert_eq!(reset.len(), 1, "the one that lost");
        assert_ne!(seen[0].host, seen[1].host, "the earlier host is avoided");
        let winner = seen.iter().find(|seen| seen.reset.is_none()).unwrap();
        assert_eq!(outcome.info.upstream_host.as_deref(), Some(&*winner.host));
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_is_passed_over_while_another_may_come() {
    let mut bench = bench(1);
    bench.upstream(after(130, Script::answers(503, &[], &["first"])));
    bench.upstream(after(80, Script::answers(200, &[], &["second"])));
    let outcome = bench.send(get("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "second"));
    assert_eq!(outcome.flags(), "-");
}

#[tokio::test(start_paused = true)]
async fn the_last_bad_answer_is_passed_on() {
    let mut bench = bench(1);
    bench.upstream(after(300, Script::fails(StreamError::Reset(2))));
    bench.upstream(after(600, Script::answers(503, &[], &["second"])));
    let outcome = bench.send(get("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (503, "second"));
    assert_eq!(outcome.flags(), "URX");
}

#[tokio::test(start_paused = true)]
async fn failures_on_all_sides_are_told_once() {
    let mut bench = bench(1);
    bench.upstream(after(300, Script::fails(StreamError::Reset(2))));
    bench.upstream(after(600, Script::fails(StreamError::Closed("end of stream".into()))));
    let outcome = bench.send(get("/a")).await;
    assert_eq!(outcome.status(), 503);
    assert_eq!(
        outcome.body(),
        "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: connection termination"
    );
}

#[tokio::test(start_paused = true)]
async fn each_late_one_is_overtaken_while_the_policy_has_retries() {
    let mut bench = bench(3);
    for _ in 0..3 {
        bench.upstream(Script::hangs());
    }
    bench.upstream(after(50, Script::answers(200, &[], &["fourth"])));
    let outcome = bench.send(get("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.info.attempts), (200, "fourth", 4));
}

#[tokio::test(start_paused = true)]
async fn the_routes_timeout_ends_them_all() {
    let mut bench = bench(1);
    bench.upstream(Script::hangs());
    bench.upstream(Script::hangs());
    let outcome = bench.send(get("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (504, "upstream request timeout"));
    assert!(bench.seen().iter().all(|seen| seen.reset == Some(ResetReason::Cancel)));
}

#[tokio::test(start_paused = true)]
async fn without_a_retry_policy_a_late_attempt_goes_on() {
    let mut bench = Bench::new(to_app(|forward| {
        forward.timeout = Some(MS(5000));
        forward.hedges = Some(true);
    }));
    bench.config.internal_ranges = vec!["10.0.0.0/8".parse().unwrap()];
    bench.upstream(after(900, Script::answers(200, &[], &["late"])));
    let request =
        with(get("/a"), &[("x-forwarded-for", "10.1.2.3"), ("x-envoy-upstream-rq-per-try-timeout-ms", "100")]);
    let outcome = bench.send(request).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "late"));
}

#[tokio::test(start_paused = true)]
async fn upstreams_are_told_the_time_that_is_left_for_all() {
    let mut bench = bench(1);
    bench.upstream(Script::hangs());
    bench.upstream(Script::answers(200, &[], &["second"]));
    bench.host(|host| host.timeout_retry_in_request = true);
    bench.send(get("/a")).await;
    let seen = bench.seen();
    let late: Vec<_> = seen.iter().map(|seen| seen.header("x-envoy-is-timeout-retry")).collect();
    assert!(late.contains(&None) && late.contains(&Some("true".into())), "{late:?}");
    let told: Vec<u64> = seen
        .iter()
        .filter_map(|seen| seen.header("x-envoy-expected-rq-timeout-ms"))
        .map(|value| value.parse().unwrap())
        .collect();
    // How much is left hangs on the machine, for requests begin by its clock; the time of a try is not what is told.
    assert!(told.len() == 2 && told.iter().all(|left| (101..=5000).contains(left)), "{told:?}");
}

/// What is kept of a request is all that another attempt could send: while it is still coming, that would be a part of it.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_still_coming_is_not_sent_twice() {
    let policy = RetryPolicy {
        per_try_timeout: Some(MS(100)),
        per_try_idle_timeout: Some(MS(100)),
        ..retry_on(RetryOn::SERVER_ERROR, 1)
    };
    let bench = || {
        let mut bench = Bench::new(to_app(|forward| {
            forward.timeout = Some(MS(5000));
            forward.hedges = Some(true);
            forward.retry = Some(policy.clone().into());
            forward.upgrades = vec![Upgrade { kind: "websocket".into(), enabled: true }];
        }));
        bench.cluster("app");
        bench
    };
    let mut slow = bench();
    slow.upstream(Script { after_request: true, ..Script::answers(200, &[], &["all of it"]) });
    let mut client = Client::sending(&["he", "llo"]);
    client.ends_at = Some(Box::pin(tokio::time::sleep(MS(300))));
    let outcome = slow.send_from(client, post("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.info.attempts), (200, "all of it", 1));
    let seen = slow.seen();
    assert_eq!((seen.len(), &seen[0].body[..], seen[0].ended), (1, &b"hello"[..], true));

    // A tunnel has no end, and what flows through it is kept for nobody.
    let mut tunnel = bench();
    let accepts = Script::answers(101, &[("connection", "upgrade"), ("upgrade", "websocket")], &["frame"]);
    tunnel.upstream(after(300, accepts));
    let mut request = with(get("/a"), &[("connection", "Upgrade"), ("upgrade", "websocket")]);
    request.upgrade = Some("websocket".into());
    let outcome = tunnel.send_from(Client::sending(&["ping"]), request).await;
    assert_eq!((outcome.status(), outcome.info.attempts), (101, 1));
    assert_eq!(tunnel.seen().len(), 1);
}
