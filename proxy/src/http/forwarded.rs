//! Whom a request came from, and which of its headers are believed: hop-by-hop headers go, `x-forwarded-*` are completed, and what only
//! internal callers may say is taken from external ones. Called once a request by `exchange`, before the route is looked up.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use config::hcm::{ForwardProto, SchemeHeader, UserAgent};

use super::context::Context;
use super::original_ip;
use super::route::RouteTable;
use crate::wire::headers::{Headers, Name, NameSet};
use crate::wire::message::RequestHead;
use crate::wire::url::Url;

/// What was found out about the caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// The client, by `x-forwarded-for` where that is believed; `None` when it is the connection's own peer.
    pub address: Option<SocketAddr>,
    /// From an internal address: retry and timeout headers are honoured.
    pub internal: bool,
    /// This is the first trusted hop, and the caller is outside.
    pub edge: bool,
    /// `x-forwarded-for` is to tell whoever is at the other end.
    appends: bool,
}

/// Ends at this hop, always.
const HOP_BY_HOP: NameSet =
    NameSet::of([Name::KEEP_ALIVE, Name::PROXY_CONNECTION, Name::TRANSFER_ENCODING, Name::X_ENVOY_INTERNAL]);
/// Ends at this hop unless it asks for an upgrade.
const CONNECTION: NameSet = NameSet::of([Name::CONNECTION, Name::UPGRADE]);
/// Only internal callers may say these.
const INTERNAL_ONLY: NameSet = NameSet::of([
    Name::X_ENVOY_RETRIABLE_STATUS_CODES,
    Name::X_ENVOY_RETRIABLE_HEADER_NAMES,
    Name::X_ENVOY_RETRY_ON,
    Name::X_ENVOY_RETRY_GRPC_ON,
    Name::X_ENVOY_MAX_RETRIES,
    Name::X_ENVOY_UPSTREAM_ALT_STAT_NAME,
    Name::X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
    Name::X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
    Name::X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
    Name::X_ENVOY_UPSTREAM_STREAM_DURATION_MS,
    Name::X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
    Name::X_ENVOY_FORCE_TRACE,
    Name::X_ENVOY_IP_TAGS,
    Name::X_ENVOY_ORIGINAL_URL,
    Name::X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
]);
/// The edge believes nobody about these.
const EDGE: NameSet = NameSet::of([
    Name::X_ENVOY_DECORATOR_OPERATION,
    Name::X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
    Name::X_ENVOY_DOWNSTREAM_SERVICE_NODE,
    Name::X_ENVOY_ORIGINAL_HOST,
    Name::X_ENVOY_ORIGINAL_PATH,
]);

/// Envoy holds one value of each of these: repeated lines are one list. Whoever appends, believes or reads one line reads all of it.
pub(super) const SINGLE: NameSet = NameSet::of([
    Name::ACCEPT,
    Name::ACCEPT_ENCODING,
    Name::ACCESS_CONTROL_REQUEST_HEADERS,
    Name::ACCESS_CONTROL_REQUEST_METHOD,
    Name::AUTHORIZATION,
    Name::CACHE_CONTROL,
    Name::CONTENT_ENCODING,
    Name::CONTENT_TYPE,
    Name::EXPECT,
    Name::GRPC_ACCEPT_ENCODING,
    Name::GRPC_TIMEOUT,
    Name::IF_MATCH,
    Name::IF_MODIFIED_SINCE,
    Name::IF_NONE_MATCH,
    Name::IF_RANGE,
    Name::IF_UNMODIFIED_SINCE,
    Name::ORIGIN,
    Name::PRAGMA,
    Name::REFERER,
    Name::USER_AGENT,
    Name::VIA,
    Name::X_CLIENT_TRACE_ID,
    Name::X_ENVOY_ATTEMPT_COUNT,
    Name::X_ENVOY_DECORATOR_OPERATION,
    Name::X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
    Name::X_ENVOY_DOWNSTREAM_SERVICE_NODE,
    Name::X_ENVOY_EXTERNAL_ADDRESS,
    Name::X_ENVOY_ORIGINAL_HOST,
    Name::X_ENVOY_ORIGINAL_PATH,
    Name::X_FORWARDED_FOR,
    Name::X_FORWARDED_HOST,
    Name::X_FORWARDED_PORT,
    Name::X_FORWARDED_PROTO,
    Name::X_REQUEST_ID,
])
.with(INTERNAL_ONLY);

