//! What every response head goes through on its way to the client: hop-by-hop headers, the route's changes, `server`, `date`, and
//! whether the connection goes on afterwards.

use bytes::Bytes;
use config::hcm::ServerHeader;
use config::listener::Direction;

use super::date;
use super::forwarded;
use super::framing;
use super::proxy_status;
use super::stream::{Chosen, Stream, asks_for_tunnel};
use super::trace;
use crate::mutate::Mutation;
use crate::overload::Act;
use crate::telemetry::{format, wall};
use crate::wire::codec::Downstream;
use crate::wire::headers::{Headers, Name, NameSet};
use crate::wire::message::{Method, Protocol, ResponseHead};

/// Ends at this hop, always.
const HOP_BY_HOP: NameSet = NameSet::of([Name::KEEP_ALIVE, Name::PROXY_CONNECTION, Name::TRANSFER_ENCODING]);
/// Ends at this hop unless the response is an upgrade.
const CONNECTION: NameSet = NameSet::of([Name::CONNECTION, Name::UPGRADE]);

/// Envoy holds one value of each of these: repeated lines are one list.
pub(super) const SINGLE: NameSet = NameSet::of([
    Name::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    Name::ACCESS_CONTROL_ALLOW_HEADERS,
    Name::ACCESS_CONTROL_ALLOW_METHODS,
    Name::ACCESS_CONTROL_ALLOW_ORIGIN,
    Name::ACCESS_CONTROL_EXPOSE_HEADERS,
    Name::ACCESS_CONTROL_MAX_AGE,
    Name::AGE,
    Name::CACHE_CONTROL,
    Name::CONTENT_ENCODING,
    Name::CONTENT_TYPE,
    Name::DATE,
    Name::ETAG,
    Name::GRPC_MESSAGE,
    Name::EXPIRES,
    Name::GRPC_STATUS,
    Name::LAST_MODIFIED,
    Name::LOCATION,
    Name::SERVER,
    Name::VARY,
    Name::VIA,
    Name::X_ENVOY_DECORATOR_OPERATION,
    Name::X_ENVOY_DEGRADED,
    Name::X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL,
    Name::X_ENVOY_RATELIMITED,
    Name::X_ENVOY_UPSTREAM_CANARY,
    Name::X_ENVOY_UPSTREAM_HEALTHCHECKED_CLUSTER,
    Name::X_REQUEST_ID,
]);

/// The router's part of a response that came from upstream.
pub(super) fn upstream_head(stream: &mut Stream<'_>, head: &mut ResponseHead) {
    strip(head);
    head.headers.join_repeated(SINGLE);
    if !stream.context.manager.config.router.suppress_envoy_headers && stream.request_is_complete() {
        let mut digits = itoa::Buffer::new();
        let milliseconds = digits.format(stream.response_time().as_millis());
        let value = if milliseconds == "0" {
            Bytes::from_static(b"0")
        } else {
            Bytes::copy_from_slice(milliseconds.as_bytes())
        };
        head.headers.set(Name::X_ENVOY_UPSTREAM_SERVICE_TIME, value);
    }
    stream.info.response_code = head.status;
    apply_route_changes(stream, head);
    add_attempt_count(stream, &mut head.headers);
}

/// The connection manager's part, of every final response.
pub(super) fn finish_head(stream: &mut Stream<'_>, downstream: &mut dyn Downstream, head: &mut ResponseHead) {
    let context = stream.context;
    let config = &context.manager.config;
    // Whoever wrote it.
    strip(head);
    let headers = &mut head.headers;
    if !headers.contains(&Name::DATE) {
        let now = stream.info.response_first_byte.unwrap_or_else(std::time::Instant::now);
        headers.append(Name::DATE, date::at(wall::at(now)));
    }
    match config.server_header {
        ServerHeader::Overwrite => headers.set(Name::SERVER, context.server.clone()),
        ServerHeader::AppendIfAbsent if !headers.contains(&Name::SERVER) => {
            headers.append(Name::SERVER, context.server.clone());
        }
        ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => {}
    }
    if (config.request_id_in_response || stream.request.headers.contains(&Name::X_ENVOY_FORCE_TRACE))
        && let Some(id) = stream.request.headers.get(&Name::X_REQUEST_ID)
    {
        headers.set_said(Name::X_REQUEST_ID, id.clone());
    }
    if let Some(via) = &config.via {
        headers.append_list(Name::VIA, via, b", ");
    }
    if let Some(config) = &config.proxy_status {
        proxy_status::tell(config, stream, head);
    }
    let headers = &mut head.headers;
    let http1 = stream.request.protocol != Protocol::Http2;
    // Where the next request begins is not known before this one has ended, and what asks for a tunnel never ends. As with Envoy 200 alone
    // opens that of a CONNECT without saying that nothing follows.
    let connect = stream.request.method == Method::Connect;
    let tunnel = head.status == 101 || (connect && head.status == 200);
    let mut close = http1 && (!stream.request_is_complete() || asks_for_tunnel(&stream.request)) && !tunnel;
    let limit = config.max_requests_per_connection.is_some_and(|limit| limit > 0 && context.requests.get() >= limit);
    if limit {
        context.manager.stats.downstream_cx_max_requests_reached.inc();
        close = true;
    }
    if context.does(Act::EndKeepalive) {
        context.manager.stats.downstream_cx_overload_disable_keepalive.inc();
        close = true;
    }
    if context.drain.should_close() {
        context.manager.stats.downstream_cx_drain_close.inc();
        close = true;
    }
    if close {
        downstream.close_after();
        // A tunnel has no next request, and ends in its own time.
        if http1 && !tunnel {
            headers.append(Name::CONNECTION, Bytes::from_static(b"close"));
        }
    }
    tell_decorator(stream, headers);
}

