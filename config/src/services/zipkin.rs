//! Spans as a collector of Zipkin reads them (API version 2): JSON, or `zipkin.proto3.ListOfSpans`. Called by the proxy's exporter.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use prost::Message as _;
use serde_json::{Map, Value, json};

use super::span::{Kind, Span};

/// Whose side of a request it is: this proxy's.
#[derive(Debug, Clone)]
pub struct Local {
    /// `node.cluster`.
    pub service: Arc<str>,
    /// This host's.
    pub address: Option<IpAddr>,
}

/// As JSON.
pub fn json(local: &Local, spans: &[Span]) -> Vec<u8> {
    let mut endpoint = json!({ "port": 0, "serviceName": &*local.service });
    match local.address {
        Some(IpAddr::V4(address)) => endpoint["ipv4"] = json!(address),
        Some(IpAddr::V6(address)) => endpoint["ipv6"] = json!(address),
        None => {}
    }
    let all: Vec<Value> = spans.iter().map(|span| object(span, &endpoint)).collect();
    Value::from(all).to_string().into_bytes()
}

fn object(span: &Span, endpoint: &Value) -> Value {
    let tags: Map<_, _> = span.tags.iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
    let annotations: Vec<_> = annotations(span).map(|(at, value)| json!({ "timestamp": at, "value": value })).collect();
    let mut object = json!({
        "traceId": hex(trace_id(span)),
        "id": hex(&span.id),
        "name": span.name,
        "kind": match span.kind { Kind::Server => "SERVER", Kind::Client => "CLIENT" },
        "timestamp": microseconds(span.start),
        "duration": duration(span),
        "localEndpoint": endpoint,
        "annotations": annotations,
        "tags": tags
    });
    if let Some(parent) = &span.parent {
        object["parentId"] = json!(hex(parent));
    }
    if span.shared {
        object["shared"] = json!(true);
    }
    object
}

/// As protobuf.
pub fn protobuf(local: &Local, spans: &[Span]) -> Vec<u8> {
    let (ipv4, ipv6) = match local.address {
        Some(IpAddr::V4(address)) => (address.octets().to_vec(), Vec::new()),
        Some(IpAddr::V6(address)) => (Vec::new(), address.octets().to_vec()),
        None => (Vec::new(), Vec::new()),
    };
    let endpoint = Endpoint { service_name: local.service.to_string(), ipv4, ipv6 };
    let message = |span: &Span| ProtoSpan {
        trace_id: trace_id(span).to_vec(),
        parent_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        id: span.id.to_vec(),
        kind: match span.kind {
            Kind::Client => 1,
            Kind::Server => 2,
        },
        name: span.name.clone(),
        timestamp: microseconds(span.start),
        duration: duration(span),
        local_endpoint: Some(endpoint.clone()),
        annotations: annotations(span)
            .map(|(timestamp, value)| Annotation { timestamp, value: value.to_owned() })
            .collect(),
        tags: span.tags.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        shared: span.shared,
    };
    ListOfSpans { spans: spans.iter().map(message).collect() }.encode_to_vec()
}

/// One of 64 bits is told as such.
fn trace_id(span: &Span) -> &[u8] {
    let (high, low) = span.trace.split_at(8);
    if high.iter().all(|octet| *octet == 0) { low } else { &span.trace }
}

/// Moments, and at the end that it was sent or received.
fn annotations(span: &Span) -> impl Iterator<Item = (u64, &'static str)> {
    let last = match span.kind {
        Kind::Server => "ss",
        Kind::Client => "cr",
    };
    span.events.iter().copied().chain([(span.end, last)]).map(|(at, value)| (microseconds(at), value))
}

fn microseconds(nanoseconds: u64) -> u64 {
    nanoseconds / 1000
}

fn duration(span: &Span) -> u64 {
    microseconds(span.end).saturating_sub(microseconds(span.start))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[derive(Clone, PartialEq, prost::Message)]
struct ListOfSpans {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<ProtoSpan>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtoSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    parent_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    id: Vec<u8>,
    #[prost(int32, tag = "4")]
    kind: i32,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "6")]
    timestamp: u64,
    #[prost(uint64, tag = "7")]
    duration: u64,
    #[prost(message, optional, tag = "8")]
    local_endpoint: Option<Endpoint>,
    #[prost(message, repeated, tag = "10")]
    annotations: Vec<Annotation>,
    #[prost(btree_map = "string, string", tag = "11")]
    tags: BTreeMap<String, String>,
    #[prost(bool, tag = "13")]
    shared: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Endpoint {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(bytes = "vec", tag = "2")]
    ipv4: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    ipv6: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Annotation {
    #[prost(fixed64, tag = "1")]
    timestamp: u64,
    #[prost(string, tag = "2")]
    value: String,
}

#[cfg(test)]
mod tests;
