//! Tests of `hash`.

use super::*;
use crate::http::testing::{get, with};

fn of(lines: &[(&'static str, &'static str)], rewrite: Option<(&str, &str)>) -> Option<u64> {
    let rewrite = rewrite.map(|(pattern, to)| (regex::bytes::Regex::new(pattern).unwrap(), Arc::from(to)));
    of_header(&with(get("/"), lines), "x-key", rewrite.as_ref())
}

#[test]
fn all_lines_of_a_header_count_whatever_their_order() {
    assert_eq!(of(&[("x-other", "a")], None), None);
    assert_eq!(of(&[("x-key", "a")], None), Some(hash(b"a")));
    let both = xxhash_rust::xxh64::xxh64(b"b", hash(b"a"));
    assert_eq!(of(&[("x-key", "a"), ("x-key", "b")], None), Some(both));
    assert_eq!(of(&[("x-key", "b"), ("x-other", "c"), ("x-key", "a")], None), Some(both));
    assert_eq!(of(&[("x-key", "b!"), ("x-key", "a!")], Some(("!", ""))), Some(both));
}
