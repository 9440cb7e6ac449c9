//! The attributes that expressions ask for, found in what is known of a stream. Called by its front. What is not there is absent, as in
//! Envoy's maps of attributes.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use config::cel::{Attribute, Side, TlsField};
use config::tls::SanKind;

use super::Known;
use crate::failure::ResponseFlags;
use crate::policy::facts::{Fact, Facts};
use crate::telemetry::stream_info::{ConnectionInfo, Denial, StreamInfo};
use crate::tls::info::{PeerName, TlsInfo};
use crate::tls::{Described, url_encoded_pem};
use crate::wire::grpc;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{RequestHead, ResponseHead};

pub(super) fn of_request<'k>(known: &'k Known<'_>, attribute: Attribute) -> Fact<'k> {
    let info = known.info;
    match attribute {
        Attribute::Path => some(known.request.map(|head| &head.path[..])),
        Attribute::Host => some(known.request.map(|head| &head.authority[..])),
        Attribute::Scheme => some(known.request.map(|head| &head.scheme[..])),
        Attribute::Method => some(known.request.map(|head| head.method.as_bytes())),
        Attribute::UrlPath => part_of_path(known.request, |path, query| &path[..query.unwrap_or(path.len())]),
        Attribute::Query => part_of_path(known.request, |path, query| match query {
            None => b"",
            Some(at) => {
                let query = &path[at + 1..];
                &query[..memchr::memchr(b'#', query).unwrap_or(query.len())]
            }
        }),
        Attribute::Referer => header(known.request, "referer"),
        Attribute::UserAgent => header(known.request, "user-agent"),
        Attribute::RequestId => text(known.request.and_then(|head| head.headers.get(&Name::X_REQUEST_ID))),
        Attribute::Protocol => some(info.protocol.map(|protocol| protocol.as_str().as_bytes())),
        Attribute::Time => Fact::Time(info.start_time),
        Attribute::RequestDuration => {
            // Of the whole stream: there is none before its end.
            info.end.map_or(Fact::Absent, |at| Fact::Duration(at.saturating_duration_since(info.start)))
        }
        Attribute::RequestSize => match known.request.and_then(|head| head.headers.get(&Name::CONTENT_LENGTH)) {
            Some(length) => {
                let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
                length.map_or(Fact::Absent, Fact::Int)
            }
            None => int(info.bytes_received),
        },
        Attribute::RequestTotalSize => int(info.bytes_received + known.request.map_or(0, RequestHead::octets)),
        Attribute::RequestHeadersBytes => int(known.request.map_or(0, RequestHead::octets)),
        Attribute::ResponseCode if info.response_code == 0 => Fact::Absent,
        Attribute::ResponseCode => Fact::Int(i64::from(info.response_code)),
        Attribute::ResponseCodeDetails => some(info.response_code_details.as_deref().map(str::as_bytes)),
        Attribute::ResponseFlags => Fact::Int(flags(info.flags)),
        Attribute::ResponseGrpcStatus => grpc_status(known),
        Attribute::ResponseSize => int(info.bytes_sent),
        Attribute::ResponseHeadersBytes => int(known.response.map_or(0, ResponseHead::octets)),
        Attribute::ResponseTotalSize => int(info.bytes_sent
            + known.response.map_or(0, ResponseHead::octets)
            + known.response_trailers.map_or(0, Headers::octets)),
        Attribute::BackendLatency => {
            let times = info.times.as_deref();
            match times.and_then(|times| times.upload_begins.zip(times.response_ends)) {
                Some((from, to)) => Fact::Duration(to.saturating_duration_since(from)),
                None => Fact::Absent,
            }
        }
        Attribute::SourceAddress => address(Some(known.remote())),
        Attribute::SourcePort => Fact::Int(i64::from(known.remote().port())),
        Attribute::TerminationDetails => match &info.connection_termination_details {
            Some(details) => Fact::Text(Cow::Borrowed(details.as_bytes())),
            None => of_connection(&info.connection, attribute),
        },
        Attribute::TransportFailure => some(info.downstream_transport_failure.as_deref().map(str::as_bytes)),
        // A route without a name has an empty one.
        Attribute::RouteName if known.route.is_none() => Fact::Absent,
        Attribute::RouteName => Fact::Text(Cow::Borrowed(known.route_name.unwrap_or_default().as_bytes())),
        Attribute::ClusterName => some(info.upstream_cluster.as_deref().map(str::as_bytes)),
        Attribute::UpstreamAddress
        | Attribute::UpstreamPort
        | Attribute::UpstreamLocalAddress
        | Attribute::UpstreamTransportFailure
        | Attribute::UpstreamAttempts
        | Attribute::UpstreamPoolReady
        | Attribute::Tls(Side::Upstream, _) => of_upstream(info, attribute),
        of_connection_alone => of_connection(&info.connection, of_connection_alone),
    }
}

pub(super) fn of_connection(connection: &ConnectionInfo, attribute: Attribute) -> Fact<'_> {
    match attribute {
        Attribute::SourceAddress => address(Some(connection.remote)),
        Attribute::SourcePort => Fact::Int(i64::from(connection.remote.port())),
        Attribute::DestinationAddress => address(Some(connection.local)),
        Attribute::DestinationPort => Fact::Int(i64::from(connection.local.port())),
        Attribute::ConnectionId => Fact::Uint(connection.id),
        Attribute::Mtls => Fact::Bool(connection.tls.as_ref().is_some_and(|tls| tls.peer.is_some())),
        Attribute::ServerName => Fact::Text(Cow::Borrowed(connection.server_name().unwrap_or_default())),
        Attribute::FilterChainName => Fact::Text(Cow::Borrowed(connection.filter_chain.as_bytes())),
        Attribute::TerminationDetails => match &*connection.denied.borrow() {
            Some(Denial::Termination(details)) => Fact::Text(Cow::Owned(details.as_bytes().to_vec())),
            Some(Denial::Response(_)) | None => Fact::Absent,
        },
        Attribute::Tls(Side::Downstream, field) => tls(connection.tls.as_deref(), field),
        _ => Fact::Absent,
    }
}

