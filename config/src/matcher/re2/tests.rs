//! What RE2 takes and how it matches, against the rewritten patterns.

use super::*;

fn full(pattern: &str, value: &str) -> bool {
    full_match(pattern).unwrap().is_match(value.as_bytes())
}

#[test]
fn the_whole_value_must_match() {
    assert!(full("/v[0-9]+/.*", "/v12/x"));
    assert!(!full("/v[0-9]+", "/v12/x"));
    assert!(full("a|ab", "ab"), "alternatives are tried at full length");
    assert!(!full(".", "\n"));
    assert!(full("(?s).", "\n"));
    assert!(full("(?i)abc", "ABC"));
    assert!(full("", ""));
}

#[test]
fn a_pattern_cannot_leave_its_anchors() {
    for pattern in ["a)|(?:b", ")", "(", "a)(", "(a", r"a\", "[a", "(?x)a #", "[]", r"\p{L", r"\x{41"] {
        full_match(pattern).expect_err(pattern);
    }
}

#[test]
fn perl_classes_are_ascii() {
    assert!(full(r"\d\w\s", "1a "));
    assert!(!full(r"\d", "٣"));
    assert!(full(r"\D", "٣"));
    assert!(!full(r"\w", "é"));
    assert!(full(r"[\w.-]+", "a.b-c_9"));
    assert!(full(r"[^\d]", "x"));
    assert!(full(r"[\D]", "x"));
    assert!(full(r"a\b.*", "a b"));
    assert!(full(".", "é"), "a dot is one character");
}

#[test]
fn re2_literals() {
    assert!(full("/api/{id}", "/api/{id}"));
    assert!(full("a{2,3}", "aaa"));
    assert!(full("a{,3}", "a{,3}"));
    assert!(full("[[]", "["));
    assert!(full("[]a]+", "]a"));
    assert!(full("[^]]", "x"));
    assert!(full("[a&&b]+", "a&b"));
    assert!(full("[+--]", ","), "a range that ends in -");
    assert!(full(r"\Qa.b\E+", "a.bbb"));
    assert!(full(r"\<b\>", "<b>"));
    assert!(full(r"\/a\-b", "/a-b"));
    assert!(full("[[:alpha:]]+", "ab"));
    assert!(full(r"\x{41}\x42", "AB"));
}

#[test]
fn large_programs_are_refused() {
    assert!(full_match("(?:[a-z]{1000}){1000}").unwrap_err().contains("too large"));
    assert!(full_match(&"a".repeat(20_000)).unwrap_err().contains("longer than"));
    full_match(&"(".repeat(5_000)).unwrap_err();
}

#[test]
fn substitutions() {
    let pattern = partial_match("^/v([0-9]+)/(.*)$").unwrap();
    assert_eq!(check_substitution(&pattern, r"/\2/\1\\").unwrap(), Substitution::Valid);
    assert_eq!(check_substitution(&pattern, r"\3").unwrap(), Substitution::NoSuchGroup(3));
    check_substitution(&pattern, r"\x").unwrap_err();
    check_substitution(&pattern, "\\").unwrap_err();
}
