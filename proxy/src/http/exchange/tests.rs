//! Tests of `exchange`.

mod timers;

use std::time::Duration;

use bytes::Bytes;
use config::matcher::Fraction;
use config::route::*;
use config::tracing::{Sampling, Tracing};
use tokio::time::Instant;

use crate::cluster::{ConnectFailure, ConnectFailureKind, PickFailure};
use crate::http::exchange::exchange;
use crate::http::testing::fake::Script;
use crate::http::testing::*;
use crate::wire::codec::StreamError;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{Frame, Method, Protocol, RequestHead};

#[tokio::test(start_paused = true)]
async fn a_request_goes_up_and_its_response_comes_down() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.host(|host| {
        host.attempt_count_in_request = true;
        host.attempt_count_in_response = true;
    });
    bench.upstream(Script::answers(200, &[("content-type", "text/plain"), ("content-length", "5")], &["he", "llo"]));
    let outcome = bench.send(with(get("/a"), &[("user-agent", "curl"), ("accept", "*/*")])).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "hello"));
    assert_eq!((outcome.flags().as_str(), outcome.details()), ("-", "via_upstream"));
    let seen = &bench.seen()[0];
    assert!(seen.ended);
    assert_eq!(
        seen.names(),
        ["user-agent", "accept", "x-forwarded-proto", "x-request-id", "x-envoy-attempt-count"],
        "in Envoy's order"
    );
    let names: Vec<_> =
        outcome.client.head.unwrap().headers.iter().map(|header| header.name.as_str().to_owned()).collect();
    assert_eq!(
        names,
        ["content-type", "content-length", "x-envoy-upstream-service-time", "x-envoy-attempt-count", "date", "server"]
    );
}

#[tokio::test(start_paused = true)]
async fn local_replies_are_envoys() {
    let connect = |kind| Script::refuses(ConnectFailure::new(kind));
    let refused = Script::refuses(ConnectFailure::because(
        ConnectFailureKind::Remote,
        "delayed connect error: Connection refused",
    ));
    let no_host = Script { no_host: Some(PickFailure::NoEndpoints), ..Script::default() };
    let before = "upstream connect error or disconnect/reset before headers. reset reason: ";
    let cases = [
        (no_host, 503, "no healthy upstream".to_owned(), "UH", "no_healthy_upstream"),
        (
            refused,
            503,
            format!("{before}remote connection failure"),
            "UF",
            "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}",
        ),
        (
            connect(ConnectFailureKind::Timeout),
            503,
            format!("{before}connection timeout"),
            "UF",
            "upstream_reset_before_response_started{connection_timeout}",
        ),
        (
            connect(ConnectFailureKind::Overflow),
            503,
            format!("{before}overflow"),
            "UO",
            "upstream_reset_before_response_started{overflow}",
        ),
        (
            Script::fails(StreamError::Closed("end of stream".into())),
            503,
            format!("{before}connection termination"),
            "UC",
            "upstream_reset_before_response_started{connection_termination}",
        ),
        (
            Script::fails(StreamError::Reset(2)),
            503,
            format!("{before}remote reset"),
            "UR",
            "upstream_reset_before_response_started{remote_reset}",
        ),
        (
            Script::fails(StreamError::Protocol { detail: "http1.codec_error", status: 400 }),
            502,
            format!("{before}protocol error"),
            "UPE",
            "upstream_reset_before_response_started{protocol_error}",
        ),
    ];
    for (script, status, body, flags, details) in cases {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.upstream(script);
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.body()), (status, body), "{details}");
        assert_eq!((outcome.flags().as_str(), outcome.details()), (flags, details));
        assert_eq!(outcome.header("content-type").as_deref(), Some("text/plain"));
        assert_eq!(outcome.header("server").as_deref(), Some("envoy"));
        assert_eq!(outcome.header("x-envoy-overloaded").is_some(), flags == "UO");
    }
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_way_is_refused() {
    let mut bench = Bench::new(vec![route("/known", forward("nowhere", |_| {}))]);
    let outcome = bench.send(get("/unknown")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str(), outcome.details()), (404, "NR", "route_not_found"));
    let outcome = bench.send(get("/known")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str(), outcome.details()), (503, "NC", "cluster_not_found"));
    let mut connect = get("");
    connect.method = crate::wire::message::Method::Connect;
    let outcome = bench.send(connect).await;
    assert_eq!((outcome.status(), outcome.flags().as_str(), outcome.details()), (404, "NR", "route_not_found"));
    let mut hostless = get("/known");
    hostless.authority = Bytes::new();
    let outcome = bench.send(hostless).await;
    assert_eq!((outcome.status(), outcome.details()), (400, "missing_host_header"));
    assert!(outcome.client.closes);
    let outcome = bench.send(get("*")).await;
    assert_eq!((outcome.status(), outcome.details()), (404, "absolute_path_rejected"));
    let outcome = bench.send(get("/%00")).await;
    assert_eq!((outcome.status(), outcome.details()), (400, "path_normalization_failed"));
}

