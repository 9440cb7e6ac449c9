//! Which timeout runs in which phase of a request: the table of `docs/timeouts.md`, cell by cell. Each timeout is 300 ms, alone, and
//! the phase would take ten seconds.

use std::time::Duration;

use bytes::Bytes;
use config::route::{Forward, RetryOn, RetryPolicy};
use tokio::time::Instant;

use crate::http::testing::fake::Script;
use crate::http::testing::*;
use crate::wire::codec::StreamError;
use crate::wire::message::{Protocol, RequestHead};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// The connection to the upstream is being made.
    Connecting,
    /// The client has not ended its request, and nothing was answered.
    Uploading,
    /// The request is complete, and nothing was answered.
    Waiting,
    /// The response's body comes.
    Downloading,
    /// The response's body comes, and the client goes on sending for a second.
    BothWays,
    /// An upgrade or CONNECT was asked for and not answered.
    TunnelAsked,
    /// It was granted.
    TunnelOpen,
}

/// What asks for a tunnel.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asks {
    Websocket,
    Connect,
}

const PHASES: [Phase; 7] = [
    Phase::Connecting,
    Phase::Uploading,
    Phase::Waiting,
    Phase::Downloading,
    Phase::BothWays,
    Phase::TunnelAsked,
    Phase::TunnelOpen,
];

fn script(phase: Phase, asks: Asks) -> Script {
    let ok = Script::answers(200, &[], &["body"]);
    let switches = match asks {
        Asks::Websocket => Script::answers(101, &[("connection", "upgrade"), ("upgrade", "websocket")], &["pong"]),
        Asks::Connect => Script::answers(200, &[], &["pong"]),
    };
    match phase {
        Phase::Connecting => Script { connects_in: LONG, ..ok },
        Phase::Uploading => Script { after_request: true, ..ok },
        Phase::Waiting => Script { head_in: LONG, ..ok },
        Phase::Downloading | Phase::BothWays => Script { ends_in: LONG, ..ok },
        Phase::TunnelAsked => Script { head_in: LONG, ..switches },
        Phase::TunnelOpen => Script { ends_in: LONG, ..switches },
    }
}

fn request(phase: Phase, asks: Asks) -> (Client, RequestHead) {
    let later = |time| Some(Box::pin(tokio::time::sleep(time)));
    match phase {
        Phase::Connecting | Phase::Waiting | Phase::Downloading => (Client::default(), get("/")),
        Phase::Uploading => (Client { ends_at: later(LONG), ..Client::sending(&["some"]) }, post("/")),
        Phase::BothWays => (Client { ends_at: later(Duration::from_secs(1)), ..Client::sending(&["some"]) }, post("/")),
        Phase::TunnelAsked | Phase::TunnelOpen if asks == Asks::Connect => {
            (Client { ends_at: later(LONG), ..Client::sending(&["ping"]) }, connect())
        }
        Phase::TunnelAsked | Phase::TunnelOpen => {
            let mut request = with(get("/"), &[("connection", "Upgrade"), ("upgrade", "websocket")]);
            request.upgrade = Some(Bytes::from_static(b"websocket"));
            (Client { ends_at: later(LONG), ..Client::sending(&["ping"]) }, request)
        }
    }
}

/// A request for CONNECT over HTTP/2.
fn connect() -> RequestHead {
    let method = crate::wire::message::Method::Connect;
    RequestHead { method, protocol: Protocol::Http2, ..get("") }
}

/// The first route is for CONNECT, which is allowed.
fn takes_connect(bench: &mut Bench) {
    bench.config.upgrades.push(config::route::Upgrade { kind: "connect".into(), enabled: true });
    bench.host(|host| {
        let mut route = (*host.routes[0]).clone();
        route.matches.path = config::route::PathMatch::Connect;
        host.routes = vec![std::sync::Arc::new(route)];
    });
}

/// What becomes of a request: the details if a timeout ended it, and after how long.
async fn outcome(phase: Phase, asks: Asks, set: impl FnOnce(&mut Bench)) -> (u16, String, u128) {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.stream_idle_timeout = None;
    set(&mut bench);
    let (client, request) = request(phase, asks);
    if request.method == connect().method {
        takes_connect(&mut bench);
    }
    bench.upstream(script(phase, asks));
    let start = Instant::now();
    let outcome = bench.send_from(client, request).await;
    (outcome.status(), outcome.details().to_owned(), start.elapsed().as_millis())
}

