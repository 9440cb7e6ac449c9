//! Writes heads, chunks and trailers as text. Called by `server` and `client`, which own the buffer. No I/O.
//!
//! It decides how a body is delimited on the wire, from the headers and from whether a body follows, as Envoy's encoder does.

use bytes::{BufMut, Bytes, BytesMut};

use super::reason::phrase;
use super::request::{parse_length, tokens};
use crate::wire::headers::{Header, Headers, Name};
use crate::wire::message::{Method, Protocol, RequestHead, ResponseHead};

/// How far the sending of a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    /// The head is still to be sent.
    Head,
    /// A body with a length: so many octets are left.
    Length(u64),
    /// A chunked body.
    Chunked,
    /// A body that ends with the connection.
    UntilClose,
    /// No body may be written, whatever is sent (HEAD, 204, 304).
    Nothing,
    /// Raw bytes in both directions.
    Tunnel,
    /// The message is complete.
    Done,
}

/// What the server side of a connection adds to a response.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResponseContext {
    pub(super) protocol: Protocol,
    pub(super) to_head: bool,
    pub(super) to_connect: bool,
    /// The connection ends after this response.
    pub(super) close: bool,
    pub(super) preserve_case: bool,
}

/// Writes an informational head.
pub(super) fn informational(out: &mut BytesMut, head: &ResponseHead, preserve_case: bool) {
    status_line(out, Protocol::Http11, head.status);
    headers(out, &head.headers, preserve_case);
    out.extend_from_slice(b"\r\n");
}

