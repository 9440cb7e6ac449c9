//! What is never shown: values of fields that Envoy's files mark `udpa.annotations.sensitive`, and all below them. Called by the
//! dump's writer for the JSON that a `TypedStruct` or a free `Struct` carries, which may be a message in either spelling, or broken.
//! What is secret by its looks, wherever it stands, is hidden by [`strings`].

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine as _;
use prost_reflect::{DynamicMessage, Value as Reflected};
use serde_json::Value;

use crate::discreet;
use crate::schema::{Field, Message};

pub(super) mod strings;

/// Stands where a value was.
pub(super) const TEXT: &str = "[redacted]";

/// Whether a message holds another one as a `Struct`.
pub(super) fn is_typed_struct(name: &str) -> bool {
    matches!(name, "udpa.type.v1.TypedStruct" | "xds.type.v3.TypedStruct")
}

/// Whether a sensitive value is shown as [`TEXT`]; numbers and the like are left out, as by Envoy.
pub(super) fn has_text(value: &Reflected) -> bool {
    match value {
        Reflected::List(items) => items.iter().any(has_text),
        Reflected::Map(entries) => entries.values().any(has_text),
        value => matches!(value, Reflected::String(_) | Reflected::Bytes(_) | Reflected::Message(_)),
    }
}

/// Redacts JSON that stands for a message of that type; `hidden` when it is inside of something sensitive.
pub(super) fn json(value: &mut Value, of: &str, hidden: bool) {
    if hidden {
        hide(value);
    } else {
        below(value, Message::named(of).filter(|message| !message.name().starts_with("google.protobuf.")));
        strings::json(value);
    }
}

/// `message` is what `value` stands for, where that is known.
fn below(value: &mut Value, message: Option<Message>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| below(item, message)),
        Value::Object(fields) => {
            // An Any says what it is, and a TypedStruct what its value is.
            let named = |name: &str| fields.get(name).and_then(Value::as_str).map(crate::extension::message_name);
            let any = named("@type").map(str::to_owned);
            let message = any.as_deref().map_or(message, Message::named);
            let inner = message.filter(|message| is_typed_struct(message.name()));
            let inner = inner.map(|_| named("type_url").or(named("typeUrl")).and_then(Message::named));
            for (name, value) in fields {
                match (name.as_str(), inner) {
                    ("@type", _) => {}
                    ("type_url" | "typeUrl", Some(_)) => {}
                    (_, Some(inner)) => below(value, inner),
                    (name, None) => in_field(value, name, message.map(|message| message.field_of_json(name))),
                }
            }
        }
        _ => {}
    }
}

/// `field` is none where the message is not known, and holds none where it has no such field.
fn in_field(value: &mut Value, name: &str, field: Option<Option<Field>>) {
    match field {
        Some(Some(field)) if field.is_sensitive() => hide(value),
        Some(Some(field)) if field.message().is_some_and(is_source) && json_is_misplaced(value) => hide(value),
        Some(Some(field)) if field.is_map() => {
            let of = field.message().and_then(|entry| entry.field(2)).and_then(Field::message);
            match value {
                Value::Object(entries) => entries.values_mut().for_each(|value| below(value, of)),
                value => below(value, of),
            }
        }
        Some(Some(field)) => below(value, field.message().filter(|of| !is_free(*of))),
        // Of an unknown message, or misspelled: the name alone can tell.
        Some(None) | None if sounds_sensitive(name) => hide(value),
        Some(None) | None => below(value, None),
    }
}

fn is_source(message: Message) -> bool {
    message.name() == SOURCE
}

/// A file's name, or what might be in the file.
pub(super) const SOURCE: &str = "envoy.config.core.v3.DataSource";

fn json_is_misplaced(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            // Bytes, which are in base64, or text.
            let decoded = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
            let is_text = !decoded.is_empty() && std::str::from_utf8(&decoded).is_ok();
            is_misplaced(if is_text { &decoded } else { text.as_bytes() })
        }
        Value::Array(items) => items.iter().any(json_is_misplaced),
        Value::Object(fields) => fields.values().any(json_is_misplaced),
        _ => false,
    }
}

/// Whether a field of a source holds a key although nothing sensitive belongs there.
pub(super) fn source_is_misplaced(source: &DynamicMessage) -> bool {
    source.fields().any(|(_, value)| match value {
        Reflected::String(text) => is_misplaced(text.as_bytes()),
        Reflected::Bytes(bytes) => is_misplaced(bytes),
        Reflected::Message(inner) => source_is_misplaced(inner),
        _ => false,
    })
}

/// Whether a text holds a private key, or nothing but letters that might be one.
fn is_misplaced(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let rest = without_public_blocks(&text);
    let lower = rest.to_lowercase();
    let says_so = ["private key", "yek etavirp"].iter().any(|words| lower.contains(words));
    // Pages and scripts, which a source may hold too, have long words of their own.
    let is_page = rest.contains(['<', '{']);
    says_so || (!is_page && rest.split_whitespace().any(|word| discreet::shown(word) != word))
}

/// The text without PEM blocks of certificates and revocation lists, as far as they are what they say.
fn without_public_blocks(text: &str) -> String {
    let mut rest = text.to_owned();
    for label in ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CRL"] {
        let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
        let mut kept = String::with_capacity(rest.len());
        let mut left = rest.as_str();
        while let Some((before, after)) = left.split_once(&begin) {
            kept.push_str(before);
            match after.split_once(&end) {
                Some((body, behind)) if is_signed(body) => left = behind,
                _ => {
                    kept.push_str(&begin);
                    left = after;
                }
            }
        }
        kept.push_str(left);
        rest = kept;
    }
    rest
}

/// Certificates and lists are a sequence that begins with another one; keys begin with a number.
fn is_signed(body: &str) -> bool {
    const SEQUENCE: u8 = 0x30;
    let start: String = body.chars().filter(|letter| !letter.is_whitespace()).take(8).collect();
    match base64::engine::general_purpose::STANDARD.decode(start).as_deref() {
        Ok([SEQUENCE, length, inner @ ..]) => {
            let more = if *length > 0x80 { usize::from(length & 0x7f) } else { 0 };
            inner.get(more) == Some(&SEQUENCE)
        }
        _ => false,
    }
}

fn is_free(message: Message) -> bool {
    message.name().starts_with("google.protobuf.")
}

/// `[redacted]` for whatever is below, and for the value itself; names and types stay.
fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(fields) => {
            fields.iter_mut().filter(|(name, _)| *name != "@type").for_each(|(_, value)| hide(value));
        }
        value => *value = Value::String(TEXT.to_owned()),
    }
}

/// Whether some sensitive field has this name, whatever its case and its separators.
fn sounds_sensitive(name: &str) -> bool {
    static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let sensitive = Message::all().flat_map(Message::fields).filter(|field| field.is_sensitive());
        // What a key's provider is told is secret; a typed_config in general is not.
        sensitive.map(|field| squeezed(field.name())).filter(|name| name != "typedconfig").collect()
    });
    NAMES.contains(&squeezed(name))
}

fn squeezed(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests;
