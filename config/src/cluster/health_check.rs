//! Active health checks (`Cluster.health_checks`) to plain data: what endpoints are asked, how often, and what their answers mean.
//! Called by [`super::decode`].

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::extension;
use crate::field_rules;
use crate::matcher::{self, StringMatcher};
use crate::metadata::Criteria;
use crate::options::Options;
use crate::proto::{self, core::v3 as pb, extensions, types, uint32, wkt};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::route::{HeaderAdd, headers};

/// `HealthCheck`.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// `timeout`: a check that takes longer has failed.
    pub timeout: Duration,
    /// `initial_jitter`: the first check comes at a random time within it.
    pub initial_jitter: Duration,
    /// When the next check comes.
    pub intervals: Intervals,
    /// `unhealthy_threshold`: failures in a row that make a host unhealthy.
    pub unhealthy_threshold: u32,
    /// `healthy_threshold`: successes in a row that make it healthy again.
    pub healthy_threshold: u32,
    /// `reuse_connection`: checks share a connection.
    pub reuse_connection: bool,
    /// `event_log_path`, or that of a file sink: where changes of health are written down.
    pub event_logs: Vec<Arc<str>>,
    /// `always_log_health_check_failures`.
    pub logs_failures: bool,
    /// `always_log_health_check_success`.
    pub logs_successes: bool,
    /// `tls_options.alpn_protocols`, in place of the cluster's.
    pub alpn: Vec<Arc<[u8]>>,
    /// `transport_socket_match_criteria`: chooses the transport socket in place of the endpoint's metadata.
    pub socket_match: Option<Criteria>,
    /// What is asked.
    pub asks: Asks,
}

/// Times between checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervals {
    /// `interval`.
    pub interval: Duration,
    /// `unhealthy_interval`.
    pub unhealthy: Duration,
    /// `unhealthy_edge_interval`: after the first failures of a healthy host, by Envoy's name after those of an unhealthy one.
    pub unhealthy_edge: Duration,
    /// `healthy_edge_interval`.
    pub healthy_edge: Duration,
    /// `no_traffic_interval`: while the cluster has never been connected to.
    pub no_traffic: Duration,
    /// `no_traffic_healthy_interval`.
    pub no_traffic_healthy: Duration,
    /// `interval_jitter`.
    pub jitter: Duration,
    /// `interval_jitter_percent`.
    pub jitter_percent: u32,
    /// Runtime keys `health_check.min_interval` and `health_check.max_interval`.
    pub limits: (Duration, Duration),
}

/// What an endpoint is asked.
#[derive(Debug, Clone)]
pub enum Asks {
    /// `http_health_check`.
    Http(Box<HttpCheck>),
    /// `tcp_health_check`.
    Tcp(TcpCheck),
    /// `grpc_health_check`.
    Grpc(GrpcCheck),
}

/// `HttpHealthCheck`.
#[derive(Debug, Clone)]
pub struct HttpCheck {
    /// `host`; the cluster's name when unset.
    pub host: Option<Arc<str>>,
    /// `path`.
    pub path: Arc<str>,
    /// `method`.
    pub method: Arc<str>,
    /// `send`: the request's body.
    pub send: Bytes,
    /// `receive`: what the answer's body must hold, one after the other.
    pub receive: Vec<Bytes>,
    /// `response_buffer_size`: octets of it that are looked at; 0 is all.
    pub buffer: u64,
    /// `request_headers_to_add`.
    pub add: Vec<HeaderAdd>,
    /// `request_headers_to_remove`, lower case.
    pub remove: Vec<Arc<str>>,
    /// `expected_statuses`; 200 when unset.
    pub expected: Vec<Range<u16>>,
    /// `retriable_statuses`: count towards the threshold.
    pub retriable: Vec<Range<u16>>,
    /// `codec_client_type`: HTTP/2 instead of HTTP/1.
    pub http2: bool,
    /// `service_name_matcher`.
    pub service_name: Option<StringMatcher>,
}

/// `TcpHealthCheck`.
#[derive(Debug, Clone)]
pub struct TcpCheck {
    /// `send`.
    pub send: Bytes,
    /// `receive`: what must come, one after the other; a connection alone when empty.
    pub receive: Vec<Bytes>,
    /// `proxy_protocol_config.version`, said before all else.
    pub proxy_protocol: Option<u8>,
}

