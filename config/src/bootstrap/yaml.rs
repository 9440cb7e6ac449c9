//! YAML to JSON text, with the scalar rules that Envoy has (measured with the real binary): plain `yes`, `on`, `true` and the like are
//! bools, plain integers are numbers (`0x10` is 16, `010` is 8) up to what a double holds exactly, `~`, `null` and nothing are
//! null; all else, fractions and quoted scalars too, is a string, which protobuf-JSON reads as what the field is. Called for bootstrap files.
//!
//! What a key with the tag `!ignore` holds is left out and may be named by aliases, as in Envoy; merge keys (`<<`) are applied everywhere.
//! Aliases are written out again; the output's size is bounded, so that a few lines cannot grow into gigabytes.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

mod merge;

/// Octets of JSON that a file may become.
const MOST_OUTPUT: usize = 256 << 20;
const TOO_LARGE: &str = "aliases make the file too large";
/// Levels of nesting.
const DEEPEST: usize = 100;

/// The document as JSON text, empty when there is no document. An error is the parser's sentence with line and column.
pub(crate) fn to_json(text: &str) -> Result<String, String> {
    let mut writer = Writer::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let place = || format!("at line {} column {}", span.start.line(), span.start.col() + 1);
        writer.event(&event).map_err(|reason| format!("{reason} {}", place()))?;
    }
    Ok(writer.out)
}

#[derive(Default)]
struct Writer {
    out: String,
    open: Vec<Container>,
    /// The text of each anchored value.
    anchors: HashMap<usize, String>,
    /// Octets in them.
    anchored: usize,
    documents: usize,
}

struct Container {
    kind: Kind,
    /// Values and keys so far.
    items: usize,
    anchor: usize,
    start: usize,
    /// Where the last pair of a mapping begins, its comma included.
    pair: usize,
    /// The keys so far, as they were written out.
    keys: HashSet<String>,
    /// What becomes of the pair that is open.
    fate: Fate,
    /// What is merged in when it ends.
    merged: Vec<String>,
}

#[derive(PartialEq, Clone, Copy)]
enum Fate {
    Stays,
    /// `!ignore`.
    Goes,
    /// `<<`.
    IsMerged,
}

#[derive(PartialEq, Clone, Copy)]
enum Kind {
    List,
    Object,
}

