//! `envoy.service.accesslog.v3`: entries of access logs as a log service reads them. Called by the proxy's `logs`, which fills them, and its
//! exporter, which sends them.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use envoy_types::pb::envoy::config::core::v3::{Metadata, RequestMethod, address};
use envoy_types::pb::envoy::data::accesslog::v3 as pb;
use prost::Message as _;

use crate::access_log::EntryKind;
use crate::proto::core::v3 as core;
use crate::proto::{json_to_struct, wkt};

mod flags;

/// The method of a log service.
pub const STREAM: &str = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs";

/// What is said of a stream: of a request or of a connection. What is empty is left out.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The client, by what is believed of it, the one that is connected, and where to.
    pub downstream: [Option<SocketAddr>; 3],
    /// The handshake with the client, or what was seen of it.
    pub tls: Option<Tls>,
    /// When it began.
    pub start: Option<SystemTime>,
    /// Since then, to its end.
    pub duration: Option<Duration>,
    /// Likewise to the moments of [`Moments`].
    pub moments: Moments,
    /// The endpoint, as it is printed.
    pub upstream_host: String,
    /// Our address towards it.
    pub upstream_local: Option<SocketAddr>,
    /// Its cluster.
    pub upstream_cluster: String,
    /// Why the transport failed there.
    pub upstream_failure: String,
    /// And towards the client.
    pub downstream_failure: String,
    /// Name of the route.
    pub route: String,
    /// Attempts; 0: none.
    pub attempts: u32,
    /// Why the connection ended.
    pub termination: String,
    /// Short names of response flags.
    pub flags: Vec<&'static str>,
    /// Dynamic metadata, by namespace.
    pub metadata: Vec<(String, serde_json::Value)>,
    /// Messages by namespace: type URL and octets.
    pub typed_metadata: Vec<(String, (String, Vec<u8>))>,
    /// Objects of filter state, by key.
    pub filter_state: Vec<(String, State)>,
    /// By name.
    pub custom_tags: Vec<(String, String)>,
    /// Names the stream.
    pub stream_id: String,
    /// What it is told for.
    pub kind: EntryKind,
    /// It is not over.
    pub intermediate: bool,
    /// On the wire: sent to the client, received from it, sent to endpoints, received from them.
    pub wire: [u64; 4],
}

/// Moments of a stream, since its beginning.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Moments {
    pub last_rx: Option<Duration>,
    pub first_upstream_tx: Option<Duration>,
    pub last_upstream_tx: Option<Duration>,
    pub first_upstream_rx: Option<Duration>,
    pub last_upstream_rx: Option<Duration>,
    pub first_downstream_tx: Option<Duration>,
    pub last_downstream_tx: Option<Duration>,
}

/// An object of filter state that has a message.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// `StringValue`.
    Text(String),
    /// `Struct`.
    Object(serde_json::Value),
    /// What `grpc_stats` counts: messages of the request, of the response.
    Messages(u64, u64),
}

/// A handshake.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The name that was asked for.
    pub server_name: String,
    /// What came of it.
    pub done: Option<Secured>,
}

/// A handshake that is over.
#[derive(Debug, Clone, Default)]
pub struct Secured {
    /// `TLSv1.3`, say.
    pub version: &'static str,
    /// The suite's number.
    pub suite: u16,
    /// URI names and subject of our certificate.
    pub local: Certificate,
    /// And of the client's.
    pub peer: Certificate,
}

/// What is said of a certificate.
#[derive(Debug, Clone, Default)]
pub struct Certificate {
    /// Its URI names.
    pub uris: Vec<String>,
    /// Its subject.
    pub subject: String,
}

/// What is said of a request beside that.
#[derive(Debug, Clone, Default)]
pub struct Http {
    /// `HTTP/1.1`, say; empty: not known.
    pub protocol: &'static str,
    /// Its method.
    pub method: String,
    /// `:scheme`.
    pub scheme: String,
    /// `:authority`.
    pub authority: String,
    /// `:path`.
    pub path: String,
    /// `user-agent`.
    pub user_agent: String,
    /// `referer`.
    pub referer: String,
    /// `x-forwarded-for`.
    pub forwarded_for: String,
    /// `x-request-id`.
    pub request_id: String,
    /// `x-envoy-original-path`.
    pub original_path: String,
    /// Octets of the request's head and of its body, of the response's head and of its body.
    pub octets: [u64; 4],
    /// The response's status; 0: none.
    pub status: u16,
    /// Its details.
    pub details: String,
    /// What was asked for of headers of the request, of the response, of its trailers.
    pub headers: [Vec<(String, String)>; 3],
    /// Heads on the wire: sent to endpoints, received from the client, received from endpoints, sent to the client.
    pub wire: [u64; 4],
}

