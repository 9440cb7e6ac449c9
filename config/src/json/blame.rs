//! Finds the field that a failed conversion stumbled over: serde's errors carry a line and no path. Runs only after a failure.
//! serde's errors also repeat the value: of what is sensitive they are never shown.

use std::borrow::Cow;

use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use serde_json::{Map, Value};

use super::{Fault, redact, unknown};
use crate::discreet;
use crate::registry;
use crate::rejection::listed;
use crate::schema::Message;

/// The deepest place below `value` that does not convert to `descriptor`'s message.
pub(super) fn find(descriptor: &MessageDescriptor, value: &Value, deny_unknown: bool) -> Fault {
    let is_policy = registry::holds_policy(descriptor.full_name());
    let search = Search { deny_unknown, sensitive: false, is_policy };
    search.message(descriptor, value, String::new()).unwrap_or_else(|| Fault {
        path: String::new(),
        reason: format!("cannot be read as {}; compare it with that message's fields", descriptor.full_name()),
    })
}

#[derive(Clone, Copy)]
struct Search {
    deny_unknown: bool,
    /// What is looked at must not be shown.
    sensitive: bool,
    /// It says who may do what, or who a peer is.
    is_policy: bool,
}

impl Search {
    fn message(&self, descriptor: &MessageDescriptor, value: &Value, path: String) -> Option<Fault> {
        if descriptor.full_name() == "google.protobuf.Any" {
            return self.any(descriptor, value, path);
        }
        let Value::Object(fields) = value else {
            return Some(Fault { path, reason: format!("is {}; an object is expected", kind_of(value)) });
        };
        let alone = fields.iter().find_map(|(name, value)| self.field(descriptor, name, value, &path));
        alone.or_else(|| self.together(descriptor, fields, &path))
    }

