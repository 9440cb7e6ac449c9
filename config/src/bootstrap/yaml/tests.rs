//! Envoy's scalar rules, structure, and files that are wrong.

use super::*;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(&to_json(text).unwrap()).unwrap()
}

#[test]
fn scalars() {
    let value = json(
        "a: on\nb: \"on\"\nc: 0x10\nd: 010\ne: 1.50\nf: ~\ng:\nh: 9007199254740993\ni: 0.25s\nj: YES\nk: yEs\nl: '12'\nm: -3\nn: 08\no: !!str 5\n1: 2\n",
    );
    let want = serde_json::json!({
        "a": true, "b": "on", "c": 16, "d": 8, "e": "1.50", "f": null, "g": null, "h": "9007199254740993", "i": "0.25s", "j": true,
        "k": "yEs", "l": "12", "m": -3, "n": "08", "o": 5, "1": 2,
    });
    assert_eq!(value, want);
}

#[test]
fn structure_aliases_and_blocks() {
    let value = json("x: &x {a: [1, {b: c}]}\ny: *x\nz: [*x, &s text, *s]\nt: |\n  one\n  \"two\"\n");
    let x = serde_json::json!({"a": [1, {"b": "c"}]});
    assert_eq!(value, serde_json::json!({"x": x, "y": x, "z": [x, "text", "text"], "t": "one\n\"two\"\n"}));
    assert_eq!(to_json("").unwrap(), "");
    assert_eq!(to_json("# nothing but words\n\n").unwrap(), "");
    assert_eq!(json("---\n"), serde_json::Value::Null);
    assert_eq!(json("{\"json\": [1, true]}"), serde_json::json!({"json": [1, true]}));
}

#[test]
fn wrong_files() {
    assert!(to_json("a: [1, 2").unwrap_err().contains("line"));
    assert!(to_json("a: 1\n b: 2").unwrap_err().contains("line 2"));
    to_json("a: *b").unwrap_err();
    to_json("? [1]\n: 2").unwrap_err();
    to_json("---\na: 1\n---\nb: 2\n").unwrap_err();
    assert!(to_json(&"[".repeat(10_000)).is_err());
}

#[test]
fn aliases_cannot_grow_without_bound() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    assert!(to_json(&text).unwrap_err().contains("too large"));
    // Anchors within one another are each kept.
    let deep: String = (0..99).map(|level| format!("&b{level} [")).collect();
    let text = format!("{deep}{}{}", "x, ".repeat(1 << 20), "]".repeat(99));
    assert!(to_json(&text).unwrap_err().contains("too large"));
}

#[test]
fn merge_keys_are_applied_at_every_depth() {
    for (text, expected) in [
        ("a: &a {x: 1, y: {z: 2}}\nb:\n  <<: *a\n  x: 3\n", r#"{"a":{"x":1,"y":{"z":2}},"b":{"x":3,"y":{"z":2}}}"#),
        ("<<: {x: 1}\nx: 2\n", r#"{"x":2}"#),
        ("x: 2\n<<: {x: 1, y: 1}\n", r#"{"x":2,"y":1}"#),
        ("<<: [{x: 1}, {x: 2, y: 3}]\nz: 4\n", r#"{"z":4,"x":1,"y":3}"#),
        ("<<: &m {x: 1}\n", r#"{"x":1}"#),
        ("- <<: {a: {<<: {b: 1}, c: 2}}\n", r#"[{"a":{"c":2,"b":1}}]"#),
        ("a: {<<: {}}\n", r#"{"a":{}}"#),
        // What is merged in is merged on.
        ("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n", r#"{"a":{"x":1},"b":{"y":2,"x":1},"c":{"y":2,"x":1}}"#),
        // In quotes, or before something else, it is a name like any other.
        ("\"<<\": {x: 1}\n", r#"{"<<":{"x":1}}"#),
        ("<<: 5\n", r#"{"<<":5}"#),
    ] {
        assert_eq!(to_json(text).as_deref(), Ok(expected), "{text}");
    }
    assert!(to_json("a: {<<: [{x: 1}, 2]}\n").unwrap_err().starts_with("<< needs a mapping, or a list of mappings"));
}

#[test]
fn what_is_ignored_is_left_out_and_may_be_named() {
    for (text, expected) in [
        ("!ignore stuff: {a: &a {x: 1}}\nb: *a\n", r#"{"b":{"x":1}}"#),
        ("a: {!ignore q: 1, r: 2, !ignore s: [1, {t: 3}]}\n", r#"{"a":{"r":2}}"#),
        ("!ignore q: 1\n", "{}"),
        // On a value the tag says nothing.
        (
            "s: !ignore 3\nt: !!str 5\nu: !foo 6\nv: !ignore {a: 1}\nw: [!ignore 1]\n",
            r#"{"s":3,"t":5,"u":6,"v":{"a":1},"w":[1]}"#,
        ),
        ("a: ! 5\n", r#"{"a":"5"}"#),
        ("a: !foo \"5\"\n", r#"{"a":5}"#),
    ] {
        assert_eq!(to_json(text).as_deref(), Ok(expected), "{text}");
    }
}