impl Entry {
    /// The octets of an `HTTPAccessLogEntry`.
    pub fn of_request(self, http: Http) -> Vec<u8> {
        let [request_headers_bytes, request_body_bytes, response_headers_bytes, response_body_bytes] = http.octets;
        let [upstream_header_bytes_sent, downstream_header_bytes_received, received, downstream_header_bytes_sent] =
            http.wire;
        let [request_headers, response_headers, response_trailers] = http.headers;
        let entry = pb::HttpAccessLogEntry {
            common_properties: Some(self.common()),
            protocol_version: version(http.protocol),
            request: Some(pb::HttpRequestProperties {
                request_method: RequestMethod::from_str_name(&http.method).unwrap_or_default().into(),
                scheme: http.scheme,
                authority: http.authority,
                port: None,
                path: http.path,
                user_agent: http.user_agent,
                referer: http.referer,
                forwarded_for: http.forwarded_for,
                request_id: http.request_id,
                original_path: http.original_path,
                request_headers_bytes,
                request_body_bytes,
                request_headers: request_headers.into_iter().collect(),
                upstream_header_bytes_sent,
                downstream_header_bytes_received,
            }),
            response: Some(pb::HttpResponseProperties {
                response_code: (http.status != 0).then(|| wkt::UInt32Value { value: http.status.into() }),
                response_headers_bytes,
                response_body_bytes,
                response_headers: response_headers.into_iter().collect(),
                response_trailers: response_trailers.into_iter().collect(),
                response_code_details: http.details,
                upstream_header_bytes_received: received,
                downstream_header_bytes_sent,
            }),
        };
        entry.encode_to_vec()
    }

    /// The octets of a `TCPAccessLogEntry`; `received` and `sent` are the client's.
    pub fn of_connection(self, received: u64, sent: u64) -> Vec<u8> {
        let entry = pb::TcpAccessLogEntry {
            common_properties: Some(self.common()),
            connection_properties: Some(pb::ConnectionProperties { received_bytes: received, sent_bytes: sent }),
        };
        entry.encode_to_vec()
    }

    #[allow(deprecated)] // `intermediate_log_entry`, which Envoy sets.
    fn common(self) -> pb::AccessLogCommon {
        let [remote, direct, local] = self.downstream;
        let [downstream_wire_bytes_sent, downstream_wire_bytes_received, upstream_wire_bytes_sent, received] =
            self.wire;
        let (moments, upstream) = (self.moments, !self.upstream_host.is_empty());
        pb::AccessLogCommon {
            sample_rate: 0.0,
            downstream_remote_address: remote.map(socket),
            downstream_direct_remote_address: direct.map(socket),
            downstream_local_address: local.map(socket),
            tls_properties: self.tls.map(tls),
            start_time: self.start.map(timestamp),
            duration: self.duration.map(duration),
            time_to_last_rx_byte: moments.last_rx.map(duration),
            time_to_first_upstream_tx_byte: moments.first_upstream_tx.map(duration),
            time_to_last_upstream_tx_byte: moments.last_upstream_tx.map(duration),
            time_to_first_upstream_rx_byte: moments.first_upstream_rx.map(duration),
            time_to_last_upstream_rx_byte: moments.last_upstream_rx.map(duration),
            time_to_first_downstream_tx_byte: moments.first_downstream_tx.map(duration),
            time_to_last_downstream_tx_byte: moments.last_downstream_tx.map(duration),
            upstream_remote_address: upstream.then(|| host(self.upstream_host)),
            upstream_local_address: self.upstream_local.map(socket),
            // Only with a host, as in Envoy.
            upstream_cluster: if upstream { self.upstream_cluster } else { String::new() },
            upstream_transport_failure_reason: self.upstream_failure,
            downstream_transport_failure_reason: self.downstream_failure,
            response_flags: flags::message(&self.flags),
            metadata: metadata(self.metadata, self.typed_metadata),
            route_name: self.route,
            filter_state_objects: self.filter_state.into_iter().map(|(key, state)| (key, state.message())).collect(),
            custom_tags: self.custom_tags.into_iter().collect(),
            upstream_request_attempt_count: self.attempts,
            connection_termination_details: self.termination,
            stream_id: self.stream_id,
            intermediate_log_entry: self.intermediate,
            downstream_wire_bytes_sent,
            downstream_wire_bytes_received,
            upstream_wire_bytes_sent,
            upstream_wire_bytes_received: received,
            access_log_type: self.kind as i32,
        }
    }
}

/// Appends a `StreamAccessLogsMessage`; `identity` is there in the first one of a stream: the node, as protobuf, and the log's name.
pub fn message(identity: Option<(&[u8], &str)>, http: bool, entries: Vec<Vec<u8>>, out: &mut Vec<u8>) {
    let identifier = identity.map(|(node, log_name)| Identifier { node: node.to_vec(), log_name: log_name.to_owned() });
    let entries = Some(Entries { log_entry: entries });
    let (http_logs, tcp_logs) = if http { (entries, None) } else { (None, entries) };
    let message = StreamMessage { identifier, http_logs, tcp_logs };
    out.reserve(message.encoded_len());
    // A vector takes all that is appended.
    let _ = message.encode(out);
}

