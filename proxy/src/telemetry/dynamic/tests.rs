//! Tests of `dynamic`.

use serde_json::json;

use super::*;

#[test]
fn metadata_is_merged_by_key_and_found_by_path() {
    let mut metadata = DynamicMetadata::default();
    assert_eq!(metadata.at("ns", ["a"]), None);
    metadata.merge("ns", &json!({"a": {"b": 1}, "c": 2}));
    metadata.merge("ns", &json!({"a": {"d": 3}}));
    assert_eq!(metadata.get("ns"), Some(&json!({"a": {"d": 3}, "c": 2})), "keys of the new one win, whole");
    assert_eq!(metadata.at("ns", ["a", "d"]), Some(&json!(3)));
    metadata.set("ns", json!({}));
    assert_eq!(metadata.at("ns", ["c"]), None);
}

#[test]
fn what_is_often_said_is_merged_in_its_order() {
    let (one, other) = (Saying::new("ns", json!({"a": 1, "b": 1})), Saying::new("ns", json!({"a": 2})));
    let mut metadata = DynamicMetadata::default();
    metadata.say(&one);
    assert_eq!(metadata.get("ns"), Some(&json!({"a": 1, "b": 1})));
    assert_eq!(metadata.get("other"), None);
    metadata.say(&other);
    assert_eq!(metadata.at("ns", ["a"]), Some(&json!(2)), "also where it was read before");
    metadata.merge("ns", &json!({"a": 3}));
    metadata.say(&other);
    assert_eq!(metadata.clone().get("ns"), Some(&json!({"a": 2, "b": 1})));
    assert_eq!(metadata.namespaces().collect::<Vec<_>>(), [("ns", &json!({"a": 2, "b": 1}))]);
    metadata.set("ns", json!({}));
    assert_eq!(metadata.get("ns"), Some(&json!({})), "what was said before is replaced, too");
}

#[test]
fn more_may_be_said_than_there_are_places() {
    let sayings: Vec<_> =
        (0..9).map(|number| Saying::new("ns", json!({"last": number, (number.to_string()): 0}))).collect();
    let mut metadata = DynamicMetadata::default();
    sayings.iter().for_each(|saying| metadata.say(saying));
    let all = metadata.get("ns").and_then(Value::as_object).unwrap();
    assert_eq!((all.len(), &all["last"]), (10, &json!(8)));
}

#[test]
fn a_read_only_object_stays() {
    let object = |value: &'static str, read_only| StateObject {
        form: Form::Text,
        key: "k".into(),
        value: Bytes::from_static(value.as_bytes()),
        read_only,
        shared: Shared::None,
    };
    let mut state = FilterState::default();
    assert!(state.set(object("1", false)) && state.set(object("2", true)));
    assert!(!state.set(object("3", false)));
    assert_eq!(state.get("k").map(|object| &object.value[..]), Some(&b"2"[..]));
}
