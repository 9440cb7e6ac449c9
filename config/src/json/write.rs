//! Messages as protobuf-JSON, printed as Envoy prints its config dump: proto field names, defaults left out, 64-bit integers
//! as strings. Called by the admin's `config_dump`, one resource at a time, with any serde serializer.
//!
//! An Any of a type that this build does not know is printed as its type URL and its bytes in base64, so that one foreign
//! extension never hides the rest of a dump. What Envoy's files mark sensitive is never printed (`redact.rs`), and neither
//! are bytes of a known type that do not decode, for nobody knows what they hold.

use base64::Engine as _;
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, SerializeOptions, Value};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::redact;
use crate::descriptors::Descriptors;
use crate::proto::{self, wkt};
use crate::schema;

/// A binary resource, ready to be serialized.
#[derive(Debug)]
pub struct AnyJson {
    type_url: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Message(Box<DynamicMessage>),
    Opaque(Vec<u8>),
}

/// A message without its `@type`, ready to be serialized.
#[derive(Debug)]
pub struct MessageJson<'a> {
    message: &'a DynamicMessage,
    /// It stands inside of something sensitive.
    hidden: bool,
}

impl<'a> MessageJson<'a> {
    fn new(message: &'a DynamicMessage, hidden: bool) -> Self {
        Self { message, hidden }
    }
}

impl AnyJson {
    /// A resource as an Any carries it. Loads what descriptors it needs; bytes that do not decode are printed in base64.
    pub fn new(descriptors: &mut Descriptors, type_url: &str, bytes: &[u8]) -> Self {
        descriptors.load_named_in(bytes);
        let content = match descriptors.message(crate::extension::message_name(type_url)) {
            Some(descriptor) => match DynamicMessage::decode(descriptor, bytes) {
                Ok(message) => Content::Message(Box::new(message)),
                Err(_) => Content::Opaque(redact::TEXT.into()),
            },
            None => Content::Opaque(bytes.to_vec()),
        };
        Self { type_url: type_url.to_owned(), content }
    }

    /// The resource without its `@type`, for places whose type is fixed (`bootstrap`); `None` if its type is not known.
    pub fn message(&self) -> Option<MessageJson<'_>> {
        match &self.content {
            Content::Message(message) => Some(MessageJson::new(message, false)),
            Content::Opaque(_) => None,
        }
    }
}

impl Serialize for AnyJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.content {
            Content::Message(message) => any(&self.type_url, MessageJson::new(message, false), serializer),
            Content::Opaque(bytes) => opaque(&self.type_url, bytes, serializer),
        }
    }
}

impl Serialize for MessageJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        let descriptor = message.descriptor();
        match descriptor.full_name() {
            "google.protobuf.Any" => packed(message, self.hidden, serializer),
            name if self.hidden && name.starts_with("google.protobuf.") => serializer.serialize_str(redact::TEXT),
            "google.protobuf.Struct" => {
                let decoded = wkt::Struct::decode(message.encode_to_vec().as_slice()).map_err(S::Error::custom)?;
                let mut json = proto::struct_to_json(&decoded);
                redact::strings::json(&mut json);
                json.serialize(serializer)
            }
            "google.protobuf.Value" | "google.protobuf.ListValue" => {
                let mut json = plain_value(message)?;
                redact::strings::json(&mut json);
                json.serialize(serializer)
            }
            "google.protobuf.StringValue" | "google.protobuf.BytesValue" => {
                match message.get_field_by_name("value").as_deref() {
                    Some(value) => Scalar { kind: Kind::String, value, hidden: false }.serialize(serializer),
                    None => Err(S::Error::custom("a wrapper without a value")),
                }
            }
            "google.protobuf.DoubleValue" | "google.protobuf.FloatValue" => {
                match message.get_field_by_name("value").as_deref() {
                    Some(Value::F64(value)) => float(*value, serializer),
                    Some(Value::F32(value)) => float(f64::from(*value), serializer),
                    _ => Err(S::Error::custom("a wrapper without a value")),
                }
            }
            name if name.starts_with("google.protobuf.") => message.serialize_with_options(serializer, &options()),
            _ => {
                let mut map = serializer.serialize_map(None)?;
                fields(self, &mut map)?;
                map.end()
            }
        }
    }
}

