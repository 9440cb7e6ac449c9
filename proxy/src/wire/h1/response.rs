//! From a cut head to a [`ResponseHead`]: what Envoy's client codec demands of a response. Called by `decode`.

use bytes::{Bytes, BytesMut};

use super::body::Framing;
use super::head::{Cut, build};
use super::request::{parse_length, tokens, version_of};
use super::{ParseError, Settings};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Protocol, ResponseHead};

/// What was asked, as far as it decides how the answer is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// HEAD: the answer has no body whatever its headers say.
    Head,
    /// CONNECT: a 2xx makes the connection a tunnel.
    Connect,
    /// Another method with an upgrade asked for: a 101 makes the connection a tunnel.
    Upgrade,
    /// Anything else.
    #[default]
    Other,
}

/// A response head, and how the connection goes on after it.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) head: ResponseHead,
    pub(super) framing: Framing,
    /// The server is willing to take another request on this connection.
    pub(super) keep_alive: bool,
    /// It said that it is not.
    pub(super) says_close: bool,
    /// 1xx other than 101: another head follows.
    pub(super) interim: bool,
}

/// Takes the head out of the buffer and judges it.
pub(super) fn take(
    buffer: &mut BytesMut,
    mut cut: Cut,
    asked: Asked,
    settings: &Settings,
) -> Result<Response, ParseError> {
    let [version, status, reason] = cut.words.clone();
    let protocol = version_of(&buffer[version.clone()])?;
    if version.is_empty() {
        return Err(ParseError::CODEC);
    }
    let status = parse_status(&buffer[status])?;
    if cut.lines.len() > settings.max_headers_count as usize {
        return Err(ParseError::TOO_MANY);
    }
    let (bytes, mut headers) = build(buffer, &mut cut, settings.http1.header_case);
    let reason = if reason.end <= bytes.len() { bytes.slice(reason) } else { Bytes::new() };
    let framing = framing(&mut headers, status, asked, settings)?;
    let says_close = !keeps_alive(&headers, protocol);
    let keep_alive = framing != Framing::UntilClose && !says_close;
    let head = ResponseHead {
        protocol,
        status,
        reason,
        headers,
        body: length(framing, status, asked),
        wire_size: u32::try_from(cut.length).unwrap_or(u32::MAX),
    };
    Ok(Response { head, framing, keep_alive, says_close, interim: (100..200).contains(&status) && status != 101 })
}

/// Three digits from 100 on.
fn parse_status(word: &[u8]) -> Result<u16, ParseError> {
    match word {
        [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => {
            Ok(word.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0')))
        }
        _ => Err(ParseError::CODEC),
    }
}

fn keeps_alive(headers: &Headers, protocol: Protocol) -> bool {
    let mut keep_alive = protocol != Protocol::Http10;
    for token in headers.get_all(&Name::CONNECTION).flat_map(|value| tokens(value)) {
        if token.eq_ignore_ascii_case(b"close") {
            return false;
        }
        keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
    }
    keep_alive
}

/// How long the body is (RFC 9112 section 6.3), or why the response is refused.
fn framing(headers: &mut Headers, status: u16, asked: Asked, settings: &Settings) -> Result<Framing, ParseError> {
    let tunnel = status == 101 || (asked == Asked::Connect && (200..300).contains(&status));
    if status == 101 && asked != Asked::Upgrade {
        return Err(ParseError::CODEC);
    }
    if tunnel && status != 101 {
        // RFC 9110 section 9.3.6: a client ignores both in a successful answer to CONNECT.
        headers.remove(&Name::TRANSFER_ENCODING);
        headers.remove(&Name::CONTENT_LENGTH);
        return Ok(Framing::UntilClose);
    }
    let mut encodings = headers.get_all(&Name::TRANSFER_ENCODING);
    let encoding = encodings.next();
    let chunked = encoding.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
    if encoding.is_some() {
        let repeated = encodings.next().is_some();
        if !chunked || repeated {
            return Err(ParseError::TRANSFER_ENCODING);
        }
        if status < 200 || status == 204 {
            return Err(ParseError::ENCODING_NOT_ALLOWED);
        }
    }
    drop(encodings);
    let mut lengths = headers.get_all(&Name::CONTENT_LENGTH);
    let length = match lengths.next() {
        Some(value) if lengths.next().is_none() => Some(parse_length(value)?),
        Some(_) => return Err(ParseError::CODEC),
        None => None,
    };
    drop(lengths);
    if chunked && length.is_some() {
        if !settings.http1.allow_chunked_length {
            return Err(ParseError::BOTH_LENGTHS);
        }
        headers.remove(&Name::CONTENT_LENGTH);
    }
    if status < 200 || status == 204 {
        match length {
            Some(0) => drop(headers.remove(&Name::CONTENT_LENGTH)),
            Some(_) => return Err(ParseError::LENGTH_NOT_ALLOWED),
            None => {}
        }
    }
    Ok(if tunnel {
        Framing::UntilClose
    } else if asked == Asked::Head || status < 200 || status == 204 || status == 304 {
        Framing::None
    } else if chunked {
        Framing::Chunked
    } else {
        match length {
            Some(0) => Framing::None,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        }
    })
}

fn length(framing: Framing, _status: u16, _asked: Asked) -> BodyLength {
    match framing {
        Framing::None => BodyLength::Empty,
        Framing::Length(length) => BodyLength::Exact(length),
        Framing::Chunked => BodyLength::Unknown,
        Framing::UntilClose => BodyLength::UntilClose,
    }
}