#[tokio::test(start_paused = true)]
async fn grpc_is_answered_in_its_own_way() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.upstream(Script { no_host: Some(PickFailure::NoEndpoints), ..Script::default() });
    let outcome = bench.send(with(get("/"), &[("content-type", "application/grpc")])).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.flags().as_str()), (200, "", "UH"));
    assert_eq!(outcome.header("grpc-status").as_deref(), Some("14"));
    assert_eq!(outcome.header("grpc-message").as_deref(), Some("no healthy upstream"));
}

#[tokio::test(start_paused = true)]
async fn bodies_and_trailers_flow_both_ways() {
    let mut bench = Bench::new(to_app(|_| {}));
    let mut trailers = Headers::new();
    trailers.append(Name::GRPC_STATUS, "0");
    let mut script = Script::answers(200, &[], &["a"]);
    script.body.pop_back();
    script.body.push_back(Ok(Frame::Trailers(trailers.clone())));
    script.after_request = true;
    bench.upstream(script);
    let mut client = Client::sending(&["one", "two"]);
    client.pieces.pop_back();
    client.pieces.push_back(Ok(Frame::Trailers(trailers)));
    client.slow.set(3);
    let outcome = bench.send_from(client, post("/")).await;
    assert_eq!(outcome.body(), "a");
    assert!(outcome.client.trailers.is_some());
    assert_eq!((outcome.info.bytes_received, outcome.info.bytes_sent), (6, 1));
    let seen = &bench.seen()[0];
    assert_eq!(seen.body, b"onetwo");
    assert!(seen.trailers.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_early_response_ends_the_connection() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.upstream(Script::answers(413, &[], &["no"]));
    let mut client = Client::sending(&["some"]);
    client.pieces.pop_back();
    let outcome = bench.send_from(client, post("/")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (413, "no"));
    assert!(outcome.client.closes);
    assert_eq!(outcome.header("x-envoy-upstream-service-time"), None, "the request was not complete");
}

#[tokio::test(start_paused = true)]
async fn connect_failures_are_retried_elsewhere() {
    let mut policy = retry_on(RetryOn::CONNECT_FAILURE, 2);
    policy.predicates = vec![HostPredicate::PreviousHosts];
    let mut bench = Bench::new(to_app(|forward| {
        forward.retry = Some(policy.into());
        forward.timeout = Some(Duration::from_secs(15));
    }));
    bench.host(|host| host.attempt_count_in_request = true);
    *bench.cluster("app").hosts.borrow_mut() = vec!["10.0.0.1:80".into(), "10.0.0.2:80".into()];
    bench.upstream(Script::refuses(ConnectFailure::new(ConnectFailureKind::Remote)));
    bench.upstream(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    let outcome = bench.send_from(Client::sending(&["body"]), post("/")).await;
    assert_eq!((outcome.status(), outcome.info.attempts), (200, 2));
    let seen = &bench.seen()[0];
    assert_eq!(seen.body, b"body");
    let connected = bench.cluster("app").connected.take();
    assert!(connected.len() == 2 && connected[0] != connected[1] && connected[1] == seen.host, "{connected:?}");
    assert_eq!(seen.header("x-envoy-attempt-count").as_deref(), Some("2"));
    assert_eq!(seen.header("x-envoy-expected-rq-timeout-ms").as_deref(), Some("15000"));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_again_and_the_limit_is_told() {
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 1).into())));
    for _ in 0..2 {
        bench.upstream(Script { after_request: true, ..Script::answers(503, &[], &["bad"]) });
    }
    let outcome = bench.send_from(Client::sending(&["one", "two"]), post("/")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str(), outcome.body().as_str()), (503, "URX", "bad"));
    let seen = bench.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.body == b"onetwo" && seen.ended));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_to_keep_is_not_retried() {
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 1).into())));
    bench.limit(4);
    bench.upstream(Script { after_request: true, ..Script::answers(503, &[], &["bad"]) });
    let outcome = bench.send_from(Client::sending(&["one", "two"]), post("/")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str(), outcome.info.attempts), (503, "-", 1));
}