/// A `Value` or `ListValue`, which may stand outside of a `Struct`.
fn plain_value<E: serde::ser::Error>(message: &DynamicMessage) -> Result<serde_json::Value, E> {
    let bytes = message.encode_to_vec();
    if message.descriptor().full_name() == "google.protobuf.Value" {
        return wkt::Value::decode(bytes.as_slice()).map(|value| proto::value_to_json(&value)).map_err(E::custom);
    }
    let list = wkt::ListValue::decode(bytes.as_slice()).map_err(E::custom)?;
    Ok(serde_json::Value::Array(list.values.iter().map(proto::value_to_json).collect()))
}

fn options() -> SerializeOptions {
    SerializeOptions::new().use_proto_field_name(true).skip_default_fields(true).stringify_64_bit_integers(true)
}

/// A message that stands in an Any: its fields beside `@type`, or `value` for those that JSON writes as plain values.
fn any<S: Serializer>(type_url: &str, content: MessageJson<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("@type", type_url)?;
    let descriptor = content.message.descriptor();
    match descriptor.full_name() {
        // A free struct in place of a configuration: nothing says which of its fields are sensitive, so their names do.
        name @ "google.protobuf.Struct" => {
            map.serialize_entry("value", &struct_json(content.message, name, content.hidden)?)?
        }
        name if name.starts_with("google.protobuf.") && name != "google.protobuf.Empty" => {
            map.serialize_entry("value", &content)?;
        }
        _ => fields(&content, &mut map)?,
    }
    map.end()
}

fn opaque<S: Serializer>(type_url: &str, bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("@type", type_url)?;
    let bytes = redact::strings::shown_bytes(bytes);
    map.serialize_entry("value", &base64::engine::general_purpose::STANDARD.encode(bytes))?;
    map.end()
}

/// A `google.protobuf.Any` inside a message.
fn packed<S: Serializer>(message: &DynamicMessage, hidden: bool, serializer: S) -> Result<S::Ok, S::Error> {
    let type_url = message.get_field_by_name("type_url");
    let value = message.get_field_by_name("value");
    let (Some(type_url), Some(value)) =
        (type_url.as_ref().and_then(|url| url.as_str()), value.as_ref().and_then(|value| value.as_bytes()))
    else {
        return Err(S::Error::custom("google.protobuf.Any has other fields than expected"));
    };
    if type_url.is_empty() {
        return serializer.serialize_map(Some(0))?.end();
    }
    let name = crate::extension::message_name(type_url);
    // Only URLs with the usual prefix have been loaded.
    let inner = message.descriptor().parent_pool().get_message_by_name(name).or_else(|| {
        let mut descriptors = Descriptors::new();
        descriptors.load_named_in(value);
        descriptors.message(name)
    });
    match inner.map(|inner| DynamicMessage::decode(inner, value.as_ref())) {
        Some(Ok(inner)) => any(type_url, MessageJson::new(&inner, hidden), serializer),
        None if !hidden => opaque(type_url, value, serializer),
        Some(Err(_)) | None => opaque(type_url, redact::TEXT.as_bytes(), serializer),
    }
}

fn fields<M: SerializeMap>(content: &MessageJson<'_>, map: &mut M) -> Result<(), M::Error> {
    let descriptor = content.message.descriptor();
    let typed_struct = redact::is_typed_struct(descriptor.full_name()).then(|| inner_type(content.message));
    let known = schema::Message::named(descriptor.full_name());
    let credentials = descriptor.full_name() == HEADER && names_authorization(content.message);
    for (field, value) in content.message.fields() {
        match (value, &typed_struct) {
            (Value::Message(value), Some(inner)) => {
                map.serialize_entry(field.name(), &struct_json(value, inner, content.hidden)?)?;
            }
            (value, Some(_)) => {
                map.serialize_entry(field.name(), &ValueJson { field: &field, value, hidden: false })?
            }
            (value, None) => {
                let sensitive =
                    || known.and_then(|known| known.field(field.number())).is_some_and(|it| it.is_sensitive());
                let misplaced = || match value {
                    Value::Message(source) if source.descriptor().full_name() == redact::SOURCE => {
                        redact::source_is_misplaced(source)
                    }
                    _ => false,
                };
                let credential = credentials && matches!(field.name(), "value" | "raw_value");
                let hidden = content.hidden || credential || sensitive() || misplaced();
                if !hidden || redact::has_text(value) {
                    map.serialize_entry(field.name(), &ValueJson { field: &field, value, hidden })?;
                }
            }
        }
    }
    Ok(())
}

