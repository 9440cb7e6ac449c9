//! Regular expressions that were written for RE2, given to Rust's engine: the same syntax but for two corners.

use regex::Regex;

/// Compiles for a partial match. The error is one line that repeats the expression.
pub fn re2(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).or_else(|_| Regex::new(&translate(pattern))).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{reason}: {pattern}")
    })
}

/// `\Q…\E` quotes; a brace that begins no repetition is only a brace.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let (text, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            out.push_str(&regex::escape(text));
            rest = after;
        } else if next == '\\' {
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            if next == '{' && !is_repetition(rest) {
                out.push('\\');
            }
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

/// `{2}`, `{2,}` or `{2,3}`.
fn is_repetition(text: &str) -> bool {
    let Some((inside, _)) = text[1..].split_once('}') else { return false };
    let (low, high) = inside.split_once(',').unwrap_or((inside, ""));
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !low.is_empty() && number(low) && number(high)
}