    fn field(&self, descriptor: &MessageDescriptor, name: &str, value: &Value, path: &str) -> Option<Fault> {
        let Some(field) = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name)) else {
            let advice = match self.is_policy || unknown::policy_in(value).is_some() {
                true => "it says something of policy, of which no flag leaves anything out",
                false => "--allow-unknown-static-fields would leave it out, whatever it is to do",
            };
            return self.deny_unknown.then(|| Fault {
                path: join(path, &self.key(name)),
                reason: format!("is not a field of {}; check its spelling ({advice})", descriptor.full_name()),
            });
        };
        let at = join(path, name);
        let single = Value::Object(Map::from_iter([(name.to_owned(), value.clone())]));
        let options = DeserializeOptions::new().deny_unknown_fields(self.deny_unknown);
        let error = DynamicMessage::deserialize_with_options(descriptor.clone(), &single, &options).err()?;
        let within = self.within(&field);
        if field.is_list() && !value.is_array() {
            return Some(Fault { path: at, reason: format!("is {}; write a list", kind_of(value)) });
        }
        Some(
            within
                .inside(&field, value, &at)
                .unwrap_or_else(|| Fault { path: at, reason: within.sentence(&error) + &advice(&field.kind()) }),
        )
    }

    /// Two fields of one oneof: each by itself is good.
    fn together(&self, of: &MessageDescriptor, fields: &Map<String, Value>, path: &str) -> Option<Fault> {
        let named = |name: &str| of.get_field_by_name(name).or_else(|| of.get_field_by_json_name(name));
        let mut seen: Vec<(&str, OneofDescriptor)> = Vec::new();
        for (name, _) in fields.iter().filter(|(_, value)| !value.is_null()) {
            let Some(choice) = named(name).and_then(|field| field.containing_oneof()) else { continue };
            if let Some((earlier, _)) = seen.iter().find(|(_, other)| *other == choice) {
                let reason = format!(
                    "cannot stand beside {earlier}: {} is one of them and not both; take one out",
                    choice.name()
                );
                return Some(Fault { path: join(path, name), reason });
            }
            seen.push((name, choice));
        }
        None
    }

    /// The search below a field.
    fn within(self, field: &FieldDescriptor) -> Search {
        let known = Message::named(field.parent_message().full_name());
        let sensitive = known.and_then(|known| known.field(field.number())).is_some_and(|known| known.is_sensitive());
        Search { sensitive: self.sensitive || sensitive, ..self }
    }

    /// Looks below a field that is known to fail.
    fn inside(&self, field: &FieldDescriptor, value: &Value, path: &str) -> Option<Fault> {
        let Kind::Message(message) = field.kind() else { return None };
        match value {
            Value::Object(entries) if field.is_map() => {
                let Kind::Message(of) = message.map_entry_value_field().kind() else { return None };
                entries
                    .iter()
                    .find_map(|(key, value)| self.nested(&of, value, format!("{path}[\"{}\"]", self.key(key))))
            }
            Value::Array(values) if field.is_list() => {
                let mut values = values.iter().enumerate();
                values.find_map(|(index, value)| self.nested(&message, value, format!("{path}[{index}]")))
            }
            _ => self.nested(&message, value, path.to_owned()),
        }
    }

    /// The key of a map, or the name of no known field, to be shown.
    fn key<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if self.sensitive { redact::TEXT.into() } else { discreet::shown(key) }
    }

    fn nested(&self, message: &MessageDescriptor, value: &Value, path: String) -> Option<Fault> {
        let name = message.full_name();
        if name.starts_with("google.protobuf.") && name != "google.protobuf.Any" {
            // Written as a plain value: it has no fields to look into.
            let options = DeserializeOptions::new().deny_unknown_fields(self.deny_unknown);
            let error = DynamicMessage::deserialize_with_options(message.clone(), value, &options).err()?;
            let advice = advice(&Kind::Message(message.clone()));
            return Some(Fault { path, reason: self.sentence(&error) + &advice });
        }
        self.message(message, value, path)
    }

    /// serde's message without the position, which is that of a slice.
    fn sentence(&self, error: &serde_json::Error) -> String {
        if self.sensitive {
            return format!("cannot be read ({}: the value is a secret and is not shown)", redact::TEXT);
        }
        let text = error.to_string();
        format!("cannot be read: {}", discreet::shown(text.rsplit_once(" at line ").map_or(&*text, |parts| parts.0)))
    }

    fn any(&self, any: &MessageDescriptor, value: &Value, path: String) -> Option<Fault> {
        let Value::Object(fields) = value else {
            return Some(Fault { path, reason: format!("is {}; an object with an @type is expected", kind_of(value)) });
        };
        let Some(url) = fields.get("@type").and_then(Value::as_str) else {
            return Some(Fault { path, reason: "has no @type; give the type URL of the message".to_owned() });
        };
        let name = crate::extension::message_name(url);
        let Some(inner) = any.parent_pool().get_message_by_name(name) else {
            return Some(Fault { path: join(&path, "@type"), reason: super::unknown_type(&discreet::shown(url)) });
        };
        let within = Search { is_policy: self.is_policy || registry::holds_policy(name), ..*self };
        let mut fields = fields.clone();
        fields.remove("@type");
        if inner.full_name().starts_with("google.protobuf.") {
            return within.nested(&inner, fields.get("value")?, join(&path, "value"));
        }
        within.message(&inner, &Value::Object(fields), path)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What to write instead, as the end of a sentence.
fn advice(kind: &Kind) -> String {
    let expected = match kind {
        Kind::Enum(values) => {
            let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
            return format!("; write one of {}", listed(names.iter().map(String::as_str)));
        }
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Duration" => "seconds, as in \"1.5s\"",
            "google.protobuf.Timestamp" => "a time, as in \"2030-12-31T23:59:59Z\"",
            "google.protobuf.BoolValue" => "true or false",
            "google.protobuf.StringValue" => "a string",
            "google.protobuf.BytesValue" => "a string in base64",
            "google.protobuf.UInt32Value" | "google.protobuf.UInt64Value" => "a whole number, not negative",
            "google.protobuf.Int32Value" | "google.protobuf.Int64Value" => "a whole number",
            "google.protobuf.FloatValue" | "google.protobuf.DoubleValue" => "a number",
            "google.protobuf.ListValue" => "a list",
            _ => "an object",
        },
        Kind::Bool => "true or false",
        Kind::String => "a string",
        Kind::Bytes => "a string in base64",
        Kind::Float | Kind::Double => "a number",
        Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64 => "a whole number, not negative",
        Kind::Int32 | Kind::Int64 | Kind::Sint32 | Kind::Sint64 | Kind::Sfixed32 | Kind::Sfixed64 => "a whole number",
    };
    format!("; write {expected}")
}
