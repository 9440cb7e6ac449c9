//! Envoy's format language: writes a parsed format for a stream. Used by access logs and for header values with `%COMMAND%`s.
//!
//! It never fails, and allocates only to grow the output: what is not known prints `-`.

use config::access_log::{Format, Operator, Part, TimePoint};
use config::cel::{Attribute, Expr};

use super::access_log::LogEntry;

mod json;
mod value;

pub use json::{JsonLine, json_wants_times, write_line};
use value::Written;
pub use value::{request_header, server_name, wire_octets};

/// Appends the formatted entry.
pub fn write(format: &Format, entry: &LogEntry<'_>, out: &mut Vec<u8>) {
    for part in &format.parts {
        match part {
            Part::Literal(text) => literal(text.as_bytes(), out),
            Part::Operator { operator, limit } => {
                // Whatever stands for nothing is not cut.
                if limited(operator, *limit, entry, out) == Written::Absent && !format.omit_empty {
                    out.push(b'-');
                }
            }
        }
    }
}

/// Appends what stands between operators: mostly a blank, or two quotes, which cost less one by one than as a text of any length.
fn literal(text: &[u8], out: &mut Vec<u8>) {
    match *text {
        [one] => out.push(one),
        [one, two] => out.extend_from_slice(&[one, two]),
        [one, two, three] => out.extend_from_slice(&[one, two, three]),
        _ => out.extend_from_slice(text),
    }
}

/// Appends the value of an operator, cut to its length.
fn limited(operator: &Operator, limit: Option<usize>, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    let start = out.len();
    let written = value::write(operator, entry, out);
    if let Some(limit) = limit {
        out.truncate(start + limit);
    }
    written
}

/// What an operator says, where it says something.
pub fn value(operator: &Operator, entry: &LogEntry<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    (value::write(operator, entry, &mut out) != Written::Absent).then_some(out)
}

/// The same as text.
pub fn text(operator: &Operator, entry: &LogEntry<'_>) -> String {
    value(operator, entry).map(|octets| config::services::sanitized(&octets)).unwrap_or_default()
}

/// Whether it prints moments that are only kept where somebody wants them.
pub fn wants_times(format: &Format) -> bool {
    format.parts.iter().any(|part| match part {
        Part::Literal(_) => false,
        Part::Operator { operator, .. } => operator_wants_times(operator),
    })
}

/// Whether it prints the hosts that were tried.
pub fn tells_of_attempts(format: &Format) -> bool {
    format.parts.iter().any(|part| match part {
        Part::Operator { operator: Operator::Attempted(_), .. } => true,
        Part::Operator { operator: Operator::Coalesce(parts), .. } => parts.iter().any(is_of_attempts),
        _ => false,
    })
}

fn is_of_attempts(part: &Part) -> bool {
    matches!(part, Part::Operator { operator: Operator::Attempted(_), .. })
}

/// As [`wants_times`], of an expression.
pub fn expression_wants_times(expression: &Expr) -> bool {
    expression.asks(&|attribute| matches!(attribute, Attribute::BackendLatency | Attribute::UpstreamPoolReady))
}

fn operator_wants_times(operator: &Operator) -> bool {
    match operator {
        Operator::RequestTxDuration
        | Operator::UpstreamPoolReadyDuration
        | Operator::WireBytes(_)
        | Operator::Attempted(_) => true,
        Operator::CommonDuration(from, to, _) => is_kept_if_wanted(*from) || is_kept_if_wanted(*to),
        Operator::Calculated(value) => expression_wants_times(&value.expression),
        Operator::Coalesce(parts) => parts.iter().any(|part| match part {
            Part::Literal(_) => false,
            Part::Operator { operator, .. } => operator_wants_times(operator),
        }),
        _ => false,
    }
}

fn is_kept_if_wanted(point: TimePoint) -> bool {
    match point {
        TimePoint::UploadBegins
        | TimePoint::UploadEnds
        | TimePoint::ResponseBodyBegins
        | TimePoint::ResponseEnds
        | TimePoint::DownloadBegins => true,
        TimePoint::RequestBegins
        | TimePoint::RequestEnds
        | TimePoint::ConnectBegins
        | TimePoint::ConnectEnds
        | TimePoint::HandshakeEnds
        | TimePoint::ResponseBegins
        | TimePoint::DownloadEnds
        | TimePoint::Never => false,
    }
}

/// Replaces operators whose value never changes (`HOSTNAME`, `ENVIRONMENT`) by their text. Call it once, when configuration arrives.
pub fn settle(format: &mut Format) {
    for part in &mut format.parts {
        let Part::Operator { operator, limit } = part else { continue };
        let text = match operator {
            Operator::Hostname => Some(value::hostname()),
            Operator::Environment(name) => std::env::var(&**name).ok(),
            _ => None,
        };
        if let Some(mut text) = text {
            if let Some(limit) = limit {
                while text.len() > *limit {
                    text.pop();
                }
            }
            *part = Part::Literal(text.into());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