impl Writer {
    fn event(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document begins; give one".to_owned());
                }
            }
            Event::Alias(anchor) => {
                let start = self.before_value()?;
                let copy = self.anchors.get(anchor).ok_or("an alias names a value that is not finished")?;
                if self.is_key() && !copy.starts_with('"') {
                    return Err("an alias of something else than a scalar is a key".to_owned());
                }
                self.out.push_str(copy);
                self.after_value(0, start)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let start = self.before_value()?;
                let is_key = self.is_key();
                if is_key && let Some(open) = self.open.last_mut() {
                    open.fate = match tag {
                        Some(tag) if is_local(tag, "ignore") => Fate::Goes,
                        None if *style == ScalarStyle::Plain && text == "<<" => Fate::IsMerged,
                        _ => Fate::Stays,
                    };
                }
                // A tag says nothing but that quotes do not count; `!` alone says that it is a string.
                let is_text = tag.as_ref().map_or(*style != ScalarStyle::Plain, |tag| is_local(tag, ""));
                if is_key || is_text {
                    push_string(&mut self.out, text)
                } else {
                    push_plain(&mut self.out, text)
                }
                self.after_value(*anchor, start)?;
            }
            Event::SequenceStart(anchor, _) => self.begin(Kind::List, *anchor)?,
            Event::MappingStart(anchor, _) => self.begin(Kind::Object, *anchor)?,
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, kind: Kind, anchor: usize) -> Result<(), String> {
        let start = self.before_value()?;
        if self.is_key() {
            return Err("a list or mapping is a key".to_owned());
        }
        if self.open.len() >= DEEPEST {
            return Err("the file is nested too deeply".to_owned());
        }
        self.out.push(if kind == Kind::List { '[' } else { '{' });
        let (pair, fate, merged) = (start, Fate::Stays, Vec::new());
        self.open.push(Container { kind, items: 0, anchor, start, pair, keys: HashSet::new(), fate, merged });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(container) = self.open.pop() else { return Err("a value ends that never began".to_owned()) };
        self.out.push(if container.kind == Kind::List { ']' } else { '}' });
        if !container.merged.is_empty() {
            let whole = merge::over(&self.out[container.start..], &container.merged)?;
            self.out.truncate(container.start);
            self.out.push_str(&whole);
        }
        self.after_value(container.anchor, container.start)
    }

    /// Whether the value that comes is a key of the open mapping.
    fn is_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.kind == Kind::Object && open.items % 2 == 0)
    }

    /// Writes what separates the value from the one before; returns where the value begins.
    fn before_value(&mut self) -> Result<usize, String> {
        if self.out.len() > MOST_OUTPUT {
            return Err(TOO_LARGE.to_owned());
        }
        if let Some(open) = self.open.last_mut() {
            if open.items.is_multiple_of(2) {
                open.pair = self.out.len();
            }
            match (open.kind, open.items) {
                (_, 0) => {}
                (Kind::Object, items) if items % 2 == 1 => self.out.push(':'),
                _ => self.out.push(','),
            }
        }
        Ok(self.out.len())
    }

    fn after_value(&mut self, anchor: usize, start: usize) -> Result<(), String> {
        if anchor != 0 {
            self.anchored += self.out.len() - start;
            if self.anchored > MOST_OUTPUT {
                return Err(TOO_LARGE.to_owned());
            }
            self.anchors.insert(anchor, self.out[start..].to_owned());
        }
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        let is_value = open.kind == Kind::Object && !open.items.is_multiple_of(2);
        let key = &self.out[start..];
        // What is left out, or merged in, may be there more than once.
        if open.kind == Kind::Object && !is_value && open.fate == Fate::Stays && !open.keys.insert(key.to_owned()) {
            return Err(format!("the key {} is there twice", crate::discreet::shown(key)));
        }
        let is_mergeable = || matches!(self.out.as_bytes().get(start), Some(b'{' | b'['));
        match std::mem::replace(&mut open.fate, Fate::Stays) {
            fate if !is_value => open.fate = fate,
            // The pair has never been.
            Fate::IsMerged if is_mergeable() => {
                open.merged.push(self.out[start..].to_owned());
                self.out.truncate(open.pair);
                open.items -= 1;
                return Ok(());
            }
            Fate::Goes => {
                self.out.truncate(open.pair);
                open.items -= 1;
                return Ok(());
            }
            Fate::Stays | Fate::IsMerged => {}
        }
        open.items += 1;
        Ok(())
    }
}

/// Whether it is `!name`.
fn is_local(tag: &Tag, name: &str) -> bool {
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", suffix) => suffix == name,
        ("", suffix) => suffix.strip_prefix('!') == Some(name),
        _ => false,
    }
}

fn push_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn push_plain(out: &mut String, text: &str) {
    const EXACT: i64 = 1 << 53;
    if let Some(value) = as_bool(text) {
        out.push_str(if value { "true" } else { "false" });
    } else if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        out.push_str("null");
    } else {
        match as_integer(text) {
            Some(value) if value.abs() <= EXACT => out.push_str(&value.to_string()),
            Some(value) => push_string(out, &value.to_string()),
            None => push_string(out, text),
        }
    }
}

/// YAML 1.1's bools: all lower case, all upper case, or with a capital.
fn as_bool(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let rest = text.get(1..).unwrap_or_default();
    let regular =
        text == lower || text == text.to_ascii_uppercase() || rest.bytes().all(|byte| byte.is_ascii_lowercase());
    match lower.as_str() {
        "y" | "yes" | "true" | "on" if regular => Some(true),
        "n" | "no" | "false" | "off" if regular => Some(false),
        _ => None,
    }
}

/// An integer as C++ streams read it: hexadecimal after `0x`, octal after `0`.
fn as_integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        None => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests;
