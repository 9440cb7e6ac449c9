//! `json_format`: one object a line, keys sorted, numbers as numbers, what is not known as `null`.

use std::sync::Arc;

use config::access_log::{Format, JsonFormat, Part};

use super::value::{self, Written};
use crate::telemetry::access_log::LogEntry;

/// A JSON format made ready: all that does not change is text already.
pub struct JsonLine(Vec<Piece>);

enum Piece {
    /// Punctuation, keys, constants.
    Text(Vec<u8>),
    /// A value that is one operator: keeps its type.
    Single(Part, bool),
    /// A string of several parts.
    Mixed(Format),
}

impl JsonLine {
    /// Of a configured object. `settle` has been called on its formats by this.
    pub fn compile(fields: &[(Arc<str>, JsonFormat)]) -> JsonLine {
        let mut pieces = vec![Piece::Text(Vec::new())];
        object(fields, &mut pieces);
        constant(b"\n", &mut pieces);
        JsonLine(pieces)
    }
}

/// Appends the line with its end.
pub fn write_line(line: &JsonLine, entry: &LogEntry<'_>, out: &mut Vec<u8>) {
    for piece in &line.0 {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Single(part, omit_empty) => single(part, *omit_empty, entry, out),
            Piece::Mixed(format) => {
                out.push(b'"');
                let start = out.len();
                super::write(format, entry, out);
                escape_from(out, start);
                out.push(b'"');
            }
        }
    }
}

fn single(part: &Part, omit_empty: bool, entry: &LogEntry<'_>, out: &mut Vec<u8>) {
    let Part::Operator { operator, limit } = part else { return };
    let start = out.len();
    match value::write(operator, entry, out) {
        Written::Absent if omit_empty => out.extend_from_slice(b"\"\""),
        Written::Absent => out.extend_from_slice(b"null"),
        Written::Number => {}
        Written::Text => {
            if let Some(limit) = limit {
                out.truncate(start + limit);
            }
            out.insert(start, b'"');
            escape_from(out, start + 1);
            out.push(b'"');
        }
    }
}

fn object(fields: &[(Arc<str>, JsonFormat)], pieces: &mut Vec<Piece>) {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    constant(b"{", pieces);
    for (index, (key, format)) in sorted.into_iter().enumerate() {
        if index > 0 {
            constant(b",", pieces);
        }
        constant(serde_json::Value::from(&**key).to_string().as_bytes(), pieces);
        constant(b":", pieces);
        one(format, pieces);
    }
    constant(b"}", pieces);
}

fn one(format: &JsonFormat, pieces: &mut Vec<Piece>) {
    match format {
        JsonFormat::Object(fields) => object(fields, pieces),
        JsonFormat::List(items) => {
            constant(b"[", pieces);
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    constant(b",", pieces);
                }
                one(item, pieces);
            }
            constant(b"]", pieces);
        }
        JsonFormat::Constant(value) => constant(value.to_string().as_bytes(), pieces),
        JsonFormat::Value(format) => {
            let mut format = format.clone();
            super::settle(&mut format);
            match format.parts.as_slice() {
                [part @ Part::Operator { .. }] => pieces.push(Piece::Single(part.clone(), format.omit_empty)),
                parts if parts.iter().all(|part| matches!(part, Part::Literal(_))) => {
                    let text: String = parts.iter().map(literal).collect();
                    constant(serde_json::Value::from(text).to_string().as_bytes(), pieces);
                }
                _ => pieces.push(Piece::Mixed(format)),
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

fn constant(bytes: &[u8], pieces: &mut Vec<Piece>) {
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text.extend_from_slice(bytes),
        _ => pieces.push(Piece::Text(bytes.to_vec())),
    }
}

/// Makes the tail of `out` the inside of a JSON string. Bytes that are not UTF-8 become U+FFFD.
fn escape_from(out: &mut Vec<u8>, start: usize) {
    let harmless = |byte: &u8| *byte >= 0x20 && *byte < 0x80 && *byte != b'"' && *byte != b'\\';
    if out[start..].iter().all(harmless) {
        return;
    }
    let tail = out.split_off(start);
    let quoted = serde_json::Value::from(String::from_utf8_lossy(&tail)).to_string();
    out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
}
