//! Tests of `date`.

use super::*;

#[test]
fn dates_are_written_as_http_wants_them() {
    for (seconds, text) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (LATEST + 1, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        assert_eq!(at(UNIX_EPOCH + Duration::from_secs(seconds)), text);
    }
    assert_eq!(at(UNIX_EPOCH - Duration::from_secs(1)), "Thu, 01 Jan 1970 00:00:00 GMT", "a clock that is not set");
}
