//! The value of each command operator.

use std::net::SocketAddr;
use std::time::Instant;

use config::access_log::{AddressPart, Operator};

use crate::failure::ResponseFlags;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::clock::{digits, strftime, write_iso};
use crate::telemetry::stream_info::StreamInfo;
use crate::tls::info::TlsInfo;
use crate::wire::headers::{Headers, Name};

/// What was appended. A number keeps its type in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Absent,
    Text,
    Number,
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
        Operator::StartTime(None) => {
            write_iso(info.start_time, out);
            Written::Text
        }
        Operator::StartTime(Some(pattern)) => {
            strftime(pattern, info.start_time, out);
            Written::Text
        }
        Operator::Absent(_) | Operator::VirtualClusterName => Written::Absent,
        Operator::RouteName => some(info.route_name.as_deref(), out),
        Operator::Protocol => some(info.protocol.map(|protocol| protocol.as_str()), out),
        Operator::ResponseCode => number(info.response_code.into(), out),
        Operator::ResponseCodeDetails => joined(info.response_code_details.as_deref(), out),
        Operator::ResponseFlags => flags(info.flags, ResponseFlags::write_short, out),
        Operator::ResponseFlagsLong => flags(info.flags, ResponseFlags::write_long, out),
        Operator::ConnectionTerminationDetails => {
            text(info.connection_termination_details.as_ref().map(|d| d.as_bytes()), out)
        }
        Operator::UpstreamTransportFailureReason => joined(info.upstream_transport_failure.as_deref(), out),
        Operator::DownstreamTransportFailureReason => joined(info.downstream_transport_failure.as_deref(), out),
        Operator::BytesReceived => number(info.bytes_received, out),
        Operator::BytesSent => number(info.bytes_sent, out),
        Operator::Duration => number(millis(info.start, info.end.unwrap_or_else(Instant::now)), out),
        Operator::RequestDuration => since(Some(info.start), info.request_complete, out),
        Operator::ResponseDuration => since(Some(info.start), info.response_first_byte, out),
        Operator::ResponseTxDuration => since(info.response_first_byte, info.end, out),
        Operator::UpstreamHost => some(info.upstream_host.as_deref(), out),
        Operator::UpstreamRemoteAddress(part) => upstream_remote(info, *part, out),
        Operator::UpstreamCluster => {
            some(info.upstream_cluster_observed.as_deref().or(info.upstream_cluster.as_deref()), out)
        }
        Operator::UpstreamClusterRaw => some(info.upstream_cluster.as_deref(), out),
        Operator::UpstreamLocalAddress(part) => address(info.upstream_local, *part, out),
        Operator::UpstreamAttemptCount => number(info.attempts.into(), out),
        Operator::DownstreamLocalAddress(part) => address(Some(connection.local), *part, out),
        Operator::DownstreamRemoteAddress(part) => {
            address(Some(info.downstream_remote.unwrap_or(connection.remote)), *part, out)
        }
        Operator::DownstreamDirectRemoteAddress(part) => address(Some(connection.direct_remote), *part, out),
        Operator::RequestedServerName => {
            let inspected = connection.requested_server_name.as_deref();
            some(inspected.or(connection.tls.as_ref().and_then(|tls| tls.server_name.as_deref())), out)
        }
        Operator::DownstreamPeerUriSan => {
            let tls = connection.tls.as_deref();
            list(tls.and_then(|tls| tls.peer.as_deref()).map_or(&[], |peer| &peer.uri_sans), out)
        }
        Operator::DownstreamLocalUriSan => list(connection.tls.as_deref().map_or(&[], |tls| &tls.local_uri_sans), out),
        Operator::DownstreamPeerSubject => {
            let subject = |tls: &TlsInfo| tls.peer.as_ref().map(|peer| peer.subject.clone());
            some(connection.tls.as_deref().and_then(subject).as_deref(), out)
        }
        Operator::DownstreamTlsVersion => some(connection.tls.as_ref().map(|tls| tls.version), out),
        Operator::DownstreamTlsCipher => some(connection.tls.as_ref().map(|tls| tls.cipher), out),
        Operator::ConnectionId => number(connection.id, out),
        Operator::StreamId => {
            let id = entry.request.and_then(|request| request.headers.get(&Name::X_REQUEST_ID));
            text(id.map(|id| &id[..]), out)
        }
        // Settled when the configuration arrived; this is for formats that nobody settled.
        Operator::Hostname => some(Some(&hostname()), out),
        Operator::Environment(name) => some(std::env::var(&**name).ok().as_deref(), out),
        Operator::GrpcStatus => some(grpc_status(entry), out),
        Operator::RequestHeadersBytes => number(info.request_headers_bytes, out),
        Operator::ResponseHeadersBytes => number(info.response_headers_bytes, out),
        Operator::FilterChainName => some(Some(&connection.filter_chain), out),
    }
}

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
        None | Some("") => Written::Absent,
        Some(value) => {
            out.extend(value.bytes().map(|byte| if byte.is_ascii_whitespace() { b'_' } else { byte }));
            Written::Text
        }
    }
}

fn list(values: &[std::sync::Arc<str>], out: &mut Vec<u8>) -> Written {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value.as_bytes());
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

fn address(address: Option<SocketAddr>, part: AddressPart, out: &mut Vec<u8>) -> Written {
    let Some(address) = address else { return Written::Absent };
    if part == AddressPart::Port {
        return number(address.port().into(), out);
    }
    match address {
        SocketAddr::V4(address) => {
            for (index, octet) in address.ip().octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                digits(out, octet.into(), 1);
            }
        }
        SocketAddr::V6(address) => {
            use std::io::Write;
            // A vector takes all that is written to it.
            let _ = match part {
                AddressPart::Whole => write!(out, "[{}]", address.ip()),
                _ => write!(out, "{}", address.ip()),
            };
        }
    }
    if part == AddressPart::Whole {
        out.push(b':');
        digits(out, address.port().into(), 1);
    }
    Written::Text
}

fn upstream_remote(info: &StreamInfo, part: AddressPart, out: &mut Vec<u8>) -> Written {
    let Some(host) = info.upstream_host.as_deref() else { return Written::Absent };
    match (part, host.parse::<SocketAddr>()) {
        (AddressPart::Whole, _) => some(Some(host), out),
        (part, Ok(parsed)) => address(Some(parsed), part, out),
        // A Unix socket has no port.
        (AddressPart::WithoutPort, Err(_)) => some(Some(host), out),
        (AddressPart::Port, Err(_)) => Written::Absent,
    }
}

const GRPC_STATUS: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// Name of the gRPC status of a gRPC request: from the trailers, the headers, or guessed from the HTTP status.
fn grpc_status(entry: &LogEntry<'_>) -> Option<&'static str> {
    let kind = header(&entry.request?.headers, "content-type")?;
    let rest = kind.strip_prefix(b"application/grpc")?;
    if !(rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";")) {
        return None;
    }
    let sent = entry.trailers.and_then(|trailers| header(trailers, "grpc-status"));
    let sent = sent.or_else(|| header(&entry.response?.headers, "grpc-status"));
    let code = match sent {
        Some(value) => std::str::from_utf8(value).ok()?.parse::<usize>().ok(),
        None => Some(from_http(entry.info.response_code)),
    };
    Some(code.and_then(|code| GRPC_STATUS.get(code).copied()).unwrap_or("InvalidCode"))
}

/// gRPC's own table of HTTP statuses.
fn from_http(status: u16) -> usize {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}
