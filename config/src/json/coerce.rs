//! What protobuf's own JSON parser takes beyond the strict form, made strict: names of enums in any case and as numbers, bools and
//! numbers as strings, one value for a list, durations and other well-known types as messages. Called when the strict reading
//! has failed, so that what is written well costs nothing.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Number, Value};

/// What a route writes to switch a filter on, and nothing else, is an `Any` without a type; prost-reflect can read none.
const SWITCHED_ON: &str = "envoy.config.route.v3.FilterConfig.config";
/// So it becomes this one, which says as little, and which is known wherever the other is.
const EMPTY: &str = "type.googleapis.com/envoy.config.route.v3.FilterConfig";

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Rewrites a value that stands for a message. What cannot be understood stays, and is refused afterwards with its place.
pub(super) fn message(of: &MessageDescriptor, value: &mut Value) {
    match of.full_name() {
        "google.protobuf.Any" => any(of, value),
        "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue" | "google.protobuf.Empty" => {}
        "google.protobuf.Duration" | "google.protobuf.Timestamp" => span(of, value),
        "google.protobuf.FieldMask" => {
            if let Some(Value::Array(paths)) = value.get("paths") {
                let paths: Vec<_> = paths.iter().filter_map(Value::as_str).map(camel).collect();
                *value = paths.join(",").into();
            }
        }
        name if name.starts_with("google.protobuf.") && name.ends_with("Value") => {
            let Some(inner) = of.get_field_by_name("value") else { return };
            if let Value::Object(fields) = value
                && fields.keys().all(|name| name == "value")
            {
                // An empty wrapper holds the default.
                *value = fields.remove("value").unwrap_or_else(|| default(&inner.kind()));
            }
            single(&inner.kind(), value);
        }
        _ => {
            let Value::Object(fields) = value else { return };
            for (name, value) in fields {
                let named = of.get_field_by_name(name).or_else(|| of.get_field_by_json_name(name));
                if let Some(named) = named {
                    if named.full_name() == SWITCHED_ON && is_empty(value) {
                        *value = serde_json::json!({ "@type": EMPTY });
                    }
                    field(&named, value);
                }
            }
        }
    }
}

fn field(of: &FieldDescriptor, value: &mut Value) {
    if value.is_null() {
        return;
    }
    if of.is_map() {
        if let (Kind::Message(entry), Value::Object(entries)) = (of.kind(), value) {
            let kind = entry.map_entry_value_field().kind();
            entries.values_mut().for_each(|value| single(&kind, value));
        }
    } else if of.is_list() {
        if !value.is_array() {
            *value = Value::Array(vec![std::mem::take(value)]);
        }
        value.as_array_mut().into_iter().flatten().for_each(|value| single(&of.kind(), value));
    } else {
        single(&of.kind(), value);
    }
}

fn single(kind: &Kind, value: &mut Value) {
    let strict = match (kind, &*value) {
        (Kind::Message(of), _) => return message(of, value),
        (Kind::Bool, Value::String(text)) => bool_of(text).map(Value::Bool),
        (Kind::Enum(of), Value::String(text)) if of.get_value_by_name(text).is_none() => {
            let named = of.values().find(|known| known.name().eq_ignore_ascii_case(text));
            named.map(|known| known.name().into()).or_else(|| whole(text))
        }
        (Kind::Enum(_), Value::Number(number)) if number.is_f64() => whole(&number.to_string()),
        (Kind::Float | Kind::Double, Value::String(text)) => {
            text.parse().ok().filter(|number: &f64| number.is_finite()).and_then(Number::from_f64).map(Value::Number)
        }
        (Kind::String | Kind::Bytes | Kind::Bool | Kind::Enum(_) | Kind::Float | Kind::Double, _) => None,
        (_, Value::String(text)) => whole(text),
        (_, Value::Number(number)) if number.is_f64() => whole(&number.to_string()),
        _ => None,
    };
    if let Some(strict) = strict {
        *value = strict;
    }
}

/// The words that protobuf's parser takes for a bool in quotes.
fn bool_of(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["true", "t", "yes", "y", "1"]) {
        Some(true)
    } else if is(&["false", "f", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// A whole number, also one that is written with a fraction of zero or an exponent.
fn whole(text: &str) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    let number: f64 = text.parse().ok()?;
    // Exact by the test.
    (number.fract() == 0.0 && number.abs() <= EXACT).then(|| (number as i64).into())
}

fn default(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(false),
        Kind::String | Kind::Bytes => Value::String(String::new()),
        _ => Value::Number(0.into()),
    }
}

/// `{"seconds": 1, "nanos": 5}`.
fn span(of: &MessageDescriptor, value: &mut Value) {
    let Value::Object(fields) = &*value else { return };
    if !fields.keys().all(|name| matches!(name.as_str(), "seconds" | "nanos")) {
        return;
    }
    let part = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => whole(text)?.as_i64(),
        Some(number) => whole(&number.to_string())?.as_i64(),
    };
    let (Some(seconds), Some(nanos)) = (part("seconds"), part("nanos")) else { return };
    if nanos.unsigned_abs() > 999_999_999 || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0) {
        return;
    }
    if of.full_name() == "google.protobuf.Duration" {
        let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
        *value = format!("{sign}{}.{:09}s", seconds.unsigned_abs(), nanos.unsigned_abs()).into();
    } else if let Ok(nanos) = i32::try_from(nanos) {
        *value = prost_reflect::prost_types::Timestamp { seconds, nanos }.to_string().into();
    }
}

fn any(of: &MessageDescriptor, value: &mut Value) {
    let Some(url) = value.get("@type").and_then(Value::as_str) else { return };
    let Some(inner) = of.parent_pool().get_message_by_name(crate::extension::message_name(url)) else { return };
    if inner.full_name().starts_with("google.protobuf.") {
        if let Some(value) = value.get_mut("value") {
            message(&inner, value);
        } else if let (Value::Object(fields), Some(nothing)) = (value, nothing(inner.full_name()))
            && fields.len() == 1
        {
            fields.insert("value".to_owned(), nothing);
        }
        return;
    }
    // The type stands among the fields and is none.
    let Value::Object(fields) = value else { return };
    let url = fields.remove("@type");
    message(&inner, value);
    if let (Value::Object(fields), Some(url)) = (value, url) {
        fields.insert("@type".to_owned(), url);
    }
}

/// A well-known type of which nothing is said but that it is one.
fn nothing(well_known: &str) -> Option<Value> {
    Some(match well_known.strip_prefix("google.protobuf.")? {
        "Empty" | "Struct" => Value::Object(serde_json::Map::new()),
        "ListValue" => Value::Array(Vec::new()),
        "Duration" => "0s".into(),
        "Timestamp" => "1970-01-01T00:00:00Z".into(),
        "StringValue" | "BytesValue" | "FieldMask" => "".into(),
        "BoolValue" => false.into(),
        "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value" | "UInt32Value" | "UInt64Value" => 0.into(),
        _ => return None,
    })
}

fn camel(path: &str) -> String {
    let mut upper = false;
    let spelled = path.chars().filter_map(|letter| match letter {
        '_' => {
            upper = true;
            None
        }
        letter if std::mem::take(&mut upper) => Some(letter.to_ascii_uppercase()),
        letter => Some(letter),
    });
    spelled.collect()
}

/// Whether anything was rewritten.
pub(super) fn coerced(of: &MessageDescriptor, value: &Value) -> Option<Value> {
    let mut strict = value.clone();
    message(of, &mut strict);
    (strict != *value).then_some(strict)
}
