//! Tests of `grpc_http1_bridge`. What is expected is what Envoy 1.40 does with the same requests, but where a test says otherwise.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use config::filters::HttpFilterConfig;
use config::filters::grpc_http1_bridge::GrpcHttp1Bridge;
use config::route::Route;

use crate::cluster::PickFailure;
use crate::http::filters::bench::Filtered;
use crate::http::testing::{Client, Outcome, fake::Script, post, to_app, with};
use crate::wire::codec::StreamError;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Protocol, RequestHead};

const GRPC: &str = "application/grpc";
const BARE: &str = "application/x-protobuf";
const ANSWER: &[u8] = b"\0\0\0\0\x05hello\0\0\0\0\x06again!";

fn bridge() -> Filtered {
    with_routes(to_app(|_| ()))
}

fn with_routes(routes: Vec<Route>) -> Filtered {
    let config = GrpcHttp1Bridge { upgrade_protobuf: true, ignore_query: true };
    Filtered::with_routes(routes, [("bridge", HttpFilterConfig::GrpcHttp1Bridge(Arc::new(config)))])
}

fn cut(body: &[u8], size: usize, last: Frame) -> VecDeque<Result<Frame, StreamError>> {
    let pieces = body.chunks(size).map(|piece| Ok(Frame::Data(Bytes::copy_from_slice(piece))));
    pieces.chain([Ok(last)]).collect()
}

fn trailers(status: &'static str) -> Frame {
    let mut trailers = Headers::new();
    trailers.append(Name::GRPC_STATUS, status);
    trailers.append(Name::GRPC_MESSAGE, "words");
    Frame::Trailers(trailers)
}

fn answers(body: &[u8], size: usize, last: Frame) -> Script {
    let mut script = Script::answers(200, &[("content-type", GRPC)], &["x"]);
    script.body = cut(body, size, last);
    script.after_request = true;
    script
}

fn ask(kind: &'static str) -> RequestHead {
    let mut request = with(post("/pkg.Svc/Call?a=b"), &[("content-type", kind), ("content-length", "3")]);
    request.body = BodyLength::Exact(3);
    request
}

async fn send(bench: &Filtered, body: &[u8], size: usize, request: RequestHead) -> Outcome {
    let client = Client { pieces: cut(body, size, Frame::End), ..Client::default() };
    bench.send_from(client, request).await
}

/// Status, `grpc-status`, `grpc-message`, `content-length`.
fn told(outcome: &Outcome) -> (u16, Option<String>, Option<String>, Option<String>) {
    let header = |name| outcome.header(name);
    (outcome.status(), header("grpc-status"), header("grpc-message"), header("content-length"))
}

fn expected(status: u16, grpc: &str, length: usize) -> (u16, Option<String>, Option<String>, Option<String>) {
    (status, Some(grpc.into()), Some("words".into()), Some(length.to_string()))
}

#[tokio::test]
async fn the_head_tells_what_the_trailers_say() {
    for (grpc, status) in [("0", 200), ("5", 503), ("14", 503), ("99", 503), ("x", 503), ("", 503)] {
        for size in [1, 7, 1000] {
            let mut bench = bridge();
            bench.app(answers(ANSWER, size, trailers(grpc)));
            let outcome = send(&bench, b"msg", 3, ask(GRPC)).await;
            assert_eq!(told(&outcome), expected(status, grpc, ANSWER.len()), "{grpc} in pieces of {size}");
            assert_eq!(outcome.client.body.concat(), ANSWER);
            let seen = bench.app_saw();
            assert_eq!((&seen.head.path[..], &seen.body[..]), (&b"/pkg.Svc/Call"[..], &b"msg"[..]));
            assert_eq!(seen.header("content-length").as_deref(), Some("3"));
        }
    }
    let mut bench = bridge();
    bench.app(answers(b"", 1, trailers("14")));
    let outcome = send(&bench, b"msg", 3, ask(GRPC)).await;
    assert_eq!((told(&outcome), outcome.body().as_str()), (expected(503, "14", 0), ""));
}

#[tokio::test]
async fn what_has_no_trailers_stays() {
    let mut bench = bridge();
    bench.app(Script::answers(200, &[("content-type", GRPC), ("grpc-status", "7")], &[]));
    bench.app(answers(ANSWER, 5, Frame::End));
    bench.app(Script::answers(404, &[("content-type", "text/html"), ("content-length", "2")], &["no"]));
    let outcome = send(&bench, b"msg", 3, ask(GRPC)).await;
    assert_eq!(told(&outcome), (200, Some("7".into()), None, Some("0".into())));
    let outcome = send(&bench, b"msg", 3, ask(GRPC)).await;
    assert_eq!((told(&outcome), outcome.client.body.concat()), ((200, None, None, None), ANSWER.to_vec()));
    let outcome = send(&bench, b"msg", 3, ask(GRPC)).await;
    assert_eq!((told(&outcome), outcome.body().as_str()), ((404, None, None, Some("2".into())), "no"));
}

#[tokio::test]
async fn a_bare_message_becomes_one_of_grpc() {
    for size in [1, 2, 1000] {
        let mut bench = bridge();
        bench.app(answers(ANSWER, size, trailers("0")));
        let outcome = send(&bench, b"msg", size, ask(BARE)).await;
        assert_eq!(told(&outcome), expected(200, "0", ANSWER.len() - 5), "in pieces of {size}");
        assert_eq!(outcome.client.body.concat(), ANSWER[5..]);
        let seen = bench.app_saw();
        assert_eq!(seen.body, b"\0\0\0\0\x03msg");
        assert_eq!((seen.header("content-type").as_deref(), seen.header("content-length")), (Some(GRPC), None));
    }
}

