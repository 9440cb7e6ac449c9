//! What a span says: the tags that every span has, in Envoy's words. Made when a request, or an attempt of it, is over.

use std::time::{Duration, Instant, SystemTime};

use config::services::sanitized;
use config::services::span::{Kind, Span, tags};

use super::{Tracer, of_route, tracer_of};
use crate::failure::ResponseFlags;
use crate::http::route::is_grpc;
use crate::http::stream::Stream;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::{StreamInfo, Times};
use crate::telemetry::trace::written;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::RequestHead;

/// The request is over. `begun`: its response was; `whole`: that went out to its end.
pub(in crate::http) fn finish(stream: &mut Stream<'_>, begun: bool, whole: bool) {
    let Some(mut trace) = stream.trace.take() else { return };
    let context = stream.context;
    // It may be sampled where its request is not.
    if let Some(called) = trace.called.take() {
        called.left(&stream.info, context.upstreams.calls());
    }
    let Some(tracer) = tracer_of(stream).filter(|_| trace.begun.own.sampled) else { return };
    let info = &stream.info;
    let end = info.end.unwrap_or_else(Instant::now);
    let mut span = Span {
        trace: trace.begun.own.trace,
        id: trace.begun.own.span,
        parent: trace.begun.parent,
        remote_parent: trace.begun.parent.is_some(),
        shared: tracer.contexts.shares() && tracer.kind == Kind::Server,
        state: sanitized(&trace.state),
        name: std::mem::take(&mut trace.name),
        kind: tracer.kind,
        start: nanoseconds(info, info.start),
        end: nanoseconds(info, end),
        ..Span::default()
    };
    span.tag(tags::NODE_ID, &*tracer.node.id);
    span.tag(tags::ZONE, &*tracer.node.zone);
    of_request(tracer, &mut span, info, &stream.request);
    of_both(&mut span, info, (info.flags, info.response_code));
    if tracer.verbose {
        span.events.extend(events(info, info.response_first_byte, (info.start, Some(end).filter(|_| whole))));
    }
    let response = stream.response.as_ref().filter(|_| begun);
    let entry = stream.entry(response, stream.trailers.as_ref());
    of_configuration(tracer, &mut span, stream, &entry);
    for headers in response.map(|head| &head.headers).into_iter().chain(&stream.trailers) {
        grpc_status(&mut span, headers);
    }
    let operation = of_route(stream).and_then(|of_route| of_route.operation.as_ref());
    let of_manager = || context.manager.tracing.as_ref()?.operation.as_ref();
    if let Some(operation) = operation.or_else(of_manager) {
        rename(&mut span, written(operation, &entry));
    }
    tracer.exporter.send(span, context.upstreams.calls());
}

/// A name that comes out empty names nothing.
pub(super) fn rename(span: &mut Span, name: String) {
    if !name.is_empty() {
        span.name = name;
    }
}

fn of_request(tracer: &Tracer, span: &mut Span, info: &StreamInfo, request: &RequestHead) {
    let headers = &request.headers;
    let text = |name: &Name| headers.get(name).map(|value| sanitized(value));
    let or_dash = |name: &Name| text(name).unwrap_or_else(|| String::from("-"));
    if let Some(id) = text(&Name::X_REQUEST_ID) {
        span.tag(tags::X_REQUEST_ID, id);
    }
    span.tag(tags::HTTP_URL, url(request, tracer.max_path));
    span.tag(tags::HTTP_METHOD, sanitized(request.method.as_bytes()));
    span.tag(tags::DOWNSTREAM_CLUSTER, or_dash(&Name::X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER));
    span.tag(tags::USER_AGENT, or_dash(&Name::USER_AGENT));
    span.tag(tags::HTTP_PROTOCOL, info.protocol.map_or("-", |protocol| protocol.as_str()));
    span.tag(tags::PEER_ADDRESS, info.connection.direct_remote.ip().to_string());
    if let Some(id) = text(&Name::X_CLIENT_TRACE_ID) {
        span.tag(tags::X_CLIENT_TRACE_ID, id);
    }
    if is_grpc(request) {
        span.tag(tags::GRPC_PATH, sanitized(&request.path));
        span.tag(tags::GRPC_AUTHORITY, sanitized(&request.authority));
        for (tag, name) in [(tags::GRPC_CONTENT_TYPE, Name::CONTENT_TYPE), (tags::GRPC_TIMEOUT, Name::GRPC_TIMEOUT)] {
            if let Some(value) = text(&name) {
                span.tag(tag, value);
            }
        }
    }
    span.tag(tags::REQUEST_SIZE, info.bytes_received.to_string());
    span.tag(tags::RESPONSE_SIZE, info.bytes_sent.to_string());
}

