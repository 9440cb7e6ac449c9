//! `%UPSTREAM_WIRE_BYTES_SENT%` and its like, sizes of heads, and what a request tried. Called by [`super`].

use config::access_log::{Attempted, EntryKind, WireBytes};

use super::{Written, list};
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::codec::OnWire;
use crate::wire::headers::Headers;
use crate::wire::message::{Protocol, RequestHead};

/// Octets on one side; `None` where nobody can tell. Of a TCP connection they are its own; nothing passes on behalf of who has no
/// upstream.
pub fn octets(of: WireBytes, entry: &LogEntry<'_>) -> Option<u64> {
    let info = entry.info;
    let (protocol, counts) = if of.upstream {
        (info.upstream_protocol, of_hosts(info))
    } else {
        (info.protocol, info.times.as_ref().and_then(|times| times.with_client))
    };
    // Listeners' own entries are of no kind, and nothing of those of requests is counted in Envoy.
    let of_requests = info.connection.told.as_ref().is_some_and(|told| told.octets.is_some());
    let counts = match protocol {
        _ if of_requests && entry.more.kind == EntryKind::NotSet => OnWire::default(),
        None if entry.more.kind.is_of_connection() || entry.more.kind == EntryKind::NotSet => of_connection(of, info),
        // No upstream, or one that speaks no HTTP.
        None => counts.unwrap_or_default(),
        Some(Protocol::Http2) if of.unpacked => return unpacked(of, entry),
        Some(_) => counts?,
    };
    Some(match (of.heads, of.sent) {
        (false, false) => counts.received,
        (false, true) => counts.sent,
        (true, false) => counts.received_heads,
        (true, true) => counts.sent_heads,
    })
}

fn of_hosts(info: &StreamInfo) -> Option<OnWire> {
    info.times.as_ref().map(|times| times.with_hosts)
}

/// What is received from one side is sent to the other.
fn of_connection(of: WireBytes, info: &StreamInfo) -> OnWire {
    let (received, sent) = (info.bytes_received, info.bytes_sent);
    match of.upstream {
        false => OnWire { received, sent, ..OnWire::default() },
        true if info.upstream_connection.is_some() => OnWire { received: sent, sent: received, ..OnWire::default() },
        true => OnWire::default(),
    }
}

/// Names and values of an HTTP/2 head.
fn unpacked(of: WireBytes, entry: &LogEntry<'_>) -> Option<u64> {
    let trailers = entry.trailers.map_or(0, Headers::octets);
    match (of.upstream, of.sent) {
        (false, false) => Some(entry.info.request_head.into()),
        (true, false) => Some(u64::from(entry.info.upstream_head) + trailers),
        (false, true) => entry.response.map(|response| response.octets() + trailers),
        (true, true) => entry.request.map(RequestHead::octets),
    }
}

/// The hosts, or connections, that a request tried.
pub(super) fn attempted(what: Attempted, info: &StreamInfo, out: &mut Vec<u8>) -> Written {
    let Some(times) = &info.times else { return Written::Absent };
    let mut values: Vec<String> = Vec::new();
    for (host, name, connection) in &times.attempted {
        let value = match what {
            Attempted::Connections => match connection {
                Some(connection) => connection.to_string(),
                None => continue,
            },
            Attempted::HostNames { port } if !name.is_empty() => text(name, port),
            Attempted::Hosts { port } | Attempted::HostNames { port } => text(host, port),
        };
        if !values.contains(&value) {
            values.push(value);
        }
    }
    list(&values, out)
}

fn text(host: &str, port: bool) -> String {
    if port {
        return host.to_owned();
    }
    let address = host.parse::<std::net::SocketAddr>().map(|address| address.ip().to_string());
    address.unwrap_or_else(|_| host.rsplit_once(':').map_or(host, |(name, _)| name).to_owned())
}