#[tokio::test(start_paused = true)]
async fn retries_end_with_their_number_or_their_circuit_breaker() {
    let routes = || to_app(|forward| forward.retry = Some(retry_on(RetryOn::CONNECT_FAILURE, 2).into()));
    let mut bench = Bench::new(routes());
    for _ in 0..3 {
        bench.upstream(Script::refuses(ConnectFailure::new(ConnectFailureKind::Remote)));
    }
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.flags().as_str(), outcome.info.attempts), ("URX,UF", 3));
    assert!(outcome.body().ends_with("retried and the latest reset reason: remote connection failure"));

    let mut bench = Bench::new(routes());
    bench.cluster("app").retries_allowed.set(false);
    bench.upstream(Script::refuses(ConnectFailure::new(ConnectFailureKind::Remote)));
    let outcome = bench.send(get("/")).await;
    assert!(outcome.info.flags.has(crate::failure::ResponseFlags::UPSTREAM_OVERFLOW));
    assert_eq!(outcome.info.attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_sent_request_is_not_retried_on_reset_before_request() {
    let routes = || to_app(|forward| forward.retry = Some(retry_on(RetryOn::RESET_BEFORE_REQUEST, 2).into()));
    let mut bench = Bench::new(routes());
    bench.upstream(Script::fails(StreamError::Closed("end of stream".into())));
    assert_eq!(bench.send(get("/")).await.info.attempts, 1);
    let mut bench = Bench::new(routes());
    bench.upstream(Script::refuses(ConnectFailure::new(ConnectFailureKind::Remote)));
    bench.upstream(Script::answers(200, &[], &[]));
    assert_eq!(bench.send(get("/")).await.info.attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn timeouts_answer_504() {
    let route_timeout = |forward: &mut Forward| forward.timeout = Some(Duration::from_millis(300));
    let mut bench = Bench::new(to_app(route_timeout));
    bench.upstream(Script::hangs());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (504, "upstream request timeout"));
    assert_eq!((outcome.flags().as_str(), outcome.details()), ("UT", "response_timeout"));

    let mut bench = Bench::new(to_app(|forward| {
        forward.timeout = Some(Duration::from_secs(3));
        forward.retry = Some(
            RetryPolicy { per_try_timeout: Some(Duration::from_millis(200)), ..retry_on(RetryOn::SERVER_ERROR, 1) }
                .into(),
        );
    }));
    bench.upstream(Script::hangs()).upstream(Script::hangs());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str()), (504, "URX,UT"));
    assert_eq!((outcome.details(), outcome.info.attempts), ("upstream_per_try_timeout", 2));

    let mut bench = Bench::new(to_app(|forward| forward.idle_timeout = Some(Some(Duration::from_millis(300)))));
    bench.upstream(Script::hangs());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (504, "stream timeout"));
    assert_eq!((outcome.flags().as_str(), outcome.details()), ("SI", "stream_idle_timeout"));

    let mut bench =
        Bench::new(to_app(|forward| forward.stream_duration = Some(lasts(Some(Duration::from_millis(300))))));
    bench.upstream(Script::hangs());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (504, "downstream duration timeout"));
    assert_eq!((outcome.flags().as_str(), outcome.details()), ("-", "max_duration_timeout"));
}

#[tokio::test(start_paused = true)]
async fn grpc_timeouts_are_honoured_up_to_their_cap() {
    let mut bench = Bench::new(to_app(|forward| forward.grpc_timeout_max = Some(None)));
    bench.upstream(Script::hangs());
    let request = with(get("/"), &[("content-type", "application/grpc"), ("grpc-timeout", "300m")]);
    let outcome = bench.send(request).await;
    assert_eq!((outcome.status(), outcome.flags().as_str()), (200, "UT"));
    assert_eq!(outcome.header("grpc-status").as_deref(), Some("14"));
    let seen = &bench.seen()[0];
    assert_eq!(seen.header("x-envoy-expected-rq-timeout-ms").as_deref(), Some("300"));
    assert_eq!(seen.header("grpc-timeout").as_deref(), Some("300m"));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_within_the_body_resets() {
    let mut bench = Bench::new(to_app(|forward| forward.timeout = Some(Duration::from_millis(300))));
    bench.upstream(Script { stalls: true, ..Script::answers(200, &[], &["part"]) });
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, "part"));
    assert!(outcome.client.reset.is_some() && !outcome.client.ended);
    assert_eq!((outcome.flags().as_str(), outcome.details()), ("UT", "response_timeout"));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_fails_within_the_body_resets() {
    for (error, flags, reason) in [
        (StreamError::Closed("end of stream".into()), "UPE", "protocol_error"),
        (StreamError::Closed("Connection reset by peer (os error 104)".into()), "UPE", "protocol_error"),
        (StreamError::Reset(8), "UR", "remote_reset"),
    ] {
        let mut bench = Bench::new(to_app(|_| {}));
        let mut script = Script::answers(200, &[], &["abc"]);
        script.body.pop_back();
        script.body.push_back(Err(error));
        bench.upstream(script);
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.flags().as_str(), outcome.body().as_str()), (flags, "abc"));
        assert_eq!(outcome.details(), format!("upstream_reset_after_response_started{{{reason}}}"));
        assert!(outcome.client.reset.is_some());
    }
}

