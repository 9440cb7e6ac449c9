//! What must hold for any frames and header blocks. Called by `wire::fuzz`; not part of the binary.

use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::connection::Connection;
use super::hpack::decode::{Broken, Decoder};
use super::hpack::encode::Encoder;
use super::lines::Lines;
use super::{CodecStats, Settings};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Protocol, ResponseHead};

/// Frames of a peer, as a connection without a socket takes them: however they are cut, the same is understood and answered, and what is
/// held stays within the limits. The first octet chooses the side and the cut.
pub fn frames(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    let whole = conversation(*choice, [input].into_iter());
    let cut = conversation(*choice, input.chunks(usize::from(*choice) % 11 + 1));
    assert_eq!(whole, cut);
}

/// What became of it: requests or bodies that were understood, what was said, and why it ended.
type Outcome = (Vec<String>, Vec<u8>, Option<String>);

fn conversation<'a>(choice: u8, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let server = choice.is_multiple_of(2);
    let settings = Settings { max_concurrent_streams: 5, allow_connect: choice & 4 != 0, ..Settings::default() };
    let mut connection = Connection::new(server, &settings, CodecStats::NONE);
    let mut input = BytesMut::new();
    if server {
        input.extend_from_slice(crate::wire::sniff::PREFACE);
    }
    input.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let (mut understood, mut said, mut held) = (Vec::new(), Vec::new(), Vec::new());
    if !server {
        held.extend(connection.send_request(&super::super::fuzz::question(), choice & 2 != 0));
    }
    let mut end = None;
    for piece in std::iter::once(&[][..]).chain(pieces) {
        input.extend_from_slice(piece);
        if let Err(fatal) = connection.receive(&mut input) {
            end = Some(connection.fail(fatal).to_string());
            break;
        }
        assert!(input.len() <= 9 + 16 * 1024, "what is whole is taken");
        said.extend(connection.outbox.take());
        connection.written();
    }
    // A request is answered when all has come: when it is taken up is its own matter.
    while let Some((head, place)) = connection.take_request() {
        assert!(head.headers.iter().all(|line| !line.value.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'))));
        understood.push(format!("{head:?}"));
        let _ = connection.send_response(place, &answer(), false);
        let _ = connection.send_data(place, Bytes::from_static(b"hello"), choice & 8 != 0);
        held.push(place);
    }
    for place in held {
        understood.push(read(&mut connection, place));
        connection.release(place);
    }
    connection.pump();
    said.extend(connection.outbox.take());
    (understood, said, end)
}

fn read(connection: &mut Connection, place: usize) -> String {
    let mut said = String::new();
    while let Some(head) = connection.streams[place].incoming.head() {
        said += &format!("{head:?} ");
    }
    let mut body = Vec::new();
    let context = Context::from_waker(Waker::noop());
    loop {
        match connection.poll_body(place, &context) {
            Poll::Ready(Ok(Frame::Data(data))) => body.extend_from_slice(&data),
            other => return said + &format!("{} {other:?}", body.escape_ascii()),
        }
    }
}

fn answer() -> ResponseHead {
    ResponseHead {
        protocol: Protocol::Http2,
        status: 200,
        reason: Bytes::new(),
        headers: Headers::new(),
        body: BodyLength::Unknown,
        wire_size: 0,
    }
}

/// Header blocks, each behind an octet of its length: however they are cut, the same is understood; and what was understood comes out the
/// same after it has been written and read again.
pub fn hpack(input: &[u8]) {
    let (mut whole, mut cut) = (Decoder::new(1 << 16), Decoder::new(1 << 16));
    let mut encoder = Encoder::new(4096, [None, Some(true), Some(false)][input.len() % 3]);
    let mut reader = Decoder::new(1 << 16);
    let mut rest = input;
    while let Some((length, after)) = rest.split_first() {
        let (block, behind) = after.split_at(usize::from(*length).min(after.len()));
        rest = behind;
        let first = decoded(&mut whole, [block].into_iter());
        let second = decoded(&mut cut, block.chunks(1));
        assert_eq!(first, second);
        let Ok(Some(headers)) = first else { return };
        let mut written = BytesMut::new();
        encoder.begin(&mut written);
        headers.iter().for_each(|(name, value)| encoder.header(name, value, &mut written));
        assert_eq!(decoded(&mut reader, [&written[..]].into_iter()), Ok(Some(headers)));
    }
}

type Decoded = Result<Option<Vec<(Name, Bytes)>>, Broken>;

/// The headers of a block; `None` if it is cut off.
fn decoded<'a>(decoder: &mut Decoder, pieces: impl Iterator<Item = &'a [u8]>) -> Decoded {
    let mut lines = Lines::new(1 << 20, 1 << 20);
    let mut block = Vec::new();
    let mut begins = true;
    for piece in pieces {
        block.extend_from_slice(piece);
        let taken = decoder.decode(&block, begins, &mut lines)?;
        // A table may change its size before the first field.
        begins &= lines.is_empty();
        block.drain(..taken);
    }
    if !block.is_empty() || lines.is_malformed() {
        return Ok(None);
    }
    let text = lines.freeze();
    let headers = lines.headers(&text, |_, _| true);
    Ok(Some(headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect()))
}
