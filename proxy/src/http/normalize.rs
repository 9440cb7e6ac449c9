//! The path and the host of a request as routes and policies must see them: one spelling for what servers take as one path.
//! Called once a request by `exchange`, before anything looks at the path.

use std::borrow::Cow;

use bytes::Bytes;
use config::hcm::{EscapedSlashes, HttpConnectionManager, StripHostPort};

use super::route::without_port;
use crate::wire::message::RequestHead;

/// What normalising says of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Normalized {
    /// Go on.
    Done,
    /// 400: the path cannot be read.
    Refused,
    /// 307 to the path as it now is.
    Redirect,
}

/// Strips the fragment and normalises the path as configured. Leaves a path that needs nothing alone, without a copy.
pub(super) fn path(config: &HttpConnectionManager, request: &mut RequestHead) -> Normalized {
    if let Some(fragment) = memchr::memchr(b'#', &request.path) {
        if config.reject_fragment.get() {
            return Normalized::Refused;
        }
        request.path.truncate(fragment);
    }
    let (mut path, query) = split_query(&request.path);
    let mut outcome = Normalized::Done;
    if config.escaped_slashes != EscapedSlashes::Keep
        && let Some(unescaped) = unescape_slashes(&path)
    {
        match config.escaped_slashes {
            EscapedSlashes::Reject => {
                // As with Envoy logs tell what it would have been.
                request.path = Bytes::from([&unescaped[..], query].concat());
                return Normalized::Refused;
            }
            EscapedSlashes::UnescapeAndRedirect => outcome = Normalized::Redirect,
            EscapedSlashes::Keep | EscapedSlashes::UnescapeAndForward => {}
        }
        path = Cow::Owned(unescaped);
    }
    if config.normalize_path && needs_canonical(&path) {
        match canonical(&path) {
            Some(better) => path = Cow::Owned(better),
            None => return Normalized::Refused,
        }
    }
    if config.merge_slashes && memchr::memmem::find(&path, b"//").is_some() {
        let mut merged = path.into_owned();
        merged.dedup_by(|next, previous| *next == b'/' && *previous == b'/');
        // As with Envoy: nothing between a slash at the beginning and one at the end.
        if merged == b"/" {
            merged.push(b'/');
        }
        path = Cow::Owned(merged);
    }
    if let Cow::Owned(mut path) = path {
        path.extend_from_slice(query);
        request.path = Bytes::from(path);
    }
    outcome
}

/// Strips port and trailing dot of the authority, as configured. `listener_port` is where the client connected.
pub(super) fn host(config: &HttpConnectionManager, request: &mut RequestHead, listener_port: u16) {
    if config.strip_trailing_host_dot {
        let host = without_port(&request.authority).len();
        if host > 0 && request.authority[host - 1] == b'.' {
            let mut authority = request.authority.to_vec();
            authority.remove(host - 1);
            request.authority = Bytes::from(authority);
        }
    }
    if config.strip_host_port == StripHostPort::Keep {
        return;
    }
    let host = without_port(&request.authority).len();
    let port = std::str::from_utf8(request.authority.get(host + 1..).unwrap_or_default()).ok();
    let port = port.and_then(|port| port.parse::<u32>().ok());
    let strip = match config.strip_host_port {
        StripHostPort::Keep => false,
        StripHostPort::Matching => port == Some(u32::from(listener_port)),
        StripHostPort::Any => port.is_some(),
    };
    if strip {
        request.authority.truncate(host);
    }
}

fn split_query(path: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let (path, query) = path.split_at(memchr::memchr(b'?', path).unwrap_or(path.len()));
    (Cow::Borrowed(path), query)
}

