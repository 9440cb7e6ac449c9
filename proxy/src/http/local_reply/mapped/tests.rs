//! Tests of `mapped`, over the whole exchange.

use std::sync::Arc;

use bytes::Bytes;
use config::access_log::{Comparison, Format, LogFilter, LogFormat, Operator, Part};
use config::hcm::{LocalReplies, ReplyFormat, ReplyMapper};
use config::route::{AppendAction, HeaderAdd};

use crate::http::testing::{Bench, get, route, to_app, with};

fn text(parts: Vec<Part>) -> LogFormat {
    LogFormat::Text(Format { parts, omit_empty: false })
}

fn operator(operator: Operator) -> Part {
    Part::Operator { operator, limit: None }
}

fn mapper(status: u32) -> ReplyMapper {
    ReplyMapper {
        filter: LogFilter::StatusCode(Comparison::Equal, status.into()),
        status: None,
        body: None,
        format: None,
        headers: Vec::new(),
    }
}

/// A table whose only route is not asked for.
fn bench(mappers: Vec<ReplyMapper>, format: Option<ReplyFormat>) -> Bench {
    let mut bench = Bench::new(vec![route("/there", to_app(|_| ())[0].action.clone())]);
    bench.config.local_replies = Some(LocalReplies { mappers, format });
    bench
}

fn wrapped() -> ReplyFormat {
    let parts = vec![Part::Literal("<".into()), operator(Operator::LocalReplyBody), Part::Literal(">".into())];
    ReplyFormat { format: text(parts), content_type: "text/x-reply".into() }
}

#[tokio::test(start_paused = true)]
async fn the_first_mapper_that_takes_an_answer_changes_it() {
    let header = HeaderAdd {
        name: "x-was".into(),
        value: Format { parts: vec![operator(Operator::ResponseCode)], omit_empty: true },
        action: AppendAction::OverwriteOrAdd,
        keep_empty: false,
    };
    let first =
        ReplyMapper { status: Some(410), body: Some(Bytes::from("gone")), headers: vec![header], ..mapper(404) };
    let second = ReplyMapper { status: Some(500), ..mapper(404) };
    let mut bench = bench(vec![mapper(503), first, second], Some(wrapped()));
    let outcome = bench.send(get("/nowhere")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (410, "<gone>"));
    assert_eq!(outcome.header("content-type").as_deref(), Some("text/x-reply"));
    assert_eq!(outcome.header("x-was").as_deref(), Some("404"));
    assert_eq!(outcome.info.response_code, 410);
}

#[tokio::test(start_paused = true)]
async fn grpc_has_the_status_and_the_message_of_the_changed_answer() {
    let mut bench = bench(vec![ReplyMapper { status: Some(429), ..mapper(404) }], Some(wrapped()));
    let outcome = bench.send(with(get("/nowhere"), &[("content-type", "application/grpc")])).await;
    assert_eq!(outcome.status(), 200);
    assert_eq!(
        (outcome.header("grpc-status").as_deref(), outcome.header("grpc-message").as_deref()),
        (Some("14"), Some("<>"))
    );
    assert_eq!(outcome.body(), "");
}

#[tokio::test(start_paused = true)]
async fn what_no_mapper_takes_has_the_format_of_all() {
    let mut bench = bench(vec![mapper(503)], Some(wrapped()));
    let outcome = bench.send(get("/nowhere")).await;
    assert_eq!((outcome.status(), outcome.body().as_str()), (404, "<>"));
    let mut plain = self::bench(vec![ReplyMapper { body: Some(Bytes::from("no")), ..mapper(404) }], None);
    let outcome = plain.send(get("/nowhere")).await;
    assert_eq!((outcome.body().as_str(), outcome.header("content-type").as_deref()), ("no", Some("text/plain")));
}

#[tokio::test(start_paused = true)]
async fn answers_of_an_upstream_stay() {
    let mut bench = bench(vec![ReplyMapper { status: Some(500), ..mapper(404) }], Some(wrapped()));
    bench.upstream(crate::http::testing::fake::Script::answers(404, &[], &[]));
    let outcome = bench.send(get("/there")).await;
    assert_eq!(outcome.status(), 404);
}

#[test]
fn moments_that_are_told_are_kept() {
    let mut replies = LocalReplies { mappers: vec![mapper(404)], format: None };
    assert!(!super::wants_times(&replies));
    let late = text(vec![operator(Operator::RequestTxDuration)]);
    replies.mappers[0].format = Some(ReplyFormat { format: late, content_type: Arc::from("text/plain") });
    assert!(super::wants_times(&replies));
}