fn of_upstream(info: &StreamInfo, attribute: Attribute) -> Fact<'_> {
    match attribute {
        Attribute::UpstreamAddress => some(info.upstream_host.as_deref().map(str::as_bytes)),
        Attribute::UpstreamPort => {
            let port = info.upstream_host.as_deref().and_then(|host| host.parse::<SocketAddr>().ok());
            port.map_or(Fact::Absent, |host| Fact::Int(i64::from(host.port())))
        }
        Attribute::UpstreamLocalAddress => {
            address(info.upstream_connection.as_ref().and_then(|connection| connection.local))
        }
        Attribute::UpstreamTransportFailure if info.upstream_host.is_none() => Fact::Absent,
        Attribute::UpstreamTransportFailure => {
            Fact::Text(Cow::Borrowed(info.upstream_transport_failure.as_deref().unwrap_or_default().as_bytes()))
        }
        Attribute::UpstreamAttempts => Fact::Uint(u64::from(info.attempts)),
        Attribute::UpstreamPoolReady => {
            let times = info.times.as_deref();
            match times.and_then(|times| times.pool_asked.zip(times.pool_ready)) {
                Some((from, to)) => Fact::Duration(to.saturating_duration_since(from)),
                None => Fact::Absent,
            }
        }
        Attribute::Tls(_, field) => {
            tls(info.upstream_connection.as_ref().and_then(|connection| connection.tls.as_deref()), field)
        }
        _ => Fact::Absent,
    }
}

fn tls(tls: Option<&TlsInfo>, field: TlsField) -> Fact<'_> {
    let Some(tls) = tls else { return Fact::Absent };
    let first = |names: &[PeerName]| names.first().map(|name| Cow::Owned(name.as_bytes().to_vec()));
    let local = || tls.local.as_ref().and_then(|der| Described::of(der));
    let value = match field {
        TlsField::Version => Some(Cow::Borrowed(tls.version.as_bytes())),
        TlsField::SubjectPeer => Some(Cow::Borrowed(tls.peer.as_ref().map_or("", |peer| &peer.subject).as_bytes())),
        TlsField::SubjectLocal => {
            Some(Cow::Owned(local().map(|local| local.subject().as_bytes().to_vec()).unwrap_or_default()))
        }
        TlsField::UriSanPeer => tls.peer.as_ref().and_then(|peer| first(&peer.uri_sans)),
        TlsField::DnsSanPeer => tls.peer.as_ref().and_then(|peer| first(&peer.dns_sans)),
        TlsField::UriSanLocal => tls.local_uri_sans.first().map(|name| Cow::Borrowed(name.as_bytes())),
        TlsField::DnsSanLocal => local().and_then(|local| first(&local.sans(SanKind::Dns))),
        TlsField::Sha256Peer => tls.peer.as_ref().map(|peer| Cow::Borrowed(peer.sha256.as_bytes())),
        TlsField::PemPeer => tls
            .peer
            .as_ref()
            .map(|peer| Cow::Owned(url_encoded_pem(&peer.chain[..peer.chain.len().min(1)]).into_bytes())),
    };
    value.map_or(Fact::Absent, Fact::Text)
}

/// What is empty is not there.
fn some(value: Option<&[u8]>) -> Fact<'_> {
    value.filter(|value| !value.is_empty()).map_or(Fact::Absent, |value| Fact::Text(Cow::Borrowed(value)))
}

fn text(value: Option<&Bytes>) -> Fact<'_> {
    value.map_or(Fact::Absent, |value| Fact::Text(Cow::Borrowed(value)))
}

fn header<'a>(request: Option<&'a RequestHead>, name: &str) -> Fact<'a> {
    text(request.and_then(|head| head.headers.get_str(name)))
}

/// Of a request, and of what is none: an empty text.
fn part_of_path<'a>(request: Option<&'a RequestHead>, part: impl Fn(&'a [u8], Option<usize>) -> &'a [u8]) -> Fact<'a> {
    let path = request.map_or(&b""[..], |head| &head.path);
    Fact::Text(Cow::Borrowed(part(path, memchr::memchr(b'?', path))))
}

fn address(address: Option<SocketAddr>) -> Fact<'static> {
    address.map_or(Fact::Absent, |address| Fact::Text(Cow::Owned(address.to_string().into_bytes())))
}

fn int(value: u64) -> Fact<'static> {
    Fact::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

/// A bit for each flag, in Envoy's order.
fn flags(flags: ResponseFlags) -> i64 {
    let set = ResponseFlags::ALL.iter().enumerate().filter(|(_, (flag, ..))| flags.has(*flag));
    set.fold(0, |bits, (index, _)| bits | 1 << index)
}

/// From the trailers, the headers, or guessed from the HTTP status.
fn grpc_status(known: &Known<'_>) -> Fact<'static> {
    let sent = known.response_trailers.and_then(|trailers| trailers.get_str("grpc-status"));
    let sent = sent.or_else(|| known.response.and_then(|head| head.headers.get_str("grpc-status")));
    match sent {
        Some(status) => {
            let status = std::str::from_utf8(status).ok().and_then(|status| status.parse::<u32>().ok());
            Fact::Int(i64::from(status.unwrap_or(u32::MAX)))
        }
        None if known.info.response_code == 0 => Fact::Absent,
        None => Fact::Int(i64::from(grpc::status_of(known.info.response_code))),
    }
}