/// Nobody reads from the upstream while the client takes nothing.
#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_lost_while_the_client_takes_no_more_ends_the_request() {
    for (error, flags, reason) in [
        (StreamError::Closed("end of stream".into()), "UC", "connection_termination"),
        (StreamError::Reset(8), "UR", "remote_reset"),
    ] {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.cluster("app").protocol.set(Protocol::Http2);
        let lost_in = Some((Duration::from_secs(5), error));
        bench.upstream(Script { lost_in, ..Script::answers(200, &[], &["abc", "def"]) });
        let begun = Instant::now();
        let outcome = bench.send_from(Client { deaf: true, ..Client::default() }, get("/")).await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        // What has come together is one piece.
        assert_eq!((outcome.flags().as_str(), outcome.body().as_str()), (flags, "abcdef"));
        assert_eq!(outcome.details(), format!("upstream_reset_after_response_started{{{reason}}}"));
        assert!(outcome.client.reset.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_its_request_along() {
    for (error, flags, details) in [
        (StreamError::Closed("end of stream".into()), "DC", "downstream_remote_disconnect"),
        (StreamError::Reset(8), "DR", "http2.remote_reset"),
    ] {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.upstream(Script::hangs());
        let client = Client { gone: Some(error), ..Client::default() };
        let outcome = bench.send_from(client, get("/")).await;
        assert_eq!((outcome.status(), outcome.flags().as_str(), outcome.details()), (0, flags, details));
    }
}

#[tokio::test(start_paused = true)]
async fn informational_heads_pass_and_end_retries() {
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 3).into())));
    bench.upstream(Script { informational: vec![100, 103], ..Script::answers(503, &[], &[]) });
    let outcome = bench.send(with(get("/"), &[("expect", "100-continue")])).await;
    assert_eq!((outcome.client.informational.as_slice(), outcome.status()), (&[100, 103][..], 503));
    assert_eq!(outcome.info.attempts, 1);
    assert!(bench.seen()[0].header("expect").is_some());
    let lost = StreamError::Closed("".into());
    bench.upstream(Script { informational: vec![103], ..Script::fails(lost) });
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.client.informational.as_slice(), outcome.status()), (&[103][..], 503));
    assert_eq!(outcome.info.attempts, 1, "nor when no answer comes behind them");

    bench.upstream(Script { informational: vec![103; 1000], ..Script::answers(200, &[], &[]) });
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.client.informational.len(), outcome.status()), (16, 200), "an endless row has an end");

    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.proxy_100_continue = false;
    bench.upstream(Script { informational: vec![103], ..Script::answers(200, &[], &[]) });
    let outcome = bench.send(with(get("/"), &[("expect", "100-continue")])).await;
    assert_eq!(outcome.client.informational, [100]);
    assert!(bench.seen()[0].header("expect").is_none());

    // It is said before anything else is judged, as with Envoy.
    let mut nameless = with(get("/"), &[("expect", "100-continue")]);
    nameless.authority = Bytes::new();
    let outcome = bench.send(nameless).await;
    assert_eq!((outcome.client.informational.as_slice(), outcome.status()), (&[100][..], 400));
}

