//! The value of each command operator. What takes more than a line is in a file below.

mod address;
mod calculated;
mod certificate;
mod duration;
mod grpc;
mod labels;
mod request;
mod wire;

use std::time::Instant;

use config::access_log::Operator;

use crate::failure::ResponseFlags;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::clock::digits;
use crate::telemetry::stream_info::{Denial, StreamInfo};
use crate::telemetry::uuid;
use crate::tls::info::TlsInfo;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{RequestHead, ResponseHead};

/// What was appended. A number keeps its type in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Absent,
    Text,
    Number,
    /// A value that is JSON as it is.
    Json,
}

/// Appends the value as text; nothing when there is none.
pub fn write(operator: &Operator, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    let info = entry.info;
    let connection = &info.connection;
    match operator {
        Operator::RequestHeader(main, other) => {
            text(request_header(entry, main).or_else(|| request_header(entry, other.as_ref()?)), out)
        }
        Operator::RequestHeaderWithoutQuery(main, other) => {
            let value = request_header(entry, main).or_else(|| request_header(entry, other.as_ref()?));
            let end = |value: &[u8]| memchr::memchr(b'?', value).unwrap_or(value.len());
            text(value.map(|value| &value[..end(value)]), out)
        }
        Operator::ResponseHeader(main, other) => response_header(entry, main, other.as_deref(), out),
        Operator::ResponseTrailer(main, other) => {
            let find = |name: &str| header(entry.trailers?, name);
            text(find(main).or_else(|| find(other.as_ref()?)), out)
        }
        Operator::Time { of, local, pattern } => duration::time(*of, *local, pattern.as_deref(), info, out),
        Operator::Absent(_) => Written::Absent,
        Operator::VirtualClusterName => some(entry.more.virtual_cluster, out),
        Operator::WireBytes(of) => match wire::octets(*of, entry) {
            Some(octets) => number(octets, out),
            None => Written::Absent,
        },
        Operator::Attempted(what) => wire::attempted(*what, info, out),
        Operator::RouteResolutions => number(info.route_resolutions.into(), out),
        Operator::Empty => Written::Text,
        Operator::Zero => number(0, out),
        Operator::RouteName => some(entry.more.route_name, out),
        Operator::Protocol => some(info.protocol.map(|protocol| protocol.as_str()), out),
        Operator::ResponseCode => number(info.response_code.into(), out),
        Operator::ResponseCodeDetails => joined(response_code_details(info), out),
        Operator::ResponseCodeDetailsAsIs => text(response_code_details(info).map(str::as_bytes), out),
        Operator::ResponseFlags => flags(info.flags, ResponseFlags::write_short, out),
        Operator::ResponseFlagsLong => flags(info.flags, ResponseFlags::write_long, out),
        Operator::ConnectionTerminationDetails => {
            let denied = info.connection.denied.borrow();
            let denied = match denied.as_ref() {
                Some(Denial::Termination(details)) => Some(&**details),
                Some(Denial::Response(_)) | None => None,
            };
            text(info.connection_termination_details.as_deref().or(denied).map(str::as_bytes), out)
        }
        Operator::UpstreamTransportFailureReason => {
            joined(info.upstream_transport_failure.as_deref().filter(|reason| !reason.is_empty()), out)
        }
        Operator::DownstreamTransportFailureReason => {
            joined(info.downstream_transport_failure.as_deref().filter(|reason| !reason.is_empty()), out)
        }
        Operator::BytesReceived => number(info.bytes_received, out),
        Operator::BytesSent => number(info.bytes_sent, out),
        Operator::Duration => number(millis(info.start, info.end.unwrap_or_else(Instant::now)), out),
        Operator::RequestDuration => since(Some(info.start), info.request_complete, out),
        Operator::ResponseDuration => since(Some(info.start), info.response_first_byte, out),
        Operator::ResponseTxDuration => since(info.response_first_byte, info.sent_at(), out),
        Operator::RequestTxDuration => {
            since(Some(info.start), info.times.as_ref().and_then(|times| times.upload_ends), out)
        }
        Operator::UpstreamPoolReadyDuration => {
            let times = info.times.as_deref();
            since(times.and_then(|times| times.pool_asked), times.and_then(|times| times.pool_ready), out)
        }
        Operator::DownstreamHandshakeDuration => match connection.handshake {
            Some(time) => number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), out),
            None => Written::Absent,
        },
        Operator::CommonDuration(from, to, precision) => duration::between(*from, *to, *precision, info, out),
        Operator::UpstreamProtocol => some(info.upstream_protocol.map(|protocol| protocol.as_str()), out),
        Operator::UpstreamConnectionId => match &info.upstream_connection {
            Some(upstream) => number(upstream.id, out),
            None => Written::Absent,
        },
        Operator::UpstreamTlsVersion => some(upstream_tls(info).map(|tls| tls.version), out),
        Operator::UpstreamTlsCipher => some(upstream_tls(info).map(|tls| tls.cipher), out),
        Operator::UpstreamTlsGroup => some(upstream_tls(info).map(|tls| tls.group), out),
        Operator::UpstreamServerName => some(upstream_tls(info).and_then(|tls| tls.server_name.as_deref()), out),
        Operator::UpstreamHostName { port } => labels::host_name(info, *port, out),
        Operator::UpstreamHost => some(info.upstream_host.as_deref(), out),
        Operator::UpstreamRemoteAddress(part) => address::upstream_remote(info, *part, out),
        Operator::UpstreamCluster => some(info.observed_cluster().map(|name| &**name), out),
        Operator::UpstreamClusterRaw => some(info.upstream_cluster.as_deref(), out),
        Operator::UpstreamLocalAddress(part) => {
            address::write(info.upstream_connection.as_ref().and_then(|upstream| upstream.local), *part, out)
        }
        Operator::UpstreamEndpointId if info.upstream_connection.is_some() => Written::Text,
        Operator::UpstreamEndpointId => Written::Absent,
        Operator::UpstreamAttemptCount => number(info.attempts.into(), out),
        Operator::DownstreamLocalAddress(part) => address::write(Some(connection.local), *part, out),
        Operator::DownstreamDirectLocalAddress(part) => address::write(Some(connection.direct_local), *part, out),
        Operator::DownstreamRemoteAddress(part) => address::write(Some(info.remote()), *part, out),
        Operator::DownstreamDirectRemoteAddress(part) => address::write(Some(connection.direct_remote), *part, out),
        Operator::RequestedServerName => some(request::server_name(info).as_deref(), out),
        Operator::ServerNameOrHost(from, host) => request::server_name_or_host(*from, *host, entry, out),
        Operator::Certificate(of, field) => certificate::write(*of, *field, info, out),
        Operator::DownstreamTlsVersion => some(connection.tls.as_ref().map(|tls| tls.version), out),
        Operator::DownstreamTlsCipher => some(connection.tls.as_ref().map(|tls| tls.cipher), out),
        Operator::DownstreamTlsGroup => some(connection.tls.as_ref().map(|tls| tls.group), out),
        Operator::ConnectionId => number(connection.id, out),
        Operator::StreamId => {
            let id = entry.request.and_then(|request| request.headers.get(&Name::X_REQUEST_ID));
            let of_connection = || entry.more.kind.is_of_connection().then(|| connection.stream_id());
            text(id.map(|id| &id[..]).or_else(of_connection), out)
        }
        // Settled when the configuration arrived; this is for formats that nobody settled.
        Operator::Hostname => some(Some(&hostname()), out),
        // A dash wherever it is written, not in logs alone, as with Envoy.
        Operator::Environment(name) => some(Some(std::env::var(&**name).as_deref().unwrap_or("-")), out),
        Operator::GrpcStatus(format) => grpc::status(*format, entry, out),
        Operator::Metadata(of, namespace, keys) => labels::metadata(*of, namespace, keys, entry, out),
        Operator::FilterState(key, format) => labels::filter_state(key, format, info, out),
        Operator::QueryParameter(name) => request::query_parameter(name, entry, out),
        Operator::Query { decoded } => request::query(*decoded, entry, out),
        Operator::Path { query, from } => text(request::path(*query, *from, entry), out),
        Operator::Coalesce(parts) => request::coalesce(parts, entry, out),
        Operator::Calculated(value) => calculated::text(value, entry, out),
        Operator::UniqueId => {
            uuid::write_random(out);
            Written::Text
        }
        Operator::AccessLogType => text(Some(entry.more.kind.name().as_bytes()), out),
        Operator::LocalReplyBody => text(Some(entry.more.reply.unwrap_or_default()), out),
        Operator::RequestHeadersBytes => number(entry.request.map_or(0, RequestHead::octets), out),
        Operator::ResponseTrailersBytes => number(entry.trailers.map_or(0, Headers::octets), out),
        Operator::ResponseHeadersBytes => number(entry.response.map_or(0, ResponseHead::octets), out),
        Operator::ListenerName => some(Some(&connection.listener), out),
        Operator::FilterChainName => some(Some(&connection.filter_chain), out),
    }
}