/// As the client wrote it, with a path of at most so many octets.
fn url(request: &RequestHead, longest: usize) -> String {
    let path = request.headers.get(&Name::X_ENVOY_ORIGINAL_PATH).unwrap_or(&request.path);
    if path.is_empty() {
        return String::new();
    }
    let scheme = request.headers.get(&Name::X_FORWARDED_PROTO).map_or(&b""[..], |scheme| scheme);
    let path = &path[..path.len().min(longest)];
    sanitized(&[scheme, b"://", &request.authority, path].concat())
}

/// What the span of a request says, and that of an attempt, each with flags and a status of its own.
pub(super) fn of_both(span: &mut Span, info: &StreamInfo, (flags, status): (ResponseFlags, u16)) {
    span.tag(tags::COMPONENT, "proxy");
    if let (Some(cluster), Some(observed)) = (&info.upstream_cluster, info.observed_cluster()) {
        span.tag(tags::UPSTREAM_CLUSTER, &**cluster);
        span.tag(tags::UPSTREAM_CLUSTER_NAME, &**observed);
    }
    of_answer(span, flags, status);
}

/// How it was answered.
pub(super) fn of_answer(span: &mut Span, flags: ResponseFlags, status: u16) {
    span.tag(tags::HTTP_STATUS_CODE, status.to_string());
    span.tag(tags::RESPONSE_FLAGS, flags.short());
    if status == 0 || status / 100 == 5 {
        span.tag(tags::ERROR, "true");
    }
}

/// What configuration has it say: of the route, then of the connection manager.
pub(super) fn of_configuration(tracer: &Tracer, span: &mut Span, stream: &Stream<'_>, entry: &LogEntry<'_>) {
    let of_route = of_route(stream).map(|of_route| &of_route.tags);
    if let Some(tags) = of_route {
        tags.apply(None, entry, span);
    }
    tracer.tags.apply(of_route, entry, span);
}

/// How gRPC ended, where it says so. What is the server's fault is an error.
pub(super) fn grpc_status(span: &mut Span, headers: &Headers) {
    let Some(status) = headers.get(&Name::GRPC_STATUS) else { return };
    span.tag(tags::GRPC_STATUS_CODE, sanitized(status));
    if let Some(message) = headers.get(&Name::GRPC_MESSAGE) {
        span.tag(tags::GRPC_MESSAGE, sanitized(message));
    }
    // Unknown, deadline exceeded, resource exhausted, unimplemented, internal, unavailable, data loss.
    if matches!(crate::wire::grpc::status(headers), Some(2 | 4 | 8 | 12..=15)) {
        span.tag(tags::ERROR, "true");
    }
}

/// What happened when, since that moment. `answered`: the first octet of the response came; `end`: the last one went to the client.
pub(super) fn events(
    info: &StreamInfo,
    answered: Option<Instant>,
    (since, end): (Instant, Option<Instant>),
) -> Vec<(u64, &'static str)> {
    let times = |of: fn(&Times) -> Option<Instant>| info.times.as_deref().and_then(of);
    let moments = [
        (info.request_complete, "last_downstream_rx_byte_received"),
        (times(|times| times.upload_begins), "first_upstream_tx_byte_sent"),
        (times(|times| times.upload_ends), "last_upstream_tx_byte_sent"),
        (answered, "first_upstream_rx_byte_received"),
        (times(|times| times.response_ends), "last_upstream_rx_byte_received"),
        (times(|times| times.download_begins), "first_downstream_tx_byte_sent"),
        (end, "last_downstream_tx_byte_sent"),
    ];
    let known = moments.into_iter().filter_map(|(at, name)| Some((at.filter(|at| *at >= since)?, name)));
    known.map(|(at, name)| (nanoseconds(info, at), name)).collect()
}

/// A moment on the wall clock.
pub(super) fn nanoseconds(info: &StreamInfo, at: Instant) -> u64 {
    let begin = info.start_time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let at = begin + at.saturating_duration_since(info.start);
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}
