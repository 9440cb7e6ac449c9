//! Finds fields of a binary message that this build's descriptors do not know, through Any too. Called only where
//! `--reject-unknown-dynamic-fields` (or its absence for static resources) asks for it: prost drops such fields silently.

use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use crate::descriptors::Descriptors;
use crate::registry;
use crate::rejection::{At, Rejection};

/// As deep as prost itself decodes.
const DEEPEST: usize = 100;

pub(super) fn refuse(type_name: &str, bytes: &[u8], at: &At<'_>) -> Result<(), Rejection> {
    let mut descriptors = Descriptors::new();
    descriptors.load_named_in(bytes);
    let Some(descriptor) = descriptors.message(type_name) else { return Ok(()) };
    let message = DynamicMessage::decode(descriptor, bytes).map_err(|error| crate::proto::not_a_message(at, &error))?;
    in_message(&message, at, Place { depth: 0, is_policy: registry::holds_policy(type_name) })
}

/// Where it stands.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// Within something that carries policy.
    is_policy: bool,
}

impl Place {
    fn deeper(self) -> Place {
        Place { depth: self.depth + 1, ..self }
    }
}

fn in_message(message: &DynamicMessage, at: &At<'_>, place: Place) -> Result<(), Rejection> {
    if place.depth > DEEPEST {
        return Err(at.reject("is nested too deeply"));
    }
    let descriptor = message.descriptor();
    if let Some(field) = message.unknown_fields().next() {
        let advice = match place.is_policy {
            true => "it says something of policy; keep Envoy for this workload, or an older control plane",
            false => "start without --reject-unknown-dynamic-fields to have it ignored",
        };
        let (number, of) = (field.number(), descriptor.full_name());
        return Err(at.reject(format!("field number {number} is not known in {of}; {advice}")));
    }
    if descriptor.full_name() == "google.protobuf.Any" {
        return in_any(message, at, place);
    }
    message.fields().try_for_each(|(field, value)| in_value(value, &at.field(field.name()), place))
}

fn in_value(value: &Value, at: &At<'_>, place: Place) -> Result<(), Rejection> {
    match value {
        Value::Message(message) => in_message(message, at, place.deeper()),
        Value::List(list) => {
            list.iter().enumerate().try_for_each(|(index, value)| in_value(value, &at.index(index), place))
        }
        Value::Map(map) => map.iter().try_for_each(|(key, value)| match key.as_str() {
            Some(key) => in_value(value, &at.key(key), place),
            None => in_value(value, at, place),
        }),
        _ => Ok(()),
    }
}

fn in_any(any: &DynamicMessage, at: &At<'_>, place: Place) -> Result<(), Rejection> {
    let type_url = any.get_field_by_name("type_url");
    let Some(type_name) = type_url.as_ref().and_then(|url| url.as_str()).map(super::message_name) else {
        return Ok(());
    };
    let descriptor = any.descriptor();
    // A type that is not known at all is the business of the translation that meets it.
    let Some(inner) = descriptor.parent_pool().get_message_by_name(type_name) else { return Ok(()) };
    let value = any.get_field_by_name("value");
    let Some(bytes) = value.as_ref().and_then(|value| value.as_bytes()) else { return Ok(()) };
    let inner =
        DynamicMessage::decode(inner, bytes.as_ref()).map_err(|error| crate::proto::not_a_message(at, &error))?;
    let is_policy = place.is_policy || registry::holds_policy(type_name);
    in_message(&inner, at, Place { is_policy, ..place.deeper() })
}
