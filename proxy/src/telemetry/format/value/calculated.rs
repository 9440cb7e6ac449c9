//! `%CEL(expression)%` and `%TYPED_CEL(expression)%`.

use config::access_log::Calculated;

use super::Written;
use crate::policy::cel::Expression;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::facts::Known;

/// Appends the value as a text.
pub fn text(value: &Calculated, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    match value.made(Expression::compile) {
        Some(expression) if expression.print(&Known::of(entry), out) => Written::Text,
        _ => Written::Absent,
    }
}

/// Appends the value with its type, if it is to keep that.
pub fn json(value: &Calculated, limit: Option<usize>, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    match value.made(Expression::compile) {
        Some(expression) if expression.print_json(&Known::of(entry), limit, out) => Written::Json,
        _ => Written::Absent,
    }
}
