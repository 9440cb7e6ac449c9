//! YAML as Envoy reads it, to JSON values. Called on bootstrap files and `--config-yaml`.
//!
//! Envoy's scalar rules are those of its YAML library: plain `yes`, `off`, `y` are booleans, whole numbers (also hex and octal) are numbers, all
//! else is text that the field's own type converts. Quoted scalars are always text. Nesting and alias expansion are bounded.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The first document of the text. The error has line and column.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0 };
    loop {
        match reader.next()? {
            Event::DocumentStart(_) => {
                let event = reader.next()?;
                return reader.node(event, 0);
            }
            Event::StreamEnd => return Ok(Value::Null),
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, Value>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(error.to_string()),
            None => Ok(Event::StreamEnd),
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err(format!("nested deeper than {DEEPEST} levels"));
        }
        self.count(1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                (if is_text { Value::String(text.into_owned()) } else { plain(&text) }, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => {
                let value =
                    self.anchors.get(&anchor).cloned().ok_or("an alias names an anchor that is not finished")?;
                self.count(size(&value))?;
                (value, 0)
            }
            _ => return Err("the document ends where a value should be".to_owned()),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, String> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(list)),
                event => list.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let mut fields = Map::new();
        loop {
            let key = match self.next()? {
                Event::MappingEnd => return Ok(Value::Object(fields)),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err("a mapping's key must be text".to_owned()),
            };
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            match (key.as_str(), value) {
                // `<<: *anchor` merges; what the mapping says itself wins.
                ("<<", Value::Object(merged)) => {
                    for (key, value) in merged {
                        fields.entry(key).or_insert(value);
                    }
                }
                (_, value) => drop(fields.insert(key, value)),
            }
        }
    }

    fn count(&mut self, more: usize) -> Result<(), String> {
        self.nodes += more;
        if self.nodes > MOST_NODES {
            Err(format!("more than {MOST_NODES} values after aliases are expanded"))
        } else {
            Ok(())
        }
    }
}

fn plain(text: &str) -> Value {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    if let Some(boolean) = boolean(text) {
        return Value::Bool(boolean);
    }
    match integer(text) {
        Some(number) if i32::try_from(number).is_ok() => Value::from(number),
        // Protobuf-JSON takes 64-bit numbers as text.
        Some(number) => Value::String(number.to_string()),
        None => Value::String(text.to_owned()),
    }
}

/// `y yes true on` and their opposites: lower case, upper case or capitalised.
fn boolean(text: &str) -> Option<bool> {
    let (first, rest) = text.split_at_checked(1)?;
    let is_flexible = rest.bytes().all(|letter| letter.is_ascii_lowercase())
        || (first.bytes().all(|letter| letter.is_ascii_uppercase())
            && rest.bytes().all(|letter| letter.is_ascii_uppercase()));
    if !is_flexible {
        return None;
    }
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Decimal, `0x` hexadecimal or `0` octal, with a sign.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(size).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
        _ => 1,
    }
}

/// Bounds on what a file may ask for.
const DEEPEST: usize = 100;
const MOST_NODES: usize = 10_000_000;

#[cfg(test)]
mod tests;
