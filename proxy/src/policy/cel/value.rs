//! Values of CEL while an expression is evaluated, and how they compare. Called by this folder.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use config::cel::{HeadersOf, Literal, MetadataOf};
use serde_json::Value as Json;

/// A value, borrowed from the facts or the expression where it can be.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    /// Octets, for headers are no Unicode.
    Text(Cow<'a, [u8]>),
    Octets(Cow<'a, [u8]>),
    /// Nanoseconds.
    Duration(i128),
    /// Nanoseconds since the epoch.
    Time(i128),
    List(Rc<[Value<'a>]>),
    Map(Rc<[(Value<'a>, Value<'a>)]>),
    Headers(HeadersOf),
    FilterMetadata(MetadataOf),
    FilterState,
    Type(&'static str),
}

/// An error. Nobody is told which: a condition that meets one is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A value like others: what stands beside it at `&&` or `||` may decide.
    Error,
    /// As in Envoy, whose evaluator gives up: nothing decides any more.
    Ended,
}

pub(super) type Outcome<'a> = Result<Value<'a>, Fault>;

impl<'a> Value<'a> {
    pub(super) fn of(literal: &'a Literal) -> Value<'a> {
        match literal {
            Literal::Null => Value::Null,
            Literal::Bool(value) => Value::Bool(*value),
            Literal::Int(value) => Value::Int(*value),
            Literal::Uint(value) => Value::Uint(*value),
            Literal::Double(value) => Value::Double(*value),
            Literal::Text(value) => Value::Text(Cow::Borrowed(value.as_bytes())),
            Literal::Octets(value) => Value::Octets(Cow::Borrowed(value)),
            Literal::Duration(value) => Value::Duration(*value),
            Literal::Time(value) => Value::Time(*value),
            Literal::Type(name) => Value::Type(name),
        }
    }

    /// A copy of what metadata has: every number is a double, as in `google.protobuf.Value`.
    pub(super) fn of_json(json: &Json) -> Value<'static> {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => Value::Double(value.as_f64().unwrap_or(f64::NAN)),
            Json::String(value) => Value::Text(Cow::Owned(value.clone().into_bytes())),
            Json::Array(list) => Value::List(list.iter().map(Value::of_json).collect()),
            Json::Object(map) => {
                let entries = map.iter();
                Value::Map(entries.map(|(key, value)| (Value::text(key.clone()), Value::of_json(value))).collect())
            }
        }
    }

    pub(super) fn text(text: String) -> Value<'static> {
        Value::Text(Cow::Owned(text.into_bytes()))
    }

    /// It may be the key of a map.
    pub(super) fn is_key(&self) -> bool {
        matches!(self, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Text(_))
    }

    /// Whether they are equal: numbers by what they are, whatever their types; of two other types nothing is.
    pub(super) fn equals(&self, other: &Value<'_>) -> Result<bool, Fault> {
        Ok(match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(other)) => one == other,
            (Value::Text(one), Value::Text(other)) | (Value::Octets(one), Value::Octets(other)) => one == other,
            (Value::Duration(one), Value::Duration(other)) | (Value::Time(one), Value::Time(other)) => one == other,
            (Value::Type(one), Value::Type(other)) => one == other,
            (Value::List(one), Value::List(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (one, other) in one.iter().zip(other.iter()) {
                    if !one.equals(other)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Map(one), Value::Map(other)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (key, value) in one.iter() {
                    let Some((_, other)) = other.iter().find(|(name, _)| name.equals(key) == Ok(true)) else {
                        return Ok(false);
                    };
                    if !value.equals(other)? {
                        return Ok(false);
                    }
                }
                true
            }
            // Maps that are never seen as a whole.
            (Value::Headers(_) | Value::FilterMetadata(_) | Value::FilterState, other) if other.is_map() => {
                return Err(Fault::Error);
            }
            (Value::Map(_), Value::Headers(_) | Value::FilterMetadata(_) | Value::FilterState) => {
                return Err(Fault::Error);
            }
            _ => self
                .number()
                .zip(other.number())
                .is_some_and(|(one, other)| one.compare(other) == Some(Ordering::Equal)),
        })
    }

    fn is_map(&self) -> bool {
        matches!(self, Value::Map(_) | Value::Headers(_) | Value::FilterMetadata(_) | Value::FilterState)
    }

    /// Which is less. `Ok(None)`: neither, for one is no number.
    pub(super) fn compare(&self, other: &Value<'_>) -> Result<Option<Ordering>, Fault> {
        Ok(match (self, other) {
            (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
            (Value::Text(one), Value::Text(other)) | (Value::Octets(one), Value::Octets(other)) => Some(one.cmp(other)),
            (Value::Duration(one), Value::Duration(other)) | (Value::Time(one), Value::Time(other)) => {
                Some(one.cmp(other))
            }
            _ => match (self.number(), other.number()) {
                (Some(one), Some(other)) => one.compare(other),
                _ => return Err(Fault::Error),
            },
        })
    }

    fn number(&self) -> Option<Number> {
        Some(match self {
            Value::Int(value) => Number::Whole(i128::from(*value)),
            Value::Uint(value) => Number::Whole(i128::from(*value)),
            Value::Double(value) => Number::Double(*value),
            _ => return None,
        })
    }
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Double(f64),
}

impl Number {
    fn compare(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Whole(one), Number::Whole(other)) => Some(one.cmp(&other)),
            (Number::Double(one), Number::Double(other)) => one.partial_cmp(&other),
            (Number::Whole(one), Number::Double(other)) => compare_mixed(one, other),
            (Number::Double(one), Number::Whole(other)) => compare_mixed(other, one).map(Ordering::reverse),
        }
    }
}

/// Exactly: what is beyond 64 bits is beyond every whole number, and within them a double's whole part is exact.
fn compare_mixed(whole: i128, double: f64) -> Option<Ordering> {
    const BEYOND: f64 = 18_446_744_073_709_551_616.0;
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double <= -BEYOND {
        return Some(Ordering::Greater);
    }
    let part = double.trunc();
    Some(whole.cmp(&(part as i128)).then_with(|| 0.0.partial_cmp(&(double - part)).unwrap_or(Ordering::Equal)))
}
