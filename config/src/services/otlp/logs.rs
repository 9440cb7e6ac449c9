//! `opentelemetry.proto.collector.logs.v1`: records of access logs as a collector of OpenTelemetry reads them. Called by the proxy's `logs`,
//! which fills them, and its exporter, which sends them.

use std::sync::Arc;

use envoy_types::pb::opentelemetry::proto::common::v1::{AnyValue, KeyValue};
use prost::Message as _;

use super::Resource;
use super::value::{Value, messages};

/// The method of a collector.
pub const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// A record.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// When it began that it tells of, in nanoseconds since 1970.
    pub time: u64,
    /// What it says.
    pub body: Option<Value>,
    /// And by name.
    pub attributes: Vec<(Arc<str>, Value)>,
    /// Trace and span that it belongs to.
    pub span: Option<([u8; 16], [u8; 8])>,
}

impl Record {
    /// The octets of a `LogRecord`.
    pub fn encode(self) -> Vec<u8> {
        let (trace_id, span_id) = self.span.map(|(trace, span)| (trace.to_vec(), span.to_vec())).unwrap_or_default();
        let record = LogRecord {
            time_unix_nano: self.time,
            body: self.body.map(Value::message),
            attributes: messages(self.attributes),
            trace_id,
            span_id,
        };
        record.encode_to_vec()
    }
}

/// The octets of a resource.
pub fn resource(attributes: Vec<(Arc<str>, Value)>) -> Vec<u8> {
    Resource { attributes: messages(attributes) }.encode_to_vec()
}

/// Appends an `ExportLogsServiceRequest` with records of a resource, both made before.
pub fn message(resource: &[u8], records: Vec<Vec<u8>>, out: &mut Vec<u8>) {
    let request = Request {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource.to_vec()),
            scope_logs: vec![ScopeLogs { log_records: records }],
        }],
    };
    out.reserve(request.encoded_len());
    // A vector takes all that is appended.
    let _ = request.encode(out);
}

/// How many records a collector says that it has not taken.
pub fn rejected(answer: &[u8]) -> u64 {
    let answer = Answer::decode(answer).unwrap_or_default();
    answer.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_log_records).unwrap_or_default())
}

/// As these messages, but for what is made of octets that were made before.
#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceLogs {
    #[prost(bytes = "vec", optional, tag = "1")]
    resource: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeLogs {
    #[prost(bytes = "vec", repeated, tag = "2")]
    log_records: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<Partial>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Partial {
    #[prost(int64, tag = "1")]
    rejected_log_records: i64,
}

#[cfg(test)]
mod tests;