pub use calculated::json as calculated_json;
pub use request::server_name;
pub use wire::octets as wire_octets;

/// The host's name, once per configuration.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A request header or pseudo header as Envoy's header map would give it. An empty pseudo header is one that was not sent.
pub fn request_header<'a>(entry: &LogEntry<'a>, name: &str) -> Option<&'a [u8]> {
    let request = entry.request?;
    let pseudo = match name {
        ":method" => request.method.as_bytes(),
        ":path" => &request.path,
        ":authority" | "host" => &request.authority,
        ":scheme" => &request.scheme,
        _ => return header(&request.headers, name),
    };
    (!pseudo.is_empty()).then_some(pseudo)
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a [u8]> {
    headers.get_str(name).map(|value| &value[..])
}

/// What answered a request, or closed a connection.
fn response_code_details(info: &StreamInfo) -> Option<&str> {
    let of_stream = info.response_code_details.as_deref();
    of_stream.or_else(|| match *info.connection.denied.borrow() {
        Some(Denial::Response(details)) => Some(details),
        Some(Denial::Termination(_)) | None => None,
    })
}

fn response_header(entry: &LogEntry<'_>, main: &str, other: Option<&str>, out: &mut Vec<u8>) -> Written {
    for name in std::iter::once(main).chain(other) {
        let Some(response) = entry.response else { break };
        if name == ":status" {
            digits(out, response.status.into(), 1);
            return Written::Text;
        }
        if let Some(value) = header(&response.headers, name) {
            return text(Some(value), out);
        }
    }
    Written::Absent
}

