//! Tests of filters behind the router.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::filters::buffer::{Buffer, BufferPerRoute};
use config::filters::header_mutation::{HeaderMutation, Mutations};
use config::filters::{HttpFilterConfig, ScopedConfig, ScopedFilter};
use config::hcm::HttpFilter;
use config::header_mutation::HeaderMutation as Change;
use config::route::*;
use tokio::time::{Instant, sleep};

use crate::http::testing::fake::{Cluster, Script};
use crate::http::testing::*;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::Frame;

fn filter(request: Change, response: Change) -> HttpFilter {
    let mutations = Mutations { request: vec![request], response: vec![response], ..Mutations::default() };
    let config = HeaderMutation { mutations, most_specific_wins: false };
    HttpFilter { name: "mutate".into(), disabled: false, config: HttpFilterConfig::HeaderMutation(Arc::new(config)) }
}

fn append(name: &str, value: &str) -> Change {
    Change::Append(add(name, value, AppendAction::AppendOrAdd))
}

#[tokio::test(start_paused = true)]
async fn each_attempt_passes_the_routers() {
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::ENVOY_RATELIMITED, 1).into())));
    bench.config.router.upstream_filters = vec![filter(append("x-up", "1"), append("x-envoy-ratelimited", "true"))];
    bench.upstream(Script::answers(200, &[], &["first"]));
    bench.upstream(Script::answers(200, &[], &["second"]));
    let outcome = bench.send(get("/a")).await;
    assert_eq!(
        (outcome.status(), outcome.body().as_str()),
        (200, "second"),
        "the retry policy sees what they have done"
    );
    let seen = bench.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("x-up").as_deref(), Some("1"));
    assert!(outcome.client.head.unwrap().headers.get_str("x-envoy-ratelimited").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_clusters_own_stand_in_for_them() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.router.upstream_filters = vec![filter(append("x-router", "1"), append("x-router", "1"))];
    let mut cluster = Cluster::new("app");
    cluster.config.http.filters = vec![filter(append("x-cluster", "1"), append("x-cluster", "1"))];
    bench.clusters.insert("app".into(), Rc::new(cluster));
    bench.upstream(Script::answers(200, &[], &["fine"]));
    let outcome = bench.send(get("/a")).await;
    let seen = &bench.seen()[0];
    assert_eq!((seen.header("x-cluster").as_deref(), seen.header("x-router")), (Some("1"), None));
    let head = outcome.client.head.unwrap();
    assert!(head.headers.get_str("x-cluster").is_some() && head.headers.get_str("x-router").is_none());
}

fn behind(name: &str, config: HttpFilterConfig) -> HttpFilter {
    HttpFilter { name: name.into(), disabled: false, config }
}

fn buffer(most: u32) -> HttpFilter {
    behind("buffer", HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: most })))
}

/// Changes trailers.
fn trailers(request: Change, response: Change) -> HttpFilter {
    let mutations =
        Mutations { request_trailers: vec![request], response_trailers: vec![response], ..Mutations::default() };
    let config = HeaderMutation { mutations, most_specific_wins: false };
    behind("trailers", HttpFilterConfig::HeaderMutation(Arc::new(config)))
}

