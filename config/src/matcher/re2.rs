//! RE2 patterns for the `regex` crate. Called wherever configuration holds a regular expression.
//!
//! Both engines run in linear time; their syntaxes differ in corners. Here each corner is rewritten so that a pattern means
//! what it means to RE2: `\d \w \s \b` are ASCII, `{` that begins no repetition and `[` inside a class are literals, `&&`,
//! `--` and `~~` inside a class are no set operators, `\Q…\E` quotes, `\<` and `\>` are literals. Parentheses are counted, so
//! that a pattern can never leave the group that anchors it. A pattern that compiles to something large is refused: it comes
//! from the control plane and is paid for by every worker.

use regex::bytes::{Regex, RegexBuilder};

/// Octets of compiled program that one pattern may take.
const MOST_PROGRAM: usize = 1 << 20;
/// Octets of lazy automaton that one pattern may keep for each thread.
const MOST_CACHE: usize = 1 << 18;
/// Octets of pattern.
const MOST_PATTERN: usize = 16 << 10;

/// The pattern must match the whole value (RE2's `FullMatch`).
pub(crate) fn full_match(pattern: &str) -> Result<Regex, String> {
    compile(&format!(r"\A(?:{})\z", translate(pattern)?))
}

/// The pattern may match anywhere (RE2's `PartialMatch` and `Replace`).
pub(crate) fn partial_match(pattern: &str) -> Result<Regex, String> {
    compile(&translate(pattern)?)
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

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(MOST_PROGRAM).dfa_size_limit(MOST_CACHE).nest_limit(200).build().map_err(
        |error| match error {
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
        },
    )
}

fn translate(pattern: &str) -> Result<String, String> {
    if pattern.len() > MOST_PATTERN {
        return Err(format!("the regular expression is longer than {MOST_PATTERN} octets"));
    }
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut depth = 0_usize;
    while let Some(char) = rest.chars().next() {
        match char {
            '\\' => rest = escape(rest, false, &mut out)?,
            '[' => rest = class(rest, &mut out)?,
            '{' => {
                out.push_str(if repetition(rest) { "{" } else { r"\{" });
                rest = &rest[1..];
            }
            '(' | ')' => {
                depth = if char == '(' {
                    depth + 1
                } else {
                    depth.checked_sub(1).ok_or("not a regular expression: unexpected )")?
                };
                if rest.starts_with("(?x") || rest.starts_with("(?R") || rest.starts_with("(?u") {
                    return Err("not a regular expression: invalid perl operator".to_owned());
                }
                out.push(char);
                rest = &rest[1..];
            }
            _ => {
                out.push(char);
                rest = &rest[char.len_utf8()..];
            }
        }
    }
    if depth == 0 { Ok(out) } else { Err("not a regular expression: missing )".to_owned()) }
}

/// Whether `{…` is a repetition: `{n}`, `{n,}` or `{n,m}`.
fn repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest[1..].split_once('}') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        None => !inside.is_empty() && digits(inside),
        Some((low, high)) => !low.is_empty() && digits(low) && digits(high),
    }
}

/// One escape, inside or outside a class. Returns what follows it.
fn escape<'a>(rest: &'a str, in_class: bool, out: &mut String) -> Result<&'a str, String> {
    let after = &rest[1..];
    let Some(char) = after.chars().next() else { return Err(r"not a regular expression: trailing \".to_owned()) };
    let next = &after[char.len_utf8()..];
    let (set, negated) = match char.to_ascii_lowercase() {
        'd' => ("0-9", char == 'D'),
        'w' => ("0-9A-Za-z_", char == 'W'),
        's' => (r"\t\n\x0c\r\x20", char == 'S'),
        _ => ("", false),
    };
    if !set.is_empty() {
        match (in_class, negated) {
            (true, false) => out.push_str(set),
            (_, true) => out.extend(["[^", set, "]"]),
            (false, false) => out.extend(["[", set, "]"]),
        }
        return Ok(next);
    }
    match char {
        'b' if !in_class => out.push_str(r"(?-u:\b)"),
        // Not ASCII's \B: that could split a character, which the crate refuses outside byte mode.
        'Q' if !in_class => {
            let (quoted, after) = next.split_once(r"\E").unwrap_or((next, ""));
            out.push_str(&regex::escape(quoted));
            return Ok(after);
        }
        'x' | 'p' | 'P' if next.starts_with('{') => {
            let Some(end) = next.find('}') else { return Err("not a regular expression: missing }".to_owned()) };
            out.extend(["\\", char.encode_utf8(&mut [0; 4]), &next[..=end]]);
            return Ok(&next[end + 1..]);
        }
        'C' => return Err(r"not a regular expression: \C is not supported".to_owned()),
        '<' | '>' => out.push(char),
        _ => out.extend(["\\", char.encode_utf8(&mut [0; 4])]),
    }
    Ok(next)
}

/// A bracketed class, from `[` to its `]`. Returns what follows it.
fn class<'a>(rest: &'a str, out: &mut String) -> Result<&'a str, String> {
    out.push('[');
    let mut rest = &rest[1..];
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(']') {
        out.push_str(r"\]");
        rest = after;
    }
    let start = rest;
    while let Some(char) = rest.chars().next() {
        let next = &rest[char.len_utf8()..];
        let first = rest.len() == start.len();
        match char {
            ']' => {
                out.push(']');
                return Ok(next);
            }
            '\\' => rest = escape(rest, true, out)?,
            '[' if next.starts_with(':') => {
                let Some(end) = next.find(":]") else { return Err("not a regular expression: missing ]".to_owned()) };
                out.push('[');
                out.push_str(&next[..end + 2]);
                rest = &next[end + 2..];
            }
            '[' | '&' | '~' => {
                out.extend(["\\", char.encode_utf8(&mut [0; 4])]);
                rest = next;
            }
            '-' if first => {
                out.push_str(r"\-");
                rest = next;
            }
            // A range that ends in '-'; the crate would see a difference of sets.
            '-' if next.starts_with('-') => {
                out.push_str(r"-\-");
                rest = &next[1..];
            }
            _ => {
                out.push(char);
                rest = next;
            }
        }
    }
    Err("not a regular expression: missing ]".to_owned())
}

#[cfg(test)]
mod tests;
