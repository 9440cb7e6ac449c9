//! Which entries a log takes (`AccessLogFilter`), and which answers of our own a mapper changes.

use std::time::Instant;

use config::access_log::{Comparison, EntryKind, LogFilter};
use config::matcher::{Fraction, MetadataMatcher};
use config::runtime::Live;

use crate::failure::ResponseFlags;
use crate::policy::cel::Expression;
use crate::policy::falls_into;
use crate::policy::headers::HeaderMatchers;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::facts::Known;
use crate::telemetry::{format, uuid};
use crate::wire::grpc;
use crate::wire::headers::Name;

/// A filter whose names are numbers already.
pub enum Filter {
    Flags(ResponseFlags),
    AnyFlag,
    Status(Comparison, Live<u32>),
    Duration(Comparison, Live<u32>),
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Header(HeaderMatchers),
    NotHealthCheck,
    Expression(Expression),
    Traceable,
    Share { numerator: Live<u64>, denominator: u32, independent: bool },
    GrpcStatus { statuses: Vec<u8>, exclude: bool },
    Metadata { matcher: Option<MetadataMatcher>, or_else: bool },
    Kinds { kinds: Vec<EntryKind>, exclude: bool },
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
            LogFilter::StatusCode(comparison, value) => Filter::Status(*comparison, value.clone()),
            LogFilter::Duration(comparison, value) => Filter::Duration(*comparison, value.clone()),
            LogFilter::And(filters) => Filter::And(filters.iter().map(Filter::compile).collect()),
            LogFilter::Or(filters) => Filter::Or(filters.iter().map(Filter::compile).collect()),
            LogFilter::Header(matcher) => Filter::Header(HeaderMatchers::compile(std::slice::from_ref(matcher))),
            LogFilter::NotHealthCheck => Filter::NotHealthCheck,
            LogFilter::Expression(expression) => Filter::Expression(Expression::compile(expression)),
            LogFilter::Traceable => Filter::Traceable,
            LogFilter::Share { numerator, denominator, independent } => {
                Filter::Share { numerator: numerator.clone(), denominator: *denominator, independent: *independent }
            }
            LogFilter::GrpcStatus { statuses, exclude } => {
                Filter::GrpcStatus { statuses: statuses.clone(), exclude: *exclude }
            }
            LogFilter::Metadata { matcher, or_else } => {
                Filter::Metadata { matcher: matcher.clone(), or_else: *or_else }
            }
            LogFilter::Kinds { kinds, exclude } => Filter::Kinds { kinds: kinds.clone(), exclude: *exclude },
            LogFilter::LogAll(_) => Filter::All,
        }
    }

    /// Whether it takes the entry.
    pub fn takes(&self, entry: &LogEntry<'_>) -> bool {
        let info = entry.info;
        match self {
            Filter::Flags(flags) => info.flags.has(*flags),
            Filter::AnyFlag => !info.flags.is_empty(),
            Filter::Status(comparison, value) => compare(*comparison, info.response_code.into(), value.get().into()),
            Filter::Duration(comparison, value) => {
                let end = info.end.unwrap_or_else(Instant::now);
                compare(*comparison, end.saturating_duration_since(info.start).as_millis() as u64, value.get().into())
            }
            Filter::And(filters) => filters.iter().all(|filter| filter.takes(entry)),
            Filter::Or(filters) => filters.iter().any(|filter| filter.takes(entry)),
            // Where there is no head, it is as one without headers.
            Filter::Header(matcher) => {
                entry.request.map_or_else(|| matcher.match_nothing(), |request| matcher.match_request(request))
            }
            Filter::NotHealthCheck => !info.health_check,
            Filter::Expression(expression) => expression.holds(&Known::of(entry)),
            Filter::Traceable => entry.more.forced && !info.health_check,
            Filter::Share { numerator, denominator, independent } => {
                let numerator = numerator.get().min((*denominator).into()) as u32;
                falls_into(Fraction { numerator, denominator: *denominator }, number(entry, *independent))
            }
            Filter::GrpcStatus { statuses, exclude } => statuses.contains(&grpc_status(entry)) != *exclude,
            Filter::Metadata { matcher, or_else } => of_metadata(matcher.as_ref(), entry).unwrap_or(*or_else),
            Filter::Kinds { kinds, exclude } => kinds.contains(&entry.more.kind) != *exclude,
            Filter::All => true,
        }
    }
}

/// By chance, or by the request's id, so that all hops choose the same requests.
fn number(entry: &LogEntry<'_>, independent: bool) -> u64 {
    let id = entry.request.and_then(|request| request.headers.get(&Name::X_REQUEST_ID)).filter(|_| !independent);
    let number = id.and_then(|id| uuid::leading_number(id));
    number.map_or_else(|| fastrand::u64(..), u64::from)
}

/// As for any request: what is no gRPC has a status that follows from HTTP's.
fn grpc_status(entry: &LogEntry<'_>) -> u8 {
    let of_response = || entry.response.map(|response| &response.headers);
    let said = entry.trailers.and_then(grpc::status).or_else(|| of_response().and_then(grpc::status));
    said.unwrap_or_else(|| match entry.info.response_code {
        // Unknown.
        0 => 2,
        code => grpc::status_of(code),
    })
}

/// What the metadata says; `None`: nothing.
fn of_metadata(matcher: Option<&MetadataMatcher>, entry: &LogEntry<'_>) -> Option<bool> {
    let matcher = matcher?;
    let path = || matcher.path.iter().map(|key| &**key);
    let of_connection = entry.info.connection.metadata.borrow();
    let own = entry.info.metadata.at(&matcher.filter, path());
    // A connection has what its filters have said.
    let value = own.or_else(|| of_connection.at(&matcher.filter, path()).filter(|_| entry.info.protocol.is_none()));
    // As with Envoy `invert` is nothing here.
    value.map(|value| matcher.value.matches(Some(value)))
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
