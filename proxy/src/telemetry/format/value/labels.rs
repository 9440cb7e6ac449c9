//! What configuration and filters say of a request: metadata, filter state, names of hosts.

use std::sync::Arc;

use config::access_log::{MetadataOf, StateFormat};
use config::matcher::octets;
use config::metadata::Metadata;
use serde_json::Value;

use super::{Written, some, text};
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::dynamic::Form;
use crate::telemetry::stream_info::StreamInfo;

/// What stands at the end of a path of keys. Objects, lists and numbers are JSON; texts are text.
pub fn metadata(
    of: MetadataOf,
    namespace: &str,
    keys: &[Arc<str>],
    entry: &LogEntry<'_>,
    out: &mut Vec<u8>,
) -> Written {
    let info = entry.info;
    let labels = |metadata: Option<&Metadata>, out: &mut Vec<u8>| {
        let found = metadata.and_then(|metadata| metadata.of_filter(namespace));
        value(keys.iter().try_fold(found, |value, key| Some(value?.get(&**key))).flatten(), out)
    };
    match of {
        MetadataOf::Request => {
            let path = || keys.iter().map(|key| &**key);
            let of_connection = info.connection.metadata.borrow();
            value(info.metadata.at(namespace, path()).or_else(|| of_connection.at(namespace, path())), out)
        }
        MetadataOf::Cluster => labels(info.upstream_labels[0].as_ref().map(|cluster| &**cluster.metadata()), out),
        MetadataOf::Endpoint => labels(info.upstream_labels[1].as_ref().map(|host| &**host.metadata()), out),
        MetadataOf::Route => labels(entry.more.route, out),
        MetadataOf::VirtualHost => labels(entry.more.virtual_host, out),
        MetadataOf::Listener => labels(info.connection.labels[0].as_deref(), out),
        MetadataOf::FilterChain => labels(info.connection.labels[1].as_deref(), out),
    }
}

fn value(value: Option<&Value>, out: &mut Vec<u8>) -> Written {
    match value {
        None | Some(Value::Null) => Written::Absent,
        Some(Value::String(value)) => text(Some(&octets::of_text(value)), out),
        Some(Value::Number(number)) => {
            // As protobuf has it, a number is a double: whole ones print without a fraction.
            let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 9e15);
            match whole {
                Some(whole) => out.extend_from_slice((whole as i64).to_string().as_bytes()),
                None => out.extend_from_slice(number.to_string().as_bytes()),
            }
            Written::Json
        }
        Some(other) => {
            out.extend_from_slice(other.to_string().as_bytes());
            Written::Json
        }
    }
}

/// An object of the filter state: of the request, else of the connection.
pub fn filter_state(key: &str, format: &StateFormat, info: &StreamInfo, out: &mut Vec<u8>) -> Written {
    let of_connection = info.connection.filter_state.borrow();
    let Some(object) = info.filter_state.get(key).or_else(|| of_connection.get(key)) else { return Written::Absent };
    match (format, &object.form) {
        (
            StateFormat::Plain,
            Form::Text
            | Form::Plain
            | Form::Message(_)
            | Form::Fields(_)
            | Form::Decision(_)
            | Form::Messages
            | Form::Address(_),
        ) => text(Some(&object.value), out),
        (StateFormat::Typed, Form::Text) => json(&Value::from(String::from_utf8_lossy(&object.value)), out),
        (StateFormat::Typed, Form::Json) => {
            out.extend_from_slice(&object.value);
            Written::Json
        }
        (StateFormat::Typed, Form::Measured(_)) if !object.value.is_empty() => {
            out.extend_from_slice(&object.value);
            Written::Json
        }
        (StateFormat::Field(name), Form::Measured(fields)) => {
            let Some((_, value)) = fields.iter().find(|(field, _)| *field == &**name) else { return Written::Absent };
            out.extend_from_slice(value.to_string().as_bytes());
            Written::Number
        }
        (StateFormat::Typed, Form::Message(value)) => {
            let any = serde_json::json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": **value });
            json(&any, out)
        }
        (StateFormat::Typed, Form::Fields(value)) => json(value, out),
        (StateFormat::Typed, Form::Messages) => {
            messages(&object.value, out);
            Written::Json
        }
        (StateFormat::Typed, Form::Decision(json)) => {
            out.extend_from_slice(json.as_bytes());
            Written::Json
        }
        (StateFormat::Field(name), Form::Decision(_)) => {
            let decision: Value = serde_json::from_slice(&object.value).unwrap_or_default();
            value(decision.get(&**name).filter(|value| !value.is_array()), out)
        }
        (StateFormat::Field(name), Form::Fields(value)) => {
            text(value.get(&**name).and_then(Value::as_str).map(str::as_bytes), out)
        }
        (StateFormat::Field(name), Form::Address(address)) => match &**name {
            "ip" => text(Some(address.ip().to_string().as_bytes()), out),
            "port" => {
                out.extend_from_slice(address.port().to_string().as_bytes());
                Written::Number
            }
            _ => Written::Absent,
        },
        (StateFormat::Field(_) | StateFormat::Plain | StateFormat::Typed, _) => Written::Absent,
    }
}

fn json(value: &Value, out: &mut Vec<u8>) -> Written {
    out.extend_from_slice(value.to_string().as_bytes());
    Written::Json
}

/// What `grpc_stats` has counted: numbers that are not 0, as text, for they have 64 bits.
fn messages(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    let counts = value.split(|octet| *octet == b',').zip([&b"request"[..], b"response"]);
    for (count, way) in counts.filter(|(count, _)| *count != b"0") {
        let comma = if out.ends_with(b"{") { &b"\""[..] } else { b",\"" };
        [comma, way, b"MessageCount\":\"", count, b"\""].iter().for_each(|piece| out.extend_from_slice(piece));
    }
    out.push(b'}');
}

/// The endpoint's host name, else its address.
pub fn host_name(info: &StreamInfo, port: bool, out: &mut Vec<u8>) -> Written {
    let name = info.upstream_labels[1].as_ref().map(|host| host.hostname()).filter(|name| !name.is_empty());
    let Some(name) = name.or(info.upstream_host.as_deref()) else { return Written::Absent };
    let name = if port { name } else { without_port(name) };
    some(Some(name), out)
}

fn without_port(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) && !host.ends_with(':') => {
            host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
        }
        _ => name,
    }
}
