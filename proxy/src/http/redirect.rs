//! `RedirectAction`: where the client is sent. Called by `exchange`.

use bytes::Bytes;
use config::route::{DirectResponse, PathMatch, Redirect, RouteMatch};

use super::local_reply::LocalReply;
use super::route::without_port;
use crate::wire::message::RequestHead;

/// The answer that redirects.
pub(super) fn reply(redirect: &Redirect, matched: &RouteMatch, request: &RequestHead) -> LocalReply {
    let mut reply = LocalReply::new(redirect.status, "direct_response");
    reply.location = Some(location(redirect, matched, request));
    reply
}

/// The answer of a virtual host that insists on TLS.
pub(super) fn to_tls(request: &RequestHead) -> LocalReply {
    let mut reply = LocalReply::new(301, "direct_response");
    reply.location = Some([b"https://", &request.authority[..], &request.path[..]].concat().into());
    reply
}

/// The answer of a route that answers by itself. A 201 names what was made, as Envoy has it.
pub(super) fn direct(direct: &DirectResponse, request: &RequestHead) -> LocalReply {
    let mut reply = LocalReply::new(direct.status, "direct_response").body(direct.body.clone());
    if direct.status == 201 {
        let scheme = if &request.scheme[..] == b"https" { &b"https://"[..] } else { b"http://" };
        reply.location = Some([scheme, &request.authority[..], &request.path[..]].concat().into());
    }
    reply
}

fn location(redirect: &Redirect, matched: &RouteMatch, request: &RequestHead) -> Bytes {
    let own_scheme = if &request.scheme[..] == b"https" { "https" } else { "http" };
    let scheme = redirect.scheme.as_deref().unwrap_or(own_scheme);
    let mut out = Vec::with_capacity(request.authority.len() + request.path.len() + 16);
    out.extend_from_slice(scheme.as_bytes());
    out.extend_from_slice(b"://");
    let host = redirect.host.as_deref().map_or(&request.authority[..], str::as_bytes);
    match redirect.port {
        Some(port) => {
            out.extend_from_slice(without_port(host));
            out.push(b':');
            out.extend_from_slice(port.to_string().as_bytes());
        }
        // The default port of the scheme that is left says nothing in the new one.
        None if redirect.scheme.is_some() && leaves_default_port(own_scheme, scheme, host) => {
            out.extend_from_slice(without_port(host));
        }
        None => out.extend_from_slice(host),
    }
    let path = &request.path[..];
    let (path, query) = path.split_at(memchr::memchr(b'?', path).unwrap_or(path.len()));
    let query = if redirect.strip_query { &b""[..] } else { query };
    match (&redirect.path, &redirect.prefix) {
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
    // What a client sent stands in this header: nothing of it may end the line.
    out.retain(|octet| !matches!(octet, b'\r' | b'\n' | 0));
    Bytes::from(out)
}

fn leaves_default_port(from: &str, to: &str, host: &[u8]) -> bool {
    let port = &host[without_port(host).len()..];
    (from, to, port) == ("http", "https", &b":80"[..]) || (from, to, port) == ("https", "http", &b":443"[..])
}

/// How many octets of the path the route's match stands for: what a prefix rewrite replaces.
pub(super) fn matched_length(matched: &RouteMatch, path: &[u8]) -> usize {
    match &matched.path {
        PathMatch::Prefix(prefix) | PathMatch::SeparatedPrefix(prefix) => prefix.len(),
        PathMatch::Exact(_) | PathMatch::Regex(_) => path.len(),
        PathMatch::Connect => 0,
    }
}

#[cfg(test)]
mod tests;