/// Envoy takes five octets off the first piece, whatever it is, unless it is the last.
#[tokio::test]
async fn only_the_prefix_of_grpc_is_taken_off() {
    let mut bench = bridge();
    bench.app(answers(ANSWER, 2, Frame::End));
    let outcome = send(&bench, b"msg", 3, ask(BARE)).await;
    assert_eq!((told(&outcome), outcome.client.body.concat()), ((200, None, None, None), ANSWER[5..].to_vec()));
    let mut html = Script::answers(404, &[("content-type", "text/html")], &["x"]);
    html.body = cut(b"not found", 2, trailers("5"));
    bench.app(html);
    let outcome = send(&bench, b"msg", 3, ask(BARE)).await;
    assert_eq!((told(&outcome), outcome.body().as_str()), (expected(503, "5", 9), "not found"));
}

#[tokio::test]
async fn routes_for_grpc_are_found_by_an_upgraded_request() {
    let mut routes = to_app(|_| ());
    routes[0].matches.grpc = true;
    let mut bench = with_routes(routes);
    bench.app(answers(ANSWER, 9, trailers("0")));
    assert_eq!(send(&bench, b"msg", 3, ask(BARE)).await.status(), 200);
}

#[tokio::test]
async fn what_is_held_has_a_limit() {
    let mut bench = bridge();
    let big = vec![b'x'; 1024 * 1024 + 1];
    bench.app(answers(&big, 9000, trailers("0")));
    let outcome = send(&bench, b"msg", 3, ask(GRPC)).await;
    let expected = (200, Some("2".into()), Some("Internal Server Error".into()), None);
    assert_eq!((told(&outcome), outcome.details()), (expected, "response_payload_too_large"));
    assert_eq!(bench.stat("http.test.rs_too_large"), 1);
    bench.app(answers(&big, 9000, trailers("0")));
    let outcome = send(&bench, b"msg", 3, ask(BARE)).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (500, "Internal Server Error"));
    bench.app(answers(&big[1..], 9000, trailers("0")));
    assert_eq!(send(&bench, b"msg", 3, ask(GRPC)).await.client.body.concat().len(), big.len() - 1);

    let outcome = send(&bench, &big, 9000, ask(BARE)).await;
    assert_eq!((outcome.status(), outcome.details()), (413, "request_payload_too_large"));
}

#[tokio::test]
async fn an_upstream_that_is_lost_is_answered_in_the_kind_that_was_asked() {
    let text = "upstream connect error or disconnect/reset before headers. reset reason: remote reset";
    for (kind, status, message, body) in [(GRPC, 200, Some(text), ""), (BARE, 503, None, text)] {
        let mut bench = bridge();
        let mut script = answers(ANSWER, 9, Frame::End);
        script.body.pop_back();
        script.body.push_back(Err(StreamError::Reset(8)));
        bench.app(script);
        bench.app(Script { no_host: Some(PickFailure::NoEndpoints), ..Script::default() });
        let outcome = send(&bench, b"msg", 3, ask(kind)).await;
        assert_eq!((outcome.status(), outcome.header("grpc-message").as_deref()), (status, message));
        assert_eq!(
            (outcome.body().as_str(), outcome.details()),
            (body, "upstream_reset_after_response_started{remote_reset}")
        );
        assert_eq!(send(&bench, b"msg", 3, ask(kind)).await.status(), status, "no healthy upstream");
    }
}

#[tokio::test]
async fn others_pass() {
    let http2 = |kind| RequestHead { protocol: Protocol::Http2, ..ask(kind) };
    for request in [http2(GRPC), http2(BARE), ask("text/plain"), ask("application/x-protobuf; a=b")] {
        let kind = String::from_utf8(request.headers.get(&Name::CONTENT_TYPE).unwrap().to_vec()).unwrap();
        let mut bench = bridge();
        bench.app(answers(ANSWER, 9, trailers("5")));
        let outcome = send(&bench, b"msg", 3, request).await;
        assert_eq!((outcome.status(), outcome.client.trailers.is_some()), (200, true), "{kind}");
        let seen = bench.app_saw();
        assert_eq!((&seen.head.path[..], &seen.body[..]), (&b"/pkg.Svc/Call?a=b"[..], &b"msg"[..]));
        assert_eq!(seen.header("content-type"), Some(kind));
    }
}

#[tokio::test]
async fn a_message_of_nothing_is_sent_as_it_came() {
    let mut bench = bridge();
    bench.app(answers(ANSWER, 9, trailers("0")));
    let request = RequestHead { body: BodyLength::Empty, ..ask(BARE) };
    let outcome = bench.send(request).await;
    assert_eq!(told(&outcome), expected(200, "0", ANSWER.len() - 5));
    assert_eq!(bench.app_saw().body, b"");
}

#[tokio::test]
async fn both_are_off_unless_they_are_asked_for() {
    let config = HttpFilterConfig::GrpcHttp1Bridge(Arc::new(GrpcHttp1Bridge::default()));
    let mut bench = Filtered::new([("bridge", config)]);
    bench.app(answers(ANSWER, 9, trailers("0"))).app(answers(ANSWER, 9, trailers("0")));
    assert_eq!(told(&send(&bench, b"msg", 3, ask(GRPC)).await), expected(200, "0", ANSWER.len()));
    assert_eq!(&bench.app_saw().head.path[..], b"/pkg.Svc/Call?a=b");
    assert_eq!(send(&bench, b"msg", 3, ask(BARE)).await.header("grpc-status"), None);
    assert_eq!(bench.app_saw().body, b"msg");
}
