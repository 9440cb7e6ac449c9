//! Whether a route is meant: path, method and other headers, query, gRPC, a random share.

use config::matcher::{QueryParameterMatcher, QueryRule};
use config::route::{PathMatch, RouteMatch};

use crate::policy::{self, headers::HeaderMatchers};

use crate::telemetry::dynamic::DynamicMetadata;
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

    pub(super) fn matches(
        &self,
        config: &RouteMatch,
        head: &RequestHead,
        metadata: &DynamicMetadata,
        random: u64,
    ) -> bool {
        path_matches(config, head)
            && self.headers.match_request(head)
            && queries_match(&config.query, &head.path)
            && (!config.grpc || is_grpc(head))
            && config.dynamic_metadata.iter().all(|matcher| matcher.matches(metadata.get(&matcher.filter)))
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

fn path_matches(config: &RouteMatch, head: &RequestHead) -> bool {
    if head.path.is_empty() {
        // A CONNECT has no path; only a route for CONNECT takes it.
        return matches!(config.path, PathMatch::Connect);
    }
    let path = without_query(&head.path);
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
        PathMatch::SeparatedPrefix(prefix) => {
            begins(prefix) && (path.len() == prefix.len() || path.get(prefix.len()) == Some(&b'/'))
        }
        PathMatch::Connect => false,
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
