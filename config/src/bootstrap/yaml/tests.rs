use serde_json::json;

use super::*;

#[test]
fn plain_scalars_follow_envoys_rules() {
    let value =
        parse("a: yes\nb: off\nc: 0x1f\nd: 017\ne: 1.5s\nf: '7'\ng: ~\nh: 4294967296\ni: tRue\nj: -3\nk: \"on\"")
            .unwrap();
    let expected = json!({
        "a": true, "b": false, "c": 31, "d": 15, "e": "1.5s", "f": "7", "g": null, "h": "4294967296", "i": "tRue", "j": -3, "k": "on"
    });
    assert_eq!(value, expected);
}

#[test]
fn json_is_yaml() {
    assert_eq!(parse("{\"a\": [1, {\"b\": null}]}").unwrap(), json!({"a": [1, {"b": null}]}));
}

#[test]
fn anchors_and_merges_work() {
    let value = parse("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nagain: *b").unwrap();
    assert_eq!(value, json!({"base": {"x": 1, "y": 2}, "use": {"x": 1, "y": 3}, "again": {"x": 1, "y": 2}}));
}

#[test]
fn errors_say_where() {
    let error = parse("a: [1, 2\nb: {").unwrap_err();
    assert!(error.contains("line"), "{error}");
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = level - 1;
        text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 10].join(", ")));
    }
    assert!(parse(&text).unwrap_err().contains("aliases"));
}

#[test]
fn deep_nesting_is_refused() {
    assert!(parse(&"[".repeat(5000)).is_err());
}
