//! Writes heads, chunks and trailers as text. Called by `server` and `client`, which own the buffer. No I/O.
//!
//! It decides how a body is delimited on the wire, from the headers and from whether a body follows, as Envoy's encoder does.

use bytes::{BufMut, Bytes, BytesMut};

use super::cased;
use super::reason::phrase;
use super::request::{parse_length, tokens};
use crate::wire::headers::{Headers, Name, is_value};
use crate::wire::message::{Method, Protocol, RequestHead, ResponseHead};
use config::hcm::HeaderCase;

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
    pub(super) case: HeaderCase,
}

/// Writes an informational head.
pub(super) fn informational(out: &mut BytesMut, head: &ResponseHead, case: HeaderCase) {
    status_line(out, Protocol::Http11, head);
    headers(out, &head.headers, case);
    out.extend_from_slice(b"\r\n");
}

/// Writes a final head (or 101) and says how the body goes on.
pub(super) fn response(out: &mut BytesMut, head: &ResponseHead, end: bool, context: ResponseContext) -> Sending {
    status_line(out, context.protocol, head);
    headers(out, &head.headers, context.case);
    let line = |out: &mut BytesMut, line: &'static [u8]| own_line(out, line, &head.headers, context.case);
    let tunnel = head.status == 101 || (context.to_connect && (200..300).contains(&head.status));
    if !head.headers.contains(&Name::CONNECTION) && !tunnel {
        if context.close {
            line(out, b"connection: close\r\n");
        } else if context.protocol == Protocol::Http10 {
            line(out, b"connection: keep-alive\r\n");
        }
    }
    let sending = if tunnel {
        Sending::Tunnel
    } else {
        let has_length = head.headers.contains(&Name::CONTENT_LENGTH);
        let bodyless = head.status == 204 || head.status == 304;
        if !has_length && end && !context.to_head && !bodyless {
            line(out, b"content-length: 0\r\n");
        }
        // The answer to a HEAD says chunked where that to a GET perhaps would.
        let chunked = !has_length && (context.to_head || !end) && !bodyless && context.protocol != Protocol::Http10;
        if chunked {
            line(out, b"transfer-encoding: chunked\r\n");
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

/// Writes a request head and says how the body goes on. `full_url`: with scheme and host in the first line.
pub(super) fn request(out: &mut BytesMut, head: &RequestHead, end: bool, case: HeaderCase, full_url: bool) -> Sending {
    let is_connect = head.method == Method::Connect;
    out.extend_from_slice(head.method.as_bytes());
    out.put_u8(b' ');
    if full_url && !is_connect {
        // What was asked for without a scheme went over plaintext.
        clean(out, if head.scheme.is_empty() { &HTTP } else { &head.scheme }, b"");
        out.extend_from_slice(b"://");
        clean(out, &head.authority, b"");
    }
    if is_connect {
        clean(out, &head.authority, b"%20");
    } else if !(full_url && head.is_about_server()) {
        clean(out, head.target(), b"%20");
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    out.extend_from_slice(if is_host_proper(&head.headers, case) { b"Host: " } else { b"host: " });
    clean(out, &head.authority, b"");
    out.extend_from_slice(b"\r\n");
    headers(out, &head.headers, case);
    let sending = if is_connect || head.upgrade.is_some() {
        Sending::Tunnel
    } else if head.headers.contains(&Name::CONTENT_LENGTH) {
        declared(&head.headers)
    } else if end {
        // The length of nothing is said only where a body would be expected.
        if !matches!(head.method, Method::Get | Method::Head) && !has_no_body(&head.method) {
            own_line(out, b"content-length: 0\r\n", &head.headers, case);
        }
        Sending::Length(0)
    } else {
        own_line(out, b"transfer-encoding: chunked\r\n", &head.headers, case);
        Sending::Chunked
    };
    out.extend_from_slice(b"\r\n");
    sending
}

static HTTP: Bytes = Bytes::from_static(b"http");

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
pub(super) fn last_chunk(out: &mut BytesMut, trailers: Option<&Headers>, case: HeaderCase) {
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        headers(out, trailers, case);
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

fn status_line(out: &mut BytesMut, protocol: Protocol, head: &ResponseHead) {
    let status = head.status;
    let reason = Some(&head.reason).filter(|reason| head.headers.kept.reason && !reason.is_empty());
    if protocol == Protocol::Http11 && status == 200 && reason.is_none() {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(if protocol == Protocol::Http10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.put_u8(b' ');
    match reason {
        Some(reason) => clean(out, reason, b" "),
        None => out.extend_from_slice(phrase(status).as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
}

/// Framing is this codec's own matter, so `transfer-encoding` is never copied.
fn headers(out: &mut BytesMut, headers: &Headers, case: HeaderCase) {
    if headers.kept.spelling || case == HeaderCase::Proper {
        return cased::headers(out, headers);
    }
    let begin = out.len();
    let mut breaks = 0;
    for header in headers.iter().filter(|header| header.name != Name::TRANSFER_ENCODING) {
        match header.name.begun() {
            Some(begun) => out.extend_from_slice(begun),
            None => {
                out.extend_from_slice(header.name.as_bytes());
                out.extend_from_slice(b": ");
            }
        }
        out.extend_from_slice(&header.value);
        out.extend_from_slice(b"\r\n");
        breaks += 2;
    }
    // One look at the whole block instead of one at each value.
    if breaking(&out[begin..]) != breaks {
        out.truncate(begin);
        sound_headers(out, headers);
    }
}

/// Leaves out what would end or break a line. Whoever lets such a value in looks at it before (`wire::headers`); this is the net.
#[cold]
fn sound_headers(out: &mut BytesMut, headers: &Headers) {
    for header in headers.iter().filter(|header| header.name != Name::TRANSFER_ENCODING && is_value(&header.value)) {
        out.extend_from_slice(header.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(&header.value);
        out.extend_from_slice(b"\r\n");
    }
}

/// A line of this codec's own, in the case of the message that it belongs to.
fn own_line(out: &mut BytesMut, line: &'static [u8], headers: &Headers, case: HeaderCase) {
    if headers.kept.spelling || case == HeaderCase::Proper {
        cased::own_line(out, line, headers);
    } else {
        out.extend_from_slice(line);
    }
}

fn is_host_proper(headers: &Headers, case: HeaderCase) -> bool {
    if headers.kept.spelling { !headers.kept.lower_host } else { case == HeaderCase::Proper }
}

/// How many octets there are that end or break a line. Counted in octets, so that the compiler takes many at a time.
fn breaking(text: &[u8]) -> usize {
    let count = |piece: &[u8]| piece.iter().map(|byte| u8::from(matches!(byte, b'\r' | b'\n' | 0))).sum::<u8>();
    text.chunks(128).map(|piece| usize::from(count(piece))).sum()
}

/// Writes what is of the first line, or of the host. The codecs let no line break in, and what others make is looked at before it comes
/// here: one that would begin a new line is neutralised.
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
