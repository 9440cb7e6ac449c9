//! What services got, as text: each field that is set, but for moments, addresses and numbers that are others each time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use config::descriptors::Descriptors;
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::opentelemetry::proto::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use prost::Message;
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Map, Value, json};

use super::Failure;

/// An entry, or a record.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    log: String,
    kind: String,
    fields: Value,
}

impl Entry {
    /// Entries stand in this order.
    pub fn order(&self) -> (String, String) {
        (self.log.clone(), self.kind.clone())
    }
}

/// The entries of a message, and what it says of its stream; `log` is that of the stream.
pub(super) fn stream(message: &[u8], log: &mut Option<String>) -> Result<(Vec<Entry>, String), Failure> {
    let message = StreamAccessLogsMessage::decode(message)?;
    let mut said = String::new();
    if let Some(identifier) = &message.identifier {
        let node = identifier.node.clone().unwrap_or_default();
        let zone = node.locality.unwrap_or_default().zone;
        said = format!("{} of {} in {} at {zone}", identifier.log_name, node.id, node.cluster);
        *log = Some(identifier.log_name.clone());
    }
    let log = log.clone().ok_or("the first message does not say whose it is")?;
    let entries: Vec<Value> = match message.log_entries {
        None => return Err("a message without entries".into()),
        Some(LogEntries::HttpLogs(logs)) => logs
            .log_entry
            .iter()
            .map(|entry| fields("envoy.data.accesslog.v3.HTTPAccessLogEntry", &entry.encode_to_vec()))
            .collect::<Result<_, _>>()?,
        Some(LogEntries::TcpLogs(logs)) => logs
            .log_entry
            .iter()
            .map(|entry| fields("envoy.data.accesslog.v3.TCPAccessLogEntry", &entry.encode_to_vec()))
            .collect::<Result<_, _>>()?,
    };
    let kind = |fields: &Value| fields["commonProperties"]["accessLogType"].as_str().unwrap_or("NotSet").to_owned();
    let entries = entries.into_iter().map(|fields| Entry { log: log.clone(), kind: kind(&fields), fields });
    Ok((entries.collect(), said))
}

fn fields(name: &str, message: &[u8]) -> Result<Value, Failure> {
    let descriptor = Descriptors::new().message(name).ok_or("it is not described")?;
    let message = DynamicMessage::decode(descriptor, message)?;
    let options = SerializeOptions::new();
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeLogs>,
    #[prost(string, tag = "3")]
    schema: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeLogs {
    #[prost(bytes = "vec", optional, tag = "1")]
    scope: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time: u64,
    #[prost(fixed64, tag = "11")]
    observed: u64,
    #[prost(int32, tag = "2")]
    severity: i32,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
    #[prost(bytes = "vec", tag = "9")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span: Vec<u8>,
}

/// The records of a call, and who says them.
pub(super) fn records(message: &[u8]) -> Result<(Vec<Entry>, String), Failure> {
    let (mut entries, mut origin) = (Vec::new(), Vec::new());
    for of in Request::decode(message)?.resources {
        let attributes = of.resource.into_iter().flat_map(|resource| resource.attributes);
        origin.extend(attributes.map(|pair| format!("{}={}", pair.key, value(pair.value.as_ref()))));
        if !of.schema.is_empty() {
            origin.push(format!("schema {}", of.schema));
        }
        for scope in of.scopes {
            if scope.scope.is_some() {
                origin.push(String::from("a scope"));
            }
            entries.extend(scope.records.into_iter().map(record));
        }
    }
    origin.sort();
    Ok((entries, origin.join(" ")))
}

fn record(record: LogRecord) -> Entry {
    let attributes: Map<String, Value> =
        record.attributes.iter().map(|pair| (pair.key.clone(), value(pair.value.as_ref()))).collect();
    let mut fields = json!({ "attributes": attributes, "time": if record.time == 0 { "none" } else { "T" } });
    if record.observed != 0 || record.severity != 0 {
        fields["more"] = json!([record.observed, record.severity]);
    }
    if let Some(body) = &record.body {
        fields["body"] = value(Some(body));
    }
    for (name, id) in [("trace", &record.trace), ("span", &record.span)] {
        if !id.is_empty() {
            fields[name] = json!(format!("{} octets", id.len()));
        }
    }
    let log = attributes.get("log").and_then(Value::as_str).unwrap_or("otel").to_owned();
    Entry { log, kind: String::new(), fields }
}

fn value(any: Option<&AnyValue>) -> Value {
    match any.and_then(|any| any.value.as_ref()) {
        None => Value::Null,
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::ArrayValue(list)) => list.values.iter().map(|one| value(Some(one))).collect(),
        Some(Any::KvlistValue(list)) => {
            Value::Object(list.values.iter().map(|pair| (pair.key.clone(), value(pair.value.as_ref()))).collect())
        }
        Some(other) => json!(format!("{other:?}")),
    }
}

/// An entry as lines.
pub(super) fn entry(entry: &Entry, ports: &BTreeMap<u64, String>) -> String {
    let mut text = format!("{} {}", entry.log, entry.kind);
    lines(&entry.fields, String::new(), &Told { ports, differs: differs(entry) }, &mut text);
    text
}

/// How fields are told.
struct Told<'a> {
    ports: &'a BTreeMap<u64, String>,
    /// Fields that are others on purpose: see `known.md`.
    differs: fn(&str) -> bool,
}

/// Which fields of an entry are others with the two on purpose.
fn differs(entry: &Entry) -> fn(&str) -> bool {
    let common = &entry.fields["commonProperties"];
    match entry.fields["response"]["responseCode"].as_u64() {
        // Refused by the codec, or not at its end.
        Some(400 | 426) => |name| name.contains("Bytes"),
        _ if common["intermediateLogEntry"] == true => |name| name.contains("Bytes"),
        // A tunnel.
        Some(101) => |name| name == "responseHeadersBytes" || name.starts_with("timeToLast"),
        _ if common["upstreamRequestAttemptCount"].as_u64() > Some(1) => {
            |name| matches!(name, "responseHeadersBytes" | "upstreamWireBytesReceived")
        }
        _ => |name| name == "responseHeadersBytes",
    }
}

fn lines(value: &Value, path: String, told: &Told<'_>, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            for (name, value) in sorted {
                lines(value, format!("{path}.{name}"), told, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                lines(value, format!("{path}[{index}]"), told, out);
            }
        }
        value => {
            let name = path.rsplit('.').next().unwrap_or_default();
            if (told.differs)(name) || (name == "request" && *value == json!({})) {
                return;
            }
            let is_moment = name.starts_with("timeTo") || matches!(name, "startTime" | "duration");
            let shown = match value {
                _ if is_moment => String::from("T"),
                Value::Number(port) if name == "portValue" => {
                    let known = port.as_u64().and_then(|port| told.ports.get(&port));
                    known.map_or("PEER", |name| name).to_owned()
                }
                Value::String(id) if matches!(name, "streamId" | "requestId") && id.len() == 36 => String::from("ID"),
                other => other.to_string(),
            };
            let _ = write!(out, "\n  {} = {}", path.trim_start_matches('.'), shown);
        }
    }
}
