//! Tests of `frames`.

use super::*;

fn body(messages: &[&[u8]]) -> Vec<u8> {
    messages.iter().flat_map(|message| Framed::of(message).into_bytes()).collect()
}

/// All messages of a body that comes in pieces of so many octets.
fn read(body: &[u8], size: usize, limit: u32) -> Result<Vec<Bytes>, Malformed> {
    let mut messages = Messages::new(limit);
    let mut all = Vec::new();
    for piece in body.chunks(size) {
        messages.push(Bytes::copy_from_slice(piece));
        while let Some(message) = messages.take()? {
            all.push(message);
        }
    }
    assert!(messages.is_empty());
    Ok(all)
}

#[test]
fn messages_come_whole_however_the_body_is_cut() {
    let sent: [&[u8]; 4] = [b"one", b"", &[7; 300], b"four"];
    let body = body(&sent);
    for size in 1..=body.len() {
        assert_eq!(read(&body, size, 300).unwrap(), sent, "in pieces of {size}");
    }
}

#[test]
fn what_is_no_message_is_refused_by_its_prefix() {
    assert_eq!(read(b"<html>not here</html>", 64, 10), Err(Malformed::Flags(b'<')));
    assert_eq!(read(&[1, 0, 0, 0, 2, 9, 9], 64, 10), Err(Malformed::Compressed));
    assert_eq!(read(&[1, 0, 0, 0, 0], 64, 10).unwrap(), [Bytes::new()]);
    // Nothing of it needs to have come.
    assert_eq!(read(&[0, 0xff, 0xff, 0xff, 0xff], 64, 10), Err(Malformed::TooLong { length: u32::MAX, limit: 10 }));
}

#[test]
fn half_a_message_is_none() {
    let mut messages = Messages::new(10);
    messages.push(Bytes::from_static(&[0, 0, 0, 0, 4, 1]));
    assert_eq!(messages.take(), Ok(None));
    assert!(!messages.is_empty());
}

#[test]
fn a_message_of_one_piece_is_not_copied() {
    let body = Framed::of(b"message").into_bytes();
    let mut messages = Messages::new(10);
    messages.push(body.clone());
    let message = messages.take().unwrap().unwrap();
    assert_eq!(message.as_ptr(), body[PREFIX..].as_ptr());
}

#[test]
fn messages_are_followed_however_the_body_is_cut() {
    let body = body(&[b"one", b"", &[7; 300], b"four"]);
    for size in 1..=body.len() {
        let (mut follow, mut begun, mut ends, mut at) = (Follow::default(), 0, Vec::new(), 0);
        for mut piece in body.chunks(size) {
            while !piece.is_empty() {
                let passed = follow.pass(piece);
                at += passed.taken;
                begun += usize::from(passed.begun);
                ends.extend(passed.ended.then_some(at));
                piece = &piece[passed.taken..];
            }
        }
        assert_eq!((begun, ends), (4, vec![8, 13, 318, 327]), "in pieces of {size}");
    }
    assert_eq!(Follow::default().count(&[&body[..], &[0, 0]].concat()), 5, "half of a message counts");
    assert_eq!(Follow::default().pass(b""), Passed { taken: 0, begun: false, ended: false });
}
