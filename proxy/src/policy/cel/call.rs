//! The functions of CEL. Called by this folder. What has no meaning for its types is an error.

use std::borrow::Cow;
use std::cmp::Ordering;

use config::cel::Function as F;

use super::value::{Fault, Outcome, Value};
use super::{look, time};
use crate::policy::facts::Facts;

/// Octets that a text may have which an expression makes.
const MOST: usize = 1 << 20;

pub(super) fn of_one<'a>(function: F, facts: &dyn Facts, one: Value<'a>) -> Outcome<'a> {
    Ok(match (function, one) {
        (F::Not, Value::Bool(value)) => Value::Bool(!value),
        (F::Negate, Value::Int(value)) => Value::Int(value.checked_neg().ok_or(Fault::Error)?),
        (F::Negate, Value::Double(value)) => Value::Double(-value),
        (F::Size, value) => Value::Int(size(facts, &value)?),
        (F::Bool | F::Dyn, value @ Value::Bool(_)) => value,
        (F::Bool, Value::Text(text)) => match &*text {
            b"1" | b"t" | b"true" | b"TRUE" | b"True" => Value::Bool(true),
            b"0" | b"f" | b"false" | b"FALSE" | b"False" => Value::Bool(false),
            _ => return Err(Fault::Error),
        },
        (F::Int, value) => Value::Int(int(&value).ok_or(Fault::Error)?),
        (F::Uint, value) => Value::Uint(uint(&value).ok_or(Fault::Error)?),
        (F::Double, value) => Value::Double(double(&value).ok_or(Fault::Error)?),
        (F::Octets, Value::Text(text) | Value::Octets(text)) => Value::Octets(text),
        (F::Text, value) => text(value)?,
        (F::Duration, value @ Value::Duration(_)) | (F::Timestamp, value @ Value::Time(_)) => value,
        (F::Duration, Value::Text(text)) => Value::Duration(time::parse_duration(&text).ok_or(Fault::Error)?),
        (F::Timestamp, Value::Text(text)) => Value::Time(time::parse_time(&text).ok_or(Fault::Error)?),
        (F::Timestamp, Value::Int(seconds)) => Value::Time(i128::from(seconds) * 1_000_000_000),
        (F::Type, value) => Value::Type(type_of(&value)),
        (F::Dyn, value) => value,
        (F::LowerAscii, Value::Text(text)) => Value::Text(Cow::Owned(text.to_ascii_lowercase())),
        (F::UpperAscii, Value::Text(text)) => Value::Text(Cow::Owned(text.to_ascii_uppercase())),
        (part, Value::Time(time)) => Value::Int(time::part_of_time(part, time).ok_or(Fault::Error)?),
        (part, Value::Duration(duration)) => Value::Int(time::part_of_duration(part, duration).ok_or(Fault::Error)?),
        _ => return Err(Fault::Error),
    })
}

pub(super) fn of_two<'a>(function: F, facts: &'a dyn Facts, one: Value<'a>, other: Value<'a>) -> Outcome<'a> {
    let ordered = |fits: fn(Ordering) -> bool| Ok(Value::Bool(one.compare(&other)?.is_some_and(fits)));
    match function {
        F::Equal => Ok(Value::Bool(one.equals(&other)?)),
        F::NotEqual => Ok(Value::Bool(!one.equals(&other)?)),
        F::Less => ordered(Ordering::is_lt),
        F::LessOrEqual => ordered(Ordering::is_le),
        F::Greater => ordered(Ordering::is_gt),
        F::GreaterOrEqual => ordered(Ordering::is_ge),
        F::Add | F::AddNumbers | F::Subtract | F::Multiply | F::Divide | F::Modulo => arithmetic(function, one, other),
        F::Index => index(facts, &one, &other),
        F::In => is_in(facts, &one, &other).map(Value::Bool),
        F::Contains => texts(&one, &other, |text, part| memchr::memmem::find(text, part).is_some()),
        F::StartsWith => texts(&one, &other, <[u8]>::starts_with),
        F::EndsWith => texts(&one, &other, <[u8]>::ends_with),
        F::Split => split(&one, &other, i64::MAX),
        _ => Err(Fault::Error),
    }
}

pub(super) fn of_more<'a>(function: F, values: &[Value<'a>]) -> Outcome<'a> {
    match (function, values) {
        (F::Replace, [text, from, to]) => replace(text, from, to, i64::MAX),
        (F::Replace, [text, from, to, Value::Int(most)]) => replace(text, from, to, *most),
        (F::Split, [text, mark, Value::Int(most)]) => split(text, mark, *most),
        _ => Err(Fault::Error),
    }
}

fn texts<'a>(one: &Value<'_>, other: &Value<'_>, holds: fn(&[u8], &[u8]) -> bool) -> Outcome<'a> {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => Ok(Value::Bool(holds(one, other))),
        _ => Err(Fault::Error),
    }
}

