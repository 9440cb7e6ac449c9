//! Logs whose entries are sent to a service: `CommonGrpcAccessLogConfig` and what holds it, `OpenTelemetryAccessLogConfig`. Called by
//! `decode`; the proxy's `logs` makes entries of it, its `export` sends them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::opentelemetry::proto::common::v1::{
    AnyValue, KeyValue, KeyValueList, any_value::Value as AnyKind,
};
use prost::Message as _;

use super::decode::Shape as Formats;
use super::{Format, Sink};
use crate::extension::Extension;
use crate::options::Options;
use crate::proto::extensions::access_loggers::grpc::v3 as grpc;
use crate::proto::extensions::access_loggers::open_telemetry::v3::OpenTelemetryAccessLogConfig;
use crate::proto::{self, core::v3 as core, uint32, wkt};
use crate::rejection::{At, Rejection};
use crate::services::{self, GrpcService, otlp};
use crate::tracing::{Collector, CustomTag, Detector, decode as tracing, opentelemetry};

/// A log of gRPC.
#[derive(Debug, Clone)]
pub struct GrpcLog {
    /// Where its entries go.
    pub stream: Arc<GrpcStream>,
    /// What they tell of.
    pub shape: Shape,
    /// `filter_state_objects_to_log`.
    pub filter_state: Vec<Arc<str>>,
    /// `custom_tags`.
    pub custom_tags: Vec<CustomTag>,
}

/// What entries tell of.
#[derive(Debug, Clone)]
pub enum Shape {
    /// Requests.
    Http {
        /// `additional_request_headers_to_log`, as all names in small letters.
        request_headers: Vec<Arc<str>>,
        /// `additional_response_headers_to_log`.
        response_headers: Vec<Arc<str>>,
        /// `additional_response_trailers_to_log`.
        response_trailers: Vec<Arc<str>>,
    },
    /// Connections.
    Tcp,
}

/// A stream to a log service, as all logs have it that say the same of it.
#[derive(Debug, Clone)]
pub struct GrpcStream {
    /// Equal where streams are.
    pub identity: Identity,
    /// `log_name`.
    pub name: Arc<str>,
    /// `grpc_service`, with the retries of `grpc_stream_retry_policy`.
    pub service: GrpcService,
    /// How entries are gathered.
    pub buffer: Buffer,
    /// The node that says it, as protobuf.
    pub node: Bytes,
}

/// All that was configured, by which logs are known that say the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity(pub Bytes);

impl fmt::Debug for Identity {
    /// Each field tells of itself.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Identity")
    }
}

/// How entries are gathered before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// `buffer_flush_interval`.
    pub interval: Duration,
    /// `buffer_size_bytes`: so many octets are sent at once. 0: each entry is.
    pub octets: usize,
}

/// A log of OpenTelemetry.
#[derive(Debug, Clone)]
pub struct OpenTelemetryLog {
    /// Equal where exporters are.
    pub identity: Identity,
    /// Where records go.
    pub collector: Collector,
    /// Who says it.
    pub resource: Resource,
    /// `body`.
    pub body: Option<Record>,
    /// `attributes`.
    pub attributes: Vec<(Arc<str>, Record)>,
    /// `filter_state_objects_to_log`.
    pub filter_state: Vec<Arc<str>>,
    /// `custom_tags`.
    pub custom_tags: Vec<CustomTag>,
    /// How records are gathered.
    pub buffer: Buffer,
    /// `stat_prefix`.
    pub stat_prefix: Arc<str>,
}

/// Attributes of a resource; what comes later wins.
#[derive(Debug, Clone, Default)]
pub struct Resource {
    /// Those that are there by themselves, unless `disable_builtin_labels`.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// `resource_detectors` that act.
    pub detectors: Vec<Detector>,
    /// `resource_attributes`.
    pub attributes: Vec<(Arc<str>, otlp::Value)>,
}

/// A value whose texts are formats.
#[derive(Debug, Clone)]
pub enum Record {
    /// `string_value`.
    Text(Format),
    /// `kvlist_value`.
    Map(Vec<(Arc<str>, Record)>),
    /// `array_value`.
    List(Vec<Record>),
}