/// `%2F` and `%5C` unescaped; `None` when there was none.
fn unescape_slashes(path: &[u8]) -> Option<Vec<u8>> {
    let at = |index: usize| match path.get(index..index + 3) {
        Some([b'%', b'2', b'f' | b'F']) => Some(b'/'),
        Some([b'%', b'5', b'c' | b'C']) => Some(b'\\'),
        _ => None,
    };
    let first = (0..path.len()).find(|index| at(*index).is_some())?;
    let mut out = path[..first].to_vec();
    let mut index = first;
    while index < path.len() {
        match at(index) {
            Some(slash) => {
                out.push(slash);
                index += 3;
            }
            None => {
                out.push(path[index]);
                index += 1;
            }
        }
    }
    Some(out)
}

/// Whether [`canonical`] could change anything.
fn needs_canonical(path: &[u8]) -> bool {
    !path.starts_with(b"/")
        || path.iter().enumerate().any(|(index, octet)| match octet {
            b'%' | b'\\' => true,
            b'.' => path[index - 1] == b'/',
            other => must_be_escaped(*other),
        })
}

fn must_be_escaped(octet: u8) -> bool {
    !(0x21..=0x7e).contains(&octet) || matches!(octet, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// RFC 3986 section 6.2.2: unreserved octets unescaped, others that may not stand raw escaped, `\` as `/`, dot segments resolved.
/// `None` for a path that is not absolute, or that holds `%00`.
fn canonical(path: &[u8]) -> Option<Vec<u8>> {
    if !matches!(path.first(), Some(b'/' | b'\\')) {
        return None;
    }
    let path = &*without_dot_parameters(path);
    let mut out = Vec::with_capacity(path.len() + 8);
    // Place of a `%` that begins no escape.
    let mut lone = None;
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match *first {
            b'/' | b'\\' => {
                end_segment(&mut out);
                out.push(b'/');
                lone = None;
            }
            b'%' => match escaped(tail) {
                Some(0) => return None,
                Some(octet) if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') => {
                    out.push(octet);
                    rest = &tail[2..];
                }
                Some(_) => out.push(b'%'),
                None => {
                    lone = Some(out.len());
                    out.push(b'%');
                }
            },
            octet if must_be_escaped(octet) => {
                out.extend_from_slice(percent_encoding::percent_encode_byte(octet).as_bytes());
            }
            octet => out.push(octet),
        }
        // What was unescaped must not make an escape out of a `%` that was none: `%%32e` is not `%2e`.
        if let Some(percent) = lone
            && out.get(percent..).and_then(|tail| escaped(tail.strip_prefix(b"%")?)).is_some()
        {
            out.splice(percent + 1..percent + 1, *b"25");
            lone = None;
        }
    }
    // A dot segment at the end leaves the slash before it.
    match last_segment(&out) {
        b"." => out.truncate(out.len() - 1),
        b".." => {
            end_segment(&mut out);
            out.push(b'/');
        }
        _ => {}
    }
    Some(out)
}

/// Dot segments lose their parameters (`/..;x/` is `/../`), as servers that know parameters read them. Only segments between plain `/`
/// count, and only raw dots: what is escaped is no parameter.
fn without_dot_parameters(path: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(path, b".;").is_none() {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    for (index, segment) in path.split(|octet| *octet == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        let dots = segment.split(|octet| *octet == b';').next().unwrap_or(segment);
        out.extend_from_slice(if matches!(dots, b"." | b"..") { dots } else { segment });
    }
    Cow::Owned(out)
}

/// Resolves the segment that ends here: `/.` and `/..` are taken away, the latter with the segment before it.
fn end_segment(out: &mut Vec<u8>) {
    match last_segment(out) {
        b"." => out.truncate(out.len() - 2),
        b".." => {
            out.truncate(out.len() - 3);
            let parent = memchr::memrchr(b'/', out).unwrap_or(0);
            out.truncate(parent);
        }
        _ => {}
    }
}

fn last_segment(out: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', out).map_or(&[], |slash| &out[slash + 1..])
}

/// The octet that two hex digits stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*digits.get(index)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests;