#[tokio::test(start_paused = true)]
async fn websockets_become_tunnels_and_other_upgrades_are_refused() {
    let upgrade = |kind: &'static str| {
        let mut request = with(get("/"), &[("connection", "Upgrade"), ("upgrade", kind)]);
        request.upgrade = Some(Bytes::from_static(kind.as_bytes()));
        request
    };
    let mut bench = Bench::new(to_app(|_| {}));
    let outcome = bench.send(upgrade("foo")).await;
    assert_eq!((outcome.status(), outcome.details()), (403, "upgrade_failed"));
    assert!(outcome.client.closes);

    bench.upstream(Script::answers(101, &[("connection", "upgrade"), ("upgrade", "websocket")], &["pong"]));
    let outcome = bench.send_from(Client::sending(&["ping"]), upgrade("websocket")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (101, "pong"));
    assert_eq!(outcome.header("upgrade").as_deref(), Some("websocket"));
    let seen = &bench.seen()[0];
    assert_eq!(seen.header("upgrade").as_deref(), Some("websocket"));
    assert_eq!(seen.header("sec-websocket-key"), None, "who speaks HTTP/1 has a key or does without");

    // An HTTP/2 client and an HTTP/2 app are told by their codecs with a 200, which a 200 of the app itself must not be taken for.
    let extended = || RequestHead { protocol: Protocol::Http2, ..upgrade("websocket") };
    bench.upstream(Script::answers(101, &[("connection", "upgrade"), ("upgrade", "websocket")], &["pong"]));
    let outcome = bench.send_from(Client::sending(&["ping"]), extended()).await;
    assert_eq!((outcome.status(), outcome.info.response_code, outcome.body().as_str()), (101, 101, "pong"));
    let key = bench.seen()[0].header("sec-websocket-key").unwrap();
    assert_eq!((key.len(), &key[22..]), (24, "=="), "sixteen octets in base64, for a server of HTTP/1");
    bench.upstream(Script::answers(200, &[], &["no"]));
    let outcome = bench.send_from(Client::sending(&["ping"]), extended()).await;
    assert_eq!((outcome.status(), outcome.details()), (200, "websocket_handshake_unsuccessful"));
    assert_eq!(outcome.body(), "", "what is no tunnel must not look like one");

    for (status, body) in [(206, "no"), (302, "no"), (304, ""), (399, "no")] {
        bench.upstream(Script::answers(status, &[("location", "/x"), ("content-length", "2")], &[body]));
        let outcome = bench.send_from(Client::sending(&["ping"]), upgrade("websocket")).await;
        assert_eq!((outcome.status(), outcome.details()), (status, "websocket_handshake_unsuccessful"));
        assert_eq!((outcome.body().as_str(), outcome.header("content-length")), ("", None), "{status}");
        assert_eq!(outcome.header("location").as_deref(), Some("/x"));
    }
    // Nor does it count as an answer, as with Envoy.
    bench.upstream(Script::answers(302, &[], &[]));
    let context = bench.context();
    bench.run(&context, exchange(&context, &mut Client::sending(&["ping"]), upgrade("websocket"))).await;
    let count = |name: &str| context.manager.registry.value(&format!("cluster.app.{name}")).unwrap_or(0);
    assert_eq!((count("upstream_rq_3xx"), count("upstream_rq_completed")), (0, 0));
    assert!(count("upstream_rq_total") > 0);

    // Of another protocol than web sockets it is a plain answer, as with Envoy, where a plain answer cannot be taken for a tunnel.
    bench.config.upgrades.push(Upgrade { kind: "foo".into(), enabled: true });
    bench.upstream(Script::answers(200, &[], &["no"]));
    let outcome = bench.send_from(Client::sending(&["ping"]), upgrade("foo")).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.details()), (200, "no", "via_upstream"));
    bench.upstream(Script::answers(200, &[], &["no"]));
    let outcome =
        bench.send_from(Client::sending(&["ping"]), RequestHead { protocol: Protocol::Http2, ..upgrade("foo") });
    let outcome = outcome.await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (200, ""));

    // Refused by the app: a plain answer.
    bench.upstream(Script::answers(400, &[], &["no"]));
    let outcome = bench.send_from(Client::sending(&["ping"]), upgrade("websocket")).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.details()), (400, "no", "via_upstream"));
}

