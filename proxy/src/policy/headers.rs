//! The one header matcher (`envoy.config.route.v3.HeaderMatcher`). Names are interned when it is compiled; a match allocates nothing.

use bytes::Bytes;
use config::matcher::{HeaderMatcher, HeaderRule};
use smallvec::SmallVec;

use crate::wire::headers::{Headers, Name};
use crate::wire::message::{RequestHead, ResponseHead};

/// Conditions on headers, all of which must hold.
#[derive(Debug, Default)]
pub struct HeaderMatchers(Box<[(Field, HeaderMatcher)]>);

/// A header or a pseudo header of a request.
#[derive(Debug)]
pub(crate) enum Field {
    Method,
    Path,
    Authority,
    Scheme,
    Status,
    Header(Name),
}

impl HeaderMatchers {
    /// Compiles.
    pub fn compile(config: &[HeaderMatcher]) -> HeaderMatchers {
        HeaderMatchers(config.iter().map(|matcher| (Field::compile(&matcher.name), matcher.clone())).collect())
    }

    /// There is no condition.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all conditions hold.
    pub fn match_request(&self, head: &RequestHead) -> bool {
        self.0.iter().all(|condition| holds_for_request(condition, head))
    }

    /// Whether all conditions hold where there is no head at all.
    pub fn match_nothing(&self) -> bool {
        self.0.iter().all(|(_, matcher)| matcher.matches(None))
    }

    /// Whether one of the conditions holds.
    pub fn any_of_request(&self, head: &RequestHead) -> bool {
        self.0.iter().any(|condition| holds_for_request(condition, head))
    }

    /// Whether one of the conditions holds.
    pub fn any_of_response(&self, head: &ResponseHead) -> bool {
        self.0.iter().any(|condition| holds_for_response(condition, head))
    }

    /// Whether all conditions hold.
    pub fn match_response(&self, head: &ResponseHead) -> bool {
        self.0.iter().all(|condition| holds_for_response(condition, head))
    }
}

fn holds_for_response((field, matcher): &(Field, HeaderMatcher), head: &ResponseHead) -> bool {
    match field {
        Field::Method | Field::Path | Field::Authority | Field::Scheme => matcher.matches(None),
        Field::Status => matcher.matches(Some(itoa::Buffer::new().format(head.status).as_bytes())),
        Field::Header(name) => holds_for_lines(matcher, &head.headers, name),
    }
}

fn holds_for_request((field, matcher): &(Field, HeaderMatcher), head: &RequestHead) -> bool {
    match field {
        Field::Header(name) => holds_for_lines(matcher, &head.headers, name),
        _ => matcher.matches(field.first(head)),
    }
}

/// A header with several lines meets a condition by one of them, as with Envoy: policies must not be dodged by a line more.
fn holds_for_lines(matcher: &HeaderMatcher, headers: &Headers, name: &Name) -> bool {
    let mut lines = headers.get_all(name).peekable();
    if lines.peek().is_none() || matches!(matcher.rule, HeaderRule::Present(_)) {
        return matcher.matches(lines.next().map(|line| &line[..]));
    }
    lines.any(|line| matcher.matches(Some(line)) != matcher.invert) != matcher.invert
}

impl Field {
    /// By its name, lower case.
    pub(crate) fn compile(name: &str) -> Field {
        match name {
            ":method" => Field::Method,
            ":path" => Field::Path,
            ":authority" | "host" => Field::Authority,
            ":scheme" => Field::Scheme,
            ":status" => Field::Status,
            _ => Field::Header(Name::new(name)),
        }
    }

    /// Its first value.
    pub(crate) fn first<'a>(&'a self, head: &'a RequestHead) -> Option<&'a [u8]> {
        let present = |value: &'a Bytes| (!value.is_empty()).then_some(&value[..]);
        match self {
            Field::Method => Some(head.method.as_bytes()),
            Field::Path => present(&head.path),
            Field::Authority => present(&head.authority),
            Field::Scheme => present(&head.scheme),
            Field::Status => None,
            Field::Header(name) => head.headers.get(name).map(|value| &value[..]),
        }
    }

    /// Its value; several lines are joined.
    pub(crate) fn of_request<'a>(
        &'a self,
        head: &'a RequestHead,
        joined: &'a mut SmallVec<[u8; 256]>,
    ) -> Option<&'a [u8]> {
        match self {
            Field::Header(name) => value(&head.headers, name, joined),
            _ => self.first(head),
        }
    }
}

/// The value of a header, several joined with `,`.
pub fn value<'a>(headers: &'a Headers, name: &'a Name, joined: &'a mut SmallVec<[u8; 256]>) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(first) };
    joined.extend_from_slice(first);
    for value in std::iter::once(second).chain(values) {
        joined.push(b',');
        joined.extend_from_slice(value);
    }
    Some(joined)
}
