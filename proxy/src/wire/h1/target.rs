//! Request targets and authorities: which characters they may have, and an absolute form taken apart. Called by `request`.

use bytes::Bytes;

use super::head::Span;
use super::request::parse_length;
use super::{ParseError, Settings};
use crate::wire::authority::is_authority;
use crate::wire::message::Method;

/// The request target, taken apart.
#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) scheme: Bytes,
    pub(super) authority: Option<Bytes>,
    pub(super) path: Bytes,
    /// It is `*`, and the path `/`.
    pub(super) about_server: bool,
}

impl Target {
    /// RFC 9112 section 3.2: origin form, `*` of OPTIONS, authority form of CONNECT, absolute form.
    pub(super) fn parse(head: &Bytes, span: Span, method: &Method, settings: &Settings) -> Result<Target, ParseError> {
        let target = head.slice(span);
        if *method == Method::Connect {
            if !has_valid_port(&target, true) {
                return Err(ParseError::URL);
            }
            return Ok(Target { authority: Some(target), ..Target::default() });
        }
        if *method == Method::Options && target[..] == *b"*" {
            return Ok(Target { path: Bytes::from_static(b"/"), about_server: true, ..Target::default() });
        }
        if target.starts_with(b"/") || (*method == Method::Options && target.starts_with(b"*")) {
            return Ok(Target { path: target, ..Target::default() });
        }
        if !settings.http1.allow_absolute_url {
            return Ok(Target { path: target, ..Target::default() });
        }
        Target::absolute(&target, method)
    }

    fn absolute(target: &Bytes, method: &Method) -> Result<Target, ParseError> {
        let scheme_end = memchr::memmem::find(target, b"://").ok_or(ParseError::URL)?;
        let scheme = target.slice(..scheme_end);
        if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
            return Err(ParseError::SCHEME);
        }
        let start = scheme_end + 3;
        let end = target[start..]
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
            .map_or(target.len(), |length| start + length);
        // User information names the user, not the host.
        let host = target[start..end].iter().rposition(|byte| *byte == b'@').map_or(start, |at| start + at + 1);
        if host == end || !has_valid_port(&target[host..end], false) {
            return Err(ParseError::URL);
        }
        // RFC 9112 section 3.2.4: the server as a whole.
        let about_server = end == target.len() && *method == Method::Options;
        let path = match target.get(end) {
            None => Bytes::from_static(b"/"),
            // RFC 9112 section 3.2.1: an empty path is sent as `/`.
            Some(b'?') => [b"/", &target[end..]].concat().into(),
            Some(_) => target.slice(end..),
        };
        Ok(Target { scheme, authority: Some(target.slice(host..end)), path, about_server })
    }
}

/// Whether the port after the host is a number, when there is one (`required`: there must be).
fn has_valid_port(authority: &[u8], required: bool) -> bool {
    let host_end = match authority {
        [b'[', ..] => match authority.iter().position(|byte| *byte == b']') {
            Some(at) => at + 1,
            None => return false,
        },
        _ => authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len()),
    };
    match &authority[host_end..] {
        [] => !required,
        [b':', digits @ ..] => {
            host_end > 0 && digits.len() <= 5 && parse_length(digits).is_ok_and(|port| port <= u64::from(u16::MAX))
        }
        _ => false,
    }
}

/// The characters that Envoy takes in a request target.
pub(super) fn is_target(target: &[u8], is_connect: bool) -> bool {
    let is_path = |bytes: &[u8]| bytes.iter().all(|byte| matches!(byte, b'\t' | b'!'..=b'~'));
    if let [b'/' | b'*', rest @ ..] = target {
        return is_path(rest);
    }
    let mut rest = target;
    if !is_connect {
        let scheme = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        match rest.split_at(scheme) {
            (scheme, [b':', b'/', b'/', after @ ..]) if !scheme.is_empty() => rest = after,
            _ => return false,
        }
    }
    let host_end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    !target.is_empty() && is_authority(host) && is_path(path)
}
