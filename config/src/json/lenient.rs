//! Makes strict JSON of what Envoy's lenient parser takes: a comma behind the last element. Called on bootstrap files; the
//! agent's template leaves such commas. Positions stay as they were, so that the parser's line and column are the file's.

use std::borrow::Cow;

/// The text with each trailing comma replaced by a space: one that follows a value and stands before `}` or `]`. Any other comma is
/// the parser's to refuse.
pub(crate) fn without_trailing_commas(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut commas = Vec::new();
    let mut last_comma = None;
    let mut after_value = false;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                (last_comma, after_value) = (None, true);
                at = end_of_string(bytes, at);
                continue;
            }
            b',' => (last_comma, after_value) = (after_value.then_some(at), false),
            b']' | b'}' => {
                commas.extend(last_comma.take());
                after_value = true;
            }
            b'[' | b'{' | b':' => (last_comma, after_value) = (None, false),
            byte if byte.is_ascii_whitespace() => {}
            _ => (last_comma, after_value) = (None, true),
        }
        at += 1;
    }
    if commas.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for comma in commas {
        out.push_str(&text[start..comma]);
        out.push(' ');
        start = comma + 1;
    }
    out.push_str(&text[start..]);
    Cow::Owned(out)
}

/// The place behind the closing quote of the string that opens at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}