/// As `StreamAccessLogsMessage`, but for what is made of octets that were made before.
#[derive(Clone, PartialEq, prost::Message)]
struct StreamMessage {
    #[prost(message, optional, tag = "1")]
    identifier: Option<Identifier>,
    #[prost(message, optional, tag = "2")]
    http_logs: Option<Entries>,
    #[prost(message, optional, tag = "3")]
    tcp_logs: Option<Entries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Identifier {
    #[prost(bytes = "vec", tag = "1")]
    node: Vec<u8>,
    #[prost(string, tag = "2")]
    log_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entries {
    #[prost(bytes = "vec", repeated, tag = "1")]
    log_entry: Vec<Vec<u8>>,
}

fn version(protocol: &str) -> i32 {
    use pb::http_access_log_entry::HttpVersion as Version;
    let version = match protocol {
        "HTTP/1.0" => Version::Http10,
        "HTTP/1.1" => Version::Http11,
        "HTTP/2" => Version::Http2,
        _ => Version::ProtocolUnspecified,
    };
    version.into()
}

fn socket(at: SocketAddr) -> core::Address {
    let socket = core::SocketAddress {
        address: at.ip().to_string(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(at.port().into())),
        ..core::SocketAddress::default()
    };
    core::Address { address: Some(address::Address::SocketAddress(socket)) }
}

/// An endpoint: what is no address of the internet is the path of a socket.
fn host(printed: String) -> core::Address {
    match printed.parse() {
        Ok(at) => socket(at),
        Err(_) => core::Address {
            address: Some(address::Address::Pipe(core::Pipe { path: printed, ..core::Pipe::default() })),
        },
    }
}

fn tls(tls: Tls) -> pb::TlsProperties {
    use pb::tls_properties::TlsVersion as Version;
    let version = match tls.done.as_ref().map_or("", |done| done.version) {
        "TLSv1.2" => Version::TlSv12,
        "TLSv1.3" => Version::TlSv13,
        _ => Version::VersionUnspecified,
    };
    let (suite, local, peer) = match tls.done {
        None => (None, None, None),
        Some(done) => (
            Some(wkt::UInt32Value { value: done.suite.into() }),
            Some(certificate(done.local)),
            Some(certificate(done.peer)),
        ),
    };
    pb::TlsProperties {
        tls_version: version.into(),
        tls_cipher_suite: suite,
        tls_sni_hostname: tls.server_name,
        local_certificate_properties: local,
        peer_certificate_properties: peer,
        ..pb::TlsProperties::default()
    }
}

fn certificate(certificate: Certificate) -> pb::tls_properties::CertificateProperties {
    use pb::tls_properties::certificate_properties::{SubjectAltName, subject_alt_name::San};
    pb::tls_properties::CertificateProperties {
        subject_alt_name: certificate.uris.into_iter().map(|uri| SubjectAltName { san: Some(San::Uri(uri)) }).collect(),
        subject: certificate.subject,
        ..Default::default()
    }
}

fn timestamp(at: SystemTime) -> wkt::Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let wkt::Duration { seconds, nanos } = duration(since);
    wkt::Timestamp { seconds, nanos }
}

fn duration(time: std::time::Duration) -> wkt::Duration {
    wkt::Duration {
        seconds: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        // Below a thousand million.
        nanos: time.subsec_nanos() as i32,
    }
}

fn metadata(plain: Vec<(String, serde_json::Value)>, typed: Vec<(String, (String, Vec<u8>))>) -> Option<Metadata> {
    (!plain.is_empty()).then(|| Metadata {
        filter_metadata: plain.into_iter().map(|(name, value)| (name, json_to_struct(&value))).collect(),
        typed_filter_metadata: typed
            .into_iter()
            .map(|(name, (type_url, value))| (name, wkt::Any { type_url, value }))
            .collect(),
    })
}

impl State {
    fn message(self) -> wkt::Any {
        let (name, value) = match self {
            State::Text(value) => ("google.protobuf.StringValue", wkt::StringValue { value }.encode_to_vec()),
            State::Object(value) => ("google.protobuf.Struct", json_to_struct(&value).encode_to_vec()),
            State::Messages(request, response) => {
                use crate::proto::extensions::filters::http::grpc_stats::v3::FilterObject;
                let counts = FilterObject { request_message_count: request, response_message_count: response };
                ("envoy.extensions.filters.http.grpc_stats.v3.FilterObject", counts.encode_to_vec())
            }
        };
        wkt::Any { type_url: format!("type.googleapis.com/{name}"), value }
    }
}

#[cfg(test)]
mod tests;
