//! Which fields of a JSON value its message has not. Called for bootstrap files that are read with `--allow-unknown-static-fields`, once
//! something in them was left out, and for structs: whoever mistyped a field must learn of it. Policy of which a part is left out is
//! another policy (`actoin: DENY` allows), so nothing is left out of that.

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::Value;

use super::Fault;
use crate::discreet;
use crate::registry;

/// A field that its message has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Where it stands.
    pub path: String,
    /// The message that has no such field.
    pub of: String,
    /// The type that carries the policy which it is part of, or holds.
    policy: Option<String>,
}

impl Unknown {
    /// One that stands outside of policy; its value may hold some.
    pub fn holding(path: String, of: String, value: &Value) -> Unknown {
        Unknown { path, of, policy: policy_in(value).map(str::to_owned) }
    }

    /// Why it cannot be left out.
    pub fn refusal(&self) -> Option<Fault> {
        let reason = format!(
            "is not a field of {}, and says something of policy ({}), of which no flag leaves anything out; check its spelling",
            self.of,
            self.policy.as_deref()?
        );
        Some(Fault { path: self.path.clone(), reason })
    }
}

/// Those fields.
pub(super) fn list(descriptor: &MessageDescriptor, value: &Value) -> Vec<Unknown> {
    let mut found = Vec::new();
    let policy = registry::holds_policy(descriptor.full_name()).then(|| descriptor.full_name().to_owned());
    Walk { policy: policy.as_deref(), found: &mut found }.message(descriptor, value, "");
    found
}

/// The type in a value that carries policy.
pub(super) fn policy_in(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(crate::extension::message_name(text)).filter(|name| registry::holds_policy(name)),
        Value::Array(values) => values.iter().find_map(policy_in),
        Value::Object(fields) => fields.values().find_map(policy_in),
        _ => None,
    }
}

struct Walk<'a> {
    /// The type around that carries policy.
    policy: Option<&'a str>,
    found: &'a mut Vec<Unknown>,
}

impl Walk<'_> {
    fn message(&mut self, descriptor: &MessageDescriptor, value: &Value, path: &str) {
        let Value::Object(fields) = value else { return };
        if descriptor.full_name() == "google.protobuf.Any" {
            let url = fields.get("@type").and_then(Value::as_str).unwrap_or_default();
            let name = crate::extension::message_name(url);
            let Some(inner) = descriptor.parent_pool().get_message_by_name(name) else { return };
            let policy = self.policy.or(registry::holds_policy(name).then_some(name));
            return Walk { policy, found: self.found }.message(&inner, value, path);
        }
        // Written as plain values, or free.
        if descriptor.full_name().starts_with("google.protobuf.") {
            return;
        }
        for (name, value) in fields.iter().filter(|(name, _)| *name != "@type") {
            let at = join(path, &discreet::shown(name));
            let Some(field) = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name))
            else {
                let policy = self.policy.or_else(|| policy_in(value)).map(str::to_owned);
                self.found.push(Unknown { path: at, of: descriptor.full_name().to_owned(), policy });
                continue;
            };
            let Kind::Message(of) = field.kind() else { continue };
            match value {
                Value::Object(entries) if field.is_map() => {
                    let Kind::Message(of) = of.map_entry_value_field().kind() else { continue };
                    for (key, value) in entries {
                        self.message(&of, value, &format!("{at}[\"{}\"]", discreet::shown(key)));
                    }
                }
                Value::Array(values) => {
                    for (index, value) in values.iter().enumerate() {
                        self.message(&of, value, &format!("{at}[{index}]"));
                    }
                }
                value => self.message(&of, value, &at),
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
