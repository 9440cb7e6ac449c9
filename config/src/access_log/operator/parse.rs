//! The commands of Envoy's format language, by name. Called by [`format`](super::super::format). Commands that Envoy has and this proxy has
//! no value for print `-`; commands that Envoy does not have are refused, in its words.

use std::sync::Arc;

use crate::proto::core::v3::CelExpressionConfig;

use super::{
    AddressPart, Attempted, CertificateField, CertificateOf, GrpcStatusFormat, Operator, WireBytes, parameters,
};

/// What stands around a command's name.
pub(in super::super) struct Arguments<'a> {
    /// Between parentheses.
    pub parameters: Option<&'a str>,
    /// Behind the colon.
    pub limit: Option<usize>,
    /// What stands beside the format.
    pub formatters: Formatters<'a>,
}

/// `formatters`: commands that they add, and how they read others.
#[derive(Clone, Copy, Default)]
pub(in super::super) struct Formatters<'a> {
    /// How expressions are read.
    pub cel: Option<&'a CelExpressionConfig>,
    /// `REQ_WITHOUT_QUERY` is one.
    pub without_query: bool,
}

/// The operator of a command.
pub(in super::super) fn parse(name: &str, arguments: &Arguments<'_>) -> Result<Operator, String> {
    if let Some(operator) = plain(name) {
        return arguments.none(name).map(|()| operator);
    }
    if let Some(operator) = parameters::parse(name, arguments) {
        return operator;
    }
    if ABSENT.contains(&name) {
        return arguments.none(name).map(|()| Operator::Absent(Arc::from(name)));
    }
    Err(format!("Not supported field in StreamInfo: {name}; correct it, or take it out"))
}