fn arithmetic<'a>(function: F, one: Value<'a>, other: Value<'a>) -> Outcome<'a> {
    Ok(match (one, other) {
        (Value::Int(one), Value::Int(other)) => Value::Int(
            match function {
                F::Add | F::AddNumbers => one.checked_add(other),
                F::Subtract => one.checked_sub(other),
                F::Multiply => one.checked_mul(other),
                F::Divide => one.checked_div(other),
                _ => one.checked_rem(other),
            }
            .ok_or(Fault::Error)?,
        ),
        (Value::Uint(one), Value::Uint(other)) => Value::Uint(
            match function {
                F::Add | F::AddNumbers => one.checked_add(other),
                F::Subtract => one.checked_sub(other),
                F::Multiply => one.checked_mul(other),
                F::Divide => one.checked_div(other),
                _ => one.checked_rem(other),
            }
            .ok_or(Fault::Error)?,
        ),
        (Value::Double(one), Value::Double(other)) => Value::Double(match function {
            F::Add | F::AddNumbers => one + other,
            F::Subtract => one - other,
            F::Multiply => one * other,
            F::Divide => one / other,
            _ => return Err(Fault::Error),
        }),
        (one, other) => match (function, one, other) {
            (F::Add, Value::Text(one), Value::Text(other)) => Value::Text(joined(&one, &other)?),
            (F::Add, Value::Octets(one), Value::Octets(other)) => Value::Octets(joined(&one, &other)?),
            (F::Add | F::AddNumbers, Value::Time(one), Value::Duration(other))
            | (F::Add | F::AddNumbers, Value::Duration(other), Value::Time(one)) => {
                Value::Time(one.saturating_add(other))
            }
            (F::Add | F::AddNumbers, Value::Duration(one), Value::Duration(other)) => {
                Value::Duration(one.saturating_add(other))
            }
            (F::Subtract, Value::Time(one), Value::Time(other))
            | (F::Subtract, Value::Duration(one), Value::Duration(other)) => Value::Duration(one.saturating_sub(other)),
            (F::Subtract, Value::Time(one), Value::Duration(other)) => Value::Time(one.saturating_sub(other)),
            _ => return Err(Fault::Error),
        },
    })
}

fn joined<'a>(one: &[u8], other: &[u8]) -> Result<Cow<'a, [u8]>, Fault> {
    if one.len() + other.len() > MOST { Err(Fault::Error) } else { Ok(Cow::Owned([one, other].concat())) }
}

pub(super) fn index<'a>(facts: &'a dyn Facts, of: &Value<'a>, key: &Value<'a>) -> Outcome<'a> {
    match (of, key) {
        (Value::Map(entries), key) => {
            let found = entries.iter().find(|(name, _)| name.equals(key) == Ok(true));
            found.map(|(_, value)| value.clone()).ok_or(Fault::Error)
        }
        (Value::List(list), key) => {
            let at = match key {
                Value::Int(at) => usize::try_from(*at).ok(),
                Value::Uint(at) => usize::try_from(*at).ok(),
                Value::Double(at) if at.fract() == 0.0 && *at >= 0.0 => Some(*at as usize),
                _ => None,
            };
            at.and_then(|at| list.get(at)).cloned().ok_or(Fault::Error)
        }
        (Value::Headers(of), Value::Text(name)) => {
            look::header_by_text(facts, *of, name).map(Value::Text).ok_or(Fault::Error)
        }
        (Value::FilterMetadata(of), Value::Text(name)) => {
            std::str::from_utf8(name).ok().and_then(|name| look::metadata(facts, *of, name, &[])).ok_or(Fault::Error)
        }
        (Value::FilterState, Value::Text(key)) => {
            let key = std::str::from_utf8(key).map_err(|_| Fault::Error)?;
            if let Some(object) = facts.filter_state_object(key) {
                return Ok(Value::of_json(&object));
            }
            let object = facts.filter_state(key);
            object.map(|object| Value::Octets(Cow::Owned(object.to_vec()))).ok_or(Fault::Error)
        }
        _ => Err(Fault::Error),
    }
}

fn is_in(facts: &dyn Facts, one: &Value<'_>, all: &Value<'_>) -> Result<bool, Fault> {
    Ok(match all {
        Value::List(list) => list.iter().any(|value| value.equals(one) == Ok(true)),
        Value::Map(entries) => entries.iter().any(|(key, _)| key.equals(one) == Ok(true)),
        Value::Headers(of) => match one {
            Value::Text(name) => look::header_by_text(facts, *of, name).is_some(),
            _ => false,
        },
        Value::FilterState => match one {
            Value::Text(key) => std::str::from_utf8(key).is_ok_and(|key| facts.filter_state(key).is_some()),
            _ => false,
        },
        Value::FilterMetadata(of) => match one {
            Value::Text(name) => {
                std::str::from_utf8(name).is_ok_and(|name| look::has_metadata(facts, *of, name, &[]) == Ok(true))
            }
            _ => false,
        },
        _ => return Err(Fault::Error),
    })
}

