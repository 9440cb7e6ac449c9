//! Access logs and Envoy's format language (`envoy.config.accesslog.v3`, command operators), parsed once.

use std::sync::Arc;
use std::time::Duration;

use crate::matcher::MetadataMatcher;
use crate::runtime::Live;
use crate::tracing::Collector;

/// One configured log.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// Which entries are written.
    pub filter: Option<LogFilter>,
    /// Where and how.
    pub sink: Sink,
}

impl AccessLog {
    /// The cluster of the service that entries go to, where they go to one.
    pub fn cluster(&self) -> Option<&Arc<str>> {
        match &self.sink {
            Sink::Grpc(log) => Some(&log.stream.service.cluster),
            Sink::OpenTelemetry(log) => Some(match &log.collector {
                Collector::Grpc(service) => &service.cluster,
                Collector::Http(service) => &service.uri.cluster,
            }),
            Sink::File { .. } | Sink::Inert(_) => None,
        }
    }
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
    /// `HttpGrpcAccessLogConfig`, `TcpGrpcAccessLogConfig`.
    Grpc(Arc<GrpcLog>),
    /// `OpenTelemetryAccessLogConfig`.
    OpenTelemetry(Arc<OpenTelemetryLog>),
    /// A sink that is parsed and not acting, by type URL.
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
    StatusCode(Comparison, Live<u32>),
    /// `duration_filter`, ms.
    Duration(Comparison, Live<u32>),
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
    /// `traceable_filter`.
    Traceable,
    /// `runtime_filter`: a share of all entries.
    Share {
        /// How many.
        numerator: Live<u64>,
        /// Of so many.
        denominator: u32,
        /// Chance alone decides, and not the request's id.
        independent: bool,
    },
    /// `grpc_status_filter`.
    GrpcStatus {
        /// Numbers of statuses.
        statuses: Vec<u8>,
        /// All others.
        exclude: bool,
    },
    /// `metadata_filter`.
    Metadata {
        /// What the dynamic metadata must say.
        matcher: Option<MetadataMatcher>,
        /// What becomes of entries whose metadata says nothing there.
        or_else: bool,
    },
    /// `log_type_filter`.
    Kinds {
        /// Kinds of entries.
        kinds: Vec<EntryKind>,
        /// All others.
        exclude: bool,
    },
    /// A filter that is not acting: every entry passes, by type.
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

/// When entries are written beside that of the end (`access_log_options`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Early {
    /// A request, or a connection, has come.
    pub at_start: bool,
    /// It has what it wanted: a request its tunnel, a connection its upstream.
    pub at_success: bool,
    /// Again and again while it goes on.
    pub interval: Option<Duration>,
}

pub(crate) mod decode;
mod entry_kind;
pub(crate) mod filter;
pub mod format;
mod operator;
mod over_network;

pub use entry_kind::EntryKind;
pub use over_network::{Buffer, GrpcLog, GrpcStream, Identity, OpenTelemetryLog, Record, Resource, Shape};

pub use operator::{
    AddressPart, Attempted, Calculated, CertificateField, CertificateOf, GrpcStatusFormat, HostFrom, MetadataOf,
    Moment, Operator, PathFrom, Precision, ServerNameFrom, StateFormat, TimePoint, WireBytes,
};

#[cfg(test)]
mod tests;
