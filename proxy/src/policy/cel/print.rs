//! Values of CEL as logs have them: a text, or JSON. As Envoy writes them, with what it writes of those that it does not look into.

use std::io::Write as _;

use config::cel::HeadersOf;
use serde_json::{Map, Value as Json};

use super::look;
use super::time;
use super::value::{Fault, Value};
use crate::policy::facts::Facts;

/// Appends a value as a text.
pub(super) fn text(value: &Value<'_>, out: &mut Vec<u8>) {
    // A vector takes all that is written to it.
    let _ = match value {
        Value::Null => out.write_all(b"NULL"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Uint(value) => write!(out, "{value}"),
        Value::Double(value) => out.write_all(six_digits(*value).as_bytes()),
        Value::Text(octets) | Value::Octets(octets) => out.write_all(octets),
        Value::Duration(duration) => out.write_all(time::in_units(*duration).as_bytes()),
        Value::Time(time) => {
            out.write_all(time::write_time(*time).unwrap_or_default().replace('Z', "+00:00").as_bytes())
        }
        Value::List(_) => out.write_all(b"CelList value"),
        Value::Map(_) | Value::Headers(_) | Value::FilterMetadata(_) | Value::FilterState => {
            out.write_all(b"CelMap value")
        }
        Value::Type(_) => out.write_all(b"CelType value"),
    };
}

/// A value as JSON; a text is cut to a length. What is none there is an error.
pub(super) fn json(facts: &dyn Facts, value: &Value<'_>, limit: Option<usize>) -> Result<Json, Fault> {
    use base64::Engine as _;
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Uint(value) => Json::from(*value),
        // As protobuf has it, a whole one is written without a fraction.
        Value::Double(value) if value.fract() == 0.0 && value.abs() < 9e15 => Json::from(*value as i64),
        Value::Double(value) => Json::from(*value),
        Value::Text(octets) => Json::String(String::from_utf8_lossy(cut(octets, limit)).into_owned()),
        Value::Octets(octets) => {
            let text = base64::engine::general_purpose::STANDARD.encode(octets);
            Json::String(String::from_utf8_lossy(cut(text.as_bytes(), limit)).into_owned())
        }
        Value::Duration(duration) => Json::String(time::in_seconds(*duration)),
        Value::Time(time) => Json::String(time::write_time(*time).ok_or(Fault::Error)?),
        Value::List(list) => Json::Array(list.iter().map(|one| json(facts, one, None)).collect::<Result<_, _>>()?),
        Value::Map(entries) => {
            let mut object = Map::new();
            for (key, value) in entries.iter() {
                object.insert(key_of(key)?, json(facts, value, None)?);
            }
            Json::Object(object)
        }
        Value::Headers(of) => Json::Object(headers(facts, *of)),
        Value::FilterMetadata(_) | Value::FilterState | Value::Type(_) => return Err(Fault::Error),
    })
}

fn cut(octets: &[u8], limit: Option<usize>) -> &[u8] {
    &octets[..limit.unwrap_or(octets.len()).min(octets.len())]
}

fn key_of(key: &Value<'_>) -> Result<String, Fault> {
    match key {
        Value::Text(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Uint(number) => Ok(number.to_string()),
        _ => Err(Fault::Error),
    }
}

fn headers(facts: &dyn Facts, of: HeadersOf) -> Map<String, Json> {
    let mut object = Map::new();
    for name in look::header_names(facts, of) {
        if let Some(value) = look::header_by_text(facts, of, name.as_bytes()) {
            object.insert(name, Json::String(String::from_utf8_lossy(&value).into_owned()));
        }
    }
    object
}

/// As `%g` of C: six digits that matter, and an exponent where the number is large or small.
fn six_digits(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{value:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if value != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(digits), exponent.abs());
    }
    let places = usize::try_from(5 - exponent).unwrap_or_default();
    trimmed(&format!("{value:.places$}"))
}

#[cfg(test)]
mod tests;
