//! A header block in pieces, whose stream is gone before the last one comes.

use bytes::BytesMut;

use super::*;
use crate::wire::h2::connection::Connection;
use crate::wire::h2::fuzz::question;

fn hear(connection: &mut Connection, frames: &[Vec<u8>]) {
    let mut octets = BytesMut::from(&frames.concat()[..]);
    connection.receive(&mut octets).unwrap_or_else(|fatal| panic!("{}", connection.fail(fatal)));
}

#[test]
fn a_head_whose_request_is_gone_is_no_other_s() {
    let mut connection = Connection::new(false, &Settings::default(), CodecStats::NONE);
    let first = connection.send_request(&question(), true).unwrap();
    // `:status: 200`, and more to come.
    hear(&mut connection, &[frame(4, 0, 0, &[]), frame(1, 0, 1, b"\x88")]);
    connection.release(first);
    let second = connection.send_request(&question(), true).unwrap();
    hear(&mut connection, &[frame(9, 4, 1, b"\x88")]);
    assert!(connection.streams[second].incoming.head().is_none(), "it was of the first request");
    hear(&mut connection, &[frame(1, 4, 3, b"\x89")]);
    assert_eq!(connection.streams[second].incoming.head().unwrap().status, 204);
}

#[test]
fn trailers_of_a_request_that_is_gone_end_nothing() {
    let mut connection = Connection::new(true, &Settings::default(), CodecStats::NONE);
    hear(&mut connection, &[PREFACE.to_vec(), frame(4, 0, 0, &[]), frame(1, 4, 1, GET), frame(1, 1, 1, b"\x0f")]);
    let (_, place) = connection.take_request().unwrap();
    connection.send_response(place, &response(200, &[]), true).unwrap();
    connection.release(place);
    hear(&mut connection, &[frame(9, 4, 1, b"\x0d\x01x"), frame(1, 5, 3, GET)]);
    assert!(connection.take_request().is_some(), "others go on");
}
