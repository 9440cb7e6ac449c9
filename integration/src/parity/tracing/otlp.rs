//! Messages of OpenTelemetry as a collector reads them. Written from their own files, and not from what the proxy sends.

use envoy_types::pb::opentelemetry::proto::common::v1::{InstrumentationScope, KeyValue, any_value::Value};
use prost::Message;

use super::{Failure, Span};
use crate::parity::peers::hex;

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
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
    spans: Vec<Sent>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sent {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(string, tag = "3")]
    state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
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
    time: u64,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

/// The spans of a request, and who says them.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<Span>, String), Failure> {
    let request = Request::decode(bytes)?;
    let (mut spans, mut origin) = (Vec::new(), Vec::new());
    for of in request.resources {
        let attributes = of.resource.into_iter().flat_map(|resource| resource.attributes).map(pair);
        // What the two call themselves is their own matter.
        origin.extend(attributes.filter(|pair| !pair.starts_with("telemetry.sdk.")));
        for scope in of.scopes {
            origin.extend(scope.scope.map(|scope| format!("scope {}", scope.name)));
            spans.extend(scope.spans.into_iter().map(span));
        }
    }
    origin.sort();
    Ok((spans, origin.join(" ")))
}

fn pair(pair: KeyValue) -> String {
    let value = match pair.value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    format!("{}={value}", pair.key)
}

fn span(sent: Sent) -> Span {
    assert!(sent.end >= sent.start, "{} ends before it begins", sent.name);
    let (start, end) = (sent.start, sent.end);
    let outside = |event: &&Event| event.time < start || event.time > end;
    let wrong: Vec<_> = sent.events.iter().filter(outside).collect();
    assert!(wrong.is_empty(), "{}: {wrong:?} are not within it", sent.name);
    let events: Vec<_> = sent.events.iter().map(|event| event.name.as_str()).collect();
    let mut lines: Vec<_> = sent.attributes.into_iter().map(pair).collect();
    if !events.is_empty() {
        lines.push(format!("~ {}", events.join(" ")));
    }
    Span {
        trace: hex(&sent.trace),
        id: hex(&sent.id),
        parent: hex(&sent.parent),
        start: sent.start,
        head: format!(
            "{:?} kind={} state={:?} status={:?} flags={:#x}",
            sent.name,
            sent.kind,
            sent.state,
            sent.status.map(|status| (status.code, status.message)),
            sent.flags
        ),
        lines,
    }
}