/// The details of each phase's end; empty where the timeout does not run.
async fn row(set: impl Fn(&mut Bench), expected: [(u16, &str); 7]) {
    let asks_connect = [(Phase::TunnelAsked, expected[5]), (Phase::TunnelOpen, expected[6])];
    let cells = PHASES.into_iter().zip(expected).map(|cell| (cell, Asks::Websocket));
    for ((phase, (status, details)), asks) in cells.chain(asks_connect.map(|cell| (cell, Asks::Connect))) {
        let status = if (asks, status) == (Asks::Connect, 101) { 200 } else { status };
        let (got_status, got, elapsed) = outcome(phase, asks, &set).await;
        if details.is_empty() {
            assert!(!got.contains("timeout") && elapsed >= 10_000, "{phase:?} {asks:?}: {got} after {elapsed} ms");
        } else {
            assert_eq!((got_status, got.as_str()), (status, details), "{phase:?} {asks:?} after {elapsed} ms");
            let from_the_end = ["response_timeout", "upstream_per_try_idle_timeout"].contains(&details);
            let began = if phase == Phase::BothWays && from_the_end { 1000 } else { 0 };
            assert_eq!(elapsed / 10, (began + 300) / 10, "{phase:?}");
        }
    }
}

/// The ends of a timeout that runs from the beginning to the end.
fn in_any_phase(details: &str) -> [(u16, &str); 7] {
    [504, 408, 504, 200, 200, 408, 101].map(|status| (status, details))
}

fn forward(set: impl Fn(&mut Forward)) -> impl Fn(&mut Bench) {
    move |bench| {
        let routes = to_app(|forward| set(forward)).into_iter().map(std::sync::Arc::new).collect();
        bench.host(|host| host.routes = routes);
    }
}

fn policy(set: impl Fn(&mut RetryPolicy)) -> impl Fn(&mut Bench) {
    forward(move |forward| {
        let mut policy = retry_on(RetryOn::RETRIABLE_4XX, 0);
        set(&mut policy);
        forward.retry = Some(policy.into());
    })
}

#[tokio::test(start_paused = true)]
async fn request_timeout_waits_for_the_request_until_the_response_begins() {
    let details = "request_overall_timeout";
    let expected = [(0, ""), (408, details), (0, ""), (0, ""), (0, ""), (408, details), (0, "")];
    row(|bench| bench.config.request_timeout = Some(SHORT), expected).await;
}

