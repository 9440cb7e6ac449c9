//! Tests of `grpc_web`. What is expected is what Envoy 1.40 does with the same requests, but where a test says otherwise.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use config::filters::HttpFilterConfig;
use config::filters::grpc_web::GrpcWeb;

use crate::cluster::PickFailure;
use crate::http::filters::bench::Filtered;
use crate::http::testing::{Client, Outcome, fake::Script, post, route, with};
use crate::wire::codec::StreamError;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, RequestHead};

const PROTO: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text";
const QUESTION: &[u8] = b"\0\0\0\0\x02q!";
const ANSWER: &[u8] = b"\0\0\0\0\x05hello\0\0\0\0\x06again!";
const END: &[u8] = b"\x80\0\0\0\x18grpc-status:5\r\nx-t:yes\r\n";

fn web() -> Filtered {
    Filtered::new([("grpc_web", HttpFilterConfig::GrpcWeb(Arc::new(GrpcWeb {})))])
}

fn cut(body: &[u8], size: usize, last: Frame) -> VecDeque<Result<Frame, StreamError>> {
    let pieces = body.chunks(size).map(|piece| Ok(Frame::Data(Bytes::copy_from_slice(piece))));
    pieces.chain([Ok(last)]).collect()
}

/// An application that answers in gRPC, in pieces of so many octets.
fn answers(size: usize) -> Script {
    let mut trailers = Headers::new();
    trailers.append(Name::GRPC_STATUS, "5");
    trailers.append(Name::new("x-t"), "yes");
    let mut script = Script::answers(200, &[("content-type", "application/grpc+proto"), ("x-h", "1")], &["x"]);
    script.body = cut(ANSWER, size, Frame::Trailers(trailers));
    script.after_request = true;
    script
}

fn ask(kind: &'static str, accept: &'static str) -> RequestHead {
    let mut request = with(post("/pkg.Svc/Call"), &[("content-type", kind), ("content-length", "7")]);
    request.body = BodyLength::Exact(7);
    if accept.is_empty() { request } else { with(request, &[("accept", accept)]) }
}

async fn send(bench: &Filtered, body: &[u8], size: usize, request: RequestHead) -> Outcome {
    let client = Client { pieces: cut(body, size, Frame::End), ..Client::default() };
    bench.send_from(client, request).await
}

fn headers(outcome: &Outcome) -> Vec<String> {
    let known = ["date", "server", "x-envoy-upstream-service-time", "connection"];
    let lines = outcome.client.head.iter().flat_map(|head| head.headers.iter());
    let lines = lines.filter(|line| !known.contains(&line.name.as_str()));
    lines.map(|line| format!("{}: {}", line.name.as_str(), String::from_utf8_lossy(&line.value))).collect()
}

#[tokio::test]
async fn binary_passes_and_trailers_become_a_message() {
    for kind in ["application/grpc-web", PROTO] {
        for size in [1, 4, 1000] {
            let mut bench = web();
            bench.app(answers(size));
            let outcome = send(&bench, QUESTION, size, ask(kind, "")).await;
            assert_eq!(
                (outcome.status(), headers(&outcome)),
                (200, vec![format!("content-type: {PROTO}"), "x-h: 1".into()])
            );
            assert_eq!(outcome.client.body.concat(), [ANSWER, END].concat(), "in pieces of {size}");
            assert_eq!((outcome.client.trailers, outcome.client.ended), (None, true));
            let seen = bench.app_saw();
            assert_eq!(seen.body, QUESTION);
            assert_eq!(
                (seen.header("content-type").as_deref(), seen.header("content-length")),
                (Some("application/grpc"), None)
            );
            assert_eq!(
                (seen.header("te").as_deref(), seen.header("grpc-accept-encoding").as_deref()),
                (Some("trailers"), Some("identity"))
            );
        }
    }
}

#[tokio::test]
async fn text_is_base64_message_by_message() {
    let (first, second) = ANSWER.split_at(10);
    let expected = [first, second, END].map(|message| STANDARD.encode(message)).concat();
    for size in [1, 2, 3, 5, 7, 1000] {
        for (kind, accept, text) in [
            (TEXT, TEXT, true),
            ("application/grpc-web-text+proto", "application/grpc-web-text+proto", true),
            (TEXT, "", false),
            (PROTO, TEXT, true),
        ] {
            let mut bench = web();
            bench.app(answers(size));
            let question = if kind == PROTO { QUESTION.to_vec() } else { STANDARD.encode(QUESTION).into_bytes() };
            let outcome = send(&bench, &question, size, ask(kind, accept)).await;
            let body = outcome.client.body.concat();
            if text {
                assert_eq!(String::from_utf8(body).unwrap(), expected, "{kind} {accept} in pieces of {size}");
                assert_eq!(outcome.header("content-type").as_deref(), Some("application/grpc-web-text+proto"));
            } else {
                assert_eq!(body, [ANSWER, END].concat());
            }
            assert_eq!(bench.app_saw().body, QUESTION, "{kind} {accept} in pieces of {size}");
        }
    }
}