/// `GrpcHealthCheck`.
#[derive(Debug, Clone)]
pub struct GrpcCheck {
    /// `service_name`.
    pub service: Arc<str>,
    /// `authority`; the cluster's name when unset.
    pub authority: Option<Arc<str>>,
    /// `initial_metadata`.
    pub metadata: Vec<HeaderAdd>,
}

/// What the body of an answer is looked at by default.
const DEFAULT_BUFFER: u64 = 1024;
const DEFAULT_NO_TRAFFIC: Duration = Duration::from_secs(60);

/// The one of a cluster. `http2`: its endpoints speak it.
pub(super) fn decode(
    at: &At<'_>,
    list: &[pb::HealthCheck],
    (name, http2): (&str, bool),
    options: &Options,
) -> Result<Option<Arc<HealthCheck>>, Rejection> {
    let [only] = list else {
        return if list.is_empty() {
            Ok(None)
        } else {
            Err(at.reject("Multiple health checks not supported; take all but one out"))
        };
    };
    let at = at.index(0);
    if matches!(only.health_checker, Some(pb::health_check::HealthChecker::GrpcHealthCheck(_))) && !http2 {
        return Err(at.field("grpc_health_check").reject(format!(
            "{name} cluster must support HTTP/2 for gRPC healthchecking; give it http2_protocol_options"
        )));
    }
    one(&at, only, options).map(|check| check.map(Arc::new))
}

/// Those that Envoy has and this proxy does not make: the table of fields says so.
const OF_ENVOY: [&str; 2] =
    ["envoy.extensions.health_checkers.redis.v3.Redis", "envoy.extensions.health_checkers.thrift.v3.Thrift"];

/// As in Envoy, its type says what it is, and there must be such a thing.
fn of_another_kind(at: &At<'_>, check: &pb::health_check::CustomHealthCheck) -> Result<(), Rejection> {
    use pb::health_check::custom_health_check::ConfigType;
    let at_config = at.field("typed_config");
    let config = check.config_type.as_ref().map(|ConfigType::TypedConfig(any)| extension::open(&at_config, any));
    let config = config.transpose()?;
    let type_name = config.as_ref().map_or("", |config| &*config.type_name);
    match OF_ENVOY.contains(&type_name) {
        true => Ok(()),
        false => Err(registry::not_registered(at, &check.name, type_name)),
    }
}

fn one(at: &At<'_>, proto: &pb::HealthCheck, options: &Options) -> Result<Option<HealthCheck>, Rejection> {
    use pb::health_check::HealthChecker;
    let asks = match field_rules::required(&at.field("health_checker"), &proto.health_checker)? {
        HealthChecker::HttpHealthCheck(check) => {
            Asks::Http(Box::new(http(&at.field("http_health_check"), check, options)?))
        }
        HealthChecker::TcpHealthCheck(check) => Asks::Tcp(tcp(&at.field("tcp_health_check"), check)?),
        HealthChecker::GrpcHealthCheck(check) => Asks::Grpc(grpc(&at.field("grpc_health_check"), check, options)?),
        HealthChecker::CustomHealthCheck(check) => {
            of_another_kind(&at.field("custom_health_check"), check)?;
            return Ok(None);
        }
    };
    let required = |field: &str, value| {
        let at = at.field(field);
        proto::positive(&at, value)?.ok_or_else(|| at.reject("is required and not set; set it"))
    };
    let threshold = |field: &str, value: &Option<wkt::UInt32Value>| {
        uint32(value).ok_or_else(|| at.field(field).reject("is required and not set; set it"))
    };
    let socket_match = proto.transport_socket_match_criteria.as_ref();
    let socket_match = socket_match.map(|criteria| Criteria::of(&proto::struct_to_json(criteria)));
    let alpn = proto.tls_options.iter().flat_map(|tls| &tls.alpn_protocols);
    Ok(Some(HealthCheck {
        timeout: required("timeout", &proto.timeout)?,
        initial_jitter: proto::duration(&at.field("initial_jitter"), &proto.initial_jitter)?.unwrap_or_default(),
        intervals: intervals(at, proto, required("interval", &proto.interval)?, options)?,
        unhealthy_threshold: threshold("unhealthy_threshold", &proto.unhealthy_threshold)?,
        healthy_threshold: threshold("healthy_threshold", &proto.healthy_threshold)?,
        reuse_connection: proto::bool_or(&proto.reuse_connection, true),
        event_logs: event_logs(at, proto, options)?,
        logs_failures: proto.always_log_health_check_failures,
        logs_successes: proto.always_log_health_check_success,
        alpn: alpn.map(|name| Arc::from(name.as_bytes())).collect(),
        socket_match,
        asks,
    }))
}

