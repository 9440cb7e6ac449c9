//! What must hold for any bytes a stranger sends. Called by the fuzz targets in `proxy/fuzz` and, with mutated seeds, by `tests` here;
//! not part of the binary. Each function takes bytes and panics when a property does not hold.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use config::hcm::HeaderCase;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::codec::{Downstream, Upstream};
use super::h1::decode::{Asked, RequestDecoder, ResponseDecoder};
use super::h1::{self, ParseError};
use super::h2;
use super::headers::{Headers, Name};
use super::message::{BodyLength, Frame, Method, Protocol, RequestHead, ResponseHead};
use crate::transport::{Io, Stream};

#[cfg(test)]
pub(crate) mod tests;

/// Requests over HTTP/1: cutting the input differently changes nothing, both head parsers agree, and what was understood comes out
/// the same after it has been written and read again. The first octet chooses the settings and the cut.
pub fn h1_request(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    h1::check_parsers_agree(input);
    let settings = settings(*choice);
    let whole = requests(settings.clone(), [input, END].into_iter());
    let cut = requests(settings.clone(), input.chunks(usize::from(*choice) % 7 + 1).chain([END]));
    assert!(whole == cut || over_limit(&whole) && over_limit(&cut), "{whole:#?}\n{cut:#?}");
    let hidden = requests(settings, [&without_nominations(input)[..], END].into_iter());
    // Where one of them was refused, what it says of lengths is not used.
    assert!(
        whole.error.is_some() || hidden.error.is_some() || whole.bodies == hidden.bodies,
        "{whole:#?}\n{hidden:#?}"
    );
    // Other paths (`*` of a GET) are refused by the exchange.
    let sound = |head: &RequestHead| head.path.starts_with(b"/") || head.method.as_bytes() == b"CONNECT";
    for (head, body) in whole.messages.iter().zip(&whole.bodies).filter(|(head, _)| sound(head)) {
        // What follows an upgrade is not framed; the exchange sends none of it before the upgrade is accepted.
        let tunnel = head.upgrade.is_some() || head.method.as_bytes() == b"CONNECT";
        let body = if tunnel { &[][..] } else { body };
        let text = written(head, body);
        let again = requests(plain(), [&text[..]].into_iter());
        assert_eq!(again.error, None, "{}", text.escape_ascii());
        assert_eq!(again.messages.len(), 1, "{}", text.escape_ascii());
        let read = &again.messages[0];
        assert_eq!((&read.method, &read.path, &read.authority), (&head.method, &head.path, &head.authority));
        assert_eq!(read.about_server, head.about_server);
        assert_eq!(lines(&read.headers), lines(&head.headers));
        if !tunnel {
            assert_eq!(&again.bodies[0], body);
        }
    }
}

/// The input with no `Connection` in it: what a client nominates to end at this hop changes no message's length.
fn without_nominations(input: &[u8]) -> Vec<u8> {
    let mut input = input.to_vec();
    for at in 0..input.len() {
        if input[at..].get(..11).is_some_and(|text| text.eq_ignore_ascii_case(b"connection:")) {
            input[at] = b'x';
        }
    }
    input
}

/// Responses over HTTP/1: cutting the input differently changes nothing. The first octet chooses what was asked, settings and cut.
pub fn h1_response(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    let asked = [Asked::Other, Asked::Head, Asked::Connect, Asked::Upgrade][usize::from(*choice >> 6)];
    let settings = settings(*choice);
    let whole = responses(settings.clone(), asked, [input, END].into_iter());
    let cut = responses(settings, asked, input.chunks(usize::from(*choice) % 7 + 1).chain([END]));
    assert!(whole == cut || over_limit(&whole) && over_limit(&cut), "{whole:#?}\n{cut:#?}");
}

