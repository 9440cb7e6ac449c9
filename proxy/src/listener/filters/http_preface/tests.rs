//! Request lines and prefaces in whatever pieces.

use super::super::Progress;
use super::*;

fn byte_by_byte(bytes: &[u8]) -> Progress<Option<Version>> {
    (1..=bytes.len())
        .map(|length| parse(&bytes[..length]))
        .find(|said| *said != Progress::More)
        .unwrap_or(Progress::More)
}

#[test]
fn versions() {
    for (bytes, version) in [
        (&b"GET / HTTP/1.1\r\n"[..], Some(Version::Http11)),
        (b"GET http://a.example/x?y HTTP/1.1\n", Some(Version::Http11)),
        (b"CONNECT a.example:443 HTTP/1.1\r\n", Some(Version::Http11)),
        (b"M-SEARCH * HTTP/1.1\r\n", Some(Version::Http11)),
        (b"GET / HTTP/1.0\r\n", Some(Version::Http10)),
        (b"GET /\r\n", Some(Version::Http10)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", Some(Version::Http2)),
        (b"PRI * HTTP/2.0\r\n\r\nXX", Some(Version::Http10)),
        (b"GET / HTTP/x\r\n", None),
        (b"GET / HTTP/1.1 more\r\n", None),
        (b"hello\n", None),
        (b"\r\n", None),
        (b"EHLO a.example\r\n", None),
        (b"GE\0", None),
        (b"\x16\x03\x01", None),
        (b"GET /\0", None),
    ] {
        assert_eq!(parse(bytes), Progress::Done(version), "{}", bytes.escape_ascii());
        assert_eq!(byte_by_byte(bytes), Progress::Done(version), "{}", bytes.escape_ascii());
    }
}

#[test]
fn more_is_needed_until_the_line_ends() {
    for bytes in [&b"G"[..], b"GET", b"GET ", b"GET /path HTTP/1.1", b"GET / HTTP/1.1\r", b"PRI * HTTP/2.0\r\n\r\nSM"] {
        assert_eq!(parse(bytes), Progress::More, "{}", bytes.escape_ascii());
    }
}

#[test]
fn noise_never_panics_and_pieces_make_no_difference() {
    let mut random = fastrand::Rng::with_seed(11);
    let letters = b"GET PRI*/: HTTP/1.02\r\n\x00\xffSM";
    for _ in 0..3000 {
        let bytes: Vec<u8> = (0..random.usize(1..40)).map(|_| letters[random.usize(..letters.len())]).collect();
        assert_eq!(parse(&bytes), byte_by_byte(&bytes), "{}", bytes.escape_ascii());
    }
}
