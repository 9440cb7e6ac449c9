//! What a command of the format language stands for. Made by `parse`, which knows the names; the proxy gives the values.

mod calculated;
mod parameters;
mod parse;
mod parts;

use std::sync::Arc;

use super::Part;

pub use calculated::Calculated;
pub use parts::*;

pub(super) use parse::{Arguments, Formatters, parse};

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
    /// The other moments, `EMIT_TIME(format)` and the like.
    Time {
        /// Which.
        of: Moment,
        /// In the local time zone.
        local: bool,
        /// As of `START_TIME`.
        pattern: Option<Arc<str>>,
    },
    /// What has no value here: prints `-`.
    Absent(Arc<str>),
    /// What has an empty value here, as with Envoy.
    Empty,
    /// What is none of and so 0, as with Envoy.
    Zero,
    /// `ROUTE_NAME`.
    RouteName,
    /// `ROUTE_RESOLUTION_COUNT`.
    RouteResolutions,
    /// `PROTOCOL`.
    Protocol,
    /// `RESPONSE_CODE`.
    ResponseCode,
    /// `RESPONSE_CODE_DETAILS`.
    ResponseCodeDetails,
    /// `RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)`.
    ResponseCodeDetailsAsIs,
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
    /// `REQUEST_TX_DURATION`, ms.
    RequestTxDuration,
    /// `DOWNSTREAM_HANDSHAKE_DURATION`, ms.
    DownstreamHandshakeDuration,
    /// `UPSTREAM_CONNECTION_POOL_READY_DURATION`, ms.
    UpstreamPoolReadyDuration,
    /// `COMMON_DURATION(from:to:precision)`.
    CommonDuration(TimePoint, TimePoint, Precision),
    /// `UPSTREAM_WIRE_BYTES_SENT` and its like.
    WireBytes(WireBytes),
    /// `UPSTREAM_PROTOCOL`.
    UpstreamProtocol,
    /// `UPSTREAM_CONNECTION_ID`.
    UpstreamConnectionId,
    /// `UPSTREAM_TLS_VERSION`.
    UpstreamTlsVersion,
    /// `UPSTREAM_TLS_CIPHER`.
    UpstreamTlsCipher,
    /// `UPSTREAM_TLS_GROUP`.
    UpstreamTlsGroup,
    /// `UPSTREAM_SERVER_NAME`.
    UpstreamServerName,
    /// `UPSTREAM_HOSTS_ATTEMPTED` and its like.
    Attempted(Attempted),
    /// `UPSTREAM_HOST`.
    UpstreamHost,
    /// `UPSTREAM_HOST_NAME`, with or without port.
    UpstreamHostName {
        /// With.
        port: bool,
    },
    /// `UPSTREAM_CLUSTER` (the alt_stat_name-like observability name).
    UpstreamCluster,
    /// `UPSTREAM_CLUSTER_RAW`.
    UpstreamClusterRaw,
    /// `UPSTREAM_LOCAL_ADDRESS`, with or without port.
    UpstreamLocalAddress(AddressPart),
    /// `UPSTREAM_REMOTE_ADDRESS`.
    UpstreamRemoteAddress(AddressPart),
    /// `UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID`: of internal listeners alone, and so empty where there is an upstream.
    UpstreamEndpointId,
    /// `UPSTREAM_REQUEST_ATTEMPT_COUNT`.
    UpstreamAttemptCount,
    /// `DOWNSTREAM_LOCAL_ADDRESS`.
    DownstreamLocalAddress(AddressPart),
    /// `DOWNSTREAM_DIRECT_LOCAL_ADDRESS`.
    DownstreamDirectLocalAddress(AddressPart),
    /// `DOWNSTREAM_REMOTE_ADDRESS`.
    DownstreamRemoteAddress(AddressPart),
    /// `DOWNSTREAM_DIRECT_REMOTE_ADDRESS`.
    DownstreamDirectRemoteAddress(AddressPart),
    /// `REQUESTED_SERVER_NAME`.
    RequestedServerName,
    /// `REQUESTED_SERVER_NAME(SNI_FIRST:HOST)` and its like.
    ServerNameOrHost(ServerNameFrom, HostFrom),
    /// `DOWNSTREAM_PEER_URI_SAN` and its like.
    Certificate(CertificateOf, CertificateField),
    /// `DOWNSTREAM_TLS_VERSION`.
    DownstreamTlsVersion,
    /// `DOWNSTREAM_TLS_CIPHER`.
    DownstreamTlsCipher,
    /// `DOWNSTREAM_TLS_GROUP`.
    DownstreamTlsGroup,
    /// `CONNECTION_ID`.
    ConnectionId,
    /// `STREAM_ID`.
    StreamId,
    /// `HOSTNAME`.
    Hostname,
    /// `ENVIRONMENT(X)`, resolved when the config arrives by the proxy.
    Environment(Arc<str>),
    /// `GRPC_STATUS` family.
    GrpcStatus(GrpcStatusFormat),
    /// `METADATA(type:namespace:key…)` and its older spellings.
    Metadata(MetadataOf, Arc<str>, Box<[Arc<str>]>),
    /// `FILTER_STATE(key:format)`.
    FilterState(Arc<str>, StateFormat),
    /// `QUERY_PARAM(name)`.
    QueryParameter(Arc<str>),
    /// `QUERY_PARAMS`.
    Query {
        /// `DECODED`.
        decoded: bool,
    },
    /// `PATH`.
    Path {
        /// With the query.
        query: bool,
        /// Whose.
        from: PathFrom,
    },
    /// `COALESCE`: the first that has a value.
    Coalesce(Box<[Part]>),
    /// `CEL` and `TYPED_CEL`.
    Calculated(Calculated),
    /// `UNIQUE_ID`: a new UUID.
    UniqueId,
    /// `ACCESS_LOG_TYPE`.
    AccessLogType,
    /// `LOCAL_REPLY_BODY`.
    LocalReplyBody,
    /// `REQUEST_HEADERS_BYTES`.
    RequestHeadersBytes,
    /// `RESPONSE_HEADERS_BYTES`.
    ResponseHeadersBytes,
    /// `RESPONSE_TRAILERS_BYTES`.
    ResponseTrailersBytes,
    /// `VIRTUAL_CLUSTER_NAME`.
    VirtualClusterName,
    /// `FILTER_CHAIN_NAME`.
    FilterChainName,
    /// `LISTENER_NAME`.
    ListenerName,
}
