//! Values of attributes and of records, as plain data.

use std::sync::Arc;

use envoy_types::pb::opentelemetry::proto::common::v1 as pb;
use pb::any_value::Value as Kind;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None at all.
    Nothing,
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another one.
    Double(f64),
    /// Octets.
    Bytes(Vec<u8>),
    /// Several.
    List(Vec<Value>),
    /// By name, in order.
    Map(Vec<(Arc<str>, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl Value {
    pub(super) fn message(self) -> pb::AnyValue {
        let kind = match self {
            Value::Nothing => None,
            Value::Text(text) => Some(Kind::StringValue(text)),
            Value::Bool(value) => Some(Kind::BoolValue(value)),
            Value::Int(value) => Some(Kind::IntValue(value)),
            Value::Double(value) => Some(Kind::DoubleValue(value)),
            Value::Bytes(octets) => Some(Kind::BytesValue(octets)),
            Value::List(values) => {
                let values = values.into_iter().map(Value::message).collect();
                Some(Kind::ArrayValue(pb::ArrayValue { values }))
            }
            Value::Map(pairs) => Some(Kind::KvlistValue(pb::KeyValueList { values: messages(pairs) })),
        };
        pb::AnyValue { value: kind }
    }

    fn of(proto: &pb::AnyValue) -> Value {
        match &proto.value {
            // An index into a table that there is not here.
            None | Some(Kind::StringValueStrindex(_)) => Value::Nothing,
            Some(Kind::StringValue(text)) => Value::Text(text.clone()),
            Some(Kind::BoolValue(value)) => Value::Bool(*value),
            Some(Kind::IntValue(value)) => Value::Int(*value),
            Some(Kind::DoubleValue(value)) => Value::Double(*value),
            Some(Kind::BytesValue(octets)) => Value::Bytes(octets.clone()),
            Some(Kind::ArrayValue(list)) => Value::List(list.values.iter().map(Value::of).collect()),
            Some(Kind::KvlistValue(list)) => Value::Map(list.values.iter().map(pair).collect()),
        }
    }
}

/// A name with its value, as configuration has it.
pub(crate) fn pair(proto: &pb::KeyValue) -> (Arc<str>, Value) {
    (Arc::from(proto.key.as_str()), proto.value.as_ref().map_or(Value::Nothing, Value::of))
}

pub(super) fn messages(pairs: Vec<(Arc<str>, Value)>) -> Vec<pb::KeyValue> {
    let one = |(key, value): (Arc<str>, Value)| pb::KeyValue {
        key: key.to_string(),
        value: Some(value.message()),
        ..pb::KeyValue::default()
    };
    pairs.into_iter().map(one).collect()
}