/// With tracing the two sidecars tell each other the name of the operation; apps see none of it.
fn tell_decorator(stream: &mut Stream<'_>, headers: &mut Headers) {
    if stream.context.manager.config.tracing.is_none() {
        return;
    }
    if stream.context.manager.direction == Direction::Outbound {
        if let Some(operation) = headers.get(&Name::X_ENVOY_DECORATOR_OPERATION) {
            trace::named(&mut stream.trace, operation);
            headers.remove(&Name::X_ENVOY_DECORATOR_OPERATION);
        }
    } else if let Some(operation) = &stream.decorator {
        headers.set(Name::X_ENVOY_DECORATOR_OPERATION, operation.clone());
    }
}

/// Removes what ends at this hop.
pub(super) fn strip(head: &mut ResponseHead) {
    let drop = if head.status == 101 { HOP_BY_HOP } else { HOP_BY_HOP.with(CONNECTION) };
    head.headers.remove_all(drop);
}

/// `x-envoy-attempt-count`, if the virtual host wants it told.
pub(super) fn add_attempt_count(stream: &Stream<'_>, headers: &mut Headers) {
    if stream.route.is_some_and(|chosen| chosen.host.config.attempt_count_in_response) {
        headers.set(Name::X_ENVOY_ATTEMPT_COUNT, attempt_count(stream.info.attempts));
    }
}

/// The number as a header value; the usual one costs nothing.
pub(super) fn attempt_count(attempts: u32) -> Bytes {
    match attempts {
        1 => Bytes::from_static(b"1"),
        other => Bytes::from(other.to_string()),
    }
}

/// Response header changes of route, virtual host and table, the most specific last if so configured.
pub(super) fn apply_route_changes(stream: &Stream<'_>, head: &mut ResponseHead) {
    let Some(chosen) = stream.route else { return };
    let mut changed = false;
    for mutation in levels(chosen) {
        if mutation.leaves_responses() {
            continue;
        }
        changed = true;
        mutation.remove_from_response(&mut head.headers);
        let values = {
            let entry = stream.entry(Some(head), None);
            mutation.response_values(|format, out| format::write(format, &entry, out))
        };
        mutation.apply_to_response(&mut head.headers, values);
        head.headers.join_repeated(SINGLE);
    }
    if changed {
        framing::settle_response(head, stream.asked.head);
    }
}

/// Request header changes, likewise.
pub(super) fn apply_request_changes(stream: &mut Stream<'_>) {
    let Some(chosen) = stream.route else { return };
    for mutation in levels(chosen) {
        if mutation.tells_of_attempts() {
            stream.info.times.get_or_insert_default();
        }
        change_request(stream, mutation);
    }
}

/// Applies the request changes of one level, or of a filter.
pub(super) fn change_request(stream: &mut Stream<'_>, mutation: &Mutation) {
    if mutation.leaves_requests() {
        return;
    }
    mutation.remove_from_request(&mut stream.request.headers);
    let values = {
        let entry = stream.entry(None, None);
        mutation.request_values(|format, out| format::write(format, &entry, out))
    };
    mutation.apply_to_request(&mut stream.request.headers, values);
    stream.request.headers.join_repeated(forwarded::SINGLE);
    framing::settle_request(&mut stream.request);
}

/// What a filter adds to an answer of its own, before there is one.
pub(super) fn response_additions(stream: &Stream<'_>, mutation: &Mutation) -> Vec<(Name, Bytes)> {
    if mutation.leaves_responses() {
        return Vec::new();
    }
    let entry = stream.entry(None, None);
    let values = mutation.response_values(|format, out| format::write(format, &entry, out));
    let mut headers = Headers::new();
    mutation.apply_to_response(&mut headers, values);
    headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect()
}

/// The levels in the order in which they are applied. The weighted cluster comes first in either order.
fn levels<'a>(chosen: Chosen<'a>) -> impl Iterator<Item = &'a Mutation> {
    let levels = [&chosen.route.mutation, &chosen.host.mutation, chosen.table.mutation()];
    let order = if chosen.table.most_specific_headers_win() { [2, 1, 0] } else { [0, 1, 2] };
    let weighted = chosen.weighted.map(|target| &target.mutation);
    weighted.into_iter().chain(order.into_iter().map(move |index: usize| levels[index]))
}