const HEADER: &str = "envoy.config.core.v3.HeaderValue";

fn names_authorization(header: &DynamicMessage) -> bool {
    let key = header.get_field_by_name("key");
    key.as_ref().and_then(|key| key.as_str()).is_some_and(redact::strings::is_secret_header)
}

/// The type that a TypedStruct stands for.
fn inner_type(typed_struct: &DynamicMessage) -> String {
    let url = typed_struct.get_field_by_name("type_url");
    crate::extension::message_name(url.as_ref().and_then(|url| url.as_str()).unwrap_or_default()).to_owned()
}

/// A `Struct` that stands for a message of type `of`, redacted.
fn struct_json<E: serde::ser::Error>(message: &DynamicMessage, of: &str, hidden: bool) -> Result<serde_json::Value, E> {
    let decoded = wkt::Struct::decode(message.encode_to_vec().as_slice()).map_err(E::custom)?;
    let mut json = proto::struct_to_json(&decoded);
    redact::json(&mut json, of, hidden);
    Ok(json)
}

struct ValueJson<'a> {
    field: &'a FieldDescriptor,
    value: &'a Value,
    hidden: bool,
}

impl Serialize for ValueJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::List(list) if self.field.is_list() => {
                let mut sequence = serializer.serialize_seq(Some(list.len()))?;
                for value in list {
                    sequence.serialize_element(&Scalar { kind: self.field.kind(), value, hidden: self.hidden })?;
                }
                sequence.end()
            }
            Value::Map(entries) => {
                let Kind::Message(entry) = self.field.kind() else {
                    return Err(S::Error::custom("a map without entries"));
                };
                let kind = entry.map_entry_value_field().kind();
                // Sorted, so that two dumps of one resource are equal.
                let mut sorted: Vec<_> = entries.iter().map(|(key, value)| (key_text(key), value)).collect();
                sorted.sort_by(|left, right| left.0.cmp(&right.0));
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, value) in sorted {
                    map.serialize_entry(&key, &Scalar { kind: kind.clone(), value, hidden: self.hidden })?;
                }
                map.end()
            }
            value => Scalar { kind: self.field.kind(), value, hidden: self.hidden }.serialize(serializer),
        }
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => redact::strings::shown(key).into_owned(),
    }
}

struct Scalar<'a> {
    kind: Kind,
    value: &'a Value,
    hidden: bool,
}

impl Serialize for Scalar<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::I64(value) => serializer.collect_str(value),
            Value::U64(value) => serializer.collect_str(value),
            Value::F32(value) => float(f64::from(*value), serializer),
            Value::F64(value) => float(*value, serializer),
            Value::String(_) if self.hidden => serializer.serialize_str(redact::TEXT),
            Value::Bytes(_) if self.hidden => {
                serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(redact::TEXT))
            }
            Value::String(value) => serializer.serialize_str(&redact::strings::shown(value)),
            Value::Bytes(value) => {
                let shown = redact::strings::shown_bytes(value);
                serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(shown))
            }
            Value::EnumNumber(number) => match &self.kind {
                Kind::Enum(of) if of.full_name() == "google.protobuf.NullValue" => serializer.serialize_unit(),
                Kind::Enum(of) => match of.get_value(*number) {
                    Some(value) => serializer.serialize_str(value.name()),
                    None => serializer.serialize_i32(*number),
                },
                _ => serializer.serialize_i32(*number),
            },
            Value::Message(message) => MessageJson::new(message, self.hidden).serialize(serializer),
            Value::List(_) | Value::Map(_) => Err(S::Error::custom("a list in a list")),
        }
    }
}

/// Whole numbers without a fraction, as Envoy prints them; what JSON has no number for as a string.
fn float<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if value.is_infinite() {
        serializer.serialize_str(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else if value.fract() == 0.0 && value.abs() < 9e15 {
        // Exact by the test above.
        serializer.serialize_i64(value as i64)
    } else {
        serializer.serialize_f64(value)
    }
}