fn intervals(
    at: &At<'_>,
    proto: &pb::HealthCheck,
    interval: Duration,
    options: &Options,
) -> Result<Intervals, Rejection> {
    let time = |field: &str, value, default: Duration| {
        proto::positive(&at.field(field), value).map(|time| time.unwrap_or(default))
    };
    let unhealthy = time("unhealthy_interval", &proto.unhealthy_interval, interval)?;
    let no_traffic = time("no_traffic_interval", &proto.no_traffic_interval, DEFAULT_NO_TRAFFIC)?;
    let limit = |key: &str| options.runtime.get(key);
    Ok(Intervals {
        interval,
        unhealthy,
        unhealthy_edge: time("unhealthy_edge_interval", &proto.unhealthy_edge_interval, unhealthy)?,
        healthy_edge: time("healthy_edge_interval", &proto.healthy_edge_interval, interval)?,
        no_traffic,
        no_traffic_healthy: time("no_traffic_healthy_interval", &proto.no_traffic_healthy_interval, no_traffic)?,
        jitter: proto::duration(&at.field("interval_jitter"), &proto.interval_jitter)?.unwrap_or_default(),
        jitter_percent: proto.interval_jitter_percent,
        limits: (
            limit("health_check.min_interval").unwrap_or_default(),
            limit("health_check.max_interval").unwrap_or(Duration::MAX),
        ),
    })
}

fn event_logs(at: &At<'_>, proto: &pb::HealthCheck, options: &Options) -> Result<Vec<Arc<str>>, Rejection> {
    let mut logs: Vec<Arc<str>> = proto::text(&proto.event_log_path).into_iter().collect();
    let at = at.field("event_logger");
    for (index, sink) in proto.event_logger.iter().enumerate() {
        let at = at.index(index);
        let at = at.field("typed_config");
        let extension = extension::open_required(&at, &sink.typed_config)?;
        if extension.type_name != registry::FILE_EVENT_SINK {
            return Err(registry::unknown(&at, Kind::EventSink, &sink.name, &extension.type_name));
        }
        let file: extensions::health_check::event_sinks::file::v3::HealthCheckEventFileSink =
            extension.decode(&at, options)?;
        logs.push(field_rules::not_empty(&at.field("event_log_path"), &file.event_log_path)?);
    }
    Ok(logs)
}

fn http(at: &At<'_>, proto: &pb::health_check::HttpHealthCheck, options: &Options) -> Result<HttpCheck, Rejection> {
    use types::v3::CodecClientType;
    let at_method = at.field("method");
    let method = match proto::defined::<pb::RequestMethod>(&at_method, proto.method)? {
        pb::RequestMethod::MethodUnspecified => pb::RequestMethod::Get,
        pb::RequestMethod::Connect => return Err(at_method.reject("CONNECT is no method of a health check")),
        method => method,
    };
    let send = proto.send.as_ref().map(|send| payload(&at.field("send"), send)).transpose()?;
    if send.is_some()
        && matches!(
            method,
            pb::RequestMethod::Get | pb::RequestMethod::Head | pb::RequestMethod::Delete | pb::RequestMethod::Trace
        )
    {
        return Err(at.field("send").reject(format!(
            "HTTP health check cannot specify a request payload with method '{}'. Only methods that support a request body (POST, PUT, PATCH, OPTIONS) can be used with payload",
            method.as_str_name()
        )));
    }
    let http2 = match proto::defined::<CodecClientType>(&at.field("codec_client_type"), proto.codec_client_type)? {
        CodecClientType::Http1 => false,
        CodecClientType::Http2 => true,
        CodecClientType::Http3 => {
            return Err(at.field("codec_client_type").unsupported("HTTP/3 upstreams are not supported"));
        }
    };
    let receive = payloads(&at.field("receive"), &proto.receive)?;
    let buffer = proto.response_buffer_size.as_ref().map_or(DEFAULT_BUFFER, |size| size.value);
    let total: u64 = receive.iter().map(|one| one.len() as u64).sum();
    if buffer != 0 && total > buffer {
        return Err(at.field("receive").reject(format!(
            "The expected response length '{total}' is over than http health response buffer size '{buffer}'"
        )));
    }
    let expected = statuses(&at.field("expected_statuses"), &proto.expected_statuses)?;
    let at_name = at.field("service_name_matcher");
    Ok(HttpCheck {
        host: proto::text(&proto.host),
        path: field_rules::not_empty(&at.field("path"), &proto.path)?,
        method: method.as_str_name().into(),
        send: send.unwrap_or_default(),
        receive,
        buffer,
        add: additions(&at.field("request_headers_to_add"), &proto.request_headers_to_add, options)?,
        remove: headers::removals(&at.field("request_headers_to_remove"), &proto.request_headers_to_remove)?,
        expected: if expected.is_empty() { vec![Range { start: 200, end: 201 }] } else { expected },
        retriable: statuses(&at.field("retriable_statuses"), &proto.retriable_statuses)?,
        http2,
        service_name: proto
            .service_name_matcher
            .as_ref()
            .map(|matcher| matcher::decode::string(&at_name, matcher))
            .transpose()?,
    })
}

