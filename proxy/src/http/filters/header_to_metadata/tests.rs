//! Tests of `header_to_metadata`. What is written is held against Envoy by the scenarios `header_to_metadata*`; here are its counters.

use config::filters::header_to_metadata::{From, HeaderToMetadata, Kind, Pair, Rule};
use config::filters::{HttpFilterConfig, ScopedConfig};
use serde_json::json;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{fake::Script, get, with};

fn pair(key: &str) -> Pair {
    Pair { namespace: "ns".into(), key: key.into(), value: None, rewrite: None, kind: Kind::Text, base64: false }
}

fn rule(header: &str, present: Pair) -> Rule {
    Rule { from: From::Header(header.into()), remove: false, present: Some(present), missing: None }
}

fn counted(request: Vec<Rule>) -> HeaderToMetadata {
    HeaderToMetadata { request, response: Vec::new(), stat_prefix: Some("p".into()) }
}

#[tokio::test]
async fn what_becomes_of_values_is_counted() {
    let empties = regex::bytes::Regex::new("x").unwrap();
    let config = counted(vec![
        Rule { missing: Some(Pair { value: Some("none".into()), ..pair("a") }), ..rule("x-a", pair("a")) },
        rule("x-b", Pair { base64: true, ..pair("b") }),
        rule("x-c", Pair { rewrite: Some((empties, "".into())), ..pair("c") }),
        rule("x-d", pair("d")),
    ]);
    let mut bench = Filtered::new([("meta", HttpFilterConfig::HeaderToMetadata(config.into()))]);
    bench.app(Script::answers(200, &[], &[]));
    let long: &'static str = "d".repeat(8 * 1024).leak();
    let outcome = bench.send(with(get("/"), &[("x-b", "?"), ("x-c", "x"), ("x-d", long)])).await;
    assert_eq!(outcome.info.metadata.get("ns"), Some(&json!({"a": "none"})));
    let names = [
        ("request_rules_processed", 4),
        ("request_metadata_added", 1),
        ("request_header_not_found", 1),
        ("base64_decode_failed", 1),
        ("regex_substitution_failed", 1),
        ("header_value_too_long", 1),
        ("response_rules_processed", 0),
    ];
    for (name, want) in names {
        assert_eq!(bench.stat(&format!("http_filter_name.p.{name}")), want, "{name}");
    }
}

#[tokio::test]
async fn the_most_specific_level_alone_says_what_is_done() {
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let other = ScopedConfig::HeaderToMetadata(counted(vec![rule("x-b", pair("b"))]).into());
        let own = HttpFilterConfig::HeaderToMetadata(counted(vec![rule("x-a", pair("a"))]).into());
        let mut bench = Filtered::new([("meta", own)]).tell(level, "meta", other);
        bench.app(Script::answers(200, &[], &[]));
        let outcome = bench.send(with(get("/"), &[("x-a", "1"), ("x-b", "2"), ("x-b", "3")])).await;
        assert_eq!(outcome.info.metadata.get("ns"), Some(&json!({"b": "2,3"})), "{level:?}");
    }
}