#[tokio::test(start_paused = true)]
async fn the_routes_timeout_counts_from_the_end_of_the_request_and_covers_the_response() {
    let details = "response_timeout";
    let expected = [(504, details), (0, ""), (504, details), (200, details), (200, details), (504, details), (0, "")];
    row(forward(|forward| forward.timeout = Some(SHORT)), expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_try_has_its_time_from_its_stream_and_the_complete_request_to_the_head() {
    let details = "upstream_per_try_timeout";
    let expected = [(0, ""), (0, ""), (504, details), (0, ""), (0, ""), (504, details), (0, "")];
    row(policy(|policy| policy.per_try_timeout = Some(SHORT)), expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_try_may_not_be_silent_from_the_complete_request_to_its_end() {
    let details = "upstream_per_try_idle_timeout";
    let expected = [(0, ""), (0, ""), (504, details), (200, details), (200, details), (504, details), (0, "")];
    row(policy(|policy| policy.per_try_idle_timeout = Some(SHORT)), expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_not_be_idle_in_any_phase() {
    let expected = in_any_phase("stream_idle_timeout");
    row(forward(|forward| forward.idle_timeout = Some(Some(SHORT))), expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_its_longest_duration_in_any_phase() {
    let expected = in_any_phase("max_duration_timeout");
    row(forward(|forward| forward.stream_duration = Some(lasts(Some(SHORT)))), expected).await;
}

#[tokio::test(start_paused = true)]
async fn the_managers_limit_of_a_stream_holds_where_the_route_has_none() {
    let expected = in_any_phase("max_duration_timeout");
    row(|bench| bench.config.max_stream_duration = Some(SHORT), expected).await;
    let off = |bench: &mut Bench| {
        forward(|forward| forward.stream_duration = Some(lasts(None)))(bench);
        bench.config.max_stream_duration = Some(SHORT);
    };
    row(off, [(0, ""); 7]).await;
}

#[tokio::test(start_paused = true)]
async fn the_clusters_limit_of_a_stream_counts_from_the_attempts_stream() {
    let details = "upstream_max_stream_duration_reached";
    let expected =
        [(0, ""), (408, details), (504, details), (200, details), (200, details), (408, details), (101, details)];
    row(|bench| bench.cluster("app").stream_limit.set(Some(SHORT)), expected).await;

    let mut bench = Bench::new(to_app(|_| {}));
    bench.cluster("app").stream_limit.set(Some(SHORT));
    bench.upstream(script(Phase::Waiting, Asks::Websocket));
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.flags().as_str(), outcome.body().as_str()), ("UMSDR", "upstream max stream duration reached"));
}

/// It is the cluster that did not answer, also while the connection to it is being made.
#[tokio::test(start_paused = true)]
async fn a_timeout_while_connecting_counts_at_the_cluster() {
    for phase in [Phase::Connecting, Phase::Waiting] {
        let mut bench = Bench::new(to_app(|forward| forward.timeout = Some(SHORT)));
        bench.upstream(script(phase, Asks::Websocket));
        let context = bench.context();
        let mut client = Client::default();
        bench.run(&context, crate::http::exchange::exchange(&context, &mut client, get("/"))).await;
        assert_eq!(client.head.map(|head| head.status), Some(504));
        for name in ["upstream_rq_timeout", "upstream_rq_504"] {
            let counted = context.manager.registry.value(&format!("cluster.app.{name}"));
            assert_eq!(counted, Some(1), "{phase:?} {name}");
        }
    }
}

/// Informational heads are no sign that the answer will come.
#[tokio::test(start_paused = true)]
async fn after_an_informational_head_a_try_has_no_time_but_may_not_be_silent() {
    let informed = || Script { informational: vec![103], head_in: LONG, ..Script::answers(200, &[], &[]) };
    let mut bench = Bench::new(to_app(|forward| {
        let mut policy = retry_on(RetryOn::SERVER_ERROR, 1);
        policy.per_try_timeout = Some(SHORT);
        forward.retry = Some(policy.into());
    }));
    bench.upstream(informed());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.info.attempts), (200, 1));

    let mut bench = Bench::new(to_app(|forward| {
        let mut policy = retry_on(RetryOn::SERVER_ERROR, 1);
        policy.per_try_idle_timeout = Some(SHORT);
        forward.retry = Some(policy.into());
    }));
    bench.upstream(informed());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.details(), outcome.info.attempts), ("upstream_per_try_idle_timeout", 1));
    assert_eq!(outcome.flags(), "UT");
}

/// A client that leaves while its upload waits for the upstream is noticed, and the upstream is told.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_its_upload_waits_is_noticed() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.upstream(Script { deaf: true, hangs: true, ..Script::default() });
    let piece: &'static str = "x".repeat(64 * 1024).leak();
    let gone_at = Some(Box::pin(tokio::time::sleep(SHORT)));
    let client = Client { gone: Some(StreamError::Reset(8)), gone_at, ..Client::sending(&[piece; 40]) };
    let outcome = bench.send_from(client, RequestHead { protocol: Protocol::Http2, ..post("/") }).await;
    assert_eq!((outcome.status(), outcome.flags().as_str()), (0, "DR"));
    assert!(!bench.seen()[0].ended && outcome.info.bytes_received < 40 * 64 * 1024, "it waited");
}

/// A server that refuses would take what follows for its next request.
#[tokio::test(start_paused = true)]
async fn a_tunnel_sends_nothing_before_it_is_granted() {
    let mut bench = Bench::new(to_app(|_| {}));
    takes_connect(&mut bench);
    bench.upstream(Script::answers(403, &[], &["no"]));
    let evil = "GET /evil HTTP/1.1\r\n\r\n";
    let outcome = bench.send_from(Client::sending(&[evil]), connect()).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (403, "no"));
    assert_eq!(bench.seen()[0].body, b"");
    assert_eq!(outcome.info.bytes_received, evil.len() as u64, "it came all the same");

    bench.upstream(Script { ends_in: LONG, ..Script::answers(200, &[], &["hello"]) });
    let outcome = bench.send_from(Client::sending(&["ping"]), connect()).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "hello"));
    let seen = &bench.seen()[0];
    assert_eq!((seen.body.as_slice(), seen.ended), (&b"ping"[..], true), "the client's end goes on");
}
