//! The commands of Envoy's format language, by name. Called by [`super::format`]. Commands that Envoy has and this proxy has
//! no value for print `-`; commands that Envoy does not have are refused.

use std::sync::Arc;

use super::{AddressPart, Operator};

/// What stands around a command's name.
pub(super) struct Arguments<'a> {
    /// Between parentheses.
    pub parameters: Option<&'a str>,
    /// Behind the colon.
    pub limit: Option<usize>,
}

/// The operator of a command.
pub(super) fn parse(name: &str, arguments: &Arguments<'_>) -> Result<Operator, String> {
    if let Some(operator) = plain(name) {
        return arguments.none(name).map(|()| operator);
    }
    if let Some(operator) = with_parameters(name, arguments) {
        return operator;
    }
    if ABSENT.contains(&name) || ABSENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(Operator::Absent(Arc::from(name)));
    }
    Err(format!("Not supported field in StreamInfo: {name}; correct it, or take it out"))
}

impl Arguments<'_> {
    fn none(&self, name: &str) -> Result<(), String> {
        if self.parameters.is_some_and(|parameters| !parameters.is_empty()) {
            return Err(format!("{name} does not take parameters"));
        }
        if self.limit.is_some() {
            return Err(format!("{name} does not allow length to be specified."));
        }
        Ok(())
    }

    fn required(&self, name: &str) -> Result<&str, String> {
        match self.parameters {
            Some(parameters) if !parameters.is_empty() => Ok(parameters),
            _ => Err(format!("{name} requires parameters")),
        }
    }
}

type Header = fn(Arc<str>, Option<Arc<str>>) -> Operator;

fn with_parameters(name: &str, arguments: &Arguments<'_>) -> Option<Result<Operator, String>> {
    let header: Header = match name {
        "REQ" | "REQUEST_HEADER" => Operator::RequestHeader,
        "RESP" | "RESPONSE_HEADER" => Operator::ResponseHeader,
        "TRAILER" | "RESPONSE_TRAILER" => Operator::ResponseTrailer,
        "REQ_WITHOUT_QUERY" => Operator::RequestHeaderWithoutQuery,
        "START_TIME" => return Some(start_time(arguments)),
        "ENVIRONMENT" => {
            return Some(arguments.required(name).map(|variable| Operator::Environment(Arc::from(variable))));
        }
        "GRPC_STATUS" | "GRPC_STATUS_NUMBER" => return Some(Ok(Operator::GrpcStatus)),
        _ => return None,
    };
    Some(arguments.required(name).and_then(header_names).map(|(main, alternative)| header(main, alternative)))
}

fn start_time(arguments: &Arguments<'_>) -> Result<Operator, String> {
    let format = arguments.parameters.filter(|format| !format.is_empty());
    if format.is_some_and(|format| format.contains(['\n', '\r'])) {
        return Err("Invalid header configuration. Format string contains newline.".to_owned());
    }
    Ok(Operator::StartTime(format.map(Arc::from)))
}

/// `main?alternative`, lower case.
fn header_names(text: &str) -> Result<(Arc<str>, Option<Arc<str>>), String> {
    let mut names = text.split('?').map(|name| Arc::from(name.to_ascii_lowercase()));
    let main: Arc<str> = names.next().unwrap_or_default();
    let alternative: Option<Arc<str>> = names.next();
    if names.next().is_some() {
        return Err(format!("More than 1 alternative header specified in token: {text}"));
    }
    if [Some(&main), alternative.as_ref()].into_iter().flatten().any(|name| name.contains(['\r', '\n', '\0'])) {
        return Err("Invalid header name: it holds a line break or NUL".to_owned());
    }
    Ok((main, alternative.filter(|name| !name.is_empty())))
}

