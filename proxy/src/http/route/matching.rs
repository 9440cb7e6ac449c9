//! Whether a route is meant: path, method and other headers, query, gRPC, a random share.

use config::matcher::{CookieMatcher, FilterStateMatcher, FilterStateRule, QueryParameterMatcher, QueryRule};
use config::route::{PathMatch, RouteMatch};

use crate::policy::{self, headers::HeaderMatchers};

use crate::http::cookie;
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::grpc;
use crate::wire::message::RequestHead;

/// What of a route's match is compiled; the rest stays in the plain data.
#[derive(Debug)]
pub(super) struct Matcher {
    headers: HeaderMatchers,
}

impl Matcher {
    pub(super) fn compile(config: &RouteMatch) -> Matcher {
        Matcher { headers: HeaderMatchers::compile(&config.headers) }
    }

    pub(super) fn matches(&self, config: &RouteMatch, head: &RequestHead, info: &StreamInfo, random: u64) -> bool {
        // A CONNECT has no path; only a route for CONNECT takes it.
        let of_path = match head.path.is_empty() {
            true => matches!(config.path, PathMatch::Connect),
            false => path_is(config, without_query(&head.path)),
        };
        of_path && self.matches_but_for_path(config, head, info, random)
    }

    /// As it would match with that path, which has no query.
    pub(super) fn matches_at(
        &self,
        path: &[u8],
        config: &RouteMatch,
        (head, info): (&RequestHead, &StreamInfo),
        random: u64,
    ) -> bool {
        path_is(config, path) && self.matches_but_for_path(config, head, info, random)
    }

    fn matches_but_for_path(&self, config: &RouteMatch, head: &RequestHead, info: &StreamInfo, random: u64) -> bool {
        self.headers.match_request(head)
            && queries_match(&config.query, &head.path)
            && (!config.grpc || is_grpc(head))
            && config.cookies.iter().all(|matcher| cookie_matches(matcher, head))
            && certificate_matches(config, info)
            && config.filter_state.iter().all(|matcher| state_matches(matcher, info))
            && config.dynamic_metadata.iter().all(|matcher| matcher.matches(info.metadata.get(&matcher.filter)))
            && config.fraction.as_ref().is_none_or(|fraction| policy::falls_into(fraction.get(), random))
    }
}

/// The path without its query.
pub(crate) fn without_query(path: &[u8]) -> &[u8] {
    match memchr::memchr2(b'?', b'#', path) {
        Some(end) => &path[..end],
        None => path,
    }
}

fn path_is(config: &RouteMatch, mut path: &[u8]) -> bool {
    if config.ignores_parameters
        && let Some(parameters) = memchr::memchr(b';', path)
    {
        path = &path[..parameters];
    }
    let begins = |prefix: &str| {
        path.get(..prefix.len()).is_some_and(|start| {
            if config.case_sensitive {
                start == prefix.as_bytes()
            } else {
                start.eq_ignore_ascii_case(prefix.as_bytes())
            }
        })
    };
    match &config.path {
        PathMatch::Prefix(prefix) => begins(prefix),
        PathMatch::Exact(exact) => path.len() == exact.len() && begins(exact),
        PathMatch::Regex(regex) => regex.is_match(path),
        PathMatch::Template(template) => template.regex.is_match(path),
        PathMatch::SeparatedPrefix(prefix) => {
            begins(prefix) && (path.len() == prefix.len() || path.get(prefix.len()) == Some(&b'/'))
        }
        PathMatch::Connect => false,
    }
}

fn cookie_matches(matcher: &CookieMatcher, head: &RequestHead) -> bool {
    let value = cookie::value(&head.headers, matcher.name.as_bytes());
    value.is_some_and(|value| matcher.value.matches(value)) != matcher.invert
}

/// A client without TLS has shown nothing.
fn certificate_matches(config: &RouteMatch, info: &StreamInfo) -> bool {
    let tls = || info.connection.tls.as_deref();
    config.certificate_presented.is_none_or(|wanted| tls().is_some_and(|tls| tls.peer.is_some()) == wanted)
        && config.certificate_validated.is_none_or(|wanted| tls().is_some_and(|tls| tls.validated) == wanted)
}

fn state_matches(matcher: &FilterStateMatcher, info: &StreamInfo) -> bool {
    let of_connection = info.connection.filter_state.borrow();
    let Some(object) = info.filter_state.get(&matcher.key).or_else(|| of_connection.get(&matcher.key)) else {
        return false;
    };
    match &matcher.rule {
        FilterStateRule::String(matcher) => matcher.matches(&object.value),
        FilterStateRule::Address { ranges, invert } => {
            object.address().is_some_and(|address| ranges.iter().any(|range| range.contains(&address.ip())) != *invert)
        }
    }
}

/// Whether a path has the parameters that are wanted, as they stand there.
pub(crate) fn queries_match(wanted: &[QueryParameterMatcher], path: &[u8]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let query = memchr::memchr(b'?', path).map_or(&[][..], |start| &path[start + 1..]);
    wanted.iter().all(|parameter| {
        let value = query_parameter(query, parameter.name.as_bytes());
        match &parameter.rule {
            QueryRule::Present(wanted) => value.is_some() == *wanted,
            QueryRule::String(matcher) => value.is_some_and(|value| matcher.matches(value)),
        }
    })
}

/// The first value of a query parameter, as it stands there; without `=` it is empty.
pub(crate) fn query_parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|octet| *octet == b'&').find_map(|pair| {
        let rest = pair.strip_prefix(name)?;
        match rest.first() {
            None => Some(rest),
            Some(b'=') => Some(&rest[1..]),
            Some(_) => None,
        }
    })
}

/// Whether a request is gRPC by its content type. A CONNECT, which has no path, is not.
pub(crate) fn is_grpc(head: &RequestHead) -> bool {
    !head.path.is_empty() && grpc::has_content_type(&head.headers)
}
