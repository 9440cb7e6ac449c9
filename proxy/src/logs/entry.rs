//! Entries for log services of gRPC (`HttpGrpcAccessLogConfig`, `TcpGrpcAccessLogConfig`), filled from what is known of a stream.

use std::sync::Arc;
use std::time::Instant;

use config::access_log::{GrpcLog, Operator, Shape, WireBytes};
use config::services::als::{Certificate, Entry, Http, Moments, Secured, State, Tls};
use config::services::sanitized;

use crate::export::{LogExporters, LogStream};
use crate::failure::ResponseFlags;
use crate::stats::Stats;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::dynamic::{Form, StateObject};
use crate::telemetry::format::{self, server_name};
use crate::telemetry::stream_info::StreamInfo;
use crate::telemetry::trace::CustomTags;
use crate::tls::info::{PeerName, TlsInfo};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{RequestHead, ResponseHead};

/// A log whose entries go to a log service.
pub(super) struct ToLogService {
    pub stream: LogStream,
    /// Of requests: which headers are told. `None`: it tells of connections.
    http: Option<[Vec<Wanted>; 3]>,
    filter_state: Vec<Arc<str>>,
    tags: CustomTags,
}

/// A header that is told.
struct Wanted {
    text: Arc<str>,
    name: Name,
}

impl ToLogService {
    pub fn compile(config: &GrpcLog, known: &LogExporters, stats: &Arc<Stats>) -> ToLogService {
        let wanted = |names: &[Arc<str>]| {
            names.iter().map(|text| Wanted { text: text.clone(), name: Name::new(text) }).collect::<Vec<_>>()
        };
        let http = match &config.shape {
            Shape::Tcp => None,
            Shape::Http { request_headers, response_headers, response_trailers } => {
                Some([wanted(request_headers), wanted(response_headers), wanted(response_trailers)])
            }
        };
        ToLogService {
            stream: LogStream::compile(&config.stream, http.is_some(), known, stats),
            http,
            filter_state: config.filter_state.clone(),
            tags: CustomTags::compile(&config.custom_tags),
        }
    }

    /// The octets of an entry.
    pub fn entry(&self, of: &LogEntry<'_>) -> Vec<u8> {
        let entry = self.common(of);
        match &self.http {
            None => entry.of_connection(of.info.bytes_received, of.info.bytes_sent),
            Some(wanted) => entry.of_request(http(of, wanted)),
        }
    }

    fn common(&self, of: &LogEntry<'_>) -> Entry {
        let info = of.info;
        let connection = &info.connection;
        let upstream = info.upstream_connection.as_deref();
        let failure = |reason: &Option<Arc<str>>| reason.as_deref().unwrap_or_default().to_owned();
        let wire = |upstream, sent| format::wire_octets(wire(upstream, sent, false), of).unwrap_or_default();
        let mut entry = Entry {
            downstream: [Some(info.remote()), Some(connection.direct_remote), Some(connection.local)],
            tls: tls(info),
            start: Some(info.start_time),
            duration: info.end.map(|end| end.saturating_duration_since(info.start)),
            moments: moments(info),
            upstream_host: info.upstream_host.as_deref().unwrap_or_default().to_owned(),
            upstream_local: upstream.and_then(|upstream| upstream.local),
            upstream_cluster: info.upstream_cluster.as_deref().unwrap_or_default().to_owned(),
            upstream_failure: failure(&info.upstream_transport_failure),
            downstream_failure: failure(&info.downstream_transport_failure),
            route: of.more.route_name.unwrap_or_default().to_owned(),
            attempts: info.attempts,
            termination: format::text(&Operator::ConnectionTerminationDetails, of),
            flags: ResponseFlags::ALL
                .iter()
                .filter(|(flag, ..)| info.flags.has(*flag))
                .map(|(_, name, _)| *name)
                .collect(),
            filter_state: self.filter_state.iter().filter_map(|key| state(key, info)).collect(),
            stream_id: format::text(&Operator::StreamId, of),
            kind: of.more.kind,
            intermediate: info.end.is_none(),
            wire: [wire(false, true), wire(false, false), wire(true, true), wire(true, false)],
            ..Entry::default()
        };
        metadata(of, &mut entry);
        self.tags.each(None, of, |name, value| entry.custom_tags.push((name.to_owned(), value)));
        entry
    }
}

const fn wire(upstream: bool, sent: bool, heads: bool) -> WireBytes {
    WireBytes { upstream, sent, heads, unpacked: false }
}