/// Writes a final head (or 101) and says how the body goes on.
pub(super) fn response(out: &mut BytesMut, head: &ResponseHead, end: bool, context: ResponseContext) -> Sending {
    status_line(out, context.protocol, head.status);
    headers(out, &head.headers, context.preserve_case);
    let tunnel = head.status == 101 || (context.to_connect && (200..300).contains(&head.status));
    if !head.headers.contains(&Name::CONNECTION) && !tunnel {
        if context.close {
            out.extend_from_slice(b"connection: close\r\n");
        } else if context.protocol == Protocol::Http10 {
            out.extend_from_slice(b"connection: keep-alive\r\n");
        }
    }
    let sending = if tunnel {
        Sending::Tunnel
    } else {
        let has_length = head.headers.contains(&Name::CONTENT_LENGTH);
        let bodyless = head.status == 204 || head.status == 304;
        if !has_length && end && !context.to_head && !bodyless {
            out.extend_from_slice(b"content-length: 0\r\n");
        }
        // The answer to a HEAD says chunked where that to a GET perhaps would.
        let chunked = !has_length && (context.to_head || !end) && !bodyless && context.protocol != Protocol::Http10;
        if chunked {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        if context.to_head || bodyless {
            Sending::Nothing
        } else if has_length {
            declared(&head.headers)
        } else if chunked {
            Sending::Chunked
        } else if end {
            Sending::Length(0)
        } else {
            Sending::UntilClose
        }
    };
    out.extend_from_slice(b"\r\n");
    sending
}

/// Writes a request head and says how the body goes on.
pub(super) fn request(out: &mut BytesMut, head: &RequestHead, end: bool, preserve_case: bool) -> Sending {
    let is_connect = head.method == Method::Connect;
    out.extend_from_slice(head.method.as_bytes());
    out.put_u8(b' ');
    clean(out, if is_connect { &head.authority } else { head.target() }, b"%20");
    out.extend_from_slice(if preserve_case { b" HTTP/1.1\r\nHost: " } else { b" HTTP/1.1\r\nhost: " });
    clean(out, &head.authority, b"");
    out.extend_from_slice(b"\r\n");
    headers(out, &head.headers, preserve_case);
    let sending = if is_connect || head.upgrade.is_some() {
        Sending::Tunnel
    } else if head.headers.contains(&Name::CONTENT_LENGTH) {
        declared(&head.headers)
    } else if end {
        // The length of nothing is said only where a body would be expected.
        if !matches!(head.method, Method::Get | Method::Head) && !has_no_body(&head.method) {
            out.extend_from_slice(b"content-length: 0\r\n");
        }
        Sending::Length(0)
    } else {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        Sending::Chunked
    };
    out.extend_from_slice(b"\r\n");
    sending
}

fn has_no_body(method: &Method) -> bool {
    matches!(method, Method::Delete) || method.as_bytes() == b"TRACE"
}

/// Writes what goes before the data of a chunk.
pub(super) fn chunk_head(out: &mut BytesMut, length: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for nibble in (0..nibbles).rev() {
        out.put_u8(DIGITS[(length >> (nibble * 4)) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk and the trailers.
pub(super) fn last_chunk(out: &mut BytesMut, trailers: Option<&Headers>, preserve_case: bool) {
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        headers(out, trailers, preserve_case);
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a response's own `connection` header ends the connection.
pub(super) fn says_close(headers: &Headers) -> bool {
    headers.get_all(&Name::CONNECTION).flat_map(|value| tokens(value)).any(|token| token.eq_ignore_ascii_case(b"close"))
}

fn declared(headers: &Headers) -> Sending {
    match headers.get(&Name::CONTENT_LENGTH).map(|value| parse_length(value)) {
        Some(Ok(length)) => Sending::Length(length),
        // Not from a codec of ours; what follows cannot be trusted to fit.
        _ => Sending::Length(0),
    }
}

fn status_line(out: &mut BytesMut, protocol: Protocol, status: u16) {
    if protocol == Protocol::Http11 && status == 200 {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(if protocol == Protocol::Http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.put_u8(b' ');
    out.extend_from_slice(phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Framing is this codec's own matter, so `transfer-encoding` is never copied.
fn headers(out: &mut BytesMut, headers: &Headers, preserve_case: bool) {
    let begin = out.len();
    let mut breaks = 0;
    for header in headers.iter().filter(|header| header.name != Name::TRANSFER_ENCODING) {
        let name = spelling(header, preserve_case);
        out.reserve(name.len() + header.value.len() + 4);
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(&header.value);
        out.extend_from_slice(b"\r\n");
        breaks += 2;
    }
    // One look at the whole block instead of one at each value.
    if breaking(&out[begin..]) != breaks {
        out.truncate(begin);
        clean_headers(out, headers, preserve_case);
    }
}

#[cold]
fn clean_headers(out: &mut BytesMut, headers: &Headers, preserve_case: bool) {
    for header in headers.iter().filter(|header| header.name != Name::TRANSFER_ENCODING) {
        out.extend_from_slice(spelling(header, preserve_case));
        out.extend_from_slice(b": ");
        clean(out, &header.value, b" ");
        out.extend_from_slice(b"\r\n");
    }
}

fn spelling(header: &Header, preserve_case: bool) -> &[u8] {
    match &header.spelling {
        Some(spelling) if preserve_case => spelling,
        _ => header.name.as_bytes(),
    }
}

/// How many octets there are that end or break a line. Counted in octets, so that the compiler takes many at a time.
fn breaking(text: &[u8]) -> usize {
    let count = |piece: &[u8]| piece.iter().map(|byte| u8::from(matches!(byte, b'\r' | b'\n' | 0))).sum::<u8>();
    text.chunks(128).map(|piece| usize::from(count(piece))).sum()
}

/// Writes text from outside. The codecs let no line break in, but filters may make values of their own (from a token's claims, say):
/// one that would begin a new line is neutralised.
fn clean(out: &mut BytesMut, value: &Bytes, instead: &[u8]) {
    if memchr::memchr3(b'\r', b'\n', 0, value).is_none() {
        return out.extend_from_slice(value);
    }
    for byte in value {
        match byte {
            b'\r' | b'\n' | 0 => out.extend_from_slice(instead),
            byte => out.put_u8(*byte),
        }
    }
}