/// Cleans and completes the request's headers. An error is the status with which a caller is refused of whom it is not known who it is.
pub(super) fn apply(context: &Context, request: &mut RequestHead, table: Option<&RouteTable>) -> Result<Caller, u16> {
    request.headers.join_repeated(SINGLE);
    let caller = caller(context, &request.headers)?;
    clean(request, caller, table.map_or(&[], RouteTable::internal_only));
    complete(context, request, caller);
    Ok(caller)
}

fn caller(context: &Context, headers: &Headers) -> Result<Caller, u16> {
    let config = &context.manager.config;
    let peer = context.connection.remote;
    let mut appends = config.use_remote_address && !config.skip_xff_append;
    let (address, single) = if !context.manager.original_ip.is_empty() {
        let found = original_ip::detect(&context.manager.original_ip, headers, peer.ip())?;
        appends = found.appends;
        (found.address.map(|ip| SocketAddr::new(ip, 0)), found.trusted)
    } else if config.use_remote_address {
        let single = !headers.contains(&Name::X_FORWARDED_FOR);
        let trusted = match config.xff_num_trusted_hops {
            0 => None,
            hops => last_forwarded(headers, hops - 1).0,
        };
        (Some(trusted.map_or(peer, |ip| SocketAddr::new(ip, 0))), single)
    } else {
        let (address, single) = last_forwarded(headers, config.xff_num_trusted_hops);
        (address.map(|ip| SocketAddr::new(ip, 0)), single)
    };
    let internal = single
        && address.is_some_and(|address| config.internal_ranges.iter().any(|range| range.contains(&address.ip())));
    Ok(Caller {
        address: address.filter(|address| *address != peer),
        internal,
        edge: config.use_remote_address && !internal,
        appends,
    })
}

/// The address that stands `skip` places before the end of `x-forwarded-for`, and whether it is the only one.
pub(super) fn last_forwarded(headers: &Headers, skip: u32) -> (Option<IpAddr>, bool) {
    let Some(list) = headers.get(&Name::X_FORWARDED_FOR) else { return (None, false) };
    let found =
        list.rsplit(|octet| *octet == b',').nth(skip as usize).and_then(|entry| parse_address(entry.trim_ascii()));
    (found, found.is_some() && memchr::memchr(b',', list).is_none())
}

/// An IP address; one with a port is none.
pub(super) fn parse_address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Drops what must not go on.
fn clean(request: &mut RequestHead, caller: Caller, internal_only: &[Name]) {
    let mut drop = HOP_BY_HOP;
    if request.upgrade.is_none() {
        drop = drop.with(CONNECTION);
    }
    if !caller.internal {
        drop = drop.with(INTERNAL_ONLY);
    }
    if caller.edge {
        drop = drop.with(EDGE);
    }
    let headers = &mut request.headers;
    headers.remove_all(drop);
    if !caller.internal && !internal_only.is_empty() {
        headers.retain(|header| !internal_only.contains(&header.name));
    }
    if headers.contains(&Name::TE) {
        clean_te(headers);
    }
    if headers.contains(&Name::REFERER) {
        clean_referer(headers);
    }
}

/// Of what TE may say only `trailers` is about the message and not the hop.
fn clean_te(headers: &mut Headers) {
    headers.retain(|header| header.name != Name::TE || accepts_trailers(&header.value));
    headers.values_mut(&Name::TE).for_each(|value| *value = Bytes::from_static(b"trailers"));
}

/// One that is none is dropped.
fn clean_referer(headers: &mut Headers) {
    headers.retain(|header| header.name != Name::REFERER || is_referer(&header.value));
}

