//! Which entries a log takes (`AccessLogFilter`), and which answers of our own a mapper changes.

use std::time::Instant;

use config::access_log::{Comparison, LogFilter};

use super::{LogEntry, format};
use crate::failure::ResponseFlags;
use crate::policy::cel::Expression;
use crate::policy::headers::HeaderMatchers;
use crate::telemetry::facts::Known;

/// A filter whose names are numbers already.
pub enum Filter {
    Flags(ResponseFlags),
    AnyFlag,
    Status(Comparison, u64),
    Duration(Comparison, u64),
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Header(HeaderMatchers),
    NotHealthCheck,
    Expression(Expression),
    All,
}

impl Filter {
    /// Makes a filter ready.
    pub fn compile(config: &LogFilter) -> Filter {
        match config {
            LogFilter::ResponseFlags(names) if names.is_empty() => Filter::AnyFlag,
            LogFilter::ResponseFlags(names) => {
                let mut flags = ResponseFlags::NONE;
                for (flag, short, _) in ResponseFlags::ALL {
                    if names.iter().any(|name| **name == **short) {
                        flags.set(*flag);
                    }
                }
                Filter::Flags(flags)
            }
            LogFilter::StatusCode(comparison, value) => Filter::Status(*comparison, (*value).into()),
            LogFilter::Duration(comparison, value) => Filter::Duration(*comparison, (*value).into()),
            LogFilter::And(filters) => Filter::And(filters.iter().map(Filter::compile).collect()),
            LogFilter::Or(filters) => Filter::Or(filters.iter().map(Filter::compile).collect()),
            LogFilter::Header(matcher) => Filter::Header(HeaderMatchers::compile(std::slice::from_ref(matcher))),
            LogFilter::NotHealthCheck => Filter::NotHealthCheck,
            LogFilter::Expression(expression) => Filter::Expression(Expression::compile(expression)),
            LogFilter::LogAll(_) => Filter::All,
        }
    }

    /// Whether it takes the entry.
    pub fn takes(&self, entry: &LogEntry<'_>) -> bool {
        let info = entry.info;
        match self {
            Filter::Flags(flags) => info.flags.has(*flags),
            Filter::AnyFlag => !info.flags.is_empty(),
            Filter::Status(comparison, value) => compare(*comparison, info.response_code.into(), *value),
            Filter::Duration(comparison, value) => {
                let end = info.end.unwrap_or_else(Instant::now);
                compare(*comparison, end.saturating_duration_since(info.start).as_millis() as u64, *value)
            }
            Filter::And(filters) => filters.iter().all(|filter| filter.takes(entry)),
            Filter::Or(filters) => filters.iter().any(|filter| filter.takes(entry)),
            Filter::Header(matcher) => entry.request.is_some_and(|request| matcher.match_request(request)),
            Filter::NotHealthCheck => !info.health_check,
            Filter::Expression(expression) => expression.holds(&Known::of(entry)),
            Filter::All => true,
        }
    }
}

/// Whether it asks for moments that are only kept where somebody wants them.
pub fn wants_times(config: &LogFilter) -> bool {
    match config {
        LogFilter::Expression(expression) => format::expression_wants_times(expression),
        LogFilter::And(filters) | LogFilter::Or(filters) => filters.iter().any(wants_times),
        _ => false,
    }
}

fn compare(comparison: Comparison, value: u64, bound: u64) -> bool {
    match comparison {
        Comparison::Equal => value == bound,
        Comparison::AtLeast => value >= bound,
        Comparison::AtMost => value <= bound,
        Comparison::NotEqual => value != bound,
    }
}
