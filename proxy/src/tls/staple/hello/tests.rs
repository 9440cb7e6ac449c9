//! Tests of `hello`.

use super::*;

fn hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut all = Vec::new();
    for (kind, value) in extensions {
        all.extend(kind.to_be_bytes());
        all.extend((value.len() as u16).to_be_bytes());
        all.extend(*value);
    }
    let mut body = vec![3; 34];
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend((all.len() as u16).to_be_bytes());
    body.extend(all);
    let mut message = vec![CLIENT_HELLO, 0, (body.len() >> 8) as u8, body.len() as u8];
    message.extend(body);
    message
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |piece: &[u8]| [&[HANDSHAKE, 3, 1, 0, piece.len() as u8], piece].concat();
    message.chunks(size).flat_map(record).collect()
}

#[test]
fn a_client_asks_by_an_extension() {
    for (extensions, asks) in [
        (&[][..], false),
        (&[(0, &b"name"[..]), (STATUS_REQUEST, &[1, 0, 0, 0, 0])], true),
        (&[(0, &b"name"[..]), (0x0500, &[1, 0, 0, 0, 0])], false),
        (&[(17, &[5][..])], false),
    ] {
        let message = hello(extensions);
        for size in [1, 7, 250] {
            assert_eq!(look(&records(&message, size)), Seen::All(asks), "{extensions:?} in records of {size}");
        }
    }
}

#[test]
fn a_part_is_no_whole_and_what_is_no_hello_asks_for_nothing() {
    let whole = records(&hello(&[(STATUS_REQUEST, &[1, 0, 0, 0, 0])]), 20);
    for end in 0..whole.len() {
        let seen = look(&whole[..end]);
        assert!(seen == Seen::Part || seen == Seen::All(true), "{end}: {seen:?}");
    }
    assert_eq!(look(&[21, 3, 1, 0, 2, 2, 40]), Seen::All(false));
    assert_eq!(look(b"GET / HTTP/1.1"), Seen::All(false));
    assert_eq!(look(&[HANDSHAKE, 3, 1, 0, 0]), Seen::All(false));
    assert_eq!(look(&[HANDSHAKE, 3, 1, 0, 4, 2, 0, 0, 0]), Seen::All(false), "a ServerHello");
    // Lengths that point beyond the end.
    let mut broken = hello(&[(STATUS_REQUEST, &[1])]);
    let at = broken.len() - 3;
    broken[at..at + 2].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(look(&records(&broken, 250)), Seen::All(false));
}