/// However the kind is spelt: whoever is judged must be whom the path leads to.
#[tokio::test(start_paused = true)]
async fn the_authority_of_connect_udp_is_that_of_its_path() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.upgrades.push(Upgrade { kind: "connect-udp".into(), enabled: true });
    for kind in ["connect-udp", "Connect-UDP"] {
        let asks = |path: &'static str| {
            let mut request = with(get(path), &[]);
            request.protocol = Protocol::Http2;
            request.upgrade = Some(Bytes::from_static(kind.as_bytes()));
            request
        };
        bench.upstream(Script::answers(200, &[], &[]));
        let outcome = bench.send(asks("/.well-known/masque/udp/there.example/443/")).await;
        assert_eq!(outcome.status(), 200, "{kind}");
        assert_eq!(bench.seen().last().unwrap().head.authority, "there.example:443", "{kind}");
        let outcome = bench.send(asks("/elsewhere")).await;
        assert_eq!((outcome.status(), outcome.details()), (404, "invalid_path"), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_speaks_before_the_tunnel_is_open_may_be_refused() {
    // Over HTTP/1 the parity scenario tells: there the octets are the codec's until the tunnel is open.
    let connect =
        || RequestHead { protocol: Protocol::Http2, method: Method::Connect, authority: "app:80".into(), ..get("") };
    let tunnel = || {
        let mut routes = to_app(|_| {});
        routes.insert(0, route("", forward("app", |_| {})));
        routes[0].matches.path = PathMatch::Connect;
        let mut bench = Bench::new(routes);
        bench.config.upgrades.push(Upgrade { kind: "CONNECT".into(), enabled: true });
        bench
    };
    for (refuses, said, status) in
        [(false, &["EARLY"][..], 200), (true, &["EARLY"], 400), (true, &["", "EARLY"], 400), (true, &[], 200)]
    {
        let mut bench = tunnel();
        bench.config.router.reject_early_data = refuses;
        bench.upstream(Script { head_in: Duration::from_millis(50), ..Script::answers(200, &[], &["pong"]) });
        let outcome = bench.send_from(Client::sending(said), connect()).await;
        assert_eq!(outcome.status(), status, "{refuses} {said:?}");
        if status == 400 {
            assert_eq!((outcome.details(), outcome.body().as_str()), ("early_connect_data", ""));
            assert_eq!(outcome.info.bytes_received, 5);
        }
    }
    // An upgrade is no CONNECT.
    let mut bench = tunnel();
    bench.config.router.reject_early_data = true;
    let mut request = with(get("/"), &[("connection", "Upgrade"), ("upgrade", "websocket")]);
    request.upgrade = Some("websocket".into());
    bench.upstream(Script::answers(101, &[("connection", "upgrade"), ("upgrade", "websocket")], &["pong"]));
    assert_eq!(bench.send_from(Client::sending(&["EARLY"]), request).await.status(), 101);
}

#[tokio::test(start_paused = true)]
async fn external_callers_are_not_believed() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.upstream(Script::answers(200, &[], &[]));
    let request = with(
        get("/a/../b#frag"),
        &[
            ("x-envoy-retry-on", "5xx"),
            ("x-envoy-internal", "true"),
            ("x-forwarded-for", "1.2.3.4"),
            ("te", "trailers, deflate"),
            ("keep-alive", "x"),
            ("connection", "keep-alive"),
            ("referer", "bad value"),
            ("x-forwarded-client-cert", "foo"),
            ("x-request-id", "mine"),
        ],
    );
    let outcome = bench.send(request).await;
    let seen = &bench.seen()[0];
    assert_eq!(&seen.head.path[..], b"/b");
    assert_eq!(seen.names(), ["x-forwarded-for", "te", "x-request-id", "x-forwarded-proto"]);
    assert_eq!(seen.header("te").as_deref(), Some("trailers"));
    assert_eq!(seen.header("x-request-id").as_deref(), Some("mine"));
    assert_eq!(outcome.info.downstream_remote.unwrap().to_string(), "1.2.3.4:0");
}

