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
fn an_endpoint_s_own_word_counts_over_its_cluster_s_and_both_over_the_client_s() {
    let (endpoint, cluster) = (b"\x01\0\x01a\x01\0\x01b", b"\x01\0\x01c\x02\0\x01d\x02\0\0");
    let client = b"\x01\0\x01e\x02\0\x01f\x03\0\x01g\x04\0\x01h";
    let own = b"\x01\0\x01a\x01\0\x01b\x02\0\x01d\x02\0\0";
    let all = |passes| told(endpoint, cluster, client, &passes).expect("it fits").into_owned();
    assert_eq!(all(Passed::Nothing), own);
    assert_eq!(all(Passed::All), [&own[..], b"\x03\0\x01g\x04\0\x01h"].concat());
    assert_eq!(all(Passed::These([1, 4].into())), [&own[..], b"\x04\0\x01h"].concat());
    assert_eq!(told(&[], cluster, client, &Passed::Nothing).as_deref(), Some(&cluster[..]));
    assert_eq!(told(&[], &[], client, &Passed::These([3].into())).as_deref(), Some(&b"\x03\0\x01g"[..]));
}

#[test]
fn what_is_too_long_for_a_header_is_not_told_in_part() {
    let large = |length: u16| [&[7][..], &length.to_be_bytes(), &vec![0; usize::from(length)]].concat();
    let fits = tlvs::MOST - 3 - 4;
    assert!(told(b"\x01\0\x01a", &[], &large(u16::try_from(fits).unwrap()), &Passed::All).is_some());
    assert!(told(b"\x01\0\x01a", &[], &large(u16::try_from(fits + 1).unwrap()), &Passed::All).is_none());
}

#[test]
fn what_is_added_counts_in_the_length() {
    let added = b"\x05\0\x02ab";
    let four = header(2, addresses("1.2.3.4:5", "6.7.8.9:258"), added);
    assert_eq!((&four[14..16], &four[28..]), (&[0, 17][..], &added[..]));
    // There is no place for it where nobody is proxied, as in Envoy.
    assert_eq!(&header(2, None, added)[12..], [0x20, 0, 0, 0]);
}
