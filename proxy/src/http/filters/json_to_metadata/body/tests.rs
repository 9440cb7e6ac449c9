//! Tests of `body`: what Envoy 1.40 made of these bodies.

use serde_json::{Value, json};

use super::Node;

fn member(body: &[u8]) -> Option<Value> {
    Node::of(body)?.get("k")?.scalar()
}

#[test]
fn what_stands_before_and_behind_hides_nothing() {
    for body in [
        &b"{\"k\":\"b\"}"[..],
        b"\xef\xbb\xbf{\"k\":\"b\"}",
        b"{\"k\":\"b\"}\0",
        b"{\"k\":\"b\"} \0\xff{",
        b" {\"k\":\"a\",\"k\":\"b\"} ",
        b"{\"k\":\"\\u0062\"}",
        b"{\"z\":\"\\ud83d\\ude00\\\\\\\"\",\"k\":\"b\"}",
    ] {
        assert_eq!(member(body), Some(json!("b")), "{}", body.escape_ascii());
    }
    for body in [
        &b""[..],
        b"\0",
        b" \0{\"k\":\"b\"}",
        b"{\"k\":\0\"b\"}",
        b"\xef\xbb{\"k\":\"b\"}",
        b"\xef\xbb\xbf\xef\xbb\xbf{\"k\":\"b\"}",
        b" \xef\xbb\xbf{\"k\":\"b\"}",
        b"{\"k\":\"b\"}x",
        b"{\"k\":\"b\",}",
        b"{\"k\":\"\xff\"}",
        b"{\"k\":\"b\",\"z\":\"\\ud83d\"}",
        b"{\"k\":\"b\",\"z\":\"\\ude00\\ud83d\"}",
        b"{\"k\":\"b\",\"z\":\"\\ud83d\\u0041\"}",
        b"{\"k\":\"b\",\"z\":1e400}",
        b"{\"k\":\"b\",\"z\":[18446744073709551615]}",
        b"{\"k\":\"b\",\"z\":9223372036854775808}",
    ] {
        assert!(Node::of(body).is_none(), "{}", body.escape_ascii());
    }
    for number in ["9223372036854775807", "18446744073709551616", "-9223372036854775809", "-0", "1.5e300"] {
        assert!(member(format!("{{\"k\":{number}}}").as_bytes()).is_some_and(|value| value.is_number()), "{number}");
    }
}

#[test]
fn a_thousand_levels_are_read_and_no_more() {
    for (open, inside, close) in [("[", "", "]"), ("{\"a\":", "1", "}")] {
        let body = |levels: usize| {
            format!("{{\"k\":\"b\",\"z\":{}{inside}{}}}", open.repeat(levels), close.repeat(levels)).into_bytes()
        };
        assert_eq!(member(&body(999)), Some(json!("b")));
        assert_eq!(member(&body(1000)), None);
        assert_eq!(member(&body(100_000)), None);
    }
}
