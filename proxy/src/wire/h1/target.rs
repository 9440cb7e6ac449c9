//! Request targets and authorities: which characters they may have, and an absolute form taken apart. Called by `request`.

use bytes::Bytes;

use super::head::Span;
use super::{ParseError, Settings};
use crate::wire::authority::is_authority;
use crate::wire::message::Method;
use crate::wire::url;

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
            if !url::is_host_with_port(&target) {
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
        let start = scheme_end + 3;
        let end = target[start..]
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
            .map_or(target.len(), |length| start + length);
        // User information names the user, not the host. What a target names is judged as part of a URL: more strictly than `Host`.
        let host = url::host_and_port(&target[start..end]).ok_or(ParseError::URL)?;
        let host = end - host.len();
        if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
            return Err(ParseError::SCHEME);
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
