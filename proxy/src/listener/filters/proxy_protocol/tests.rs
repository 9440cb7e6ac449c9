//! PROXY headers in whatever pieces.

use super::super::Progress;
use super::*;

type Said = Result<Progress<Header>, Bad>;

fn byte_by_byte(bytes: &[u8]) -> Said {
    let more = |said: &Said| matches!(said, Ok(Progress::More));
    (1..=bytes.len()).map(|length| parse(&bytes[..length])).find(|said| !more(said)).unwrap_or(Ok(Progress::More))
}

fn addresses(source: &str, destination: &str) -> Option<(SocketAddr, SocketAddr)> {
    Some((source.parse().unwrap(), destination.parse().unwrap()))
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, body].concat()
}

#[test]
fn headers_of_both_versions() {
    let v4 = [10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 80];
    let mut v6 = [0; 36];
    (v6[15], v6[31], v6[33], v6[35]) = (1, 2, 7, 8);
    for (bytes, expected) in [
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 4660 80\r\n".to_vec(), addresses("10.0.0.1:4660", "10.0.0.2:80")),
        (b"PROXY TCP6 ::1 ::2 7 8\r\n".to_vec(), addresses("[::1]:7", "[::2]:8")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ff:: x 1 2\r\n".to_vec(), None),
        (v2(1, 0x11, &v4), addresses("10.0.0.1:4660", "10.0.0.2:80")),
        (v2(1, 0x11, &[&v4[..], b"\x04\0\x02xx"].concat()), addresses("10.0.0.1:4660", "10.0.0.2:80")),
        (v2(1, 0x21, &v6), addresses("[::1]:7", "[::2]:8")),
        (v2(0, 0, b""), None),
        (v2(1, 0x31, &[0; 216]), None),
    ] {
        // One has an entry of five octets.
        let tlvs = bytes.len() - if bytes.ends_with(b"xx") { 5 } else { 0 };
        let expected = Ok(Progress::Done(Header { length: bytes.len(), addresses: expected, tlvs }));
        let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&followed), expected, "{}", bytes.escape_ascii());
        assert_eq!(byte_by_byte(&followed), expected);
    }
}

#[test]
fn bad_headers_are_refused() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PROXY TCP5 1 2 3 4\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 4660\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 4660 80 90\r\n",
        b"PROXY TCP4 ::1 ::2 4660 80\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 +1 80\r\n",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 65536 80\r\n",
        &[b"PROXY TCP4 ".to_vec(), vec![b'1'; 120]].concat(),
        &v2(1, 0x11, b"short"),
        &v2(2, 0x11, &[0; 12]),
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0",
    ] {
        assert!(parse(bytes).is_err(), "{}", bytes.escape_ascii());
        assert_eq!(byte_by_byte(bytes), parse(bytes), "{}", bytes.escape_ascii());
    }
}

#[test]
fn noise_never_panics_and_pieces_make_no_difference() {
    let mut random = fastrand::Rng::with_seed(13);
    let good = b"PROXY TCP4 10.0.0.1 10.0.0.2 4660 80\r\n".to_vec();
    let binary = v2(1, 0x21, &[9; 40]);
    for sample in [good, binary] {
        for at in 0..sample.len() {
            for _ in 0..8 {
                let mut bytes = sample.clone();
                bytes[at] = random.u8(..);
                assert_eq!(parse(&bytes), byte_by_byte(&bytes), "{}", bytes.escape_ascii());
            }
        }
    }
}