/// Who appends to the first of two lines leaves the client's own line last, where the next hop looks for ours.
#[tokio::test(start_paused = true)]
async fn repeated_lines_are_one_list_before_anything_is_appended_or_believed() {
    let lines = [
        ("x-forwarded-for", "1.1.1.1"),
        ("authorization", "a"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-envoy-original-host", "fake"),
        ("authorization", "b"),
        ("x-own", "1"),
        ("x-own", "2"),
    ];
    for edge in [false, true] {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.config.use_remote_address = edge;
        bench.upstream(Script::answers(200, &[], &[]));
        let outcome = bench.send(with(get("/"), &lines)).await;
        let seen = &bench.seen()[0];
        let values = |name: &str| -> Vec<String> {
            let lines = seen.head.headers.iter().filter(|line| line.name.as_str() == name);
            lines.map(|line| String::from_utf8_lossy(&line.value).into_owned()).collect()
        };
        assert_eq!((values("authorization"), values("x-own")), (vec!["a,b".into()], vec!["1".into(), "2".into()]));
        let [forwarded] = &values("x-forwarded-for")[..] else { panic!("one line of x-forwarded-for") };
        if edge {
            assert!(forwarded.starts_with("1.1.1.1,2.2.2.2,"), "{forwarded}");
            assert_eq!(values("x-envoy-original-host"), Vec::<String>::new());
        } else {
            assert_eq!(forwarded, "1.1.1.1,2.2.2.2");
            assert_eq!(outcome.info.downstream_remote.unwrap().to_string(), "2.2.2.2:0");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn internal_callers_choose_retries_and_timeouts() {
    let mut bench = Bench::new(to_app(|forward| forward.timeout = Some(Duration::from_secs(15))));
    bench.config.internal_ranges = vec!["10.0.0.0/8".parse().unwrap()];
    bench.upstream(Script::answers(500, &[], &[])).upstream(Script::answers(200, &[], &[]));
    let headers = [
        ("x-forwarded-for", "10.1.2.3"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-max-retries", "3"),
        ("x-envoy-upstream-rq-timeout-ms", "700"),
    ];
    let outcome = bench.send(with(get("/"), &headers)).await;
    assert_eq!((outcome.status(), outcome.info.attempts), (200, 2));
    let seen = &bench.seen()[0];
    assert_eq!(
        seen.names(),
        ["x-forwarded-for", "x-forwarded-proto", "x-envoy-internal", "x-request-id", "x-envoy-expected-rq-timeout-ms"]
    );
    assert_eq!(seen.header("x-envoy-expected-rq-timeout-ms").as_deref(), Some("700"));
}

#[tokio::test(start_paused = true)]
async fn routes_change_headers_path_and_host() {
    let mut routes = to_app(|forward| {
        forward.rewrite = Some(PathRewrite::Prefix("/new/".into()));
        forward.host_rewrite = Some(HostRewrite::Literal("other.example".into()));
        forward.append_x_forwarded_host = true;
    });
    routes[0].matches = prefix_match("/rw/");
    routes[0].headers.request_add =
        vec![add("x-in", "set", AppendAction::OverwriteOrAdd), add("x-r", "r", AppendAction::AppendOrAdd)];
    routes[0].headers.request_remove = vec!["accept".into()];
    routes[0].headers.response_add = vec![add("x-resp", "v", AppendAction::AppendOrAdd)];
    let mut bench = Bench::new(routes);
    bench.upstream(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/rw/x?y=1"), &[("x-in", "old"), ("accept", "*/*"), ("x-last", "l")])).await;
    let seen = &bench.seen()[0];
    assert_eq!((&seen.head.path[..], &seen.head.authority[..]), (&b"/new/x?y=1"[..], &b"other.example"[..]));
    assert_eq!(
        seen.names(),
        [
            "x-last",
            "x-forwarded-proto",
            "x-request-id",
            "x-in",
            "x-r",
            "x-envoy-original-host",
            "x-forwarded-host",
            "x-envoy-original-path"
        ]
    );
    assert_eq!(seen.header("x-envoy-original-path").as_deref(), Some("/rw/x?y=1"));
    assert_eq!(outcome.header("x-resp").as_deref(), Some("v"));
}

#[tokio::test(start_paused = true)]
async fn own_answers() {
    let direct =
        Action::Direct(DirectResponse { status: 502, body: Bytes::from_static(b"hello"), format: None }.into());
    let mut bench = Bench::new(vec![route("/", direct)]);
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.body().as_str(), outcome.details()), (502, "hello", "direct_response"));
    assert_eq!(outcome.header("x-envoy-attempt-count"), None);
    let mut head = get("/");
    head.method = crate::wire::message::Method::Head;
    let outcome = bench.send(head).await;
    assert_eq!((outcome.body().as_str(), outcome.header("content-length").as_deref()), ("", Some("5")));
}

#[tokio::test(start_paused = true)]
async fn sidecars_tell_each_other_the_operation() {
    let mut routes = to_app(|_| {});
    routes[0].decorator = Some("op".into());
    let mut bench = Bench::new(routes);
    bench.config.tracing = Some(Tracing::default());
    bench.upstream(Script::answers(200, &[("x-envoy-decorator-operation", "theirs")], &[]));
    let outcome = bench.send(get("/")).await;
    assert_eq!(bench.seen()[0].header("x-envoy-decorator-operation").as_deref(), Some("op"));
    assert_eq!(outcome.header("x-envoy-decorator-operation"), None);

    bench.direction = config::listener::Direction::Inbound;
    bench.upstream(Script::answers(200, &[], &[])).upstream(Script::answers(200, &[], &[]));
    let outcome = bench.send(get("/")).await;
    assert_eq!(outcome.header("x-envoy-decorator-operation").as_deref(), Some("op"));
    let outcome = bench.send(with(get("/"), &[("x-envoy-decorator-operation", "theirs")])).await;
    assert_eq!(outcome.header("x-envoy-decorator-operation"), None);
    assert_eq!(bench.seen()[1].header("x-envoy-decorator-operation"), None);
}

#[tokio::test(start_paused = true)]
async fn istio_alpn_is_chosen_by_the_clusters_protocol() {
    use config::filters::{HttpFilterConfig, alpn::Alpn};
    use config::hcm::HttpFilter;
    let list = |words: &[&str]| words.iter().map(|word| std::sync::Arc::from(word.as_bytes())).collect();
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.filters = vec![HttpFilter {
        name: "istio.alpn".into(),
        disabled: false,
        config: HttpFilterConfig::Alpn(std::sync::Arc::new(Alpn {
            http10: Vec::new(),
            http11: list(&["istio-http/1.1", "istio", "http/1.1"]),
            http2: list(&["istio-h2", "istio", "h2"]),
        })),
    }];
    bench.upstream(Script::answers(200, &[], &[]));
    bench.send(get("/")).await;
    assert_eq!(bench.seen()[0].alpn.as_ref().unwrap()[0], "istio-http/1.1");
}

#[tokio::test(start_paused = true)]
async fn the_request_id_carries_the_trace_decision() {
    let mut bench = Bench::new(to_app(|_| {}));
    let id = "4eb4ec58-5e8c-4a5e-9a3b-4b5b9a4b7a6c";
    for (random, headers, expected) in [
        (0, &[("x-request-id", id)][..], '4'),
        (100, &[("x-request-id", id)][..], '9'),
        (0, &[("x-request-id", id), ("x-client-trace-id", "1")][..], 'b'),
        // Only internal callers may force.
        (0, &[("x-request-id", id), ("x-envoy-force-trace", "1")][..], '4'),
        (100, &[][..], '9'),
    ] {
        let sampling =
            Sampling { random: Fraction { numerator: random, denominator: 100 }.into(), ..Sampling::default() };
        bench.config.tracing = Some(Tracing { sampling, ..Tracing::default() });
        bench.upstream(Script::answers(200, &[], &[]));
        bench.send(with(get("/"), headers)).await;
        let sent = bench.seen()[0].header("x-request-id").unwrap();
        assert_eq!((sent.len(), sent.chars().nth(14)), (36, Some(expected)), "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn codes_of_grpc_are_left_out_where_the_router_says_so() {
    for (suppressed, kind, own) in
        [(true, "application/grpc", false), (true, "text/plain", true), (false, "application/grpc", true)]
    {
        let mut bench = Bench::new(to_app(|_| {}));
        bench.config.router.suppress_grpc_codes = suppressed;
        bench.upstream(Script::answers(500, &[], &[])).upstream(Script::fails(StreamError::Reset(8)));
        let context = bench.context();
        for _ in 0..2 {
            let request = with(get("/"), &[("content-type", kind)]);
            bench.run(&context, exchange(&context, &mut Client::default(), request)).await;
        }
        for code in [500, 503] {
            let stat = |name: String| context.manager.registry.value(&format!("cluster.app.{name}")).unwrap_or(0);
            let counted = (stat(format!("upstream_rq_{code}")), stat(format!("external.upstream_rq_{code}")));
            assert_eq!(counted, (u64::from(own), 1), "{suppressed} {kind} {code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_after_the_head_is_counted_for_grpc() {
    for (kind, count) in [("application/grpc", 1), ("text/plain", 0)] {
        let mut bench = Bench::new(to_app(|_| {}));
        let mut script = Script::answers(200, &[], &["abc"]);
        script.body.pop_back();
        script.body.push_back(Err(StreamError::Reset(8)));
        bench.upstream(script);
        let context = bench.context();
        let mut client = Client::default();
        let request = with(get("/"), &[("content-type", kind)]);
        bench.run(&context, exchange(&context, &mut client, request)).await;
        let name = "http.test.rq_reset_after_downstream_response_started";
        assert_eq!((client.reset.is_some(), context.manager.registry.value(name)), (true, Some(count)), "{kind}");
    }
}