fn size(facts: &dyn Facts, value: &Value<'_>) -> Result<i64, Fault> {
    let size = match value {
        // Letters: octets that continue none.
        Value::Text(text) => text.iter().filter(|octet| **octet & 0xc0 != 0x80).count(),
        Value::Octets(octets) => octets.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::Headers(of) => look::count_headers(facts, *of),
        _ => return Err(Fault::Error),
    };
    i64::try_from(size).map_err(|_| Fault::Error)
}

fn trimmed(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok().map(|text| text.trim_matches(|letter: char| letter.is_ascii_whitespace()))
}

fn int(value: &Value<'_>) -> Option<i64> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Int(value) => Some(*value),
        Value::Uint(value) => i64::try_from(*value).ok(),
        Value::Double(value) if *value > -BEYOND && *value < BEYOND => Some(*value as i64),
        Value::Bool(value) => Some(i64::from(*value)),
        Value::Text(text) => trimmed(text)?.parse().ok(),
        Value::Time(time) => i64::try_from(time.div_euclid(1_000_000_000)).ok(),
        _ => None,
    }
}

fn uint(value: &Value<'_>) -> Option<u64> {
    const BEYOND: f64 = 18_446_744_073_709_551_616.0;
    match value {
        Value::Uint(value) => Some(*value),
        Value::Int(value) => u64::try_from(*value).ok(),
        Value::Double(value) if *value >= 0.0 && *value < BEYOND => Some(*value as u64),
        Value::Text(text) => trimmed(text)?.parse().ok(),
        _ => None,
    }
}

fn double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        Value::Int(value) => Some(*value as f64),
        Value::Uint(value) => Some(*value as f64),
        Value::Text(text) => trimmed(text)?.parse().ok(),
        _ => None,
    }
}

fn text(value: Value<'_>) -> Outcome<'_> {
    Ok(match value {
        Value::Text(text) => Value::Text(text),
        Value::Octets(octets) if std::str::from_utf8(&octets).is_ok() => Value::Text(octets),
        Value::Bool(value) => Value::text(value.to_string()),
        Value::Int(value) => Value::text(value.to_string()),
        Value::Uint(value) => Value::text(value.to_string()),
        Value::Double(value) => Value::text(value.to_string()),
        Value::Time(time) => Value::text(time::write_time(time).ok_or(Fault::Error)?),
        Value::Duration(duration) => Value::text(time::write_duration(duration)),
        _ => return Err(Fault::Error),
    })
}

fn type_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null_type",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Uint(_) => "uint",
        Value::Double(_) => "double",
        Value::Text(_) => "string",
        Value::Octets(_) => "bytes",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::Time(_) => "google.protobuf.Timestamp",
        Value::List(_) => "list",
        Value::Map(_) | Value::Headers(_) | Value::FilterMetadata(_) | Value::FilterState => "map",
        Value::Type(_) => "type",
    }
}

fn replace<'a>(text: &Value<'a>, from: &Value<'_>, to: &Value<'_>, most: i64) -> Outcome<'a> {
    let (Value::Text(text), Value::Text(from), Value::Text(to)) = (text, from, to) else { return Err(Fault::Error) };
    let mut left = if most < 0 { u64::MAX } else { most.unsigned_abs() };
    let (mut made, mut rest) = (Vec::new(), &text[..]);
    while left > 0 {
        left -= 1;
        // Before each letter, and at the end, where nothing is looked for.
        let Some(at) = memchr::memmem::find(rest, from) else { break };
        made.extend_from_slice(&rest[..at]);
        made.extend_from_slice(to);
        rest = &rest[at + from.len()..];
        if from.is_empty() {
            let Some(letter) = first_letter(rest) else { break };
            made.extend_from_slice(letter);
            rest = &rest[letter.len()..];
        }
        if made.len() > MOST {
            return Err(Fault::Error);
        }
    }
    made.extend_from_slice(rest);
    Ok(Value::Text(Cow::Owned(made)))
}

fn split<'a>(text: &Value<'a>, mark: &Value<'_>, most: i64) -> Outcome<'a> {
    let (Value::Text(text), Value::Text(mark)) = (text, mark) else { return Err(Fault::Error) };
    let most = if most < 0 { u64::MAX } else { most.unsigned_abs() };
    let piece = |octets: &[u8]| Value::Text(Cow::Owned(octets.to_vec()));
    let (mut pieces, mut rest) = (Vec::new(), &text[..]);
    if most == 0 {
        return Ok(Value::List(pieces.into()));
    }
    while (pieces.len() as u64) < most - 1 {
        let at = if mark.is_empty() {
            first_letter(rest).map(<[u8]>::len).filter(|length| *length < rest.len())
        } else {
            memchr::memmem::find(rest, mark)
        };
        let Some(at) = at else { break };
        pieces.push(piece(&rest[..at]));
        rest = &rest[at + mark.len()..];
    }
    if !(mark.is_empty() && rest.is_empty()) {
        pieces.push(piece(rest));
    }
    Ok(Value::List(pieces.into()))
}

/// The first letter, whole; an octet where there is none.
fn first_letter(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().skip(1).take_while(|octet| **octet & 0xc0 == 0x80).count() + 1;
    text.get(..length.min(text.len())).filter(|letter| !letter.is_empty())
}