/// Commands without parameters and without a length.
fn plain(name: &str) -> Option<Operator> {
    use AddressPart::{Port, Whole, WithoutPort};
    Some(match name {
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "BYTES_SENT" => Operator::BytesSent,
        "CONNECTION_ID" => Operator::ConnectionId,
        "CONNECTION_TERMINATION_DETAILS" => Operator::ConnectionTerminationDetails,
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Operator::DownstreamDirectRemoteAddress(Whole),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => Operator::DownstreamDirectRemoteAddress(WithoutPort),
        "DOWNSTREAM_DIRECT_REMOTE_PORT" => Operator::DownstreamDirectRemoteAddress(Port),
        "DOWNSTREAM_LOCAL_ADDRESS" => Operator::DownstreamLocalAddress(Whole),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Operator::DownstreamLocalAddress(WithoutPort),
        "DOWNSTREAM_LOCAL_PORT" => Operator::DownstreamLocalAddress(Port),
        "DOWNSTREAM_LOCAL_URI_SAN" => Operator::DownstreamLocalUriSan,
        "DOWNSTREAM_PEER_SUBJECT" => Operator::DownstreamPeerSubject,
        "DOWNSTREAM_PEER_URI_SAN" => Operator::DownstreamPeerUriSan,
        "DOWNSTREAM_REMOTE_ADDRESS" => Operator::DownstreamRemoteAddress(Whole),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Operator::DownstreamRemoteAddress(WithoutPort),
        "DOWNSTREAM_REMOTE_PORT" => Operator::DownstreamRemoteAddress(Port),
        "DOWNSTREAM_TLS_CIPHER" => Operator::DownstreamTlsCipher,
        "DOWNSTREAM_TLS_VERSION" => Operator::DownstreamTlsVersion,
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Operator::DownstreamTransportFailureReason,
        "DURATION" => Operator::Duration,
        "FILTER_CHAIN_NAME" => Operator::FilterChainName,
        "HOSTNAME" => Operator::Hostname,
        "PROTOCOL" => Operator::Protocol,
        "REQUESTED_SERVER_NAME" => Operator::RequestedServerName,
        "REQUEST_DURATION" => Operator::RequestDuration,
        "REQUEST_HEADERS_BYTES" => Operator::RequestHeadersBytes,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_CODE_DETAILS" => Operator::ResponseCodeDetails,
        "RESPONSE_DURATION" => Operator::ResponseDuration,
        "RESPONSE_FLAGS" => Operator::ResponseFlags,
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlagsLong,
        "RESPONSE_HEADERS_BYTES" => Operator::ResponseHeadersBytes,
        "RESPONSE_TX_DURATION" => Operator::ResponseTxDuration,
        "ROUTE_NAME" => Operator::RouteName,
        "STREAM_ID" => Operator::StreamId,
        "UPSTREAM_CLUSTER" => Operator::UpstreamCluster,
        "UPSTREAM_CLUSTER_RAW" => Operator::UpstreamClusterRaw,
        "UPSTREAM_HOST" => Operator::UpstreamHost,
        "UPSTREAM_LOCAL_ADDRESS" => Operator::UpstreamLocalAddress(Whole),
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Operator::UpstreamLocalAddress(WithoutPort),
        "UPSTREAM_LOCAL_PORT" => Operator::UpstreamLocalAddress(Port),
        "UPSTREAM_REMOTE_ADDRESS" => Operator::UpstreamRemoteAddress(Whole),
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Operator::UpstreamRemoteAddress(WithoutPort),
        "UPSTREAM_REMOTE_PORT" => Operator::UpstreamRemoteAddress(Port),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::UpstreamAttemptCount,
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Operator::UpstreamTransportFailureReason,
        "VIRTUAL_CLUSTER_NAME" => Operator::VirtualClusterName,
        _ => return None,
    })
}

/// Commands that Envoy has and that print `-` here.
const ABSENT: &[&str] = &[
    "ACCESS_LOG_TYPE",
    "CEL",
    "CLUSTER_METADATA",
    "COALESCE",
    "COMMON_DURATION",
    "CUSTOM_FLAGS",
    "DYNAMIC_METADATA",
    "EMIT_TIME",
    "FILE_CONTENT",
    "FILTER_STATE",
    "LOCAL_REPLY_BODY",
    "METADATA",
    "PATH",
    "PER_REQUEST_STATE",
    "QUERY_PARAM",
    "QUERY_PARAMS",
    "REQUEST_TX_DURATION",
    "ROUNDTRIP_DURATION",
    "SECRET",
    "SPAN_ID",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "TRACE_ID",
    "UNIQUE_ID",
    "VIRTUAL_HOST_METADATA",
    "VIRTUAL_HOST_NAME",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_METADATA",
    "UPSTREAM_FILTER_STATE",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "REQUEST_TRAILERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_IDS_ATTEMPTED",
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "BYTES_RETRANSMITTED",
    "PACKETS_RETRANSMITTED",
];

/// Families of such commands: certificate fields of either side, bytes counted on the wire.
const ABSENT_PREFIXES: &[&str] = &[
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_PEER_",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_WIRE_BYTES_",
    "DOWNSTREAM_HEADER_BYTES_",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_",
    "UPSTREAM_PEER_",
    "UPSTREAM_LOCAL_",
    "UPSTREAM_WIRE_BYTES_",
    "UPSTREAM_HEADER_BYTES_",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_",
];
