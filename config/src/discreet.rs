//! Messages repeat what a configuration says, and what stands in the wrong place may be a key or a token. Everything that makes
//! a message of such words passes them through here; what looks like a secret is not shown. Never called for a request.
//!
//! This is for what nobody could know to be a secret. Fields that Envoy's files mark sensitive are never repeated at all.

use std::borrow::Cow;
use std::ops::Range;

/// Stands where something was.
pub const HIDDEN: &str = "[not shown: it may be a secret]";

/// A text without what looks like PEM, a key, or a token.
pub fn shown(text: &str) -> Cow<'_, str> {
    let Some(found) = suspicious(text) else { return Cow::Borrowed(text) };
    // A piece that is too short to be noticed belongs to its neighbour.
    let edge = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | ';');
    let start = text[..found.start].rfind(edge).map_or(0, |at| at + edge_length(text, at));
    let end = text[found.end..].find(edge).map_or(text.len(), |at| found.end + at);
    Cow::Owned(format!("{}{HIDDEN}{}", &text[..start], &text[end..]))
}

fn edge_length(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

/// From the first thing that looks like a secret to the last one.
fn suspicious(text: &str) -> Option<Range<usize>> {
    let mut found: Option<Range<usize>> = None;
    let mut add = |range: Range<usize>| {
        let start = found.as_ref().map_or(range.start, |found| found.start);
        found = Some(start..range.end);
    };
    let mut run = Run::default();
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        if letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=' | '_' | '-') {
            run.take(at, letter);
            continue;
        }
        if run.is_suspicious() || (run.is_no_word() && follows_scheme(&text[..run.start])) {
            add(run.start..at);
        }
        run = Run { start: at + letter.len_utf8(), ..Run::default() };
        if letter.is_control() {
            add(at..at + letter.len_utf8());
        }
    }
    found
}

/// What stands behind the name of a scheme is a credential (RFC 9110 section 11.4).
fn follows_scheme(before: &str) -> bool {
    let before = before.trim_end_matches([' ', '\t', ':', '=']);
    let ends_with = |scheme: &str| {
        let start = before.len().checked_sub(scheme.len());
        start.and_then(|start| before.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(scheme))
    };
    ["Bearer", "Basic", "Token"].into_iter().any(ends_with)
}

/// Letters of base64 in a row.
#[derive(Default)]
struct Run {
    start: usize,
    length: usize,
    /// Since the last `/`: most paths have no long steps.
    step: usize,
    longest_step: usize,
    dashes: usize,
    most_dashes: usize,
    kinds: [bool; 3],
}

impl Run {
    fn take(&mut self, at: usize, letter: char) {
        if self.length == 0 {
            self.start = at;
        }
        self.length += 1;
        self.step = if letter == '/' { 0 } else { self.step + 1 };
        self.longest_step = self.longest_step.max(self.step);
        self.dashes = if letter == '-' { self.dashes + 1 } else { 0 };
        self.most_dashes = self.most_dashes.max(self.dashes);
        let [upper, lower, digit] = &mut self.kinds;
        *upper |= letter.is_ascii_uppercase();
        *lower |= letter.is_ascii_lowercase();
        *digit |= letter.is_ascii_digit();
    }

    /// Too long, and too mixed, for one of a sentence.
    fn is_no_word(&self) -> bool {
        const SHORTEST: usize = 8;
        let [upper, _, digit] = self.kinds;
        self.length >= SHORTEST && (upper || digit)
    }

    fn is_suspicious(&self) -> bool {
        const LONGEST_STEP: usize = 23;
        const LONGEST: usize = 63;
        let long = self.longest_step > LONGEST_STEP || self.length > LONGEST;
        self.most_dashes >= 4 || (long && self.kinds == [true; 3])
    }
}

/// What a JSON parser says of a value, without the value.
pub(crate) fn of_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((found, expected)) => {
            let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
            format!("invalid type: {kind}, expected {expected}")
        }
        None => shown(&text).into_owned(),
    }
}

#[cfg(test)]
mod tests;
