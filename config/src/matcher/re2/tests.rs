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
fn envoy_is_the_referee() {
    let table = include_str!("../../../testdata/re2.txt");
    let (mut taken, mut refused, mut wrong) = (0, 0, Vec::new());
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        if let Some(pattern) = line.strip_prefix("refuses ") {
            refused += 1;
            if full_match(pattern).is_ok() {
                wrong.push(format!("{pattern} is taken"));
            }
            continue;
        }
        let (pattern, values) = line.strip_prefix("takes ").unwrap().split_once('\t').unwrap();
        taken += 1;
        let regex = match full_match(pattern) {
            Ok(regex) => regex,
            Err(reason) => {
                wrong.push(format!("{pattern} is refused: {reason}"));
                continue;
            }
        };
        for value in values.split(' ').filter(|value| !value.is_empty()) {
            let (expected, digits) = value.split_at(1);
            let octets: Vec<u8> =
                (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
            if regex.is_match(&octets) != (expected == "+") {
                wrong.push(format!("{pattern} on {digits}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(taken > 70 && refused > 50, "{taken} {refused}");
}

#[test]
fn refusals_are_in_re2s_words() {
    for (pattern, words) in [
        ("a**", "bad repetition operator: **"),
        ("a*??", "bad repetition operator: *??"),
        ("x{1000}{2}", "bad repetition operator: {1000}{2}"),
        ("+a", "no argument for repetition operator: +"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("(a{40}){40}", "invalid repetition size: {40}"),
        ("(?ix)a", "invalid perl operator: (?ix"),
        ("(?P<n-x>a)", "invalid named capture group: (?P<n-x>"),
        ("(?P<\u{e9}>a)", "invalid named capture group: (?P<\u{e9}>"),
        ("(?<x\u{d7}>a)", "invalid named capture group: (?<x\u{d7}>"),
        (r"\u0041", r"invalid escape sequence: \u"),
        (r"\x{41", r"invalid escape sequence: \x{41"),
        ("[z-a]", "invalid character class range: z-a"),
        (r"\p{latin}", r"invalid character class range: \p{latin}"),
        ("[a", "missing ]: [a"),
        ("a)", "unexpected ): a)"),
        ("(a", "missing ): (a"),
    ] {
        assert_eq!(full_match(pattern).unwrap_err(), format!("not a regular expression: {words}"));
    }
}

#[test]
fn everything_runs_over_octets() {
    assert!(full(r"\d\w\s", "1a "));
    assert!(full(r"[\w.-]+", "a.b-c_9"));
    assert!(full(r"[^\d]", "x") && !full(r"[^\d]", "1"));
    assert!(full(r"[\D]", "x") && !full(r"[\D]", "1"));
    assert!(full(r"a\b.*", "a b"));
    assert!(full("..", "é") && !full(".", "é"), "two octets");
    assert!(full("é+", "é") && full_match("é+").unwrap().is_match(b"\xc3\xa9\xa9"), "the last octet is repeated");
}

#[test]
fn names_of_groups_are_letters_of_latin_1() {
    for name in ["a", "1", "_9", "\u{ea}"] {
        assert!(full(&format!("(?P<{name}>a)(?<{name}>b)"), "ab"), "{name}: {:x?}", name.as_bytes());
    }
}

#[test]
fn who_asks_is_told_in_words_of_re2_alone() {
    assert!(asked("b|^d").unwrap().is_match(b"abc"));
    assert_eq!(asked("a**").unwrap_err(), "bad repetition operator: **");
    assert!(asked(&"a".repeat(20_000)).unwrap_err().starts_with("the regular expression is longer than"));
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
    assert!(full_match("(?:[a-z]{1000}){1000}").unwrap_err().contains("invalid repetition size"));
    assert!(full_match(&"[a-z]{1000}".repeat(1000)).unwrap_err().contains("too large"));
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

/// As cel-cpp's RE2 in Envoy 1.40, which was asked.
#[test]
fn cels_patterns_run_over_text() {
    let found = |pattern: &str, value: &[u8]| super::partial_match_of_text(pattern).unwrap().is_match(value);
    for pattern in ["^evil.*$", "^[a-z]+.*$", "^[^b]+$", "^.+$", "evil.", r"evil\W", r"evil\PL"] {
        assert!(!found(pattern, b"evil\xff"), "{pattern}: an octet that encodes nothing");
    }
    for pattern in [
        r"^\w+\W$",
        "^evil.{1}$",
        "é$",
        r"\x{e9}",
        "[à-ü]",
        r"\Qé\E$",
        r"\Qevilé\E",
        "(?i)É",
        r"\pL$",
        r"\x{2603}|é",
        r"evil\b",
    ] {
        assert!(found(pattern, "evilé".as_bytes()), "{pattern}");
    }
    for pattern in [r"\xc3", r"^\w+$", "[à-ã]", r"^[[:alpha:]]+$"] {
        assert!(!found(pattern, "evilé".as_bytes()), "{pattern}");
    }
    for pattern in ["^evil.*$", "^[^b]+$", r"evil\W$", r"evil\PL{1}$", "evil.$", "(?s)evil.$"] {
        assert!(found(pattern, b"evil\xed\xa0\x80") && found(pattern, b"evil\xf4\x90\x80\x80"), "{pattern}");
    }
    assert!(found(r"evil\C$", b"evil\xff") && found(r"\\☃", r"\☃".as_bytes()) && found("☃", "☃".as_bytes()));
    assert!(super::partial_match_of_text(r"\x{110000}").is_err() && super::partial_match(r"\x{100}").is_err());
}
