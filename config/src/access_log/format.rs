//! Parses Envoy's format language. Called for access logs and for header values that configuration adds.
//!
//! `%COMMAND%`, `%COMMAND(parameters)%`, each with `:Z` before the last `%` where the command has a length; `%%` is one `%`.

use std::sync::Arc;

use super::operator::{self, Arguments, Formatters};
use super::{Format, Part};

/// What Envoy writes when a file access log has no format of its own.
pub const DEFAULT: &str = "[%START_TIME%] \"%REQUEST_HEADER(:METHOD)% %REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESPONSE_HEADER(X-ENVOY-UPSTREAM-SERVICE-TIME)% \
    \"%REQUEST_HEADER(X-FORWARDED-FOR)%\" \"%REQUEST_HEADER(USER-AGENT)%\" \"%REQUEST_HEADER(X-REQUEST-ID)%\" \
    \"%REQUEST_HEADER(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// Parses a format string. An error is one sentence.
pub fn parse(text: &str) -> Result<Format, String> {
    parse_with(text, Formatters::default())
}

/// The same, with formatters.
pub(super) fn parse_with(text: &str, formatters: Formatters<'_>) -> Result<Format, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(percent) = rest.find('%') {
        literal.push_str(&rest[..percent]);
        rest = &rest[percent..];
        if let Some(after) = rest.strip_prefix("%%") {
            literal.push('%');
            rest = after;
            continue;
        }
        let Some((command, after)) = command(rest) else {
            let position = text.len() - rest.len();
            // Without the text: it may be the value of a header, and a secret.
            return Err(format!(
                "Incorrect configuration. Couldn't find valid command at position {position}; write %% for a percent sign"
            ));
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(Arc::from(std::mem::take(&mut literal))));
        }
        let arguments = Arguments { parameters: command.parameters, limit: command.limit, formatters };
        parts.push(Part::Operator { operator: operator::parse(command.name, &arguments)?, limit: command.limit });
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(Arc::from(literal)));
    }
    Ok(Format { parts, omit_empty: false })
}

struct Command<'a> {
    name: &'a str,
    parameters: Option<&'a str>,
    limit: Option<usize>,
}

/// The command at the start of `text`, which begins with `%`, and what follows it.
fn command(text: &str) -> Option<(Command<'_>, &str)> {
    let text = &text[1..];
    let end = text.find(|char: char| !(char.is_ascii_uppercase() || char.is_ascii_digit() || char == '_'))?;
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    let Some(after) = rest.strip_prefix('(') else {
        return end_of(rest).map(|(limit, rest)| (Command { name, parameters: None, limit }, rest));
    };
    // As in Envoy: up to the first parenthesis with which the command could end.
    after.match_indices(')').find_map(|(at, _)| {
        let (limit, rest) = end_of(&after[at + 1..])?;
        Some((Command { name, parameters: Some(&after[..at]), limit }, rest))
    })
}

/// `%`, perhaps behind a length; and what follows.
fn end_of(text: &str) -> Option<(Option<usize>, &str)> {
    let Some(after) = text.strip_prefix(':') else { return text.strip_prefix('%').map(|rest| (None, rest)) };
    let end = after.find(|char: char| !char.is_ascii_digit())?;
    let rest = after[end..].strip_prefix('%')?;
    Some((Some(after[..end].parse().ok()?), rest))
}
