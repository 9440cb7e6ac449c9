//! What matches which value.

use serde_json::json;

use super::*;

#[test]
fn values_match() {
    let text =
        |value: &str| ValueMatcher::String(StringMatcher::Prefix { value: Arc::from(value), ignore_case: false });
    let cases = [
        (ValueMatcher::Null, json!(null), json!(0)),
        (ValueMatcher::Exactly(2.0), json!(2), json!("2")),
        (ValueMatcher::Range(1.0, 2.0), json!(1), json!(2)),
        (text("a"), json!("ab"), json!(["ab"])),
        (ValueMatcher::Bool(false), json!(false), json!(null)),
        (ValueMatcher::OneOf(Box::new(text("a"))), json!(["b", "a"]), json!("a")),
        (ValueMatcher::Or(vec![ValueMatcher::Null, text("x")]), json!("xy"), json!("y")),
    ];
    for (matcher, yes, no) in cases {
        assert!(matcher.matches(Some(&yes)), "{matcher:?} {yes}");
        assert!(!matcher.matches(Some(&no)), "{matcher:?} {no}");
        assert!(!matcher.matches(None), "{matcher:?} and nothing");
    }
    assert!(ValueMatcher::Present(true).matches(Some(&json!(null))));
    assert!(!ValueMatcher::Present(false).matches(None), "as in Envoy");
    assert!(!ValueMatcher::Present(false).matches(Some(&json!(null))));
}

#[test]
fn metadata_is_looked_into() {
    let mut matcher = MetadataMatcher {
        filter: "f".into(),
        path: vec!["a".into(), "b".into()],
        value: ValueMatcher::Bool(true),
        invert: false,
    };
    let there = json!({"a": {"b": true}});
    assert!(matcher.matches(Some(&there)));
    assert!(!matcher.matches(Some(&json!({"a": true}))));
    assert!(!matcher.matches(None));
    matcher.invert = true;
    assert!(matcher.matches(None) && !matcher.matches(Some(&there)));
}