fn accepts_trailers(value: &[u8]) -> bool {
    value.split(|octet| *octet == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Whether a referer is a URL with a host, or a relative reference; neither with a fragment or the name of a user (RFC 9110 section 10.1.3).
fn is_referer(value: &[u8]) -> bool {
    if let Some(url) = Url::parse(value) {
        return !url.has_user && !url.has_fragment;
    }
    let allowed = |octet: &u8| octet.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(octet);
    // The first segment of a relative reference has no colon: it would be a scheme.
    value.iter().all(allowed) && !value.iter().take_while(|octet| **octet != b'/').any(|octet| *octet == b':')
}

/// Adds what is missing: `x-forwarded-for`, `-proto`, `-port`, the scheme, and the edge's own headers.
fn complete(context: &Context, request: &mut RequestHead, caller: Caller) {
    let config = &context.manager.config;
    let scheme: &'static [u8] = if context.is_tls() { b"https" } else { b"http" };
    let headers = &mut request.headers;
    if caller.appends {
        let connection = &context.connection;
        let ip = if connection.remote.ip().is_loopback() { connection.local.ip() } else { connection.remote.ip() };
        headers.append_list(Name::X_FORWARDED_FOR, &ip.to_string(), b",");
    }
    // A trusted hop before us has told the protocol; otherwise nobody is believed at the edge.
    let overwrite = config.use_remote_address && config.xff_num_trusted_hops == 0;
    if overwrite || !headers.contains(&Name::X_FORWARDED_PROTO) {
        let scheme = config.forward_proto.as_ref().and_then(|ports| by_port(context, ports)).unwrap_or(scheme);
        headers.set(Name::X_FORWARDED_PROTO, Bytes::from_static(scheme));
    }
    if config.append_x_forwarded_port && (overwrite || !headers.contains(&Name::X_FORWARDED_PORT)) {
        headers.set(Name::X_FORWARDED_PORT, context.connection.local.port().to_string());
    }
    if let SchemeHeader::Overwrite(scheme) = config.scheme {
        headers.set(Name::X_FORWARDED_PROTO, Bytes::from_static(scheme.as_bytes()));
    }
    if caller.internal {
        headers.set(Name::X_ENVOY_INTERNAL, Bytes::from_static(b"true"));
    }
    if let Some(agent) = &config.user_agent {
        tell_agent(headers, agent);
    }
    if let Some(via) = &config.via {
        headers.append_list(Name::VIA, via, b", ");
    }
    if caller.edge {
        let address = caller.address.unwrap_or(context.connection.remote);
        headers.set(Name::X_ENVOY_EXTERNAL_ADDRESS, address.ip().to_string());
    }
    if let SchemeHeader::Overwrite(scheme) = config.scheme {
        request.scheme = Bytes::from_static(scheme.as_bytes());
        return;
    }
    request.scheme = match (&request.scheme[..], headers.get(&Name::X_FORWARDED_PROTO)) {
        (b"http" | b"https", _) => return,
        (_, Some(told)) if told.eq_ignore_ascii_case(b"https") => Bytes::from_static(b"https"),
        (_, Some(told)) if told.eq_ignore_ascii_case(b"http") => Bytes::from_static(b"http"),
        _ => Bytes::from_static(scheme),
    };
}

/// What the port says to which the client meant to connect, where a PROXY protocol has told it.
fn by_port(context: &Context, ports: &ForwardProto) -> Option<&'static [u8]> {
    let connection = &context.connection;
    let port = u32::from(connection.local.port());
    let told = connection.local != connection.direct_local;
    match (told && ports.https.contains(&port), told && ports.http.contains(&port)) {
        (true, _) => Some(b"https"),
        (false, true) => Some(b"http"),
        (false, false) => None,
    }
}

/// For whom this proxy works.
fn tell_agent(headers: &mut Headers, agent: &UserAgent) {
    let value = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    headers.set(Name::X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, value(&agent.cluster));
    if headers.get(&Name::USER_AGENT).is_none_or(Bytes::is_empty) {
        headers.set(Name::USER_AGENT, value(&agent.cluster));
    }
    if !agent.node.is_empty() {
        headers.set(Name::X_ENVOY_DOWNSTREAM_SERVICE_NODE, value(&agent.node));
    }
}