fn http(of: &LogEntry<'_>, [of_request, of_response, of_trailers]: &[Vec<Wanted>; 3]) -> Http {
    let info = of.info;
    let pseudo = |value: fn(&RequestHead) -> &[u8]| of.request.map(|head| sanitized(value(head))).unwrap_or_default();
    let header = |name: Name| {
        of.request.and_then(|head| head.headers.get(&name)).map(|value| sanitized(value)).unwrap_or_default()
    };
    let wire = |upstream, sent| format::wire_octets(wire(upstream, sent, true), of).unwrap_or_default();
    let octets = [
        of.request.map_or(0, RequestHead::octets),
        info.bytes_received,
        of.response.map_or(0, ResponseHead::octets),
        info.bytes_sent,
    ];
    Http {
        protocol: info.protocol.map_or("", |protocol| protocol.as_str()),
        method: pseudo(|head| head.method.as_bytes()),
        scheme: pseudo(|head| &head.scheme),
        authority: pseudo(|head| &head.authority),
        path: pseudo(|head| &head.path),
        user_agent: header(Name::USER_AGENT),
        referer: header(Name::REFERER),
        forwarded_for: header(Name::X_FORWARDED_FOR),
        request_id: header(Name::X_REQUEST_ID),
        original_path: header(Name::X_ENVOY_ORIGINAL_PATH),
        octets,
        status: info.response_code,
        details: format::text(&Operator::ResponseCodeDetailsAsIs, of),
        headers: [
            told(of_request, of.request.map(|head| &head.headers), |name| format::request_header(of, name)),
            told(of_response, of.response.map(|head| &head.headers), |_| None),
            told(of_trailers, of.trailers, |_| None),
        ],
        wire: [wire(true, true), wire(false, false), wire(true, false), wire(false, true)],
    }
}

/// Headers that were asked for and are there: of several of one name all, with commas.
fn told<'h>(
    wanted: &[Wanted],
    headers: Option<&Headers>,
    pseudo: impl Fn(&str) -> Option<&'h [u8]>,
) -> Vec<(String, String)> {
    let one = |Wanted { text, name }: &Wanted| {
        let mut value: Option<Vec<u8>> = text.starts_with(':').then(|| pseudo(text)).flatten().map(<[u8]>::to_vec);
        for more in headers.into_iter().flat_map(|headers| headers.get_all(name)) {
            match &mut value {
                Some(value) => {
                    value.push(b',');
                    value.extend_from_slice(more);
                }
                None => value = Some(more.to_vec()),
            }
        }
        Some((text.to_string(), sanitized(&value?)))
    };
    wanted.iter().filter_map(one).collect()
}

fn moments(info: &StreamInfo) -> Moments {
    let since = |at: Option<Instant>| at.and_then(|at| at.checked_duration_since(info.start));
    let times = info.times.as_deref();
    Moments {
        last_rx: since(info.request_complete),
        first_upstream_tx: since(times.and_then(|times| times.upload_begins)),
        last_upstream_tx: since(times.and_then(|times| times.upload_ends)),
        first_upstream_rx: since(info.response_first_byte),
        last_upstream_rx: since(times.and_then(|times| times.response_ends)),
        first_downstream_tx: since(times.and_then(|times| times.download_begins)),
        last_downstream_tx: since(times.and_then(|times| times.download_begins).and(info.sent_at())),
    }
}

fn tls(info: &StreamInfo) -> Option<Tls> {
    let server_name = server_name(info).map(|name| sanitized(name.as_bytes())).unwrap_or_default();
    let done = info.connection.tls.as_deref().map(secured);
    (done.is_some() || !server_name.is_empty()).then_some(Tls { server_name, done })
}

fn secured(tls: &TlsInfo) -> Secured {
    let peer = tls.peer.as_deref();
    let name = |name: &PeerName| sanitized(name.as_bytes());
    Secured {
        version: tls.version,
        suite: tls.suite,
        local: Certificate {
            uris: tls.local_uri_sans.iter().map(|uri| sanitized(uri.as_bytes())).collect(),
            subject: tls.local_subject().to_owned(),
        },
        peer: Certificate {
            uris: peer.map(|peer| peer.uri_sans.iter().map(name).collect()).unwrap_or_default(),
            subject: peer.map(|peer| peer.subject.to_string()).unwrap_or_default(),
        },
    }
}

/// Of a request its own, of a connection that of its filters.
fn metadata(of: &LogEntry<'_>, entry: &mut Entry) {
    let of_connection = of.info.connection.metadata.borrow();
    let metadata = if of.info.protocol.is_none() { &*of_connection } else { &of.info.metadata };
    entry.metadata = metadata.namespaces().map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let typed = metadata.typed_namespaces();
    entry.typed_metadata =
        typed.map(|(name, value)| (name.to_string(), (value.type_url.to_string(), value.bytes.to_vec()))).collect();
}

/// An object that has a message: of the request, else of the connection.
fn state(key: &Arc<str>, info: &StreamInfo) -> Option<(String, State)> {
    let of_connection = info.connection.filter_state.borrow();
    let object = info.filter_state.get(key).or_else(|| of_connection.get(key))?;
    Some((key.to_string(), message(object)?))
}

fn message(object: &StateObject) -> Option<State> {
    match &object.form {
        Form::Text => Some(State::Text(sanitized(&object.value))),
        Form::Message(value) | Form::Fields(value) => Some(State::Object((**value).clone())),
        Form::Decision(json) => Some(State::Object(serde_json::from_str(json).ok()?)),
        Form::Measured(_) if object.value.is_empty() => None,
        Form::Json | Form::Measured(_) => Some(State::Object(serde_json::from_slice(&object.value).ok()?)),
        Form::Messages => {
            let text = std::str::from_utf8(&object.value).ok()?;
            let (request, response) = text.split_once(',')?;
            Some(State::Messages(request.parse().ok()?, response.parse().ok()?))
        }
        Form::Plain | Form::Address(_) | Form::Hidden => None,
    }
}