/// The sink, where it is one of these.
pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<Option<Sink>, Rejection> {
    Ok(Some(match &*extension.type_name {
        "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig" => {
            let proto: grpc::HttpGrpcAccessLogConfig = extension.decode(at, options)?;
            let names = |list: &[String]| list.iter().map(|name| Arc::from(name.to_ascii_lowercase())).collect();
            let shape = Shape::Http {
                request_headers: names(&proto.additional_request_headers_to_log),
                response_headers: names(&proto.additional_response_headers_to_log),
                response_trailers: names(&proto.additional_response_trailers_to_log),
            };
            grpc_log(&at.field("common_config"), &proto.common_config, shape, options)?
        }
        "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig" => {
            let proto: grpc::TcpGrpcAccessLogConfig = extension.decode(at, options)?;
            grpc_log(&at.field("common_config"), &proto.common_config, Shape::Tcp, options)?
        }
        "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig" => {
            let proto: OpenTelemetryAccessLogConfig = extension.decode(at, options)?;
            Sink::OpenTelemetry(Arc::new(open_telemetry(at, &proto, options)?))
        }
        _ => return Ok(None),
    }))
}

fn grpc_log(
    at: &At<'_>,
    proto: &Option<grpc::CommonGrpcAccessLogConfig>,
    shape: Shape,
    options: &Options,
) -> Result<Sink, Rejection> {
    let proto = crate::field_rules::required(at, proto)?;
    let name = crate::field_rules::not_empty(&at.field("log_name"), &proto.log_name)?;
    Ok(Sink::Grpc(Arc::new(GrpcLog {
        stream: Arc::new(GrpcStream {
            identity: Identity(Bytes::from(proto.encode_to_vec())),
            name,
            service: service(at, proto, options)?,
            buffer: buffer(
                &at.field("buffer_flush_interval"),
                (&proto.buffer_flush_interval, &proto.buffer_size_bytes),
            )?,
            node: options.node.clone(),
        }),
        shape,
        filter_state: texts(&proto.filter_state_objects_to_log),
        custom_tags: tracing::custom_tags(&at.field("custom_tags"), &proto.custom_tags)?,
    })))
}

/// `grpc_service` of common settings, and what goes with it.
fn service(at: &At<'_>, proto: &grpc::CommonGrpcAccessLogConfig, options: &Options) -> Result<GrpcService, Rejection> {
    let at_version = at.field("transport_api_version");
    if proto::defined::<core::ApiVersion>(&at_version, proto.transport_api_version)? == core::ApiVersion::V2 {
        return Err(at_version.reject("V2 is gone; give V3"));
    }
    let at_service = at.field("grpc_service");
    let proto_service = crate::field_rules::required(&at_service, &proto.grpc_service)?;
    let service = services::grpc_service(&at_service, proto_service, options)?;
    let Some(policy) = &proto.grpc_stream_retry_policy else { return Ok(service) };
    // As with Envoy it holds for streams that could not be opened, and for nothing else.
    let policy = services::retry_policy(&at.field("grpc_stream_retry_policy"), policy, "connect-failure", options)?;
    Ok(GrpcService { retry: Some(Arc::new(policy)), ..service })
}

fn buffer(
    at_interval: &At<'_>,
    (interval, octets): (&Option<wkt::Duration>, &Option<wkt::UInt32Value>),
) -> Result<Buffer, Rejection> {
    let interval = proto::duration(at_interval, interval)?.unwrap_or(Duration::from_secs(1));
    // One of nothing would never rest.
    Ok(Buffer {
        interval: interval.max(Duration::from_millis(1)),
        octets: uint32(octets).map_or(16 * 1024, |octets| octets as usize),
    })
}

fn texts(list: &[String]) -> Vec<Arc<str>> {
    list.iter().map(|text| Arc::from(text.as_str())).collect()
}

