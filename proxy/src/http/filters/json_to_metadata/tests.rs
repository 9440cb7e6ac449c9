//! Tests of `json_to_metadata`. What is written is held against Envoy by the scenarios `json_to_metadata*`; here are its counters and its
//! limits.

use config::filters::HttpFilterConfig;
use config::filters::json_to_metadata::{JsonToMetadata, Kind, Pair, Rule, Rules};
use serde_json::json;

use crate::http::filters::bench::Filtered;
use crate::http::testing::{fake::Script, get, with};

fn filter() -> Filtered {
    let pair = |value| Pair { namespace: "ns".into(), key: "k".into(), value, kind: Kind::AsItIs, preserve: false };
    let rule = Rule {
        path: vec!["a".into()],
        present: Some(pair(None)),
        missing: Some(pair(Some(json!("missing")))),
        error: Some(pair(Some(json!("error")))),
    };
    let rules = |rule: &Rule| Rules {
        rules: vec![rule.clone()],
        content_types: vec!["application/json".into()],
        empty_content_type: false,
        content_types_regex: None,
    };
    // What a response says would take the place of what the request said.
    let of_response = Rule { missing: None, error: None, ..rule.clone() };
    let config = JsonToMetadata { request: Some(rules(&rule)), response: Some(rules(&of_response)) };
    Filtered::new([("json", HttpFilterConfig::JsonToMetadata(config.into()))])
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn bodies_are_read_both_ways_and_counted() {
    let mut bench = filter();
    let bodies = [
        (&["{\"a\":", "1}"][..], json!({"k": 1})),
        (&["{"][..], json!({"k": "error"})),
        (&["[]"][..], json!({"k": "missing"})),
    ];
    for (body, want) in bodies {
        bench.app(Script::answers(200, &[], &["ok"]));
        let mut request = with(get("/"), &[JSON]);
        request.body = crate::wire::message::BodyLength::Unknown;
        let outcome = bench.send_pieces(request, body).await;
        assert_eq!(outcome.info.metadata.get("ns"), Some(&want), "{body:?}");
        assert_eq!(outcome.body(), "ok");
    }
    bench.app(Script::answers(200, &[JSON], &["{\"a\":\"x\"}"]));
    let outcome = bench.send(with(get("/"), &[JSON])).await;
    assert_eq!(outcome.info.metadata.get("ns"), Some(&json!({"k": "x"})), "what the response says comes last");
    assert_eq!(outcome.body(), "{\"a\":\"x\"}");
    for (name, want) in [
        ("rq.success", 2),
        ("rq.invalid_json_body", 1),
        ("rq.no_body", 1),
        ("rq.mismatched_content_type", 0),
        ("resp.success", 1),
        ("resp.mismatched_content_type", 3),
        ("resp.no_body", 0),
        ("resp.invalid_json_body", 0),
    ] {
        assert_eq!(bench.stat(&format!("json_to_metadata.{name}")), want, "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_held() {
    let bench = filter();
    let mut request = with(get("/"), &[JSON]);
    request.body = crate::wire::message::BodyLength::Unknown;
    let piece: &'static str = "x".repeat(600 * 1024).leak();
    assert_eq!(bench.send_pieces(request, &[piece, piece]).await.status(), 413);
}
