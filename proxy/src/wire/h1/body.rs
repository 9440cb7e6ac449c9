//! Takes bodies out of the read buffer: by length, by chunks, or until the connection closes. Called by `decode`. No I/O.

use bytes::{Buf, BytesMut};
use memchr::memchr;

use super::head::{Cut, build};
use super::{ParseError, Settings, lenient};
use crate::wire::headers::NEVER_TRAILERS;
use crate::wire::message::Frame;

/// How a message's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// Where in a body the reader stands.
#[derive(Debug)]
pub(super) enum Body {
    /// Nothing more comes.
    Done,
    /// So many octets are left (more than 0).
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Everything until the peer ends its direction.
    UntilClose,
}

/// Where in a chunked body the reader stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chunk {
    /// Before a chunk-size line.
    Size,
    /// So many octets of the chunk are left.
    Data(u64),
    /// Before the CR LF after a chunk.
    End,
    /// In the trailer section; so many octets of it were searched for its end.
    Trailers(usize),
}

impl Body {
    pub(super) fn new(framing: Framing) -> Body {
        match framing {
            Framing::None | Framing::Length(0) => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunk::Size),
            Framing::UntilClose => Body::UntilClose,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Body::Done)
    }

    /// The next piece, or `None` when more must be read.
    pub(super) fn next(&mut self, buffer: &mut BytesMut, settings: &Settings) -> Result<Option<Frame>, ParseError> {
        match self {
            Body::Done => Ok(Some(Frame::End)),
            Body::UntilClose if buffer.is_empty() => Ok(None),
            Body::UntilClose => Ok(Some(Frame::Data(buffer.split().freeze()))),
            Body::Length(left) => {
                let frame = data(buffer, left);
                if *left == 0 {
                    *self = Body::Done;
                }
                Ok(frame)
            }
            Body::Chunked(chunk) => {
                let frame = chunk.next(buffer, settings)?;
                if matches!(frame, Some(Frame::End | Frame::Trailers(_))) {
                    *self = Body::Done;
                }
                Ok(frame)
            }
        }
    }
}

impl Chunk {
    fn next(&mut self, buffer: &mut BytesMut, settings: &Settings) -> Result<Option<Frame>, ParseError> {
        loop {
            match self {
                Chunk::Size => match size_line(buffer)? {
                    Some(0) => *self = Chunk::Trailers(0),
                    Some(size) => *self = Chunk::Data(size),
                    None => return Ok(None),
                },
                Chunk::Data(left) => {
                    let frame = data(buffer, left);
                    if *left == 0 {
                        *self = Chunk::End;
                    }
                    return Ok(frame);
                }
                Chunk::End => match buffer[..] {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        *self = Chunk::Size;
                    }
                    [] | [b'\r'] => return Ok(None),
                    _ => return Err(ParseError::CODEC),
                },
                Chunk::Trailers(searched) => return trailers(buffer, searched, settings),
            }
        }
    }
}

/// What the buffer holds of a piece of which `left` octets are still to come.
fn data(buffer: &mut BytesMut, left: &mut u64) -> Option<Frame> {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    if length == 0 {
        return None;
    }
    *left -= length as u64;
    Some(Frame::Data(buffer.split_to(length).freeze()))
}

/// A chunk-size line with its extensions may have so many octets.
const MAX_SIZE_LINE: usize = 4 * 1024;

/// Takes a chunk-size line (RFC 9112 section 7.1) out of the buffer. White space after the size is let through, as Envoy does; a bare
/// LF or a CR inside is not.
fn size_line(buffer: &mut BytesMut) -> Result<Option<u64>, ParseError> {
    let end = memchr(b'\n', buffer);
    let line = match end {
        Some(end) => &buffer[..end],
        None if buffer.len() > MAX_SIZE_LINE => return Err(ParseError::CODEC),
        // What is there already may be wrong.
        None => &buffer[..],
    };
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let line = match (line, end) {
        (line, None) => line.strip_suffix(b"\r").unwrap_or(line),
        ([line @ .., b'\r'], Some(_)) => line,
        _ => return Err(ParseError::CODEC),
    };
    if (digits == 0 && !buffer.is_empty()) || line.contains(&b'\r') {
        return Err(ParseError::CODEC);
    }
    let after = line[digits..].trim_ascii_start();
    if !matches!(after, [] | [b';', ..]) {
        return Err(ParseError::CODEC);
    }
    let size = line[..digits].iter().try_fold(0u64, |size, digit| {
        let digit = char::from(*digit).to_digit(16).unwrap_or(0);
        size.checked_mul(16).and_then(|size| size.checked_add(digit.into())).ok_or(ParseError::CODEC)
    })?;
    let Some(end) = end else { return Ok(None) };
    buffer.advance(end + 1);
    Ok(Some(size))
}

/// The trailer section with the empty line that ends it.
fn trailers(buffer: &mut BytesMut, searched: &mut usize, settings: &Settings) -> Result<Option<Frame>, ParseError> {
    let empty = match buffer[..] {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    };
    if empty > 0 {
        buffer.advance(empty);
        return Ok(Some(Frame::End));
    }
    let end = lenient::end_of_head(buffer, *searched);
    *searched = buffer.len().saturating_sub(2);
    let limit = settings.max_headers as usize;
    let Some(length) = end else {
        return if buffer.len() > limit { Err(ParseError::TRAILERS_TOO_LARGE) } else { Ok(None) };
    };
    if length > limit {
        return Err(ParseError::TRAILERS_TOO_LARGE);
    }
    if buffer[..length].iter().any(|byte| lenient::is_forbidden(*byte)) {
        return Err(ParseError::CHARACTERS);
    }
    let lines = lenient::lines(&buffer[..length], 0)?;
    if lines.len() > settings.max_headers_count as usize {
        return Err(ParseError::TOO_MANY_TRAILERS);
    }
    let mut cut = Cut { words: [0..0, 0..0, 0..0], lines, length };
    let (_, mut headers) = build(buffer, &mut cut, settings.http1.header_case);
    headers.remove_all(NEVER_TRAILERS);
    Ok(Some(if settings.http1.trailers { Frame::Trailers(headers) } else { Frame::End }))
}
