//! Heads of messages that are compressed: whether they are to be, and what is changed when they are. Called by the filter, and by the
//! decompressor for what both ask.

use bytes::Bytes;
use config::filters::compressor as plain;

use super::STATUS;
use super::stats::Common;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, ResponseHead};

/// Caches are told that this resource is to be had in several forms, also where this response is as it came.
pub(super) fn change(head: &mut ResponseHead, config: &plain::Response, encoding: &'static str, compressed: bool) {
    let headers = &mut head.headers;
    if !compressed {
        return vary(headers);
    }
    etag(headers, config.weaken_etag);
    let length = headers.get(&Name::CONTENT_LENGTH).cloned().unwrap_or_default();
    headers.remove(&Name::CONTENT_LENGTH);
    head.body = BodyLength::Unknown;
    if config.status_header {
        vary(headers);
        headers.set(Name::CONTENT_ENCODING, Bytes::from_static(encoding.as_bytes()));
        let length = String::from_utf8_lossy(&length);
        headers.append(STATUS, format!("{encoding};Compressed;OriginalLength={length}"));
    } else {
        headers.set(Name::CONTENT_ENCODING, Bytes::from_static(encoding.as_bytes()));
        vary(headers);
    }
}

fn vary(headers: &mut Headers) {
    let value = match joined(headers, &Name::VARY) {
        None => Bytes::from_static(b"Accept-Encoding"),
        Some(there) if tokens(&there).any(|token| token == b"Accept-Encoding") => return,
        Some(there) => [&there[..], b", Accept-Encoding"].concat().into(),
    };
    headers.set(Name::VARY, value);
}

/// A strong tag says that octets are the same, which they are not.
fn etag(headers: &mut Headers, weaken: bool) {
    let Some(tag) = headers.get(&Name::ETAG) else { return };
    let weak = tag.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"w/"));
    if weak {
        return;
    }
    if weaken {
        let tag = [b"W/", &tag[..]].concat();
        headers.set(Name::ETAG, tag);
    } else {
        headers.remove(&Name::ETAG);
    }
}

pub(super) fn long_enough(direction: &plain::Direction, headers: &Headers, stats: Common) -> bool {
    let Some(length) = headers.get(&Name::CONTENT_LENGTH) else { return true };
    let length = std::str::from_utf8(length).ok().and_then(|length| length.parse::<u64>().ok());
    let enough = length.is_some_and(|length| length >= u64::from(direction.min_content_length));
    if !enough {
        stats.content_length_too_small.inc();
    }
    enough
}

pub(super) fn type_is_meant(direction: &plain::Direction, headers: &Headers) -> bool {
    headers.get(&Name::CONTENT_TYPE).is_none_or(|value| {
        let kind = value.split(|octet| *octet == b';').next().unwrap_or(value).trim_ascii();
        direction.content_types.iter().any(|matcher| matcher.matches(kind))
    })
}

/// `cache-control: no-transform`.
pub(in super::super) fn says_no_transform(headers: &Headers) -> bool {
    headers
        .get_all(&Name::CACHE_CONTROL)
        .any(|value| tokens(value).any(|one| one.eq_ignore_ascii_case(b"no-transform")))
}

pub(super) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii)
}

/// All values of a header as one list. One costs nothing.
pub(in super::super) fn joined(headers: &Headers, name: &Name) -> Option<Bytes> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(first.clone()) };
    let all: Vec<&[u8]> = [first, second].into_iter().chain(values).map(|value| &value[..]).collect();
    Some(all.join(&b","[..]).into())
}