fn text(value: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
    match value {
        Some(value) => {
            out.extend_from_slice(value);
            Written::Text
        }
        None => Written::Absent,
    }
}

/// Facts that are empty when they are not known.
fn some(value: Option<&str>, out: &mut Vec<u8>) -> Written {
    text(value.filter(|value| !value.is_empty()).map(str::as_bytes), out)
}

/// Reasons are one word in a log: white space becomes `_`.
fn joined(value: Option<&str>, out: &mut Vec<u8>) -> Written {
    match value {
        None => Written::Absent,
        Some(value) => {
            out.extend(value.bytes().map(|byte| if byte.is_ascii_whitespace() { b'_' } else { byte }));
            Written::Text
        }
    }
}

fn list<T: AsRef<[u8]>>(values: &[T], out: &mut Vec<u8>) -> Written {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value.as_ref());
    }
    if values.is_empty() { Written::Absent } else { Written::Text }
}

fn flags(flags: ResponseFlags, print: fn(ResponseFlags, &mut Vec<u8>), out: &mut Vec<u8>) -> Written {
    print(flags, out);
    Written::Text
}

fn number(value: u64, out: &mut Vec<u8>) -> Written {
    digits(out, value, 1);
    Written::Number
}

fn millis(from: Instant, to: Instant) -> u64 {
    to.saturating_duration_since(from).as_millis() as u64
}

fn since(from: Option<Instant>, to: Option<Instant>, out: &mut Vec<u8>) -> Written {
    match (from, to) {
        (Some(from), Some(to)) => number(millis(from, to), out),
        _ => Written::Absent,
    }
}

fn upstream_tls(info: &StreamInfo) -> Option<&TlsInfo> {
    info.upstream_connection.as_ref()?.tls.as_deref()
}
