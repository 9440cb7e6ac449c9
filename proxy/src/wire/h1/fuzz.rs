//! What must hold for any octets of HTTP/1, of either side. Called by `wire::fuzz`; not part of the binary.

use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use config::hcm::HeaderCase;

use super::decode::{Asked, RequestDecoder, ResponseDecoder};
use super::{ParseError, Settings, client};
use crate::wire::codec::Upstream;
use crate::wire::fuzz::memory;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, RequestHead, ResponseHead};

/// Requests over HTTP/1: cutting the input differently changes nothing, both head parsers agree, and what was understood comes out
/// the same after it has been written and read again. The first octet chooses the settings and the cut.
pub fn request(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    super::check_parsers_agree(input);
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
pub fn response(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    let asked = [Asked::Other, Asked::Head, Asked::Connect, Asked::Upgrade][usize::from(*choice >> 6)];
    let settings = settings(*choice);
    let whole = responses(settings.clone(), asked, [input, END].into_iter());
    let cut = responses(settings, asked, input.chunks(usize::from(*choice) % 7 + 1).chain([END]));
    assert!(whole == cut || over_limit(&whole) && over_limit(&cut), "{whole:#?}\n{cut:#?}");
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

fn requests<'a>(settings: Settings, pieces: impl Iterator<Item = &'a [u8]>) -> Understood<RequestHead> {
    let head = |decoder: &mut RequestDecoder, buffer: &mut BytesMut| {
        decoder.head(buffer).map(|head| head.map(|(head, _)| (head, true)))
    };
    understood(RequestDecoder::new(settings), pieces, head, RequestDecoder::body)
}

fn responses<'a>(settings: Settings, asked: Asked, pieces: impl Iterator<Item = &'a [u8]>) -> Understood<ResponseHead> {
    let head = |decoder: &mut ResponseDecoder, buffer: &mut BytesMut| {
        decoder.head(buffer, asked).map(|decoded| decoded.map(|decoded| (decoded.head, !decoded.interim)))
    };
    understood(ResponseDecoder::new(settings), pieces, head, ResponseDecoder::body)
}

/// Decodes piece by piece; `head` says with each head whether a body follows.
fn understood<'a, Decoder, Head>(
    mut decoder: Decoder,
    pieces: impl Iterator<Item = &'a [u8]>,
    head: impl Fn(&mut Decoder, &mut BytesMut) -> Result<Option<(Head, bool)>, ParseError>,
    body: impl Fn(&mut Decoder, &mut BytesMut) -> Result<Option<Frame>, ParseError>,
) -> Understood<Head> {
    let mut buffer = BytesMut::new();
    let mut seen = Understood::nothing();
    let mut in_body = false;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let step = if in_body {
                body(&mut decoder, &mut buffer).map(|frame| frame.map(|frame| in_body = !seen.frame(frame)))
            } else {
                head(&mut decoder, &mut buffer).map(|head| {
                    head.map(|(head, has_body)| {
                        seen.messages.push(head);
                        seen.bodies.push(Vec::new());
                        in_body = has_body;
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

fn plain() -> Settings {
    Settings { max_headers: 1 << 20, max_headers_count: 10_000, ..Settings::default() }
}

fn settings(choice: u8) -> Settings {
    let mut settings = Settings::default();
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
    let mut connection = client::Connection::new(ours, &plain());
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
