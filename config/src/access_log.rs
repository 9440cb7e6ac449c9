//! Access logs and Envoy's format language (`envoy.config.accesslog.v3`, command operators), parsed once.

use std::sync::Arc;

/// One configured log.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// Which entries are written.
    pub filter: Option<LogFilter>,
    /// Where and how.
    pub sink: Sink,
}

/// Where entries go.
#[derive(Debug, Clone)]
pub enum Sink {
    /// `envoy.access_loggers.file`, and stdout/stderr sinks as `/dev/stdout` and `/dev/stderr`.
    File {
        /// Path.
        path: Arc<str>,
        /// Text or JSON.
        format: LogFormat,
    },
    /// A sink that is parsed and not acting, by type URL (gRPC and OpenTelemetry).
    Inert(Arc<str>),
}

/// How a line is written.
#[derive(Debug, Clone)]
pub enum LogFormat {
    /// Text; a newline is part of the format.
    Text(Format),
    /// JSON object, one a line.
    Json(Vec<(Arc<str>, JsonFormat)>),
}

/// A value of a JSON format.
#[derive(Debug, Clone)]
pub enum JsonFormat {
    /// A format string; a single operator keeps its type (numbers stay numbers).
    Value(Format),
    /// Nested.
    Object(Vec<(Arc<str>, JsonFormat)>),
    /// List.
    List(Vec<JsonFormat>),
    /// A constant (number, bool, null).
    Constant(serde_json::Value),
}

/// A parsed format string.
#[derive(Debug, Clone, Default)]
pub struct Format {
    /// Pieces in order.
    pub parts: Vec<Part>,
    /// `omit_empty_values`: a missing value prints nothing in place of `-`.
    pub omit_empty: bool,
}

/// A piece of a format.
#[derive(Debug, Clone)]
pub enum Part {
    /// As it is.
    Literal(Arc<str>),
    /// An operator, cut to at most `limit` octets.
    Operator {
        /// Which.
        operator: Operator,
        /// `:Z` at the end of a command.
        limit: Option<usize>,
    },
}

/// Which entries are written (`AccessLogFilter`).
#[derive(Debug, Clone)]
pub enum LogFilter {
    /// `response_flag_filter`: any of these flags (short names), or any flag at all when empty.
    ResponseFlags(Vec<Arc<str>>),
    /// `status_code_filter`.
    StatusCode(Comparison, u32),
    /// `duration_filter`, ms.
    Duration(Comparison, u32),
    /// `and_filter`.
    And(Vec<LogFilter>),
    /// `or_filter`.
    Or(Vec<LogFilter>),
    /// `not_health_check_filter`.
    NotHealthCheck,
    /// `header_filter`.
    Header(crate::matcher::HeaderMatcher),
    /// `envoy.access_loggers.extension_filters.cel`.
    Expression(crate::cel::Expr),
    /// A filter that is not acting (metadata): every entry passes, by type.
    LogAll(Arc<str>),
}

/// `ComparisonFilter.op`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Greater or equal.
    AtLeast,
    /// Less or equal.
    AtMost,
    /// Not equal.
    NotEqual,
}

pub(crate) mod decode;
pub mod format;
mod operator;

pub use operator::{
    AddressPart, Attempted, Calculated, CertificateField, CertificateOf, GrpcStatusFormat, HostFrom, MetadataOf,
    Moment, Operator, PathFrom, Precision, ServerNameFrom, StateFormat, TimePoint, WireBytes,
};

#[cfg(test)]
mod tests;