/// A client's bytes over HTTP/2: the connection neither panics nor waits for ever once its peer has closed, and every request that it
/// gives is sound.
pub fn h2_server(input: &[u8]) {
    let (mut peer, ours) = memory();
    let mut connection = h2::server::Connection::new(ours, &h2::Settings::default(), h2::CodecStats::NONE);
    let Some((choice, input)) = input.split_first() else { return };
    if choice % 2 == 0 {
        peer.write(super::sniff::PREFACE);
        peer.write(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut streams = Vec::new();
    for piece in input.chunks(usize::from(*choice) * 8 + 9) {
        peer.write(piece);
        while let Poll::Ready(next) = connection.poll_next(&mut context) {
            let Some(Ok((head, mut stream))) = next else { return };
            assert!(
                head.headers.iter().all(|header| header.value.iter().all(|byte| !matches!(byte, 0 | b'\r' | b'\n')))
            );
            let _ = stream.poll_gone(&mut context);
            if choice % 3 == 0 {
                let reply = ResponseHead {
                    protocol: head.protocol,
                    status: 200,
                    reason: Bytes::new(),
                    headers: Headers::new(),
                    body: BodyLength::Unknown,
                    wire_size: 0,
                };
                let _ = stream.send_head(&reply, false);
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
pub fn h2_client(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    let (mut peer, ours) = memory();
    let mut context = Context::from_waker(Waker::noop());
    let settings = h2::Settings::default();
    let (handle, driver) = h2::client::connect(ours, &settings, h2::CodecStats::NONE);
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

pub(super) fn question() -> RequestHead {
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
    fn read(&mut self, stream: &mut h2::client::Stream, context: &mut Context<'_>) {
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

/// Frames of a peer, without a socket: see there.
pub fn h2_frames(input: &[u8]) {
    h2::fuzz::frames(input);
}

/// Compressed header blocks: see there.
pub fn hpack(input: &[u8]) {
    h2::fuzz::hpack(input);
}

/// Header lists: every operation does what it does to a plain list of pairs.
pub fn headers(input: &[u8]) {
    let mut list = Headers::new();
    let mut model: Vec<(String, u8)> = Vec::new();
    for step in input.chunks_exact(3) {
        let text = match step[0] % 5 {
            0 => "accept".to_owned(),
            1 => "x-request-id".to_owned(),
            2 => "Set-Cookie".to_owned(),
            _ => format!("X-{}", step[0]),
        };
        let name = Name::new(&text);
        let lower = text.to_ascii_lowercase();
        match step[1] % 4 {
            0 => {
                list.append(name, vec![step[2]]);
                model.push((lower, step[2]));
            }
            1 => {
                list.set(name, vec![step[2]]);
                match model.iter().position(|(known, _)| *known == lower) {
                    Some(first) => {
                        model[first].1 = step[2];
                        let mut index = 0;
                        model.retain(|(known, _)| {
                            index += 1;
                            index <= first + 1 || *known != lower
                        });
                    }
                    None => model.push((lower, step[2])),
                }
            }
            2 => {
                let had = model.iter().any(|(known, _)| *known == lower);
                assert_eq!(list.remove(&name), had);
                model.retain(|(known, _)| *known != lower);
            }
            _ => {
                let first = model.iter().find(|(known, _)| *known == lower).map(|(_, value)| *value);
                assert_eq!(list.get(&name).map(|value| value[0]), first);
                assert_eq!(list.get_str(&lower).map(|value| value[0]), first);
            }
        }
    }
    let seen: Vec<_> = list.iter().map(|line| (line.name.as_str().to_owned(), line.value[0])).collect();
    assert_eq!(seen, model);
}

/// An error within an unfinished head may be seen at once or when the head is complete: this completes it.
const END: &[u8] = b"\r\n\r\n";

/// What a decoder made of its input.
#[derive(Debug)]
struct Understood<Head> {
    messages: Vec<Head>,
    bodies: Vec<Vec<u8>>,
    trailers: Vec<Headers>,
    complete: usize,
    error: Option<ParseError>,
}

impl<Head: std::fmt::Debug> PartialEq for Understood<Head> {
    fn eq(&self, other: &Self) -> bool {
        format!("{:?}", self.messages) == format!("{:?}", other.messages)
            && (&self.bodies, &self.trailers, self.complete, self.error)
                == (&other.bodies, &other.trailers, other.complete, other.error)
    }
}

impl<Head> Understood<Head> {
    fn nothing() -> Self {
        Understood { messages: Vec::new(), bodies: Vec::new(), trailers: Vec::new(), complete: 0, error: None }
    }

    /// Takes a body frame; true at the end of the message.
    fn frame(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Data(data) => {
                self.bodies.last_mut().expect("a head came before").extend_from_slice(&data);
                return false;
            }
            Frame::Trailers(trailers) => self.trailers.push(trailers),
            Frame::End => {}
        }
        self.complete += 1;
        true
    }
}

fn requests<'a>(settings: h1::Settings, pieces: impl Iterator<Item = &'a [u8]>) -> Understood<RequestHead> {
    let mut decoder = RequestDecoder::new(settings);
    let mut buffer = BytesMut::new();
    let mut seen = Understood::nothing();
    let mut in_body = false;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let step = if in_body {
                decoder.body(&mut buffer).map(|frame| frame.map(|frame| in_body = !seen.frame(frame)))
            } else {
                decoder.head(&mut buffer).map(|head| {
                    head.map(|(head, _)| {
                        seen.messages.push(head);
                        seen.bodies.push(Vec::new());
                        in_body = true;
                    })
                })
            };
            match step {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    seen.error = Some(error);
                    return seen;
                }
            }
        }
    }
    seen
}

fn responses<'a>(
    settings: h1::Settings,
    asked: Asked,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Understood<ResponseHead> {
    let mut decoder = ResponseDecoder::new(settings);
    let mut buffer = BytesMut::new();
    let mut seen = Understood::nothing();
    let mut in_body = false;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let step = if in_body {
                decoder.body(&mut buffer).map(|frame| frame.map(|frame| in_body = !seen.frame(frame)))
            } else {
                decoder.head(&mut buffer, asked).map(|decoded| {
                    decoded.map(|decoded| {
                        seen.messages.push(decoded.head);
                        seen.bodies.push(Vec::new());
                        in_body = !decoded.interim;
                    })
                })
            };
            match step {
                Ok(Some(())) => {}
                Ok(None) => break,
                Err(error) => {
                    seen.error = Some(error);
                    return seen;
                }
            }
        }
    }
    seen
}

/// Which limit is met first may depend on how much came at once.
fn over_limit<Head>(seen: &Understood<Head>) -> bool {
    seen.error.is_some_and(|error| error.status == 431)
}

fn plain() -> h1::Settings {
    h1::Settings { max_headers: 1 << 20, max_headers_count: 10_000, ..h1::Settings::default() }
}

fn settings(choice: u8) -> h1::Settings {
    let mut settings = h1::Settings::default();
    settings.http1.accept_http10 = choice & 1 != 0;
    settings.http1.trailers = choice & 2 != 0;
    settings.http1.header_case = match choice & 20 {
        4 => HeaderCase::Preserve { reason: false, own_proper: false },
        16 => HeaderCase::Proper,
        20 => HeaderCase::Preserve { reason: true, own_proper: true },
        _ => HeaderCase::Lower,
    };
    settings.http1.allow_chunked_length = choice & 8 != 0;
    settings
}

/// The lines that must survive: framing is said anew by each writer.
fn lines(headers: &Headers) -> Vec<(Name, Bytes)> {
    let framing = [Name::TRANSFER_ENCODING, Name::CONTENT_LENGTH];
    let lines = headers.iter().filter(|line| !framing.contains(&line.name));
    lines.map(|line| (line.name.clone(), line.value.clone())).collect()
}

/// A request as the client side writes it.
fn written(head: &RequestHead, body: &[u8]) -> Vec<u8> {
    let (mut peer, ours) = memory();
    let mut connection = h1::client::Connection::new(ours, &plain());
    let mut context = Context::from_waker(Waker::noop());
    connection.begin();
    let mut head = head.clone();
    // The input may have ended before the body that was announced.
    if matches!(head.body, BodyLength::Exact(length) if length != body.len() as u64) {
        head.headers.set(Name::CONTENT_LENGTH, body.len().to_string());
    }
    let end = head.body == BodyLength::Empty;
    connection.send_head(&head, end).expect("a fresh connection takes a head");
    let mut all = Vec::new();
    if !end {
        connection.send_data(Bytes::copy_from_slice(body), true).expect("an open request takes data");
    }
    while connection.poll_flush(&mut context).is_pending() {
        all.extend(peer.drain());
    }
    all.extend(peer.drain());
    all
}

/// The other end of an in-memory stream, without a runtime.
struct Peer(tokio::io::DuplexStream);

fn memory() -> (Peer, Stream) {
    let (peer, ours) = tokio::io::duplex(1 << 18);
    (Peer(peer), Stream::new(Io::Memory(ours)))
}

impl Peer {
    fn write(&mut self, bytes: &[u8]) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = std::pin::Pin::new(&mut self.0).poll_write(&mut context, bytes);
    }

    fn drain(&mut self) -> Vec<u8> {
        let mut context = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        let mut space = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match std::pin::Pin::new(&mut self.0).poll_read(&mut context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => all.extend_from_slice(buffer.filled()),
                _ => return all,
            }
        }
    }
}
