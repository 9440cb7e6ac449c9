//! Which fields of a JSON value its message has not. Called for bootstrap files that are read with `--allow-unknown-static-fields`, once
//! something in them was left out: whoever mistyped a field must learn of it.

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::Value;

use crate::discreet;

/// The places of those fields, each with the message that has no such field.
pub(super) fn list(descriptor: &MessageDescriptor, value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    message(descriptor, value, "", &mut found);
    found
}

fn message(descriptor: &MessageDescriptor, value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    let Value::Object(fields) = value else { return };
    if descriptor.full_name() == "google.protobuf.Any" {
        let url = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
        let inner = descriptor.parent_pool().get_message_by_name(crate::extension::message_name(url));
        return inner.into_iter().for_each(|inner| message(&inner, value, path, found));
    }
    // Written as plain values, or free.
    if descriptor.full_name().starts_with("google.protobuf.") {
        return;
    }
    for (name, value) in fields.iter().filter(|(name, _)| *name != "@type") {
        let at = join(path, &discreet::shown(name));
        let Some(field) = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name)) else {
            found.push((at, descriptor.full_name().to_owned()));
            continue;
        };
        let Kind::Message(of) = field.kind() else { continue };
        match value {
            Value::Object(entries) if field.is_map() => {
                let Kind::Message(of) = of.map_entry_value_field().kind() else { continue };
                for (key, value) in entries {
                    message(&of, value, &format!("{at}[\"{}\"]", discreet::shown(key)), found);
                }
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    message(&of, value, &format!("{at}[{index}]"), found);
                }
            }
            value => message(&of, value, &at, found),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