impl Arguments<'_> {
    pub(super) fn none(&self, name: &str) -> Result<(), String> {
        if self.given().is_some() || self.limit.is_some() {
            return Err(format!("{name} does not take any parameters or length"));
        }
        Ok(())
    }

    pub(super) fn unlimited(&self, name: &str) -> Result<(), String> {
        match self.limit {
            None => Ok(()),
            Some(_) => Err(format!("{name} does not allow length to be specified.")),
        }
    }

    pub(super) fn given(&self) -> Option<&str> {
        self.parameters.filter(|parameters| !parameters.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, String> {
        self.given().ok_or_else(|| format!("{name} requires parameters"))
    }
}

/// Commands without parameters and without a length.
fn plain(name: &str) -> Option<Operator> {
    use AddressPart::{Port, Whole};
    Some(match name {
        "ACCESS_LOG_TYPE" => Operator::AccessLogType,
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "BYTES_RETRANSMITTED" | "PACKETS_RETRANSMITTED" => Operator::Zero,
        "BYTES_SENT" => Operator::BytesSent,
        "CONNECTION_ID" => Operator::ConnectionId,
        "CONNECTION_TERMINATION_DETAILS" => Operator::ConnectionTerminationDetails,
        "CUSTOM_FLAGS" => Operator::Empty,
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS" => Operator::DownstreamDirectLocalAddress(Whole),
        "DOWNSTREAM_DIRECT_LOCAL_PORT" => Operator::DownstreamDirectLocalAddress(Port),
        // Of internal listeners alone.
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID" | "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID" => Operator::Empty,
        "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID" => Operator::UpstreamEndpointId,
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Operator::DownstreamDirectRemoteAddress(Whole),
        "DOWNSTREAM_DIRECT_REMOTE_PORT" => Operator::DownstreamDirectRemoteAddress(Port),
        "DOWNSTREAM_LOCAL_ADDRESS" => Operator::DownstreamLocalAddress(Whole),
        "DOWNSTREAM_LOCAL_PORT" => Operator::DownstreamLocalAddress(Port),
        "DOWNSTREAM_HANDSHAKE_DURATION" => Operator::DownstreamHandshakeDuration,
        "DOWNSTREAM_REMOTE_ADDRESS" => Operator::DownstreamRemoteAddress(Whole),
        "DOWNSTREAM_REMOTE_PORT" => Operator::DownstreamRemoteAddress(Port),
        "DOWNSTREAM_TLS_CIPHER" => Operator::DownstreamTlsCipher,
        "DOWNSTREAM_TLS_GROUP" => Operator::DownstreamTlsGroup,
        "DOWNSTREAM_TLS_VERSION" => Operator::DownstreamTlsVersion,
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON" => Operator::DownstreamTransportFailureReason,
        "DURATION" => Operator::Duration,
        "FILTER_CHAIN_NAME" => Operator::FilterChainName,
        "LISTENER_NAME" => Operator::ListenerName,
        "GRPC_STATUS_NUMBER" => Operator::GrpcStatus(GrpcStatusFormat::Number),
        "HOSTNAME" => Operator::Hostname,
        "LOCAL_REPLY_BODY" => Operator::LocalReplyBody,
        "PROTOCOL" => Operator::Protocol,
        "REQUEST_DURATION" => Operator::RequestDuration,
        "REQUEST_HEADERS_BYTES" => Operator::RequestHeadersBytes,
        "REQUEST_TX_DURATION" => Operator::RequestTxDuration,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_DURATION" => Operator::ResponseDuration,
        "RESPONSE_FLAGS" => Operator::ResponseFlags,
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlagsLong,
        "RESPONSE_HEADERS_BYTES" => Operator::ResponseHeadersBytes,
        "RESPONSE_TRAILERS_BYTES" => Operator::ResponseTrailersBytes,
        "RESPONSE_TX_DURATION" => Operator::ResponseTxDuration,
        "ROUTE_NAME" => Operator::RouteName,
        "ROUTE_RESOLUTION_COUNT" => Operator::RouteResolutions,
        "STREAM_ID" => Operator::StreamId,
        "UNIQUE_ID" => Operator::UniqueId,
        "UPSTREAM_CLUSTER" => Operator::UpstreamCluster,
        "UPSTREAM_CLUSTER_RAW" => Operator::UpstreamClusterRaw,
        "UPSTREAM_CONNECTION_ID" => Operator::UpstreamConnectionId,
        "UPSTREAM_CONNECTION_IDS_ATTEMPTED" => Operator::Attempted(Attempted::Connections),
        "UPSTREAM_CONNECTION_POOL_READY_DURATION" => Operator::UpstreamPoolReadyDuration,
        "UPSTREAM_HOST" => Operator::UpstreamHost,
        "UPSTREAM_HOSTS_ATTEMPTED" => Operator::Attempted(Attempted::Hosts { port: true }),
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT" => Operator::Attempted(Attempted::Hosts { port: false }),
        "UPSTREAM_HOST_NAMES_ATTEMPTED" => Operator::Attempted(Attempted::HostNames { port: true }),
        "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT" => Operator::Attempted(Attempted::HostNames { port: false }),
        "UPSTREAM_HOST_NAME" => Operator::UpstreamHostName { port: true },
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => Operator::UpstreamHostName { port: false },
        "UPSTREAM_LOCAL_ADDRESS" => Operator::UpstreamLocalAddress(Whole),
        "UPSTREAM_LOCAL_PORT" => Operator::UpstreamLocalAddress(Port),
        "UPSTREAM_PROTOCOL" => Operator::UpstreamProtocol,
        "UPSTREAM_REMOTE_ADDRESS" => Operator::UpstreamRemoteAddress(Whole),
        "UPSTREAM_REMOTE_PORT" => Operator::UpstreamRemoteAddress(Port),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::UpstreamAttemptCount,
        "UPSTREAM_SERVER_NAME" => Operator::UpstreamServerName,
        "UPSTREAM_TLS_CIPHER" => Operator::UpstreamTlsCipher,
        "UPSTREAM_TLS_GROUP" => Operator::UpstreamTlsGroup,
        "UPSTREAM_TLS_VERSION" => Operator::UpstreamTlsVersion,
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => Operator::UpstreamTransportFailureReason,
        "VIRTUAL_CLUSTER_NAME" => Operator::VirtualClusterName,
        _ => return certificate(name).or_else(|| wire_bytes(name)),
    })
}

/// `DOWNSTREAM_PEER_…` and the like.
fn certificate(name: &str) -> Option<Operator> {
    let sides = [
        ("DOWNSTREAM_PEER_", CertificateOf::DownstreamPeer),
        ("DOWNSTREAM_LOCAL_", CertificateOf::DownstreamLocal),
        ("UPSTREAM_PEER_", CertificateOf::UpstreamPeer),
        ("UPSTREAM_LOCAL_", CertificateOf::UpstreamLocal),
    ];
    let (field, of) = sides.into_iter().find_map(|(prefix, of)| Some((name.strip_prefix(prefix)?, of)))?;
    let field = match field {
        "IP_SAN" => CertificateField::IpSan,
        "DNS_SAN" => CertificateField::DnsSan,
        "URI_SAN" => CertificateField::UriSan,
        _ if of == CertificateOf::UpstreamLocal => return None,
        "SUBJECT" => CertificateField::Subject,
        "EMAIL_SAN" if of != CertificateOf::UpstreamPeer => CertificateField::EmailSan,
        "OTHERNAME_SAN" if of != CertificateOf::UpstreamPeer => CertificateField::OtherNameSan,
        _ if of == CertificateOf::DownstreamLocal => return None,
        "ISSUER" => CertificateField::Issuer,
        "CERT" => CertificateField::Pem,
        _ if of == CertificateOf::UpstreamPeer => return None,
        "FINGERPRINT_256" => CertificateField::Fingerprint { sha256: true, chain: false },
        "FINGERPRINT_1" => CertificateField::Fingerprint { sha256: false, chain: false },
        "CHAIN_FINGERPRINTS_256" => CertificateField::Fingerprint { sha256: true, chain: true },
        "CHAIN_FINGERPRINTS_1" => CertificateField::Fingerprint { sha256: false, chain: true },
        "SERIAL" => CertificateField::Serial { chain: false },
        "CHAIN_SERIALS" => CertificateField::Serial { chain: true },
        _ => return None,
    };
    Some(Operator::Certificate(of, field))
}

/// `UPSTREAM_WIRE_BYTES_SENT` and the like.
fn wire_bytes(name: &str) -> Option<Operator> {
    let (upstream, rest) = match name.strip_prefix("UPSTREAM_") {
        Some(rest) => (true, rest),
        None => (false, name.strip_prefix("DOWNSTREAM_")?),
    };
    let kinds = [
        ("WIRE_BYTES_", (false, false)),
        ("HEADER_BYTES_", (true, false)),
        ("DECOMPRESSED_HEADER_BYTES_", (true, true)),
    ];
    let (rest, (heads, unpacked)) = kinds.into_iter().find_map(|(kind, of)| Some((rest.strip_prefix(kind)?, of)))?;
    let sent = match rest {
        "SENT" => true,
        "RECEIVED" => false,
        _ => return None,
    };
    Some(Operator::WireBytes(WireBytes { upstream, heads, unpacked, sent }))
}

/// Commands that Envoy has and that print `-` here: logs do not take ids from spans, there are no fingerprints of ClientHellos, no ids of TLS sessions, nobody keeps
/// how a connection was closed or who vouched for a peer, and the clock is not read for routes.
const ABSENT: &[&str] = &[
    "DOWNSTREAM_CX_RTT",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_TLS_SESSION_ID",
    // Of HTTP/3 alone, with Envoy too.
    "ROUNDTRIP_DURATION",
    "ROUTE_RESOLUTION_TIME_US",
    "SPAN_ID",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "TRACE_ID",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "UPSTREAM_TLS_SESSION_ID",
];
