//! Short names of the generated messages, and the reading of small messages that occur everywhere (durations, wrappers,
//! Struct, Metadata). Used by every `decode` module of this crate.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub(crate) use envoy_types::pb::envoy;
pub(crate) use envoy_types::pb::envoy::config::common::matcher as match_predicate;
pub(crate) use envoy_types::pb::envoy::config::{
    accesslog, bootstrap, cluster, core, endpoint, listener, metrics, overload, rbac, route, trace,
};
pub(crate) use envoy_types::pb::envoy::extensions;
pub(crate) use envoy_types::pb::envoy::r#type as types;
pub(crate) use envoy_types::pb::google::protobuf as wkt;

use crate::metadata::Metadata;
use crate::rejection::{At, Rejection};

/// Decodes the root message of a resource.
pub(crate) fn message<T: prost::Message + Default>(bytes: &[u8], at: &At<'_>) -> Result<T, Rejection> {
    T::decode(bytes).map_err(|error| not_a_message(at, &error))
}

/// The name inside a resource, which every kind that is discovered keeps in field 1. Empty where there is none.
pub fn resource_name(bytes: &[u8]) -> String {
    #[derive(prost::Message)]
    struct Named {
        #[prost(string, tag = "1")]
        name: String,
    }
    <Named as prost::Message>::decode(bytes).map(|named| named.name).unwrap_or_default()
}

/// The rejection of bytes that are no message of the type they claim to be.
pub(crate) fn not_a_message(at: &At<'_>, error: &prost::DecodeError) -> Rejection {
    at.reject(format!(
        "the bytes are not a message of this type ({error}); the sender is broken or speaks another version"
    ))
}

/// A duration that must not be negative. Envoy refuses more than about ten thousand years; so do we.
pub(crate) fn duration(at: &At<'_>, value: &Option<wkt::Duration>) -> Result<Option<Duration>, Rejection> {
    // Of Envoy, whose clocks count nanoseconds in 63 bits.
    const MOST_SECONDS: i64 = 9_223_372_035;
    let Some(value) = value else { return Ok(None) };
    if value.seconds < 0 || value.nanos < 0 {
        return Err(at.reject("must not be negative"));
    }
    if value.seconds > MOST_SECONDS || value.nanos > 999_999_999 {
        return Err(at.reject("is out of range; give at most 9223372035 s and less than 10^9 ns"));
    }
    Ok(Some(Duration::new(value.seconds.unsigned_abs(), value.nanos.unsigned_abs())))
}

/// The same in whole milliseconds, as Envoy's timers count: what is shorter than one is zero.
pub(crate) fn milliseconds(at: &At<'_>, value: &Option<wkt::Duration>) -> Result<Option<Duration>, Rejection> {
    let whole = |time: Duration| Duration::new(time.as_secs(), time.subsec_millis() * 1_000_000);
    Ok(duration(at, value)?.map(whole))
}

/// A timeout for which zero means never, with Envoy's default when unset.
pub(crate) fn timeout(
    at: &At<'_>,
    value: &Option<wkt::Duration>,
    default: Option<Duration>,
) -> Result<Option<Duration>, Rejection> {
    Ok(match milliseconds(at, value)? {
        None => default,
        Some(Duration::ZERO) => None,
        some => some,
    })
}

/// A duration that must be longer than zero when it is given.
pub(crate) fn positive(at: &At<'_>, value: &Option<wkt::Duration>) -> Result<Option<Duration>, Rejection> {
    match duration(at, value)? {
        Some(Duration::ZERO) => Err(at.reject("must be greater than 0s")),
        other => Ok(other),
    }
}

/// A protobuf string holds UTF-8 alone: other octets are told as `!`, as by Envoy.
pub fn sanitized(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '!'));
    }
    text
}

/// Value of a `BoolValue`, or the default.
pub(crate) fn bool_or(value: &Option<wkt::BoolValue>, default: bool) -> bool {
    value.as_ref().map_or(default, |value| value.value)
}

/// Value of a `UInt32Value`, if any.
pub(crate) fn uint32(value: &Option<wkt::UInt32Value>) -> Option<u32> {
    value.as_ref().map(|value| value.value)
}

/// A string, or `None` when empty (proto3 has no difference).
pub(crate) fn text(value: &str) -> Option<Arc<str>> {
    (!value.is_empty()).then(|| Arc::from(value))
}

/// An enum's value; a number that this build does not know is rejected, as Envoy's `defined_only` rule does.
pub(crate) fn defined<E: TryFrom<i32>>(at: &At<'_>, value: i32) -> Result<E, Rejection> {
    E::try_from(value).map_err(|_| {
        at.reject(format!("{value} is not a value of this enum; the control plane is newer than this proxy"))
    })
}

/// All of a list, in no more memory than they take: clusters have lists of one by the thousand.
pub(crate) fn all<T>(items: impl ExactSizeIterator<Item = Result<T, Rejection>>) -> Result<Vec<T>, Rejection> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(item?);
    }
    Ok(all)
}

/// `google.protobuf.Struct` as JSON. Whole numbers become integers, so that they fit integer fields again.
pub(crate) fn struct_to_json(value: &wkt::Struct) -> serde_json::Value {
    let fields = value.fields.iter();
    serde_json::Value::Object(fields.map(|(key, value)| (key.clone(), value_to_json(value))).collect())
}

pub(crate) fn value_to_json(value: &wkt::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    use wkt::value::Kind;
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => Json::Bool(*value),
        Some(Kind::NumberValue(value)) => number(*value),
        Some(Kind::StringValue(value)) => Json::String(value.clone()),
        Some(Kind::StructValue(value)) => struct_to_json(value),
        Some(Kind::ListValue(list)) => Json::Array(list.values.iter().map(value_to_json).collect()),
    }
}

/// A JSON object as `google.protobuf.Struct`; anything else is an empty one.
pub(crate) fn json_to_struct(value: &serde_json::Value) -> wkt::Struct {
    let fields = value.as_object().into_iter().flatten();
    wkt::Struct { fields: fields.map(|(key, value)| (key.clone(), json_to_value(value))).collect() }
}

fn json_to_value(value: &serde_json::Value) -> wkt::Value {
    use serde_json::Value as Json;
    use wkt::value::Kind;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        // Every number of a Struct is a double.
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Array(values) => Kind::ListValue(wkt::ListValue { values: values.iter().map(json_to_value).collect() }),
        Json::Object(_) => Kind::StructValue(json_to_struct(value)),
    };
    wkt::Value { kind: Some(kind) }
}

fn number(value: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        // Exact by the test above.
        return serde_json::Value::from(value as i64);
    }
    serde_json::Number::from_f64(value).map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// `core.v3.Metadata`; the empty one is shared.
pub(crate) fn metadata(value: &Option<core::v3::Metadata>) -> Arc<Metadata> {
    static EMPTY: LazyLock<Arc<Metadata>> = LazyLock::new(Arc::default);
    match value {
        Some(value) if !value.filter_metadata.is_empty() => Arc::new(Metadata::of(value)),
        _ => EMPTY.clone(),
    }
}
