//! Tests of `decode`: what is said of a head before all of it has come.

use super::*;

/// What is said when the octets have come one by one; `None` while nobody knows.
fn one_by_one(text: &str, custom_methods: bool) -> Option<Result<String, &'static str>> {
    let mut settings = Settings::default();
    settings.http1.custom_methods = custom_methods;
    let mut decoder = RequestDecoder::new(settings);
    let mut buffer = BytesMut::new();
    for octet in text.bytes() {
        buffer.extend_from_slice(&[octet]);
        match decoder.head(&mut buffer) {
            Ok(None) => {}
            Ok(Some((head, _))) => return Some(Ok(String::from_utf8_lossy(&head.path).into_owned())),
            Err(error) => return Some(Err(error.detail)),
        }
    }
    None
}

#[test]
fn a_first_line_is_judged_when_it_is_there() {
    for (text, expected) in [
        ("GET", None),
        ("GET / HTTP/1.1\r\n", None),
        ("GET / HTTP/1.1\r\nHost: a\r\n", None),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(Ok("/"))),
        ("GET\r\n", Some(Err("http1.codec_error"))),
        ("BREW / HTTP/1.1\r\n", Some(Err("http1.codec_error"))),
        ("GET / HTTPS/1.1\r\n", Some(Err("http1.codec_error"))),
        ("GET a HTTP/1.1\r\n", Some(Err("http1.codec_error"))),
        ("G\u{1}T / HTTP/1.1\r\n", None),
        ("G\u{1}T / HTTP/1.1\r\n\r\n", Some(Err("http1.invalid_characters"))),
        ("G\u{1}T\r\n", Some(Err("http1.invalid_characters"))),
        // HTTP/0.9: nothing more comes.
        ("GET /\n", Some(Err("low_version"))),
        ("GET /HTTP/1.1\n", Some(Err("http1.codec_error"))),
        ("GET http://\n", Some(Err("http1.invalid_url"))),
    ] {
        let said = one_by_one(text, false);
        let said = said.as_ref().map(|said| said.as_ref().map(String::as_str).map_err(|error| *error));
        assert_eq!(said, expected, "{text:?}");
    }
    assert_eq!(one_by_one("BREW /pot HTTP/1.1\r\n\r\n", true), Some(Ok("/pot".to_owned())));
    assert_eq!(one_by_one("B(EW /pot HTTP/1.1\r\n", true), Some(Err("http1.codec_error")));
}

/// However it is cut, the first line is blamed first.
#[test]
fn of_two_faults_the_first_line_s_is_told() {
    for text in ["BREW / HTTP/1.1\r\nx: a\u{1}b\r\n\r\n", "BREW / HTTP/1.1\r\n: a\r\n\r\n"] {
        let mut whole = BytesMut::from(text);
        let error = RequestDecoder::new(Settings::default()).head(&mut whole).unwrap_err();
        assert_eq!((Some(Err(error.detail)), error.detail), (one_by_one(text, false), "http1.codec_error"), "{text:?}");
    }
}
