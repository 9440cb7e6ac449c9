//! RE2 patterns for the `regex` crate. Called wherever configuration holds a regular expression.
//!
//! Envoy's RE2 runs over bytes, but for that of CEL: a pattern and a value are rows of octets, each a character of Latin-1, and letter case is ASCII's. So
//! everything is rewritten octet by octet for the crate's byte mode, and what RE2 refuses is refused here, in its words, before the
//! crate sees anything: the crate alone would take more (free spacing, stacked repetitions, sets of classes) and other things less.
//! Groups are counted, so that a pattern can never leave the group that anchors it. A pattern that compiles to something large is
//! refused: it comes from the control plane and is paid for by every worker.

use regex::bytes::{Regex, RegexBuilder};

mod classes;
mod syntax;

/// Octets of compiled program that one pattern may take.
const MOST_PROGRAM: usize = 1 << 20;
/// Octets of lazy automaton that one pattern may keep for each thread.
const MOST_CACHE: usize = 1 << 18;
/// Octets of pattern.
const MOST_PATTERN: usize = 16 << 10;

/// What patterns and values are rows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Characters {
    /// Octets, as in all of Envoy's own configuration.
    Latin1,
    /// What UTF-8 encodes, as in CEL; an octet that encodes nothing is matched by nothing.
    Unicode,
}

impl Characters {
    fn last(self) -> u32 {
        match self {
            Characters::Latin1 => 0xff,
            Characters::Unicode => 0x0010_ffff,
        }
    }
}

/// The pattern must match the whole value (RE2's `FullMatch`).
///
/// # Errors
/// RE2 has no such pattern, and why.
pub fn full_match(pattern: &str) -> Result<Regex, String> {
    compile(&format!(r"\A(?:{})\z", syntax::translate(pattern, Characters::Latin1)?), Characters::Latin1)
}

/// The pattern may match anywhere (RE2's `PartialMatch` and `Replace`).
pub(crate) fn partial_match(pattern: &str) -> Result<Regex, String> {
    compile(&syntax::translate(pattern, Characters::Latin1)?, Characters::Latin1)
}

/// The same of CEL's `matches`, which Envoy runs over UTF-8.
pub(crate) fn partial_match_of_text(pattern: &str) -> Result<Regex, String> {
    compile(&syntax::translate(pattern, Characters::Unicode)?, Characters::Unicode)
}

/// The same for who asks with a pattern, of the admin interface.
///
/// # Errors
/// RE2's words alone: there is no resource whose field is to blame.
pub fn asked(pattern: &str) -> Result<Regex, String> {
    let words = |reason: String| reason.strip_prefix("not a regular expression: ").map(str::to_owned).unwrap_or(reason);
    partial_match(pattern).map_err(words)
}

/// What RE2 makes of a replacement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Substitution {
    /// It names groups that exist.
    Valid,
    /// It names a group that does not exist: RE2 then replaces nothing.
    NoSuchGroup(usize),
}

/// Checks a replacement for `pattern`: `\0` to `\9` name groups, `\\` is a backslash, nothing else follows a backslash.
pub(crate) fn check_substitution(pattern: &Regex, substitution: &str) -> Result<Substitution, String> {
    let mut rest = substitution.chars();
    while let Some(char) = rest.next() {
        if char != '\\' {
            continue;
        }
        match rest.next() {
            Some('\\') => {}
            Some(digit @ '0'..='9') => {
                let group = digit as usize - '0' as usize;
                if group >= pattern.captures_len() {
                    return Ok(Substitution::NoSuchGroup(group));
                }
            }
            _ => return Err("a backslash must be followed by a digit or a backslash".to_owned()),
        }
    }
    Ok(Substitution::Valid)
}

fn compile(pattern: &str, of: Characters) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .unicode(of == Characters::Unicode)
        .size_limit(MOST_PROGRAM)
        .dfa_size_limit(MOST_CACHE)
        .nest_limit(200)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "the regular expression is too large when compiled; make its repetitions smaller".to_owned()
            }
            // The crate draws a picture over several lines; its last line says what is wrong.
            other => {
                let text = other.to_string();
                format!(
                    "not a regular expression: {}",
                    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
                )
            }
        })
}

#[cfg(test)]
mod tests;