fn tcp(at: &At<'_>, proto: &pb::health_check::TcpHealthCheck) -> Result<TcpCheck, Rejection> {
    use pb::proxy_protocol_config::Version;
    let send = proto.send.as_ref().map(|send| payload(&at.field("send"), send)).transpose()?;
    let at_header = at.field("proxy_protocol_config");
    let version = proto.proxy_protocol_config.as_ref().map(|header| {
        proto::defined::<Version>(&at_header.field("version"), header.version).map(|version| match version {
            Version::V1 => 1,
            Version::V2 => 2,
        })
    });
    Ok(TcpCheck {
        send: send.unwrap_or_default(),
        receive: payloads(&at.field("receive"), &proto.receive)?,
        proxy_protocol: version.transpose()?,
    })
}

fn grpc(at: &At<'_>, proto: &pb::health_check::GrpcHealthCheck, options: &Options) -> Result<GrpcCheck, Rejection> {
    Ok(GrpcCheck {
        service: proto.service_name.as_str().into(),
        authority: proto::text(&proto.authority),
        metadata: additions(&at.field("initial_metadata"), &proto.initial_metadata, options)?,
    })
}

fn additions(at: &At<'_>, list: &[pb::HeaderValueOption], options: &Options) -> Result<Vec<HeaderAdd>, Rejection> {
    let additions = headers::additions(at, list, 1000)?;
    if additions
        .iter()
        .any(|add| add.value.parts.iter().any(|part| !matches!(part, crate::access_log::Part::Literal(_))))
    {
        options.note(at, "operators print nothing in the headers of health checks");
    }
    Ok(additions)
}

fn payloads(at: &At<'_>, list: &[pb::health_check::Payload]) -> Result<Vec<Bytes>, Rejection> {
    list.iter().enumerate().map(|(index, one)| payload(&at.index(index), one)).collect()
}

/// Digits of octets, or the octets.
fn payload(at: &At<'_>, payload: &pb::health_check::Payload) -> Result<Bytes, Rejection> {
    use pb::health_check::payload::Payload;
    match field_rules::required(at, &payload.payload)? {
        Payload::Binary(octets) => Ok(Bytes::copy_from_slice(octets)),
        Payload::Text(text) => {
            let octet = |digits: &[u8]| {
                let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2)?;
                u8::from_str_radix(digits, 16).ok()
            };
            let octets: Option<Vec<u8>> = text.as_bytes().chunks(2).map(octet).collect();
            octets
                .map(Bytes::from)
                .ok_or_else(|| at.field("text").reject("invalid hex string; write octets as two digits each"))
        }
    }
}

fn statuses(at: &At<'_>, ranges: &[types::v3::Int64Range]) -> Result<Vec<Range<u16>>, Rejection> {
    let one = |(index, range): (usize, &types::v3::Int64Range)| {
        let bound = |value: i64| {
            u16::try_from(value).map_err(|_| at.index(index).reject(format!("{value} is no status; give 100 to 600")))
        };
        Ok(Range { start: bound(range.start)?, end: bound(range.end)? })
    };
    ranges.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests;
