//! The bytes that the protocol says.

use super::*;

#[test]
fn bytes() {
    assert_eq!(encode(""), b"");
    assert_eq!(encode("a.B"), b"\x0a\x03a.B");
    assert!(is_serving(b"\x08\x01").unwrap());
    assert!(!is_serving(b"\x08\x02").unwrap() && !is_serving(b"").unwrap());
    assert!(is_serving(b"\x08").is_err());
}
