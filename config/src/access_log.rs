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

/// Command operators. Names follow Envoy's (`%REQ(X?Y)%` is `RequestHeader`).
#[derive(Debug, Clone)]
pub enum Operator {
    /// `REQ(main?alternative)`, lower case.
    RequestHeader(Arc<str>, Option<Arc<str>>),
    /// `RESP(main?alternative)`.
    ResponseHeader(Arc<str>, Option<Arc<str>>),
    /// `TRAILER(main?alternative)`.
    ResponseTrailer(Arc<str>, Option<Arc<str>>),
    /// `REQ_WITHOUT_QUERY(main?alternative)`.
    RequestHeaderWithoutQuery(Arc<str>, Option<Arc<str>>),
    /// `START_TIME(format)`: `None` is ISO 8601 with milliseconds and `Z`.
    StartTime(Option<Arc<str>>),
    /// `METADATA(type:filter:key…)`, `DYNAMIC_METADATA`, `CLUSTER_METADATA`, `FILTER_STATE`, `CEL` and others that have no value here: prints `-`.
    Absent(Arc<str>),
    /// `ROUTE_NAME`.
    RouteName,
    /// `PROTOCOL`.
    Protocol,
    /// `RESPONSE_CODE`.
    ResponseCode,
    /// `RESPONSE_CODE_DETAILS`.
    ResponseCodeDetails,
    /// `RESPONSE_FLAGS`.
    ResponseFlags,
    /// `RESPONSE_FLAGS_LONG`.
    ResponseFlagsLong,
    /// `CONNECTION_TERMINATION_DETAILS`.
    ConnectionTerminationDetails,
    /// `UPSTREAM_TRANSPORT_FAILURE_REASON`.
    UpstreamTransportFailureReason,
    /// `DOWNSTREAM_TRANSPORT_FAILURE_REASON`.
    DownstreamTransportFailureReason,
    /// `BYTES_RECEIVED`.
    BytesReceived,
    /// `BYTES_SENT`.
    BytesSent,
    /// `DURATION`, ms.
    Duration,
    /// `REQUEST_DURATION`, ms.
    RequestDuration,
    /// `RESPONSE_DURATION`, ms.
    ResponseDuration,
    /// `RESPONSE_TX_DURATION`, ms.
    ResponseTxDuration,
    /// `UPSTREAM_HOST`.
    UpstreamHost,
    /// `UPSTREAM_CLUSTER` (the alt_stat_name-like observability name).
    UpstreamCluster,
    /// `UPSTREAM_CLUSTER_RAW`.
    UpstreamClusterRaw,
    /// `UPSTREAM_LOCAL_ADDRESS`, with or without port.
    UpstreamLocalAddress(AddressPart),
    /// `UPSTREAM_REMOTE_ADDRESS`.
    UpstreamRemoteAddress(AddressPart),
    /// `UPSTREAM_REQUEST_ATTEMPT_COUNT`.
    UpstreamAttemptCount,
    /// `DOWNSTREAM_LOCAL_ADDRESS`.
    DownstreamLocalAddress(AddressPart),
    /// `DOWNSTREAM_REMOTE_ADDRESS`.
    DownstreamRemoteAddress(AddressPart),
    /// `DOWNSTREAM_DIRECT_REMOTE_ADDRESS`.
    DownstreamDirectRemoteAddress(AddressPart),
    /// `REQUESTED_SERVER_NAME`.
    RequestedServerName,
    /// `DOWNSTREAM_PEER_URI_SAN`.
    DownstreamPeerUriSan,
    /// `DOWNSTREAM_LOCAL_URI_SAN`.
    DownstreamLocalUriSan,
    /// `DOWNSTREAM_PEER_SUBJECT`.
    DownstreamPeerSubject,
    /// `DOWNSTREAM_TLS_VERSION`.
    DownstreamTlsVersion,
    /// `DOWNSTREAM_TLS_CIPHER`.
    DownstreamTlsCipher,
    /// `CONNECTION_ID`.
    ConnectionId,
    /// `STREAM_ID`.
    StreamId,
    /// `HOSTNAME`.
    Hostname,
    /// `ENVIRONMENT(X)`, resolved when the config arrives by the proxy.
    Environment(Arc<str>),
    /// `GRPC_STATUS` family.
    GrpcStatus,
    /// `REQUEST_HEADERS_BYTES`.
    RequestHeadersBytes,
    /// `RESPONSE_HEADERS_BYTES`.
    ResponseHeadersBytes,
    /// `VIRTUAL_CLUSTER_NAME`: never any.
    VirtualClusterName,
    /// `FILTER_CHAIN_NAME`.
    FilterChainName,
}

/// Which part of an address is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressPart {
    /// `ip:port`.
    Whole,
    /// `ip`.
    WithoutPort,
    /// `port`.
    Port,
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
    /// A filter that is not acting (CEL, metadata): every entry passes, by type.
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

#[cfg(test)]
mod tests;
