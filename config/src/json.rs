//! Protobuf-JSON in both directions over [`Descriptors`]. Called for the bootstrap, for TypedStruct, and by the admin's
//! config dump. Nothing here may run per request.

use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde_json::Value;

use crate::descriptors::Descriptors;
use crate::rejection::{At, Rejection};

mod blame;
mod coerce;
pub(crate) mod lenient;
mod redact;
mod unknown;
mod write;

pub(crate) use unknown::Unknown;
pub use write::{AnyJson, MessageJson};

/// What is wrong with a JSON value, and where below the message it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `a.b[2]`, empty for the message itself.
    pub path: String,
    /// One sentence.
    pub reason: String,
}

impl Fault {
    /// As a rejection of something at `at`.
    pub fn below(self, at: &At<'_>) -> Rejection {
        Rejection { path: self.path, reason: self.reason, withholds_policy: false, is_unsupported: false }.below(at)
    }
}

/// A JSON value as the encoded message of that type.
pub(crate) fn encode(
    descriptors: &mut Descriptors,
    type_name: &str,
    value: &Value,
    deny_unknown: bool,
) -> Result<Vec<u8>, Fault> {
    load_types(descriptors, value);
    let Some(descriptor) = descriptors.message(type_name) else {
        return Err(Fault { path: String::new(), reason: unknown_type(type_name) });
    };
    let options = DeserializeOptions::new().deny_unknown_fields(deny_unknown);
    match DynamicMessage::deserialize_with_options(descriptor.clone(), value, &options) {
        Ok(message) => Ok(message.encode_to_vec()),
        Err(_) => encode_leniently(&descriptor, value, &options, deny_unknown),
    }
}

/// Once more, with all that protobuf's parser takes, for a value that the strict reading refused.
fn encode_leniently(
    descriptor: &MessageDescriptor,
    value: &Value,
    options: &DeserializeOptions,
    deny_unknown: bool,
) -> Result<Vec<u8>, Fault> {
    let Some(strict) = coerce::coerced(descriptor, value) else {
        return Err(blame::find(descriptor, value, deny_unknown));
    };
    DynamicMessage::deserialize_with_options(descriptor.clone(), &strict, options)
        .map(|message| message.encode_to_vec())
        .map_err(|_| blame::find(descriptor, &strict, deny_unknown))
}

/// A slice of JSON text as the encoded message of that type, without a tree of values between.
pub(crate) fn encode_text(
    descriptors: &mut Descriptors,
    type_name: &str,
    text: &str,
    deny_unknown: bool,
) -> Result<Vec<u8>, Fault> {
    descriptors.load_named_in(text.as_bytes());
    let Some(descriptor) = descriptors.message(type_name) else {
        return Err(Fault { path: String::new(), reason: unknown_type(type_name) });
    };
    let options = DeserializeOptions::new().deny_unknown_fields(deny_unknown);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match DynamicMessage::deserialize_with_options(descriptor.clone(), &mut deserializer, &options) {
        Ok(message) => Ok(message.encode_to_vec()),
        Err(error) => match serde_json::from_str::<Value>(text) {
            Ok(value) => encode_leniently(&descriptor, &value, &options, deny_unknown),
            Err(_) => Err(Fault { path: String::new(), reason: error.to_string() }),
        },
    }
}

/// The fields of a JSON text that the message of that type has not.
pub(crate) fn unknown_fields(descriptors: &mut Descriptors, type_name: &str, text: &str) -> Vec<Unknown> {
    serde_json::from_str(text).map_or_else(|_| Vec::new(), |value| unknown_in(descriptors, type_name, &value))
}

/// The same of a value.
pub(crate) fn unknown_in(descriptors: &mut Descriptors, type_name: &str, value: &Value) -> Vec<Unknown> {
    descriptors.message(type_name).map_or_else(Vec::new, |descriptor| unknown::list(&descriptor, value))
}

/// A field of a message that has none of that name, with its value as JSON text.
pub(crate) fn unknown(path: String, of: String, text: &str) -> Unknown {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    Unknown::holding(path, of, &value)
}

/// The reason of a fault, and what to do.
fn unknown_type(name: &str) -> String {
    format!(
        "this proxy does not know the type {name}; check its spelling, take it out, or keep Envoy for this workload"
    )
}

fn load_types(descriptors: &mut Descriptors, value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(url)) = fields.get("@type") {
                let _ = descriptors.message(crate::extension::message_name(url));
            }
            fields.values().for_each(|value| load_types(descriptors, value));
        }
        Value::Array(values) => values.iter().for_each(|value| load_types(descriptors, value)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