fn ends_with(trailers: &[(&str, &'static str)]) -> Frame {
    let mut list = Headers::new();
    trailers.iter().for_each(|(name, value)| list.append(Name::new(name), *value));
    Frame::Trailers(list)
}

#[tokio::test(start_paused = true)]
async fn a_head_waits_for_its_body_and_each_attempt_collects_it_anew() {
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 1).into())));
    bench.config.router.upstream_filters = vec![buffer(100), filter(append("x-up", "1"), append("x-down", "1"))];
    bench.upstream(Script { after_request: true, ..Script::answers(503, &[], &["no"]) });
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["yes"]) });
    let client = Client { ends_at: Some(Box::pin(sleep(Duration::from_secs(3)))), ..Client::sending(&["he", "llo"]) };
    let begun = Instant::now();
    let outcome = bench.send_from(client, post("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.info.attempts), (200, "yes", 2));
    assert!(outcome.header("x-down").is_some() && begun.elapsed() >= Duration::from_secs(3));
    let seen = bench.seen();
    for seen in &seen {
        assert_eq!(
            (&seen.body[..], seen.ended, seen.header("content-length").as_deref()),
            (&b"hello"[..], true, Some("5"))
        );
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_they_refuse_is_answered_at_once_and_not_tried_again() {
    let mut bench = Bench::new(to_app(|forward| {
        forward.retry = Some(retry_on(RetryOn::RETRIABLE_4XX | RetryOn::SERVER_ERROR, 3).into());
        forward.timeout = Some(Duration::from_secs(5));
    }));
    bench.config.router.upstream_filters = vec![buffer(4)];
    bench.upstream(Script::hangs());
    let outcome = bench.send_from(Client::sending(&["he", "llo"]), post("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.info.attempts), (413, "Payload Too Large", 1));
    assert_eq!(bench.seen().len(), 0, "nothing of it reached the application");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_its_body_has_its_timeouts() {
    let mut bench = Bench::new(to_app(|forward| forward.idle_timeout = Some(Some(Duration::from_secs(2)))));
    bench.config.router.upstream_filters = vec![buffer(100)];
    bench.upstream(Script::hangs());
    let mut client = Client::sending(&["he"]);
    client.pieces.pop_back();
    let outcome = bench.send_from(client, post("/a")).await;
    assert_eq!((outcome.status(), outcome.details()), (408, "stream_idle_timeout"));
}

#[tokio::test(start_paused = true)]
async fn bodies_and_trailers_pass_them_both_ways() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.router.upstream_filters = vec![trailers(append("t-up", "1"), append("t-down", "1"))];
    let mut script = Script { after_request: true, ..Script::answers(200, &[], &["a", "b"]) };
    script.body.pop_back();
    script.body.push_back(Ok(ends_with(&[("t", "app")])));
    bench.upstream(script);
    let mut client = Client::sending(&["one", "two"]);
    client.pieces.pop_back();
    client.pieces.push_back(Ok(ends_with(&[("t", "client")])));
    let outcome = bench.send_from(client, post("/a")).await;
    let value = |trailers: Option<Headers>, name: &str| trailers.and_then(|trailers| trailers.get_str(name).cloned());
    assert_eq!(outcome.body(), "ab");
    assert_eq!(value(outcome.client.trailers.clone(), "t-down").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(outcome.client.trailers, "t").as_deref(), Some(&b"app"[..]));
    let seen = bench.seen().remove(0);
    assert_eq!(seen.body, b"onetwo");
    assert_eq!(value(seen.trailers.clone(), "t-up").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(seen.trailers, "t").as_deref(), Some(&b"client"[..]));
}

#[tokio::test(start_paused = true)]
async fn attempts_that_race_each_other_have_their_own() {
    let policy =
        RetryPolicy { per_try_timeout: Some(Duration::from_millis(100)), ..retry_on(RetryOn::SERVER_ERROR, 1) };
    let mut bench = Bench::new(to_app(|forward| {
        forward.hedges = Some(true);
        forward.retry = Some(policy.into());
    }));
    bench.config.router.upstream_filters = vec![buffer(100), filter(append("x-up", "1"), append("x-down", "1"))];
    bench.upstream(Script { head_in: Duration::from_secs(9), ..Script::answers(200, &[], &["first"]) });
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["second"]) });
    let outcome = bench.send_from(Client::sending(&["he", "llo"]), post("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.info.attempts), (200, "second", 2));
    let down = outcome.client.head.unwrap();
    assert_eq!(down.headers.get_all(&Name::new("x-down")).count(), 1, "the answer passed once");
    let seen = bench.seen();
    assert!(seen.len() == 2 && seen.iter().all(|seen| seen.body == b"hello" && seen.ended));
}

#[tokio::test(start_paused = true)]
async fn a_mirror_passes_those_of_its_cluster() {
    let mirror = Mirror {
        to: MirrorTarget::Cluster("copy".into()),
        fraction: None,
        keeps_host: true,
        mutations: Vec::new(),
        host_rewrite: None,
        traced: true,
    };
    for (most, arrives) in [(100, true), (4, false)] {
        let mut bench = Bench::new(to_app(|forward| forward.mirrors = vec![mirror.clone()]));
        bench.config.router.upstream_filters = vec![filter(append("x-router", "1"), append("x-router", "1"))];
        let mut copy = Cluster::new("copy");
        copy.config.http.filters = vec![buffer(most), filter(append("x-copy", "1"), append("x-copy", "1"))];
        copy.otherwise.set(Some(|| Script { after_request: true, ..Script::answers(200, &[], &[]) }));
        bench.clusters.insert("copy".into(), Rc::new(copy));
        bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["fine"]) });
        let outcome = bench.send_from(Client::sending(&["he", "llo"]), post("/a")).await;
        assert_eq!((outcome.status(), outcome.header("x-copy")), (200, None));
        let main = bench.seen().remove(0);
        assert_eq!((main.header("x-router").as_deref(), main.header("x-copy")), (Some("1"), None));
        let copies = bench.cluster("copy").seen();
        assert_eq!(copies.len(), usize::from(arrives), "{most}");
        for copy in copies {
            let headers = ["x-copy", "x-router", "content-length"].map(|name| copy.header(name));
            assert_eq!(headers, [Some("1".to_owned()), None, Some("5".to_owned())]);
            assert_eq!((&copy.body[..], copy.ended), (&b"hello"[..], true));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_tells_them_by_name() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.router.upstream_filters = vec![buffer(4)];
    let scoped = ScopedConfig::Buffer(Arc::new(BufferPerRoute::Disabled));
    bench.host(|host| {
        host.per_filter = vec![("buffer".into(), ScopedFilter { disabled: false, config: Some(scoped) })];
    });
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["fine"]) });
    let outcome = bench.send_from(Client::sending(&["he", "llo"]), post("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "fine"));
}

/// A head must fit its body: what the first attempt's filters made of it is not what the second one's find.
#[tokio::test(start_paused = true)]
async fn a_body_that_they_change_is_changed_at_each_attempt() {
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 1).into())));
    bench.host(|host| host.attempt_count_in_request = true);
    bench.config.router.upstream_filters = vec![behind("gzip", crate::http::fuzz::configs::compressor("gzip"))];
    bench.upstream(Script { after_request: true, ..Script::answers(503, &[], &["no"]) });
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["yes"]) });
    let outcome = bench.send_from(Client::sending(&["hello, hello, ", "hello, hello"]), post("/a")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "yes"));
    let seen = bench.seen();
    for (seen, count) in seen.iter().zip(["1", "2"]) {
        assert_eq!(seen.header("content-encoding").as_deref(), Some("gzip"));
        assert_eq!(seen.header("x-envoy-attempt-count").as_deref(), Some(count));
        assert!(seen.body.starts_with(&[0x1f, 0x8b]) && seen.ended);
    }
    assert_eq!(seen.len(), 2);
}
