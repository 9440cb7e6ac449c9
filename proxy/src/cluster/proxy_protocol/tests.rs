//! Tests of `proxy_protocol`.

use super::*;

fn addresses(source: &str, destination: &str) -> Option<(SocketAddr, SocketAddr)> {
    Some((source.parse().expect("an address"), destination.parse().expect("an address")))
}

#[test]
fn version_1() {
    let text = |proxied| String::from_utf8(header(1, proxied, b"\x05\0\x01a")).expect("text");
    assert_eq!(text(addresses("1.2.3.4:5", "6.7.8.9:10")), "PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n");
    assert_eq!(text(addresses("[::1]:5", "[::2]:10")), "PROXY TCP6 ::1 ::2 5 10\r\n");
    assert_eq!(text(addresses("[::ffff:1.2.3.4]:5", "6.7.8.9:10")), "PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n");
    assert_eq!(text(None), "PROXY UNKNOWN\r\n");
}

#[test]
fn version_2() {
    let four = header(2, addresses("1.2.3.4:5", "6.7.8.9:258"), &[]);
    assert_eq!(&four[..12], b"\r\n\r\n\0\r\nQUIT\n");
    assert_eq!(&four[12..], [0x21, 0x11, 0, 12, 1, 2, 3, 4, 6, 7, 8, 9, 0, 5, 1, 2]);
    let six = header(2, addresses("[::1]:5", "[::2]:258"), &[]);
    assert_eq!((&six[12..16], six.len()), (&[0x21, 0x21, 0, 36][..], 16 + 36));
    let mixed = header(2, addresses("[::1]:5", "6.7.8.9:258"), &[]);
    assert_eq!(&mixed[32..48], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 6, 7, 8, 9]);
    assert_eq!(&header(2, None, &[])[12..], [0x20, 0, 0, 0]);
}

#[test]
fn what_is_added_counts_in_the_length() {
    let added = b"\x05\0\x02ab";
    let four = header(2, addresses("1.2.3.4:5", "6.7.8.9:258"), added);
    assert_eq!((&four[14..16], &four[28..]), (&[0, 17][..], &added[..]));
    // There is no place for it where nobody is proxied, as in Envoy.
    assert_eq!(&header(2, None, added)[12..], [0x20, 0, 0, 0]);
}
