//! The attributes that expressions may ask for, by their names. Called by the translation.

use super::Place;

/// Which headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadersOf {
    /// `request.headers`.
    Request,
    /// `response.headers`.
    Response,
    /// `response.trailers`.
    ResponseTrailers,
}

/// Whose metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataOf {
    /// `metadata`: what filters have written.
    Stream,
    /// `xds.route_metadata`.
    Route,
    /// `xds.listener_metadata`.
    Listener,
    /// `xds.virtual_host_metadata`.
    VirtualHost,
    /// `xds.cluster_metadata`.
    Cluster,
    /// `xds.upstream_host_metadata`.
    Endpoint,
}

/// Whose connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `connection`.
    Downstream,
    /// `upstream`.
    Upstream,
}

/// What a handshake tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TlsField {
    Version,
    SubjectLocal,
    SubjectPeer,
    UriSanLocal,
    UriSanPeer,
    DnsSanLocal,
    DnsSanPeer,
    Sha256Peer,
    PemPeer,
}

/// What is known of a request or a connection, one thing each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Attribute {
    Path,
    UrlPath,
    Host,
    Scheme,
    Method,
    Referer,
    UserAgent,
    RequestId,
    Query,
    Protocol,
    Time,
    RequestDuration,
    RequestSize,
    RequestTotalSize,
    RequestHeadersBytes,
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    ResponseGrpcStatus,
    ResponseSize,
    ResponseTotalSize,
    ResponseHeadersBytes,
    BackendLatency,
    SourceAddress,
    SourcePort,
    DestinationAddress,
    DestinationPort,
    ConnectionId,
    Mtls,
    ServerName,
    TerminationDetails,
    TransportFailure,
    Tls(Side, TlsField),
    UpstreamAddress,
    UpstreamPort,
    UpstreamLocalAddress,
    UpstreamTransportFailure,
    UpstreamAttempts,
    UpstreamPoolReady,
    RouteName,
    ClusterName,
    FilterChainName,
    /// Nobody has it.
    Absent,
}

/// What stands behind a root and a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Attribute(Attribute),
    Headers(HeadersOf),
    /// A message of metadata.
    Metadata(MetadataOf),
    /// Envoy has it, and this build has not, at this place.
    NotHere,
}

/// The names that hold attributes. `metadata` and `filter_state` are read otherwise.
pub(super) fn is_root(name: &str) -> bool {
    matches!(
        name,
        "request" | "response" | "connection" | "upstream" | "source" | "destination" | "xds" | "upstream_filter_state"
    )
}

pub(super) fn find(root: &str, name: &str, place: Place) -> Found {
    if place == Place::Connection && !matches!(root, "connection" | "source" | "destination" | "xds") {
        return Found::NotHere;
    }
    Found::Attribute(match root {
        "request" => match name {
            "headers" => return Found::Headers(HeadersOf::Request),
            _ => request(name),
        },
        "response" => match name {
            "headers" => return Found::Headers(HeadersOf::Response),
            "trailers" => return Found::Headers(HeadersOf::ResponseTrailers),
            _ => response(name),
        },
        "source" => match name {
            "address" => Attribute::SourceAddress,
            "port" => Attribute::SourcePort,
            _ => Attribute::Absent,
        },
        "destination" => match name {
            "address" => Attribute::DestinationAddress,
            "port" => Attribute::DestinationPort,
            _ => Attribute::Absent,
        },
        "connection" => match name {
            "id" => Attribute::ConnectionId,
            "mtls" => Attribute::Mtls,
            "requested_server_name" => Attribute::ServerName,
            "termination_details" => Attribute::TerminationDetails,
            "transport_failure_reason" => Attribute::TransportFailure,
            _ => tls(Side::Downstream, name),
        },
        "upstream" => match name {
            "address" => Attribute::UpstreamAddress,
            "port" => Attribute::UpstreamPort,
            "local_address" => Attribute::UpstreamLocalAddress,
            "transport_failure_reason" => Attribute::UpstreamTransportFailure,
            "request_attempt_count" => Attribute::UpstreamAttempts,
            "cx_pool_ready_duration" => Attribute::UpstreamPoolReady,
            "locality" | "num_endpoints" => return Found::NotHere,
            _ => tls(Side::Upstream, name),
        },
        "xds" => return xds(name, place),
        _ => return Found::NotHere,
    })
}

fn request(name: &str) -> Attribute {
    match name {
        "path" => Attribute::Path,
        "url_path" => Attribute::UrlPath,
        "host" => Attribute::Host,
        "scheme" => Attribute::Scheme,
        "method" => Attribute::Method,
        "referer" => Attribute::Referer,
        "useragent" => Attribute::UserAgent,
        "id" => Attribute::RequestId,
        "query" => Attribute::Query,
        "protocol" => Attribute::Protocol,
        "time" => Attribute::Time,
        "duration" => Attribute::RequestDuration,
        "size" => Attribute::RequestSize,
        "total_size" => Attribute::RequestTotalSize,
        "headers_bytes" => Attribute::RequestHeadersBytes,
        _ => Attribute::Absent,
    }
}

fn response(name: &str) -> Attribute {
    match name {
        "code" => Attribute::ResponseCode,
        "code_details" => Attribute::ResponseCodeDetails,
        "flags" => Attribute::ResponseFlags,
        "grpc_status" => Attribute::ResponseGrpcStatus,
        "size" => Attribute::ResponseSize,
        "total_size" => Attribute::ResponseTotalSize,
        "headers_bytes" => Attribute::ResponseHeadersBytes,
        "backend_latency" => Attribute::BackendLatency,
        _ => Attribute::Absent,
    }
}

fn tls(side: Side, name: &str) -> Attribute {
    let field = match name {
        "tls_version" => TlsField::Version,
        "subject_local_certificate" => TlsField::SubjectLocal,
        "subject_peer_certificate" => TlsField::SubjectPeer,
        "uri_san_local_certificate" => TlsField::UriSanLocal,
        "uri_san_peer_certificate" => TlsField::UriSanPeer,
        "dns_san_local_certificate" => TlsField::DnsSanLocal,
        "dns_san_peer_certificate" => TlsField::DnsSanPeer,
        "sha256_peer_certificate_digest" => TlsField::Sha256Peer,
        "peer_certificate" => TlsField::PemPeer,
        _ => return Attribute::Absent,
    };
    Attribute::Tls(side, field)
}

fn xds(name: &str, place: Place) -> Found {
    match name {
        "filter_chain_name" => Found::Attribute(Attribute::FilterChainName),
        "listener_metadata" => Found::Metadata(MetadataOf::Listener),
        "route_name" if place != Place::Connection => Found::Attribute(Attribute::RouteName),
        "route_metadata" if place != Place::Connection => Found::Metadata(MetadataOf::Route),
        "cluster_name" if place == Place::Line => Found::Attribute(Attribute::ClusterName),
        "cluster_metadata" if place == Place::Line => Found::Metadata(MetadataOf::Cluster),
        "virtual_host_metadata" if place == Place::Line => Found::Metadata(MetadataOf::VirtualHost),
        "upstream_host_metadata" if place == Place::Line => Found::Metadata(MetadataOf::Endpoint),
        "node"
        | "cluster_name"
        | "cluster_metadata"
        | "route_name"
        | "route_metadata"
        | "virtual_host_name"
        | "virtual_host_metadata"
        | "upstream_host_metadata"
        | "upstream_host_locality_metadata"
        | "listener_direction" => Found::NotHere,
        _ => Found::Attribute(Attribute::Absent),
    }
}
