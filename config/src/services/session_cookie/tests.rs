//! Tests of `session_cookie`.

use super::*;

/// As Envoy 1.40 wrote them.
#[test]
fn cookies_are_those_of_envoy() {
    let lasting = b"\n\x0f127.0.0.1:18911";
    let ending = b"\n\x0f127.0.0.1:18911\x10\x85\x8b\xa1\xd8\x06";
    assert_eq!(encode("127.0.0.1:18911", 0), lasting);
    assert_eq!(encode("127.0.0.1:18911", 1_795_704_197), ending);
    assert_eq!(decode(lasting, u64::MAX).as_deref(), Some("127.0.0.1:18911"));
    assert_eq!(decode(ending, 1_795_704_197).as_deref(), Some("127.0.0.1:18911"));
    assert_eq!(decode(ending, 1_795_704_198), None);
}

#[test]
fn what_is_no_message_is_an_address_or_nothing() {
    assert_eq!(decode(b"127.0.0.1:18911", 1).as_deref(), Some("127.0.0.1:18911"));
    assert_eq!(decode(b"", 1), None);
    assert_eq!(decode(b"\xff\xff", 1).as_deref(), Some("\u{fffd}\u{fffd}"));
}
