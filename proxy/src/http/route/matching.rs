//! Whether a route is meant: path, method and other headers, query, gRPC, a random share. Allocates nothing but for a header that is
//! repeated (its values are joined) beyond 256 octets.

use bytes::Bytes;
use config::matcher::{HeaderRule, QueryRule};
use config::route::{PathMatch, RouteMatch};
use smallvec::SmallVec;

use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// The header fields that a route looks at, interned; the rules themselves stay in the plain data.
#[derive(Debug)]
pub(super) struct Matcher {
    fields: Vec<Field>,
}

#[derive(Debug)]
enum Field {
    Method,
    Path,
    Authority,
    Scheme,
    Header(Name),
}

impl Matcher {
    pub(super) fn compile(config: &RouteMatch) -> Matcher {
        let field = |name: &str| match name {
            ":method" => Field::Method,
            ":path" => Field::Path,
            ":authority" | "host" => Field::Authority,
            ":scheme" => Field::Scheme,
            _ => Field::Header(Name::new(name)),
        };
        Matcher { fields: config.headers.iter().map(|header| field(&header.name)).collect() }
    }

    pub(super) fn matches(&self, config: &RouteMatch, head: &RequestHead, random: u64) -> bool {
        path_matches(config, head)
            && self.headers_match(config, head)
            && query_matches(config, head)
            && (!config.grpc || is_grpc(head))
            && config.dynamic_metadata.iter().all(|condition| condition.matches_absent)
            && config.fraction.is_none_or(|fraction| {
                random.checked_rem(u64::from(fraction.denominator)).is_some_and(|at| at < u64::from(fraction.numerator))
            })
    }

    fn headers_match(&self, config: &RouteMatch, head: &RequestHead) -> bool {
        self.fields.iter().zip(&config.headers).all(|(field, header)| {
            let mut joined = SmallVec::<[u8; 256]>::new();
            let value = field.value(head, &mut joined);
            match (&header.rule, value) {
                (HeaderRule::Present(wanted), value) => (value.is_some() == *wanted) != header.invert,
                (rule, None) => header.missing_is_empty && rule_matches(rule, b"") != header.invert,
                (rule, Some(value)) => rule_matches(rule, value) != header.invert,
            }
        })
    }
}

impl Field {
    /// The value, several joined with `,`.
    fn value<'a>(&self, head: &'a RequestHead, joined: &'a mut SmallVec<[u8; 256]>) -> Option<&'a [u8]> {
        let present = |value: &'a Bytes| (!value.is_empty()).then_some(&value[..]);
        match self {
            Field::Method => Some(head.method.as_bytes()),
            Field::Path => present(&head.path),
            Field::Authority => present(&head.authority),
            Field::Scheme => present(&head.scheme),
            Field::Header(name) => {
                let mut values = head.headers.iter().filter(|header| header.name == *name).map(|header| &header.value);
                let first = values.next()?;
                let Some(second) = values.next() else { return Some(first) };
                joined.extend_from_slice(first);
                for value in std::iter::once(second).chain(values) {
                    joined.push(b',');
                    joined.extend_from_slice(value);
                }
                Some(joined)
            }
        }
    }
}

fn rule_matches(rule: &HeaderRule, value: &[u8]) -> bool {
    match rule {
        HeaderRule::Present(wanted) => *wanted,
        HeaderRule::String(matcher) => matcher.matches(value),
        HeaderRule::Range { start, end } => {
            let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
            number.is_some_and(|number| (*start..*end).contains(&number))
        }
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
    let path = if head.is_about_server() { b"/" } else { without_query(&head.path) };
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

fn query_matches(config: &RouteMatch, head: &RequestHead) -> bool {
    if config.query.is_empty() {
        return true;
    }
    let query = memchr::memchr(b'?', &head.path).map_or(&[][..], |start| &head.path[start + 1..]);
    config.query.iter().all(|parameter| {
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

/// Whether a request is gRPC by its content type.
pub(crate) fn is_grpc(head: &RequestHead) -> bool {
    head.headers.get(&Name::CONTENT_TYPE).is_some_and(|value| {
        value.strip_prefix(b"application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
    })
}