fn open_telemetry(
    at: &At<'_>,
    proto: &OpenTelemetryAccessLogConfig,
    options: &Options,
) -> Result<OpenTelemetryLog, Rejection> {
    let at_common = at.field("common_config");
    let collector = match (&proto.common_config, &proto.grpc_service, &proto.http_service) {
        (Some(common), None, None) => Collector::Grpc(service(&at_common, common, options)?),
        (None, Some(grpc), None) => Collector::Grpc(services::grpc_service(&at.field("grpc_service"), grpc, options)?),
        (None, None, Some(http)) => Collector::Http(services::http_service(&at.field("http_service"), http, options)?),
        _ => return Err(at.reject("must have exactly one of grpc_service, http_service and common_config; give one")),
    };
    let common = proto.common_config.as_ref();
    let gathered = match (common, &proto.buffer_flush_interval, &proto.buffer_size_bytes) {
        (Some(common), None, None) => buffer(
            &at_common.field("buffer_flush_interval"),
            (&common.buffer_flush_interval, &common.buffer_size_bytes),
        )?,
        (_, interval, octets) => buffer(&at.field("buffer_flush_interval"), (interval, octets))?,
    };
    let log_name =
        if proto.log_name.is_empty() { common.map_or("", |common| &common.log_name) } else { &proto.log_name };
    let formats = Formats::of(&at.field("formatters"), &proto.formatters, options)?;
    let at_attributes = at.field("attributes");
    Ok(OpenTelemetryLog {
        identity: Identity(Bytes::from(proto.encode_to_vec())),
        collector,
        resource: Resource {
            labels: if proto.disable_builtin_labels { Vec::new() } else { labels(log_name, options) },
            detectors: opentelemetry::all_detectors(
                &at.field("resource_detectors"),
                &proto.resource_detectors,
                options,
            )?,
            attributes: proto.resource_attributes.iter().flat_map(|list| &list.values).map(otlp::pair).collect(),
        },
        body: match proto.body.as_ref() {
            Some(AnyValue { value: Some(value) }) => Some(record(&at.field("body"), Some(value), &formats)?),
            Some(AnyValue { value: None }) | None => None,
        },
        attributes: match &proto.attributes {
            Some(list) => map(&at_attributes, list, &formats)?,
            None => Vec::new(),
        },
        filter_state: texts(&proto.filter_state_objects_to_log),
        custom_tags: tracing::custom_tags(&at.field("custom_tags"), &proto.custom_tags)?,
        buffer: gathered,
        stat_prefix: Arc::from(proto.stat_prefix.as_str()),
    })
}

fn labels(log_name: &str, options: &Options) -> Vec<(Arc<str>, Arc<str>)> {
    vec![
        (Arc::from("log_name"), Arc::from(log_name)),
        (Arc::from("zone_name"), options.node_locality.zone.clone()),
        (Arc::from("cluster_name"), options.service_cluster.clone()),
        (Arc::from("node_name"), options.node_id.clone()),
    ]
}

fn record(at: &At<'_>, value: Option<&AnyKind>, formats: &Formats) -> Result<Record, Rejection> {
    Ok(match value {
        Some(AnyKind::StringValue(text)) => Record::Text(formats.text(&at.field("string_value"), text)?),
        Some(AnyKind::KvlistValue(list)) => Record::Map(map(&at.field("kvlist_value"), list, formats)?),
        Some(AnyKind::ArrayValue(list)) => {
            let at = at.field("array_value");
            let at = at.field("values");
            let one = |(index, value): (usize, &AnyValue)| record(&at.index(index), value.value.as_ref(), formats);
            Record::List(list.values.iter().enumerate().map(one).collect::<Result<_, _>>()?)
        }
        _ => {
            return Err(at.reject("must be a text, a list or a kvlist; give string_value, array_value or kvlist_value"));
        }
    })
}

fn map(at: &At<'_>, list: &KeyValueList, formats: &Formats) -> Result<Vec<(Arc<str>, Record)>, Rejection> {
    let at = at.field("values");
    let one = |(index, pair): (usize, &KeyValue)| {
        let at = at.index(index);
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        Ok((Arc::from(pair.key.as_str()), record(&at.field("value"), value, formats)?))
    };
    list.values.iter().enumerate().map(one).collect()
}
