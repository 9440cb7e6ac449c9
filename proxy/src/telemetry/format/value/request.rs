//! What a request asked for, in the ways in which formats may ask for it.

use std::borrow::Cow;

use config::access_log::{HostFrom, Part, PathFrom, ServerNameFrom};
use percent_encoding::percent_decode;

use super::super::limited;
use super::{Written, request_header, text};
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::query;

/// The SNI, as a listener filter or the handshake has seen it.
pub fn server_name(info: &StreamInfo) -> Option<Cow<'_, str>> {
    let connection = &info.connection;
    match &connection.requested_server_name {
        Some(name) => Some(printable(name.as_bytes())),
        None => connection.tls.as_ref()?.server_name.as_deref().map(Cow::Borrowed),
    }
}

/// What is no host name is marked, and what no host name has is `_`, as Envoy prints it: a stranger says it.
fn printable(name: &[u8]) -> Cow<'_, str> {
    let is_usual = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    match std::str::from_utf8(name) {
        Ok(text) if name.iter().all(is_usual) => Cow::Borrowed(text),
        _ => {
            let shown = name.iter().map(|octet| if is_usual(octet) { char::from(*octet) } else { '_' });
            Cow::Owned("invalid:".chars().chain(shown).collect())
        }
    }
}

/// The SNI or the host, whichever comes first.
pub fn server_name_or_host(from: ServerNameFrom, host: HostFrom, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    let sni = server_name(entry.info).filter(|name| !name.is_empty());
    let original = || request_header(entry, "x-envoy-original-host");
    let host = || match host {
        HostFrom::Original => original(),
        HostFrom::Host => request_header(entry, ":authority"),
        HostFrom::OriginalOrHost => original().or_else(|| request_header(entry, ":authority")),
    };
    text(
        match from {
            ServerNameFrom::SniThenHost => sni.as_deref().map(str::as_bytes).or_else(host),
            ServerNameFrom::HostThenSni => host().or(sni.as_deref().map(str::as_bytes)),
        },
        out,
    )
}

/// The path that was asked for, or that was sent on.
pub fn path<'a>(query: bool, from: PathFrom, entry: &LogEntry<'a>) -> Option<&'a [u8]> {
    let original = || request_header(entry, "x-envoy-original-path");
    let path = match from {
        PathFrom::Original => original(),
        PathFrom::Path => request_header(entry, ":path"),
        PathFrom::OriginalOrPath => original().or_else(|| request_header(entry, ":path")),
    }?;
    match memchr::memchr(b'?', path) {
        Some(mark) if !query => Some(&path[..mark]),
        _ => Some(path),
    }
}

fn raw_query<'a>(entry: &LogEntry<'a>) -> Option<&'a [u8]> {
    let path = request_header(entry, ":path")?;
    memchr::memchr(b'?', path).map(|mark| &path[mark + 1..])
}

/// The whole query.
pub fn query(decoded: bool, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    let query = raw_query(entry);
    match query {
        // As with Envoy, what is not visible stays as it is.
        Some(query) if decoded => text(Some(&decode(query, |octet| octet.is_ascii_graphic())), out),
        query => text(query, out),
    }
}

/// Decodes the octets of one kind; the others stay escaped.
fn decode(text: &[u8], kind: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [octet, after @ ..] = rest {
        rest = after;
        let escaped = match after {
            [high, low, ..] if *octet == b'%' => Cow::from(percent_decode(&[b'%', *high, *low])).into_owned(),
            _ => Vec::new(),
        };
        match escaped[..] {
            [decoded] if kind(decoded) => {
                out.push(decoded);
                rest = &rest[2..];
            }
            _ => out.push(*octet),
        }
    }
    out
}

/// The first parameter of a name.
pub fn query_parameter(name: &str, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    let Some(query) = raw_query(entry) else { return Written::Absent };
    match query::first(query, name.as_bytes()) {
        // A line of a log stays one line, whatever a stranger sends.
        Some(value) => text(Some(&decode(value, |octet| !octet.is_ascii_control())), out),
        None => Written::Absent,
    }
}

/// The first that has a value, be it an empty one.
pub fn coalesce(parts: &[Part], entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    let start = out.len();
    for part in parts {
        let Part::Operator { operator, limit } = part else { continue };
        let written = limited(operator, *limit, entry, out);
        if written != Written::Absent {
            return written;
        }
        out.truncate(start);
    }
    Written::Absent
}
