//! Changes of path and host on the way upstream, with what they were told to the app. Called by `attempt` before the first attempt.

use bytes::Bytes;
use config::access_log::Format;
use config::matcher::TemplatePiece;
use config::route::{HostRewrite, PathRewrite, RouteMatch};

use super::redirect::matched_length;
use super::route::{Forwarding, without_query};
use super::stream::{Chosen, Stream};
use crate::telemetry::format;
use crate::wire::headers::{Name, is_value};
use crate::wire::message::RequestHead;

/// Rewrites what the route wants rewritten. `envoy_headers` is false with `suppress_envoy_headers`.
pub(super) fn apply(stream: &mut Stream<'_>, chosen: Chosen<'_>, forwarding: &Forwarding, envoy_headers: bool) {
    let formatted = Formatted::of(stream, forwarding);
    let request = &mut stream.request;
    for made in formatted.host.iter().chain(&formatted.path) {
        request.headers.doubt_unless(is_value(made));
    }
    if let Some(host) = chosen.weighted.and_then(|target| target.host_rewrite.clone()) {
        // Envoy tells no original for this one.
        request.authority = host;
    }
    if let Some(host) = formatted.host.or_else(|| new_host(forwarding, request)) {
        set_host(request, host, forwarding.config.append_x_forwarded_host, envoy_headers);
    }
    if let Some(rewrite) = &forwarding.config.rewrite {
        let Some(path) = new_path(rewrite, &chosen.route.config.matches, &request.path, formatted.path) else { return };
        set_path(request, path, envoy_headers);
    }
}

/// What formats have made, of the request as it was before it was rewritten.
#[derive(Default)]
struct Formatted {
    host: Option<Bytes>,
    path: Option<Bytes>,
}

impl Formatted {
    fn of(stream: &Stream<'_>, forwarding: &Forwarding) -> Formatted {
        let written = |format: &Format| {
            let mut out = Vec::new();
            format::write(format, &stream.entry(None, None), &mut out);
            Some(Bytes::from(out)).filter(|out| !out.is_empty())
        };
        Formatted {
            host: match &forwarding.config.host_rewrite {
                Some(HostRewrite::Format(format)) => written(format),
                _ => None,
            },
            path: match &forwarding.config.rewrite {
                Some(PathRewrite::Format(format)) => written(format),
                _ => None,
            },
        }
    }
}

/// Replaces the path and tells the old one, unless Envoy's headers are suppressed.
pub(super) fn set_path(request: &mut RequestHead, path: Bytes, envoy_headers: bool) {
    let old = std::mem::replace(&mut request.path, path);
    if envoy_headers {
        request.headers.set(Name::X_ENVOY_ORIGINAL_PATH, old);
    }
}

/// Replaces the host and tells the old one, unless Envoy's headers are suppressed.
pub(super) fn set_host(request: &mut RequestHead, host: Bytes, append_forwarded: bool, envoy_headers: bool) {
    let old = std::mem::replace(&mut request.authority, host);
    if envoy_headers {
        request.headers.set(Name::X_ENVOY_ORIGINAL_HOST, old.clone());
    }
    if append_forwarded && !old.is_empty() {
        let last =
            request.headers.get(&Name::X_FORWARDED_HOST).and_then(|hosts| hosts.rsplit(|octet| *octet == b',').next());
        // A retried or looped request does not pile up the same name.
        if last.is_none_or(|last| last.trim_ascii() != &old[..])
            && let Ok(old) = std::str::from_utf8(&old)
        {
            request.headers.append_list(Name::X_FORWARDED_HOST, old, b",");
        }
    }
}

fn new_host(forwarding: &Forwarding, request: &RequestHead) -> Option<Bytes> {
    match forwarding.config.host_rewrite.as_ref()? {
        HostRewrite::Literal(_) => forwarding.host_rewrite.clone(),
        // Known only when a host has been picked; or made before, and nothing.
        HostRewrite::Auto | HostRewrite::Format(_) => None,
        HostRewrite::Header(_) => {
            request.headers.get(forwarding.host_rewrite_header.as_ref()?).filter(|value| !value.is_empty()).cloned()
        }
        HostRewrite::PathRegex { pattern, substitution } => {
            Some(substitute(pattern, substitution, without_query(&request.path)))
        }
    }
}

fn new_path(rewrite: &PathRewrite, matched: &RouteMatch, path: &[u8], formatted: Option<Bytes>) -> Option<Bytes> {
    let bare = without_query(path);
    let query = &path[bare.len()..];
    Some(match rewrite {
        PathRewrite::Format(_) => Bytes::from([&formatted?[..], query].concat()),
        PathRewrite::Template { pattern, pieces } => {
            let captures = pattern.captures(bare)?;
            let mut path = Vec::with_capacity(path.len());
            for piece in pieces {
                path.extend_from_slice(match piece {
                    TemplatePiece::Literal(text) => text.as_bytes(),
                    TemplatePiece::Variable(group) => captures.get(*group).map_or(&[][..], |found| found.as_bytes()),
                });
            }
            path.extend_from_slice(query);
            Bytes::from(path)
        }
        PathRewrite::Prefix(prefix) => {
            let rest = bare.get(matched_length(matched, bare)..).unwrap_or_default();
            Bytes::from([prefix.as_bytes(), rest, query].concat())
        }
        PathRewrite::Regex { pattern, substitution } => {
            let mut path = substitute(pattern, substitution, bare).to_vec();
            // As with Envoy nothing is no path.
            if path.is_empty() {
                return None;
            }
            path.extend_from_slice(query);
            Bytes::from(path)
        }
    })
}

/// Replaces every match, `\1` to `\9` being groups, `\0` the whole and `\\` a backslash, as RE2's `GlobalReplace` does.
pub(super) fn substitute(pattern: &regex::bytes::Regex, substitution: &str, text: &[u8]) -> Bytes {
    let replaced = pattern.replace_all(text, |captures: &regex::bytes::Captures<'_>| {
        let mut out = Vec::new();
        let mut rest = substitution.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            match (first, tail.first()) {
                (b'\\', Some(digit @ b'0'..=b'9')) => {
                    let group = captures.get(usize::from(digit - b'0'));
                    out.extend_from_slice(group.map_or(&[][..], |group| group.as_bytes()));
                    rest = &tail[1..];
                }
                (b'\\', Some(b'\\')) => {
                    out.push(b'\\');
                    rest = &tail[1..];
                }
                _ => out.push(*first),
            }
        }
        out
    });
    // What is matched is the client's, which a codec has looked at.
    Bytes::from(replaced.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_substituted() {
        let pattern = regex::bytes::Regex::new("^/rex/([^/]+)(.*)$").unwrap();
        assert_eq!(&substitute(&pattern, "\\2/\\1", b"/rex/one/two")[..], b"/two/one");
        let pattern = regex::bytes::Regex::new("a").unwrap();
        assert_eq!(&substitute(&pattern, "\\\\\\0\\7", b"xaa")[..], b"x\\a\\a");
    }
}
