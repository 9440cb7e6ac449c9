//! Which entries a log takes (`AccessLogFilter`).

use std::time::Instant;

use config::access_log::{Comparison, LogFilter};
use config::matcher::HeaderMatcher;

use super::LogEntry;
use crate::failure::ResponseFlags;
use crate::wire::message::RequestHead;

/// A filter whose names are numbers already.
pub enum Filter {
    Flags(ResponseFlags),
    AnyFlag,
    Status(Comparison, u64),
    Duration(Comparison, u64),
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Header(HeaderMatcher),
    All,
}

impl Filter {
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
            LogFilter::Header(matcher) => Filter::Header(matcher.clone()),
            // There is no health check filter, so no request is a health check.
            LogFilter::NotHealthCheck | LogFilter::LogAll(_) => Filter::All,
        }
    }

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
            Filter::Header(matcher) => entry.request.is_some_and(|request| header_matches(matcher, request)),
            Filter::All => true,
        }
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

fn header_matches(matcher: &HeaderMatcher, request: &RequestHead) -> bool {
    let pseudo = match &*matcher.name {
        ":method" => Some(request.method.as_bytes()),
        ":path" => Some(&request.path[..]),
        ":authority" | "host" => Some(&request.authority[..]),
        ":scheme" => Some(&request.scheme[..]),
        _ => None,
    };
    if let Some(value) = pseudo {
        return matcher.matches((!value.is_empty()).then_some(value));
    }
    let mut values = request
        .headers
        .iter()
        .filter(|header| header.name.as_bytes() == matcher.name.as_bytes())
        .map(|header| &header.value);
    let first = values.next();
    let Some(second) = values.next() else { return matcher.matches(first.map(|value| &value[..])) };
    let parts: Vec<&[u8]> = first.into_iter().chain([second]).chain(values).map(|value| &value[..]).collect();
    matcher.matches(Some(&parts.join(&b','))) // A repeated header in a filter is rare: it may allocate.
}