/// Clients write a text for each message; Envoy takes that only where its reads happen to end with one.
#[tokio::test]
async fn texts_may_follow_each_other() {
    let question =
        [STANDARD.encode(QUESTION), STANDARD.encode(b"\0\0\0\0\0"), STANDARD.encode(b"\0\0\0\0\x01x")].concat();
    for size in [1, 3, 4, 1000] {
        let mut bench = web();
        bench.app(answers(1000));
        assert_eq!(send(&bench, question.as_bytes(), size, ask(TEXT, "")).await.status(), 200);
        assert_eq!(bench.app_saw().body, [QUESTION, b"\0\0\0\0\0\0\0\0\0\x01x"].concat(), "in pieces of {size}");
    }
}

#[tokio::test]
async fn text_that_is_none_is_refused() {
    let mut trailing = Headers::new();
    trailing.append(Name::new("t"), "1");
    for (text, details) in [
        ("AAAAA", "grpc_base_64_decode_failed_bad_size"),
        ("AA", "grpc_base_64_decode_failed_bad_size"),
        ("A*AA", "grpc_base_64_decode_failed"),
        ("A=AA", "grpc_base_64_decode_failed"),
        ("====", "grpc_base_64_decode_failed"),
        ("AAAA\n\r\n\n", "grpc_base_64_decode_failed"),
    ] {
        for last in [Frame::End, Frame::Trailers(trailing.clone())] {
            let mut bench = web();
            bench.app(answers(1000));
            let client = Client { pieces: cut(text.as_bytes(), 3, last), ..Client::default() };
            let outcome = bench.send_from(client, ask(TEXT, TEXT)).await;
            assert_eq!((outcome.status(), outcome.details()), (400, details), "{text:?}");
            let expected = [
                "content-type: application/grpc-web-text+proto",
                "grpc-message: Bad gRPC-web request, invalid base64 data.",
                "grpc-status: 13",
                "content-length: 0",
            ];
            let mut told = headers(&outcome);
            told.sort();
            let mut expected = expected.map(str::to_owned);
            expected.sort();
            assert_eq!((told, outcome.body()), (expected.to_vec(), String::new()));
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_no_grpc_is_told_in_the_head() {
    let html = [("content-type", "text/html"), ("content-length", "9")];
    for (script, status, told) in [
        (Script::answers(404, &html, &["not ", "found"]), 404, Some(("12", "not found"))),
        (Script::answers(200, &[("content-type", "text/html")], &["f\u{e9}%"]), 200, Some(("2", "f%C3%A9%25"))),
        (Script::answers(500, &[("content-type", "application/grpc")], &["x"]), 500, Some(("2", "x"))),
        (Script::answers(404, &[], &[]), 404, None),
    ] {
        let mut bench = web();
        bench.app(script);
        let outcome = send(&bench, QUESTION, 9, ask(PROTO, "")).await;
        assert_eq!((outcome.status(), outcome.body()), (status, String::new()));
        assert_eq!(outcome.header("content-type").as_deref(), Some(PROTO));
        let said = outcome.header("grpc-status").zip(outcome.header("grpc-message"));
        assert_eq!(said, told.map(|(code, message)| (code.into(), message.into())), "{status}");
        assert!(outcome.client.ended);
    }
    // What has gRPC-Web's type already is passed on.
    let mut bench = web();
    bench.app(Script::answers(
        200,
        &[("content-type", "application/grpc-WEB+proto ; a=b"), ("content-length", "2")],
        &["hi"],
    ));
    let outcome = send(&bench, QUESTION, 9, ask(PROTO, "")).await;
    assert_eq!((outcome.body().as_str(), outcome.header("content-length")), ("hi", None));
}

#[tokio::test]
async fn an_endless_answer_is_read_to_a_limit() {
    let mut bench = web();
    let mut script = Script::answers(200, &[("content-type", "text/plain")], &["x"]);
    script.body = cut(&[b'x'; 40_000], 1000, Frame::End);
    bench.app(script);
    let outcome = send(&bench, QUESTION, 9, ask(PROTO, "")).await;
    assert_eq!((outcome.status(), outcome.header("grpc-message").map(|text| text.len())), (200, Some(16 * 1024)));
}

#[tokio::test]
async fn a_status_in_the_head_stays_there() {
    let mut bench = web();
    let grpc = [("content-type", "application/grpc"), ("grpc-status", "7"), ("grpc-message", "no way")];
    bench.app(Script::answers(200, &grpc, &[]));
    let outcome = send(&bench, QUESTION, 9, ask(PROTO, "")).await;
    assert_eq!(
        (outcome.status(), outcome.header("grpc-status").as_deref(), outcome.body().as_str()),
        (200, Some("7"), "")
    );
    assert_eq!(outcome.header("content-type").as_deref(), Some(PROTO));
}

#[tokio::test]
async fn our_own_answers_are_of_the_kind_that_was_asked() {
    let no_host = || Script { no_host: Some(PickFailure::NoEndpoints), ..Script::default() };
    let mut bench = web();
    bench.app(no_host()).app(no_host());
    let outcome = send(&bench, QUESTION, 9, ask(PROTO, "")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str()), (503, "UH"));
    let said = [outcome.header("grpc-status"), outcome.header("grpc-message"), outcome.header("content-length")];
    assert_eq!(said, [Some("14".into()), Some("no healthy upstream".into()), Some("0".into())]);
    // gRPC that passes the filter is answered as gRPC.
    let outcome = send(&bench, QUESTION, 9, ask("application/grpc", "")).await;
    assert_eq!((outcome.status(), outcome.header("grpc-status").as_deref()), (200, Some("14")));
    assert_eq!(outcome.header("content-type").as_deref(), Some("application/grpc"));

    let nowhere = Filtered::with_routes(
        vec![route("/elsewhere", config::route::Action::NonForwarding)],
        [("grpc_web", HttpFilterConfig::GrpcWeb(Arc::new(GrpcWeb {})))],
    );
    let outcome = send(&nowhere, QUESTION, 9, ask(PROTO, "")).await;
    assert_eq!((outcome.status(), outcome.header("content-type").as_deref()), (404, Some(PROTO)));
    assert_eq!(outcome.header("grpc-status"), None, "an answer without a text");
}

#[tokio::test]
async fn an_upstream_that_is_lost_before_its_text_has_come_is_answered() {
    let mut bench = web();
    let mut script = Script::answers(404, &[("content-type", "text/html")], &["not"]);
    script.body.pop_back();
    script.body.push_back(Err(StreamError::Reset(8)));
    bench.app(script);
    let outcome = send(&bench, QUESTION, 9, ask(PROTO, "")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str()), (503, "UR"));
    assert_eq!(outcome.details(), "upstream_reset_after_response_started{remote_reset}");
    let text = "upstream connect error or disconnect/reset before headers. reset reason: remote reset";
    assert_eq!(outcome.body(), text, "past the filters, as Envoy does");
}

#[tokio::test]
async fn other_types_pass() {
    for kind in ["application/grpc-web+proto; charset=utf-8", "application/Grpc-Web", "application/grpc", "text/plain"]
    {
        let mut bench = web();
        bench.app(answers(1000));
        let outcome = send(&bench, QUESTION, 9, ask(kind, TEXT)).await;
        assert_eq!(
            (outcome.client.body.concat(), outcome.client.trailers.is_some()),
            (ANSWER.to_vec(), true),
            "{kind}"
        );
        let seen = bench.app_saw();
        assert_eq!(
            (seen.header("content-type").as_deref(), seen.header("content-length").as_deref()),
            (Some(kind), Some("7"))
        );
    }
}

#[tokio::test]
async fn ends_are_counted_by_method() {
    let mut bench = web();
    bench.app(answers(1000)).app(Script::answers(200, &[("grpc-status", "0")], &[]));
    bench.app(Script::answers(404, &[], &["no"]));
    for _ in 0..3 {
        send(&bench, QUESTION, 9, ask(PROTO, "")).await;
    }
    let stat = |name: &str| bench.stat(&format!("cluster.app.grpc-web.pkg.Svc.Call.{name}"));
    assert_eq!([stat("5"), stat("0"), stat("success"), stat("failure"), stat("total")], [1, 1, 1, 1, 2]);
}
