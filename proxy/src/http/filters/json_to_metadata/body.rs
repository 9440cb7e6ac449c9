//! A body as Envoy's JSON library reads it. Called by the filter alone. Nothing here recurses with the body: its depth is a stranger's.
//!
//! A mark of the byte order counts for nothing, and an octet of zero is the end: who is judged by what is in the body must not hide it
//! behind either.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Arrays and objects inside each other.
const MOST_LEVELS: usize = 1000;

/// A value of the body, not taken apart yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'b>(&'b RawValue);

/// The members of an object.
pub(super) type Members<'b> = HashMap<String, &'b RawValue>;

impl<'b> Node<'b> {
    /// The whole body. `None`: it is no JSON.
    pub fn of(body: &'b [u8]) -> Option<Node<'b>> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let end = memchr::memchr(0, body).unwrap_or(body.len());
        let value: &RawValue = serde_json::from_slice(&body[..end]).ok()?;
        is_within_limits(value.get().as_bytes()).then_some(Node(value))
    }

    pub fn is_object(self) -> bool {
        self.0.get().starts_with('{')
    }

    pub fn is_array(self) -> bool {
        self.0.get().starts_with('[')
    }

    /// A member of it, if it is an object.
    pub fn get(self, key: &str) -> Option<Node<'b>> {
        if !self.is_object() {
            return None;
        }
        let members: Members<'b> = serde_json::from_str(self.0.get()).ok()?;
        members.get(key).copied().map(Node)
    }

    /// A text, number, truth value or null; `None`: it has parts.
    pub fn scalar(self) -> Option<Value> {
        if self.is_object() || self.is_array() { None } else { serde_json::from_str(self.0.get()).ok() }
    }
}

/// Of a text that is JSON: whether Envoy's library takes it as well.
fn is_within_limits(text: &[u8]) -> bool {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(octet) = text.get(at) {
        match octet {
            b'"' => match string(&text[at + 1..]) {
                Some(length) => at += length,
                None => return false,
            },
            b'[' | b'{' => {
                depth += 1;
                if depth > MOST_LEVELS {
                    return false;
                }
            }
            b']' | b'}' => depth -= 1,
            b'-' | b'0'..=b'9' => {
                let is_part = |octet: &u8| matches!(octet, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = text[at..].iter().position(|octet| !is_part(octet)).unwrap_or(text.len() - at);
                if !is_number(&text[at..at + length]) {
                    return false;
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    true
}

/// The octets of a string behind its first quotation mark, with the last one. `None`: half a surrogate stands alone.
fn string(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if text.get(at + 1) == Some(&b'u') => match unit(&text[at..])? {
                0xd800..=0xdbff => match unit(text.get(at + 6..)?)? {
                    0xdc00..=0xdfff => at += 12,
                    _ => return None,
                },
                0xdc00..=0xdfff => return None,
                _ => at += 6,
            },
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// `\uXXXX`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A whole number is one that 64 bits hold with a sign, or one that no 64 bits hold, which is taken for any other; what is between them
/// Envoy refuses.
fn is_number(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    match text.parse::<u64>() {
        Ok(number) => i64::try_from(number).is_ok(),
        Err(_) => text.parse::<f64>().is_ok_and(f64::is_finite),
    }
}

#[cfg(test)]
mod tests;
