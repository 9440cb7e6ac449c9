//! Tests of `pieces`: what is compressed is shown as what it stands for, and what is broken off says so.

use serde_json::json;

use super::*;

#[test]
fn what_is_compressed_is_shown_decompressed() {
    for name in ["gzip", "br", "zstd"] {
        let whole = read(&json!({ name: "hello hello hello" })).unwrap().remove(0);
        assert_eq!(shown(&whole, Some(name)), format!("({name}) hello hello hello"));
        assert!(shown(&whole[..whole.len() - 3], Some(name)).starts_with(&format!("({name}, broken off) ")));
    }
    let twice = read(&json!({ "br": { "gzip": "x" } })).unwrap().remove(0);
    assert_eq!(shown(&twice, Some("gzip, br")), "(br) (gzip) x");
}

#[test]
fn pieces_are_repeated_and_cut() {
    let pieces = read(&json!({ "cut": 4, "of": { "repeat": "abc", "times": 3 } })).unwrap();
    assert_eq!(pieces, ["abca", "bcab", "c"]);
    assert_eq!(read(&json!({ "first": 2, "of": "abc" })).unwrap(), ["ab"]);
    assert_eq!(read(&json!("\u{ff}")).unwrap(), [&[255][..]]);
    assert!(read(&json!("\u{100}")).is_err() && read(&json!({})).is_err());
}
