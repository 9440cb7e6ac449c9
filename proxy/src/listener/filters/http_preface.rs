//! The HTTP version out of a connection's first bytes, which may end anywhere. Pure: given the same bytes, in whatever pieces, it says
//! the same, and it says no at the first byte that decides.

use super::Progress;

/// The most octets that are looked at; a request line that needs more is refused.
pub(in crate::listener) const LARGEST: usize = 64 * 1024;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Versions that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Version {
    /// 1.0 and every other that is not 1.1.
    Http10,
    /// 1.1.
    Http11,
    /// The preface of HTTP/2.
    Http2,
}

/// Reads as far as it can. `Done(None)`: it is not HTTP.
pub(in crate::listener) fn parse(bytes: &[u8]) -> Progress<Option<Version>> {
    if bytes.starts_with(PREFACE) {
        return Progress::Done(Some(Version::Http2));
    }
    if PREFACE.starts_with(bytes) {
        return Progress::More;
    }
    let end = memchr::memchr(b'\n', bytes);
    let line = &bytes[..end.unwrap_or(bytes.len())];
    if !may_become_a_request(line) {
        return Progress::Done(None);
    }
    match end {
        Some(_) => Progress::Done(version(line.strip_suffix(b"\r").unwrap_or(line))),
        None => Progress::More,
    }
}

/// A method of token characters, a space, then nothing that is a control character but the line's end.
fn may_become_a_request(line: &[u8]) -> bool {
    let method = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (method, rest) = line.split_at(method);
    let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
    // A lone CR at the end may be the first half of the line's end, but not before there is a target.
    !method.is_empty() && method.iter().all(|byte| is_token(*byte)) && !rest.iter().any(u8::is_ascii_control)
}

/// The version of a whole request line.
fn version(line: &[u8]) -> Option<Version> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (method, target, version) = (words.next()?, words.next()?, words.next());
    if words.next().is_some() || !is_target(method, target) {
        return None;
    }
    match version {
        Some(b"HTTP/1.1") => Some(Version::Http11),
        None => Some(Version::Http10),
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Some(Version::Http10)
        }
        Some(_) => None,
    }
}

fn is_target(method: &[u8], target: &[u8]) -> bool {
    match target {
        [b'/' | b'*', ..] => true,
        _ if method == b"CONNECT" => target.contains(&b':'),
        // absolute-form
        _ => target.windows(3).any(|part| part == b"://") && target[0].is_ascii_alphabetic(),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
