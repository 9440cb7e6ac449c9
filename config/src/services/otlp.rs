//! `opentelemetry.proto.collector.trace.v1`: spans as a collector of OpenTelemetry reads them. Called by the proxy's exporter. Of these
//! files `envoy-types` has the common one alone; the others are here.

use std::sync::Arc;

use envoy_types::pb::opentelemetry::proto::common::v1::any_value::Value as AnyKind;
use envoy_types::pb::opentelemetry::proto::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use prost::Message as _;

use super::span::{Kind, Span, tags};

pub mod logs;
mod value;

pub use value::Value;
pub(crate) use value::pair;

/// The method of a collector.
pub const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Who says it: the same for all spans of a proxy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// Attributes of the resource.
    pub resource: Vec<(Arc<str>, Value)>,
    /// Name and version of the instrumentation, where they are said.
    pub scope: Option<(Arc<str>, Arc<str>)>,
}

/// Appends the bytes of an `ExportTraceServiceRequest`.
pub fn encode(origin: &Origin, spans: Vec<Span>, out: &mut Vec<u8>) {
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: (!origin.resource.is_empty())
                .then(|| Resource { attributes: value::messages(origin.resource.clone()) }),
            scope_spans: vec![ScopeSpans {
                scope: origin.scope.as_ref().map(|(name, version)| InstrumentationScope {
                    name: name.to_string(),
                    version: version.to_string(),
                    ..InstrumentationScope::default()
                }),
                spans: spans.into_iter().map(message).collect(),
            }],
        }],
    };
    out.reserve(request.encoded_len());
    // A vector takes all that is appended.
    let _ = request.encode(out);
}

/// What such bytes say, status and flags aside: for collectors of tests.
///
/// # Errors
/// Bytes that are no request.
pub fn decode(bytes: &[u8]) -> Result<Vec<(Origin, Vec<Span>)>, prost::DecodeError> {
    let text = |pair: KeyValue| {
        let value = match pair.value.and_then(|value| value.value) {
            Some(AnyKind::StringValue(text)) => text,
            other => format!("{other:?}"),
        };
        (pair.key, value)
    };
    let id = |octets: &[u8]| octets.try_into().unwrap_or_default();
    let span = |span: ProtoSpan| Span {
        trace: span.trace_id.as_slice().try_into().unwrap_or_default(),
        id: id(&span.span_id),
        parent: (!span.parent_span_id.is_empty()).then(|| id(&span.parent_span_id)),
        remote_parent: span.flags & IS_REMOTE != 0,
        shared: false,
        state: span.trace_state,
        name: span.name,
        kind: if span.kind == CLIENT { Kind::Client } else { Kind::Server },
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        tags: span.attributes.into_iter().map(text).map(|(name, value)| (name.into(), value)).collect(),
        events: Vec::new(),
    };
    let all = ExportTraceServiceRequest::decode(bytes)?.resource_spans.into_iter().map(|of| {
        let resource = of.resource.unwrap_or_default().attributes;
        let scope = of.scope_spans.first().and_then(|scoped| scoped.scope.as_ref());
        let origin = Origin {
            resource: resource.iter().map(pair).collect(),
            scope: scope.map(|scope| (scope.name.as_str().into(), scope.version.as_str().into())),
        };
        (origin, of.scope_spans.into_iter().flat_map(|scoped| scoped.spans).map(span).collect())
    });
    Ok(all.collect())
}

fn message(span: Span) -> ProtoSpan {
    let status = status(&span);
    ProtoSpan {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        trace_state: span.state,
        parent_span_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: span.name,
        kind: match span.kind {
            Kind::Server => SERVER,
            Kind::Client => CLIENT,
        },
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.end,
        attributes: span.tags.into_iter().map(|(name, value)| tag(name.into_owned(), value)).collect(),
        events: span
            .events
            .into_iter()
            .map(|(time_unix_nano, name)| Event { time_unix_nano, name: name.to_owned() })
            .collect(),
        status,
        flags: SAMPLED | HAS_IS_REMOTE | if span.remote_parent { IS_REMOTE } else { 0 },
    }
}

fn tag(name: String, value: String) -> KeyValue {
    // Whatever stands there, a method is one that the conventions of OpenTelemetry know.
    if name == tags::HTTP_METHOD && !METHODS.contains(&value.as_str()) {
        return attribute(name, String::from("_OTHER"));
    }
    attribute(name, value)
}

const METHODS: [&str; 10] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// An error, where the status says one; the last status of the tags counts.
fn status(span: &Span) -> Option<Status> {
    let mut code = None;
    for (name, value) in &span.tags {
        let Ok(value) = value.parse::<u64>() else {
            if name == tags::GRPC_STATUS_CODE {
                code = Some(UNSET);
            }
            continue;
        };
        match &**name {
            tags::HTTP_STATUS_CODE if value >= 500 || value >= 400 && span.kind == Kind::Client => code = Some(ERROR),
            tags::GRPC_STATUS_CODE => {
                let failed = match span.kind {
                    Kind::Client => value != 0,
                    // Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
                    Kind::Server => matches!(value, 2 | 4 | 12 | 13 | 14 | 15),
                };
                code = Some(if failed { ERROR } else { UNSET });
            }
            _ => {}
        }
    }
    code.map(|code| Status { code })
}

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const UNSET: i32 = 0;
const ERROR: i32 = 2;
/// Bits of a span's flags.
const SAMPLED: u32 = 1;
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

fn attribute(key: String, value: String) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value: Some(AnyKind::StringValue(value)) }), ..KeyValue::default() }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ExportTraceServiceRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<InstrumentationScope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<ProtoSpan>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtoSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<Event>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "3")]
    code: i32,
}

#[cfg(test)]
mod tests;
