//! What expressions look up: headers, metadata. Called by this folder.

use std::borrow::Cow;
use std::sync::Arc;

use config::cel::{HeadersOf, MetadataOf};
use config::metadata::Metadata;
use serde_json::Value as Json;

use super::value::{Fault, Value};
use crate::policy::facts::Facts;
use crate::policy::headers::Field;
use crate::wire::headers::{Header, Headers, Name};

/// A header; several lines are joined.
pub(super) fn header<'a>(facts: &'a dyn Facts, of: HeadersOf, field: &'a Field) -> Option<Cow<'a, [u8]>> {
    match (of, field) {
        (HeadersOf::Request, Field::Header(name)) => by_name(&facts.request()?.headers, name),
        (HeadersOf::Request, field) => field.first(facts.request()?).map(Cow::Borrowed),
        (HeadersOf::Response, Field::Header(name)) => by_name(&facts.response()?.headers, name),
        (HeadersOf::Response, Field::Status) => Some(Cow::Owned(facts.response()?.status.to_string().into_bytes())),
        (HeadersOf::ResponseTrailers, Field::Header(name)) => by_name(facts.response_trailers()?, name),
        _ => None,
    }
}

fn by_name<'a>(headers: &'a Headers, name: &'a Name) -> Option<Cow<'a, [u8]>> {
    joined(headers.get_all(name).map(|value| &value[..]))
}

/// A header by a name that is only known now: it is not interned, for who calls may make it up.
pub(super) fn header_by_text<'a>(facts: &'a dyn Facts, of: HeadersOf, name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let request = || facts.request();
    let some = |value: &'a [u8]| (!value.is_empty()).then_some(Cow::Borrowed(value));
    let headers = match (of, name.to_ascii_lowercase().as_slice()) {
        (HeadersOf::Request, b":method") => return Some(Cow::Borrowed(request()?.method.as_bytes())),
        (HeadersOf::Request, b":path") => return some(&request()?.path),
        (HeadersOf::Request, b":authority" | b"host") => return some(&request()?.authority),
        (HeadersOf::Request, b":scheme") => return some(&request()?.scheme),
        (HeadersOf::Response, b":status") => {
            return Some(Cow::Owned(facts.response()?.status.to_string().into_bytes()));
        }
        (HeadersOf::Request, _) => &request()?.headers,
        (HeadersOf::Response, _) => &facts.response()?.headers,
        (HeadersOf::ResponseTrailers, _) => facts.response_trailers()?,
    };
    let fits = |header: &&Header| header.name.as_bytes().eq_ignore_ascii_case(name);
    joined(headers.iter().filter(fits).map(|header| &header.value[..]))
}

fn joined<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'a, [u8]>> {
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(Cow::Borrowed(first)) };
    let mut all = first.to_vec();
    for value in std::iter::once(second).chain(values) {
        all.push(b',');
        all.extend_from_slice(value);
    }
    Some(Cow::Owned(all))
}

/// The names that there are, in order.
pub(super) fn header_names(facts: &dyn Facts, of: HeadersOf) -> Vec<String> {
    let pseudo: &[&str] = match of {
        HeadersOf::Request => &[":authority", ":method", ":path", ":scheme"],
        HeadersOf::Response => &[":status"],
        HeadersOf::ResponseTrailers => &[],
    };
    let headers = match of {
        HeadersOf::Request => facts.request().map(|head| &head.headers),
        HeadersOf::Response => facts.response().map(|head| &head.headers),
        HeadersOf::ResponseTrailers => facts.response_trailers(),
    };
    let plain = headers.into_iter().flat_map(|headers| headers.iter()).map(|header| header.name.as_str().to_owned());
    let mut names: Vec<String> = pseudo.iter().map(|name| (*name).to_owned()).chain(plain).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// How many names there are, pseudo headers among them.
pub(super) fn count_headers(facts: &dyn Facts, of: HeadersOf) -> usize {
    let distinct = |headers: &Headers| {
        let mut names: Vec<_> = headers.iter().map(|header| header.name.as_bytes()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    };
    match of {
        HeadersOf::Request => facts.request().map_or(0, |head| {
            let pseudo = [&head.path[..], &head.authority, &head.scheme];
            1 + pseudo.iter().filter(|value| !value.is_empty()).count() + distinct(&head.headers)
        }),
        HeadersOf::Response => facts.response().map_or(0, |head| 1 + distinct(&head.headers)),
        HeadersOf::ResponseTrailers => facts.response_trailers().map_or(0, distinct),
    }
}

/// What metadata has at the end of a path: a copy of that alone.
pub(super) fn metadata(facts: &dyn Facts, of: MetadataOf, filter: &str, path: &[Arc<str>]) -> Option<Value<'static>> {
    let mut found = None;
    see(facts, of, filter, path, &mut |value| found = value.map(Value::of_json));
    found
}

/// Whether the last key of a path is there; an error where what is before it is no object.
pub(super) fn has_metadata(facts: &dyn Facts, of: MetadataOf, filter: &str, path: &[Arc<str>]) -> Result<bool, Fault> {
    let Some((last, before)) = path.split_last() else {
        let mut is_there = false;
        see(facts, of, filter, &[], &mut |value| is_there = value.is_some());
        return Ok(is_there);
    };
    let mut found = Err(Fault::Error);
    see(facts, of, filter, before, &mut |value| {
        if let Some(Json::Object(map)) = value {
            found = Ok(map.contains_key(&**last));
        }
    });
    found
}

fn see(facts: &dyn Facts, of: MetadataOf, filter: &str, path: &[Arc<str>], see: &mut dyn FnMut(Option<&Json>)) {
    let within = |metadata: Option<&Metadata>, see: &mut dyn FnMut(Option<&Json>)| {
        let start = metadata.and_then(|metadata| metadata.of_filter(filter));
        see(path.iter().try_fold(start, |value, key| value.map(|value| value.get(&**key))).flatten());
    };
    match of {
        MetadataOf::Stream => facts.metadata(filter, path, see),
        MetadataOf::Route => within(facts.route_metadata(), see),
        MetadataOf::Listener => within(facts.listener_metadata(), see),
        of => within(facts.other_metadata(of), see),
    }
}
