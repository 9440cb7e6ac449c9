//! What must hold for any frames and header blocks, and for what comes over a connection of either side. Called by `wire::fuzz`; not part of the binary.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::connection::Connection;
use super::hpack::decode::{Broken, Decoder};
use super::hpack::encode::Encoder;
use super::lines::Lines;
use super::{CodecStats, Settings, client, server};
use crate::wire::codec::{Downstream, Upstream};
use crate::wire::fuzz::memory;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead, ResponseHead};
use crate::wire::sniff::PREFACE;

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
        input.extend_from_slice(PREFACE);
    }
    input.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let (mut understood, mut said, mut held) = (Vec::new(), Vec::new(), Vec::new());
    if !server {
        held.extend(connection.send_request(&question(), choice & 2 != 0));
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
        assert_sound(&head);
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

/// A client's bytes over HTTP/2: the connection neither panics nor waits for ever once its peer has closed, and every request that it
/// gives is sound.
pub fn server(input: &[u8]) {
    let (mut peer, ours) = memory();
    let mut connection = server::Connection::new(ours, &Settings::default(), CodecStats::NONE);
    let Some((choice, input)) = input.split_first() else { return };
    if choice % 2 == 0 {
        peer.write(PREFACE);
        peer.write(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut streams = Vec::new();
    for piece in input.chunks(usize::from(*choice) * 8 + 9) {
        peer.write(piece);
        while let Poll::Ready(next) = connection.poll_next(&mut context) {
            let Some(Ok((head, mut stream))) = next else { return };
            assert_sound(&head);
            let _ = stream.poll_gone(&mut context);
            if choice % 3 == 0 {
                let _ = stream.send_head(&answer(), false);
                let _ = stream.send_data(Bytes::from_static(b"hello"), choice % 5 == 0);
                let _ = stream.poll_flush(&mut context);
                let _ = stream.send_data(Bytes::from_static(b"h"), choice % 7 == 0);
            }
            streams.push(stream);
        }
        for stream in &mut streams {
            while let Poll::Ready(Ok(Frame::Data(_))) = stream.poll_body(&mut context) {}
            if stream.poll_gone(&mut context).is_pending() && stream.poll_ready(&mut context).is_ready() {
                let _ = stream.send_data(Bytes::from_static(b"more"), false);
            }
            let _ = stream.poll_flush(&mut context);
        }
        peer.drain();
    }
    drop(peer);
    for _ in 0..8 {
        if !matches!(connection.poll_next(&mut context), Poll::Ready(Some(Ok(_)))) {
            return;
        }
    }
}

/// An upstream's bytes over HTTP/2: nothing panics, a request is over once its connection is, and a body that is complete has the length
/// that was announced.
pub fn client(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    let (mut peer, ours) = memory();
    let mut context = Context::from_waker(Waker::noop());
    let settings = Settings::default();
    let (handle, driver) = client::connect(ours, &settings, CodecStats::NONE);
    let mut driver = pin!(driver);
    let mut stream = handle.open();
    stream.send_head(&question(), choice % 2 == 0).expect("a fresh stream takes a head");
    let mut answer = Answer::default();
    let mut over = false;
    for piece in input.chunks(usize::from(*choice) * 8 + 9) {
        peer.write(piece);
        over = over || driver.as_mut().poll(&mut context).is_ready();
        if choice % 2 == 1 {
            let _ = stream.send_data(Bytes::from_static(b"x"), false);
            let _ = stream.poll_flush(&mut context);
        }
        if choice % 3 > 0 {
            answer.read(&mut stream, &mut context);
        }
        peer.drain();
    }
    drop(peer);
    for _ in 0..8 {
        over = over || driver.as_mut().poll(&mut context).is_ready();
    }
    assert!(over, "a connection ends with its peer");
    answer.read(&mut stream, &mut context);
    assert!(answer.ended, "a request ends with its connection");
}

pub(in crate::wire) fn question() -> RequestHead {
    RequestHead {
        protocol: Protocol::Http2,
        method: Method::Post,
        path: Bytes::from_static(b"/"),
        about_server: false,
        authority: Bytes::from_static(b"app"),
        scheme: Bytes::from_static(b"http"),
        headers: Headers::new(),
        body: BodyLength::Unknown,
        upgrade: None,
        wire_size: 0,
    }
}

/// What came of an answer so far.
#[derive(Default)]
struct Answer {
    head: Option<ResponseHead>,
    octets: u64,
    ended: bool,
}

impl Answer {
    fn read(&mut self, stream: &mut client::Stream, context: &mut Context<'_>) {
        while !self.ended {
            if self.head.is_none() {
                match stream.poll_head(context) {
                    Poll::Pending => return,
                    Poll::Ready(Ok(head)) if head.status < 200 => {}
                    Poll::Ready(Ok(head)) => self.head = Some(head),
                    Poll::Ready(Err(_)) => self.ended = true,
                }
                continue;
            }
            match stream.poll_body(context) {
                Poll::Pending => return,
                Poll::Ready(Ok(Frame::Data(data))) => self.octets += data.len() as u64,
                Poll::Ready(Ok(Frame::Trailers(_) | Frame::End)) => {
                    self.ended = true;
                    if let Some(ResponseHead { body: BodyLength::Exact(length), status, .. }) = self.head
                        && !matches!(status, 204 | 304)
                    {
                        assert_eq!(self.octets, length, "complete is complete");
                    }
                }
                Poll::Ready(Err(_)) => self.ended = true,
            }
        }
    }
}

/// Nobody can end a line with what is in it.
fn assert_sound(head: &RequestHead) {
    let is_sound = |value: &Bytes| !value.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'));
    assert!(head.headers.iter().all(|line| is_sound(&line.value)));
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
