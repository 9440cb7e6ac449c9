//! `RedirectAction`: where the client is sent. Called by `exchange`.

use bytes::Bytes;
use config::route::{DirectResponse, PathMatch, Redirect, RouteMatch};

use super::local_reply::LocalReply;
use super::rewrite;
use super::route::{without_port, without_query};
use super::stream::Stream;
use crate::logs::Line;
use crate::telemetry::format;
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// The answer that redirects.
pub(super) fn reply(redirect: &Redirect, matched: &RouteMatch, stream: &mut Stream<'_>) -> LocalReply {
    let mut reply = LocalReply::new(redirect.status, "direct_response");
    let formatted = redirect.path_format.as_ref().map(|format| {
        let mut path = Vec::new();
        format::write(format, &stream.entry(None, None), &mut path);
        path
    });
    let new = match &redirect.regex {
        Some((pattern, substitution)) => {
            Some(rewrite::substitute(pattern, substitution, without_query(&stream.request.path)).to_vec())
        }
        None => formatted,
    };
    // As with Envoy nothing is no path.
    let new = new.filter(|path| !path.is_empty());
    reply.location = has_path(&stream.request).then(|| location(redirect, matched, &stream.request, new.as_deref()));
    // As with Envoy whoever looks at the path from here on sees the new one, and the old one beside it.
    let path = without_query(&stream.request.path);
    let query = &stream.request.path[path.len()..];
    let seen = match (&new, &redirect.prefix) {
        (Some(new), _) if redirect.regex.is_some() => Some([&new[..], query].concat()),
        (None, Some(prefix)) if redirect.path.is_none() => {
            let rest = path.get(matched_length(matched, path)..).unwrap_or_default();
            Some([prefix.as_bytes(), rest, query].concat())
        }
        _ => None,
    };
    if let Some(seen) = seen {
        let envoy_headers = !stream.context.manager.config.router.suppress_envoy_headers;
        rewrite::set_path(&mut stream.request, seen.into(), envoy_headers);
    }
    reply
}

/// The answer of a virtual host that insists on TLS.
pub(super) fn to_tls(request: &RequestHead) -> LocalReply {
    let mut reply = LocalReply::new(301, "direct_response");
    reply.location =
        has_path(request).then(|| [b"https://", &request.authority[..], &request.path[..]].concat().into());
    reply
}

/// A CONNECT has none, and nowhere to be sent.
fn has_path(request: &RequestHead) -> bool {
    !request.path.is_empty()
}

/// The answer of a route that answers by itself. As Envoy has it, a 201 names what was made, and a 3xx where to go: here.
pub(super) fn direct(direct: &DirectResponse, written: Option<&(Line, Bytes)>, stream: &Stream<'_>) -> LocalReply {
    let request = &stream.request;
    let mut reply = LocalReply::new(direct.status, "direct_response").body(direct.body.clone());
    if let Some((line, content_type)) = written {
        let mut entry = stream.entry(None, None);
        entry.more.reply = Some(&direct.body);
        let mut body = Vec::new();
        line.write(&entry, &mut body);
        reply.body = Bytes::from(body);
        reply.headers.push((Name::CONTENT_TYPE, content_type.clone()));
    }
    if has_path(request) && (direct.status == 201 || (300..400).contains(&direct.status)) {
        let scheme = if &request.scheme[..] == b"https" { &b"https://"[..] } else { b"http://" };
        reply.location = Some([scheme, &request.authority[..], &request.path[..]].concat().into());
    }
    reply
}

/// `new`: the path that a pattern or a format has made.
fn location(redirect: &Redirect, matched: &RouteMatch, request: &RequestHead, new: Option<&[u8]>) -> Bytes {
    let own_scheme = if &request.scheme[..] == b"https" { "https" } else { "http" };
    let scheme = redirect.scheme.as_deref().unwrap_or(own_scheme);
    let mut out = Vec::with_capacity(request.authority.len() + request.path.len() + 16);
    out.extend_from_slice(scheme.as_bytes());
    out.extend_from_slice(b"://");
    match &redirect.host {
        Some(host) => out.extend_from_slice(host.as_bytes()),
        None => {
            let host = &request.authority[..];
            let bare = redirect.port.is_some() || (redirect.scheme.is_some() && leaves_default_port(request, scheme));
            out.extend_from_slice(if bare { without_port(host) } else { host });
        }
    }
    if let Some(port) = redirect.port {
        out.push(b':');
        out.extend_from_slice(port.to_string().as_bytes());
    }
    let path = &request.path[..];
    let (path, query) = path.split_at(memchr::memchr(b'?', path).unwrap_or(path.len()));
    let query = if redirect.strip_query { &b""[..] } else { query };
    let start = out.len();
    match (&redirect.path, &redirect.prefix) {
        _ if let Some(new) = new => {
            out.extend_from_slice(new);
            out.extend_from_slice(query);
        }
        (Some(new), _) => {
            out.extend_from_slice(new.as_bytes());
            // A new path with a query of its own replaces both.
            if !new.contains('?') {
                out.extend_from_slice(query);
            }
        }
        (None, Some(prefix)) => {
            out.extend_from_slice(prefix.as_bytes());
            out.extend_from_slice(path.get(matched_length(matched, path)..).unwrap_or_default());
            out.extend_from_slice(query);
        }
        (None, None) => {
            out.extend_from_slice(path);
            out.extend_from_slice(query);
        }
    }
    // As with Envoy a path begins with a slash, whatever was made.
    if out.get(start).is_some_and(|first| *first != b'/') {
        out.insert(start, b'/');
    }
    Bytes::from(out)
}

/// The default port of the protocol that is left says nothing in the new one. As with Envoy that is what `x-forwarded-proto` says.
fn leaves_default_port(request: &RequestHead, to: &str) -> bool {
    let from = request.headers.get(&Name::X_FORWARDED_PROTO).map_or(&[][..], |value| &value[..]);
    let port = &request.authority[without_port(&request.authority).len()..];
    from != to.as_bytes() && matches!((from, port), (b"http", b":80") | (b"https", b":443"))
}

/// How many octets of the path the route's match stands for: what a prefix rewrite replaces.
pub(super) fn matched_length(matched: &RouteMatch, path: &[u8]) -> usize {
    match &matched.path {
        // Parameters behind it may have been left out of the match, and stay.
        PathMatch::Prefix(text) | PathMatch::SeparatedPrefix(text) | PathMatch::Exact(text) => text.len(),
        PathMatch::Regex(_) | PathMatch::Template(_) => path.len(),
        PathMatch::Connect => 0,
    }
}

#[cfg(test)]
mod tests;
