//! Envoy's format language: writes a parsed format for a stream. Used by access logs and for header values with `%COMMAND%`s.
//! It never fails and never allocates but to grow the output: what is not known prints `-`.

use config::access_log::{Format, Part};

use super::access_log::LogEntry;

/// Appends the formatted entry.
pub fn write(format: &Format, _entry: &LogEntry<'_>, out: &mut Vec<u8>) {
    for part in &format.parts {
        match part {
            Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Part::Operator { .. } if format.omit_empty => {}
            Part::Operator { .. } => out.push(b'-'),
        }
    }
}
