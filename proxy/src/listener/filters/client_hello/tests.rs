//! ClientHellos in whatever pieces.

use std::sync::Arc;

use super::super::Progress;
use super::*;

/// A ClientHello as rustls writes it.
pub(in crate::listener) fn real(server_name: &str, protocols: &[&str]) -> Vec<u8> {
    let mut config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = server_name.to_owned().try_into().unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same message, a record for every `size` octets of it.
fn fragmented(bytes: &[u8], size: usize) -> Vec<u8> {
    bytes[5..].chunks(size).flat_map(|part| [&[22, 3, 1, 0, part.len() as u8][..], part].concat()).collect()
}

/// What is said of the shortest beginning that decides.
fn byte_by_byte(bytes: &[u8]) -> Progress<Beginning> {
    (1..=bytes.len())
        .map(|length| parse(&bytes[..length]))
        .find(|said| *said != Progress::More)
        .unwrap_or(Progress::More)
}

#[test]
fn server_name_and_protocols() {
    let bytes = real("WWW.Example.COM", &["istio-http/1.1", "istio"]);
    let expected = ClientHello {
        server_name: Some("www.example.com".into()),
        alpn: vec![b"istio-http/1.1"[..].into(), b"istio"[..].into()],
    };
    for bytes in [bytes.clone(), fragmented(&bytes, 1), fragmented(&bytes, 100), [&bytes[..], b"more"].concat()] {
        assert_eq!(parse(&bytes), Progress::Done(Beginning::Hello(expected.clone())));
        assert_eq!(byte_by_byte(&bytes), Progress::Done(Beginning::Hello(expected.clone())));
    }
    assert_eq!(parse(&real("10.0.0.1", &[])), Progress::Done(Beginning::Hello(ClientHello::default())));
}

/// A ClientHello of two suites and these extensions.
fn with_extensions(session_id: &[u8], extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let counted = |octets: &[u8]| [&(octets.len() as u16).to_be_bytes()[..], octets].concat();
    let one = |(kind, data): &(u16, Vec<u8>)| [&kind.to_be_bytes()[..], &counted(data)].concat();
    let extensions = counted(&extensions.iter().flat_map(one).collect::<Vec<_>>());
    let body =
        [&[3, 3][..], &[7; 32], &[session_id.len() as u8], session_id, &[0, 4, 0x13, 1, 0xc0, 0x2f, 1, 0], &extensions]
            .concat();
    let message = [&[1, 0][..], &counted(&body)].concat();
    [&[22, 3, 1][..], &counted(&message)].concat()
}

/// One that asks for these names, of these types.
fn asking(names: &[(u8, &[u8])], behind: &[u8]) -> Vec<u8> {
    let counted = |octets: &[u8]| [&(octets.len() as u16).to_be_bytes()[..], octets].concat();
    let list: Vec<u8> = names.iter().flat_map(|(kind, name)| [&[*kind][..], &counted(name)].concat()).collect();
    with_extensions(&[], &[(0, [counted(&list), behind.to_vec()].concat())])
}

/// What BoringSSL takes for a ClientHello is one, and nothing else, or rules for TLS could be dodged. Envoy's inspector was asked.
#[test]
fn a_name_is_octets_and_there_is_one() {
    let name = |hello: &[u8]| match parse(hello) {
        Progress::Done(Beginning::Hello(hello)) => Some(hello.server_name),
        Progress::Done(Beginning::Plain) => None,
        Progress::Done(Beginning::Over) => panic!("it goes on"),
        Progress::More => panic!("it is whole"),
    };
    for strange in [&b"\xffapp.example"[..], b"a\nb", b" ", &[b'a'; 255]] {
        assert_eq!(name(&asking(&[(0, strange)], b"")), Some(Some(strange.to_vec())));
    }
    assert_eq!(name(&with_extensions(&[1; 32], &[])), Some(None));
    for malformed in [
        asking(&[(0, b"a"), (0, b"b")], b""),
        asking(&[(1, b"x"), (0, b"a")], b""),
        asking(&[(1, b"a")], b""),
        asking(&[(0, b"a")], b"more"),
        asking(&[(0, b"")], b""),
        asking(&[(0, b"a\0b")], b""),
        asking(&[(0, &[b'a'; 256])], b""),
        asking(&[], b""),
        with_extensions(&[], &[(0, Vec::new())]),
        with_extensions(&[], &[(10, vec![0, 2, 0, 29]), (10, vec![0, 2, 0, 29])]),
        with_extensions(&[1; 33], &[]),
    ] {
        assert_eq!(name(&malformed), None, "{malformed:?}");
    }
}

#[test]
fn plain_text_is_told_at_once() {
    for bytes in [
        &b"G"[..],
        b"\x16G",
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x02\x02\x00",
        b"\x80\x2e\x01",
        // A message that would be longer than any may be.
        b"\x16\x03\x01\x00\x04\x01\x00\x40\x01",
    ] {
        assert_eq!(parse(bytes), Progress::Done(Beginning::Plain), "{bytes:?}");
    }
    for bytes in [
        &b"\x16"[..],
        b"\x16\x03",
        b"\x16\x03\x01\x00",
        b"\x16\x03\x01\x00\x05",
        b"\x16\x03\x01\x00\x05\x01",
        b"\x16\x03\x01\x00\x05\x02",
        b"\x16\x03\x01\x00\x00",
        b"\x15\x03\x01\x00\x02\x01",
    ] {
        assert_eq!(parse(bytes), Progress::More, "{bytes:?}");
    }
}

/// As BoringSSL has it: records may be empty, a few; an alert ends the connection, and so does a version that is none.
#[test]
fn a_connection_may_be_over_before_it_begins() {
    let hello = asking(&[(0, b"a.test")], b"");
    let empty = |count: usize| [b"\x16\x03\x01\x00\x00".repeat(count), hello.clone()].concat();
    assert_eq!(parse(&empty(32)), parse(&hello));
    assert_eq!(parse(&empty(33)), Progress::Done(Beginning::Plain));
    let alert = [&b"\x15\x03\x01\x00\x02\x01\x00"[..], &hello].concat();
    assert_eq!(parse(&alert), Progress::Done(Beginning::Over));
    for (version, is_known) in [
        (0x0200, false),
        (0x0300, false),
        (0x0301, true),
        (0x0302, true),
        (0x0304, true),
        (0x0305, false),
        (0xffff, false),
    ] {
        let mut hello = hello.clone();
        hello[9..11].copy_from_slice(&u16::to_be_bytes(version));
        let said = parse(&hello);
        assert_eq!(matches!(said, Progress::Done(Beginning::Hello(_))), is_known, "{version:x}");
        assert_eq!(said == Progress::Done(Beginning::Over), !is_known, "{version:x}");
    }
}

/// Deterministic noise: every octet of a ClientHello changed, and random bytes behind a plausible beginning. Nothing panics, and the
/// pieces in which the bytes come make no difference.
#[test]
fn damaged_hellos_never_panic() {
    let good = real("a.example", &["h2"]);
    let mut random = fastrand::Rng::with_seed(7);
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] = random.u8(..);
        agree(&bytes);
        agree(&good[..at]);
    }
    for _ in 0..500 {
        let mut bytes: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
        agree(&bytes);
        for (at, byte) in [22, 3, 1, 0, 100, 1, 0, 0, 96].into_iter().enumerate() {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        agree(&bytes);
    }
}

fn agree(bytes: &[u8]) {
    assert_eq!(parse(bytes), if bytes.is_empty() { Progress::More } else { byte_by_byte(bytes) });
}
