//! Tests of `buffer`. What is expected is what Envoy 1.40 does with the same requests.

use std::sync::Arc;

use config::filters::buffer::{Buffer, BufferPerRoute};
use config::filters::{HttpFilterConfig, ScopedConfig};

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{Client, fake::Script, get, post, route, with};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, RequestHead};

fn buffer(most: u32) -> Filtered {
    Filtered::new([("buffer", HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: most })))])
}

fn told(settings: BufferPerRoute) -> ScopedConfig {
    ScopedConfig::Buffer(Arc::new(settings))
}

/// The status, and what the application got: length as it was told, and the body.
async fn sent(mut bench: Filtered, request: RequestHead, pieces: &[&'static str]) -> (u16, Option<String>, Vec<u8>) {
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    let outcome = bench.send_pieces(request, pieces).await;
    let Some(seen) = bench.seen().pop() else { return (outcome.status(), None, Vec::new()) };
    (outcome.status(), seen.header("content-length"), seen.body)
}

#[tokio::test]
async fn a_body_is_sent_with_its_length() {
    assert_eq!(sent(buffer(10), post("/"), &["0123", "456789"]).await, (200, Some("10".into()), b"0123456789".into()));
    assert_eq!(sent(buffer(10), post("/"), &[]).await, (200, Some("0".into()), b"".into()));
    let told = with(post("/"), &[("content-length", "4")]);
    assert_eq!(sent(buffer(10), told, &["01", "23"]).await, (200, Some("4".into()), b"0123".into()));
}

#[tokio::test]
async fn a_request_without_a_body_is_left_alone() {
    assert_eq!(sent(buffer(10), get("/"), &[]).await, (200, None, Vec::new()));
}

#[tokio::test]
async fn more_than_the_limit_is_answered_and_never_sent() {
    let bench = buffer(10);
    let outcome = bench.send_pieces(post("/"), &["0123", "456789A"]).await;
    assert_eq!((outcome.status(), outcome.body()), (413, "Payload Too Large".into()));
    assert_eq!((outcome.details(), outcome.flags().as_str()), ("request_payload_too_large", "-"));
    assert_eq!(outcome.header("content-length").as_deref(), Some("17"));
    assert_eq!(bench.stat("http.test.downstream_rq_too_large"), 1);
}

#[tokio::test]
async fn a_client_that_never_ends_is_not_read_beyond_the_limit() {
    let bench = buffer(10);
    let pieces: Vec<&str> = std::iter::repeat_n("01234567", 100).collect();
    let outcome = bench.send_pieces(post("/"), &pieces).await;
    assert_eq!((outcome.status(), outcome.client.pieces.len()), (413, 99));
}

#[tokio::test]
async fn it_answers_before_the_router_does() {
    let nothing = vec![route("/elsewhere", config::route::Action::NonForwarding)];
    let config = HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: 1 }));
    let bench = Filtered::with_routes(nothing, [("buffer", config)]);
    assert_eq!(bench.send_pieces(post("/"), &["01"]).await.status(), 413);
    assert_eq!(bench.send_pieces(post("/"), &["0"]).await.status(), 404);
}

#[tokio::test]
async fn routes_switch_it_off_or_have_a_limit_of_their_own() {
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let off = buffer(1).tell(level, "buffer", told(BufferPerRoute::Disabled));
        assert_eq!(sent(off, post("/"), &["01"]).await, (200, None, b"01".into()), "{level:?}");
        let more = BufferPerRoute::Buffer(Buffer { max_request_bytes: 2 });
        let more = buffer(1).tell(level, "buffer", told(more));
        assert_eq!(sent(more, post("/"), &["01"]).await, (200, Some("2".into()), b"01".into()), "{level:?}");
    }
    let both = buffer(1).tell(Level::Table, "buffer", told(BufferPerRoute::Disabled)).tell(
        Level::Route,
        "buffer",
        told(BufferPerRoute::Buffer(Buffer { max_request_bytes: 1 })),
    );
    assert_eq!(sent(both, post("/"), &["01"]).await.0, 413);
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_asked() {
    let mut bench = buffer(10);
    bench.app(Script::answers(200, &[], &["ok"]));
    let request = with(post("/"), &[("expect", "100-continue")]);
    let outcome = bench.send_pieces(request, &["body"]).await;
    assert_eq!((outcome.status(), &outcome.client.informational[..]), (200, &[100][..]));
    let seen = bench.app_saw();
    assert_eq!((seen.header("expect"), seen.body), (None, b"body".to_vec()));
}

#[tokio::test]
async fn trailers_come_after_the_body() {
    let mut trailers = Headers::new();
    trailers.append(crate::wire::headers::Name::new("t"), "1");
    let mut client = Client::sending(&["body"]);
    client.pieces.pop_back();
    client.pieces.push_back(Ok(Frame::Trailers(trailers.clone())));
    let mut bench = buffer(10);
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    assert_eq!(bench.send_from(client, post("/")).await.status(), 200);
    let seen = bench.app_saw();
    assert_eq!((seen.body, seen.trailers), (b"body".to_vec(), Some(trailers)));
}

#[tokio::test]
async fn what_was_collected_is_there_for_a_retry() {
    use config::route::RetryOn;
    let routes = crate::http::testing::to_app(|forward| {
        forward.retry = Some(Arc::new(crate::http::testing::retry_on(RetryOn::SERVER_ERROR, 1)));
    });
    let config = HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: 10 }));
    let mut bench = Filtered::with_routes(routes, [("buffer", config)]);
    bench.app(Script { after_request: true, ..Script::answers(503, &[], &[]) });
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &["ok"]) });
    assert_eq!(bench.send_pieces(post("/"), &["bo", "dy"]).await.status(), 200);
    let bodies: Vec<Vec<u8>> = bench.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [b"body", b"body"]);
}
