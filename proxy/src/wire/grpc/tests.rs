//! Tests of `grpc`.

use super::*;

fn parse(text: &'static str) -> Option<Duration> {
    let mut headers = Headers::new();
    headers.append(Name::GRPC_TIMEOUT, text);
    timeout(&headers)
}

#[test]
fn timeouts_are_read_and_written() {
    assert_eq!(parse("300m"), Some(Duration::from_millis(300)));
    assert_eq!(parse("2S"), Some(Duration::from_secs(2)));
    assert_eq!(parse("1n"), Some(Duration::from_millis(1)));
    assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
    for bad in ["", "m", "123456789m", "1x", "-1m", "1.5S"] {
        assert_eq!(parse(bad), None, "{bad}");
    }
    assert_eq!(&write_timeout(Duration::from_millis(300))[..], b"300m");
    assert_eq!(&write_timeout(Duration::from_secs(1_000_000))[..], b"1000000S");
}

#[test]
fn messages_are_percent_encoded() {
    assert_eq!(&message(b"a b%\n\xc3\xa9")[..], b"a b%25%0A%C3%A9");
}

#[test]
fn messages_are_read_back() {
    assert_eq!(read_message(b"a b%25%0A%C3%A9"), "a b%\n\u{e9}");
    assert_eq!(read_message(b"100% of %zz %f"), "100% of %zz %f");
    assert_eq!(read_message(b"%ff"), "\u{fffd}");
}

#[test]
fn statuses_have_names_and_http_s_words() {
    assert_eq!((name_of(14), name_of(0), name_of(17)), ("UNAVAILABLE", "OK", "not a known status"));
    assert_eq!((http_status_of(14), http_status_of(0), http_status_of(2), http_status_of(200)), (503, 200, 500, 500));
}
