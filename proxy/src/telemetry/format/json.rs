//! `json_format`: one object a line, keys sorted, numbers as numbers, what is not known as `null` (or, with `omit_empty_values`, not there
//! at all).

use std::sync::Arc;

use config::access_log::{Format, JsonFormat, Operator, Part};

use super::value::{self, Written};
use crate::telemetry::access_log::LogEntry;

/// A JSON format made ready: all that does not change is text already.
pub struct JsonLine(Node);

enum Node {
    /// A constant, quoted and escaped.
    Constant(Vec<u8>),
    /// A value that is one operator: keeps its type.
    Single {
        operator: Operator,
        limit: Option<usize>,
        omit_empty: bool,
    },
    /// A string of several parts.
    Mixed(Format),
    /// Keys are `"key":` already.
    Object(Vec<(Vec<u8>, Node)>),
    List(Vec<Node>),
}

impl JsonLine {
    /// Of a configured object.
    pub fn compile(fields: &[(Arc<str>, JsonFormat)]) -> JsonLine {
        JsonLine(object(fields))
    }
}

/// Whether it prints moments that are only kept where somebody wants them.
pub fn json_wants_times(format: &JsonFormat) -> bool {
    match format {
        JsonFormat::Object(fields) => fields.iter().any(|(_, format)| json_wants_times(format)),
        JsonFormat::List(items) => items.iter().any(json_wants_times),
        JsonFormat::Value(format) => super::wants_times(format),
        JsonFormat::Constant(_) => false,
    }
}

/// Appends the line with its end.
pub fn write_line(line: &JsonLine, entry: &LogEntry<'_>, out: &mut Vec<u8>) {
    if !write(&line.0, entry, out) {
        out.extend_from_slice(b"{}");
    }
    out.push(b'\n');
}

/// Appends the value; false (and nothing appended) when it is left out.
fn write(node: &Node, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> bool {
    match node {
        Node::Constant(text) => out.extend_from_slice(text),
        Node::Single { operator, limit, omit_empty } => return single(operator, *limit, *omit_empty, entry, out),
        Node::Mixed(format) => {
            out.push(b'"');
            let start = out.len();
            super::write(format, entry, out);
            escape_from(out, start);
            out.push(b'"');
        }
        Node::Object(fields) => return fields_of(fields, entry, out),
        Node::List(items) => {
            out.push(b'[');
            let start = out.len();
            for item in items {
                let before = out.len();
                if before > start {
                    out.push(b',');
                }
                if !write(item, entry, out) {
                    out.truncate(before);
                }
            }
            out.push(b']');
        }
    }
    true
}

/// An object of which everything is left out is left out itself.
fn fields_of(fields: &[(Vec<u8>, Node)], entry: &LogEntry<'_>, out: &mut Vec<u8>) -> bool {
    let opening = out.len();
    out.push(b'{');
    let start = out.len();
    for (key, value) in fields {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        out.extend_from_slice(key);
        if !write(value, entry, out) {
            out.truncate(before);
        }
    }
    if out.len() == start && !fields.is_empty() {
        out.truncate(opening);
        return false;
    }
    out.push(b'}');
    true
}

fn single(
    operator: &Operator,
    limit: Option<usize>,
    omit_empty: bool,
    entry: &LogEntry<'_>,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let written = match operator {
        Operator::Calculated(value) if value.typed => value::calculated_json(value, limit, entry, out),
        operator => value::write(operator, entry, out),
    };
    match written {
        Written::Absent if omit_empty => return false,
        Written::Absent => out.extend_from_slice(b"null"),
        Written::Number | Written::Json => {}
        Written::Text => {
            if let Some(limit) = limit {
                out.truncate(start + limit);
            }
            out.insert(start, b'"');
            escape_from(out, start + 1);
            out.push(b'"');
        }
    }
    true
}

fn object(fields: &[(Arc<str>, JsonFormat)]) -> Node {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    let field = |(key, format): &(Arc<str>, JsonFormat)| {
        let mut key = quoted(key);
        key.push(b':');
        (key, compile(format))
    };
    Node::Object(sorted.into_iter().map(field).collect())
}

fn compile(format: &JsonFormat) -> Node {
    match format {
        JsonFormat::Object(fields) => object(fields),
        JsonFormat::List(items) => Node::List(items.iter().map(compile).collect()),
        JsonFormat::Constant(value) => Node::Constant(value.to_string().into_bytes()),
        JsonFormat::Value(format) => {
            let mut format = format.clone();
            super::settle(&mut format);
            match format.parts.as_slice() {
                [Part::Operator { operator, limit }] => {
                    Node::Single { operator: operator.clone(), limit: *limit, omit_empty: format.omit_empty }
                }
                parts if parts.iter().all(|part| matches!(part, Part::Literal(_))) => {
                    Node::Constant(quoted(&parts.iter().map(literal).collect::<String>()))
                }
                _ => Node::Mixed(format),
            }
        }
    }
}

fn literal(part: &Part) -> &str {
    match part {
        Part::Literal(text) => text,
        Part::Operator { .. } => "",
    }
}

fn quoted(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

/// Makes the tail of `out` the inside of a JSON string. Where it is not UTF-8, each octet is written as the character of that number, as
/// Envoy does.
fn escape_from(out: &mut Vec<u8>, start: usize) {
    let harmless = |byte: &u8| *byte >= 0x20 && *byte < 0x80 && *byte != b'"' && *byte != b'\\';
    if out[start..].iter().all(harmless) {
        return;
    }
    let tail = out.split_off(start);
    if let Ok(text) = std::str::from_utf8(&tail) {
        let quoted = quoted(text);
        out.extend_from_slice(&quoted[1..quoted.len() - 1]);
        return;
    }
    for byte in tail {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x20..0x80 => out.push(byte),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
}
