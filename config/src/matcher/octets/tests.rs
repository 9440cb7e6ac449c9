//! Tests of `octets`.

use super::*;

#[test]
fn whatever_came_comes_back() {
    for octets in [
        &b"plain"[..],
        b"",
        "caf\u{e9} \u{1f600} \u{10ffff}".as_bytes(),
        b"i\xb7",
        b"\xff\x00\x80\xc3",
        b"\xed\xa0\x80",
        // The characters themselves, whole and cut.
        "\u{10fe41}\u{10feff}".as_bytes(),
        b"\xf4\x8f\xb9",
    ] {
        let text = to_text(octets);
        assert_eq!(of_text(&text), octets, "{octets:?} as {text:?}");
    }
    assert!(matches!(to_text("caf\u{e9}".as_bytes()), Cow::Borrowed(_)));
}

#[test]
fn what_is_no_text_is_no_other_text() {
    assert_ne!(to_text(b"i\xb7"), to_text("i\u{fffd}".as_bytes()));
    assert_ne!(to_text(b"i\xb7"), to_text(to_text(b"i\xb7").as_bytes()));
}
