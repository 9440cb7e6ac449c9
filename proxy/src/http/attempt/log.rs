//! The router's own log (`upstream_log`): a line for each attempt, by the same formats as an access log, and where `upstream_log_options`
//! says so one when it has its stream, and one now and then. Written by the loop in [`super`] when an attempt is tried again, and by
//! `exchange` for the last one when the request ends. Nothing is done where it is not configured.

use std::time::Instant;

use crate::failure::ResponseFlags;
use crate::http::early::Clock;
use crate::http::exchange::Exchange;
use crate::http::stream::Stream;
use crate::http::trace;
use crate::telemetry::access_log::{EntryKind, LogEntry};
use crate::telemetry::dynamic::{DynamicMetadata, FilterState};
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::headers::Headers;
use crate::wire::message::ResponseHead;

/// The attempt that is under way, for its line.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Begun {
    at: Instant,
    /// What it was answered with, once it was.
    status: Option<u16>,
}

/// An attempt begins.
pub(super) fn begins(exchange: &mut Exchange<'_>) {
    trace::attempt::begins(&mut exchange.stream);
    let manager = &exchange.stream.context.manager;
    if !manager.upstream_log.is_empty() {
        exchange.stream.attempt_begun = Some(Begun { at: Instant::now(), status: None });
        Clock::attempt_begins(&mut exchange.clock, manager.config.router.upstream_log_interval);
    }
}

/// It is answered, and that answer goes on to the client.
pub(super) fn answered(stream: &mut Stream<'_>, head: &ResponseHead) {
    trace::attempt::answered(&mut stream.trace, head);
    if let Some(begun) = &mut stream.attempt_begun {
        begun.status = Some(head.status);
    }
}

/// It has its stream.
pub(super) fn ready(stream: &Stream<'_>) {
    if stream.context.manager.config.router.upstream_log_at_stream {
        goes_on(stream, EntryKind::UpstreamPoolReady);
    }
}

/// It goes on.
pub(in crate::http) fn goes_on(stream: &Stream<'_>, kind: EntryKind) {
    let Some(begun) = stream.attempt_begun else { return };
    let (code, received) = begun.status.map_or((0, 0), |status| (status, stream.info.bytes_sent));
    let seen = seen(stream, begun, ResponseFlags::NONE);
    let info = StreamInfo { response_code: code, bytes_received: received, ..seen };
    write(stream, info, kind, (None, None));
}

/// An attempt is over without an answer that goes on, for another one takes its place or the client hears of the failure. `status` 0:
/// without any answer; `host`: it had one to go to, else there is nothing to tell; `connected`: something was sent.
pub(super) fn over(stream: &mut Stream<'_>, status: u16, flags: ResponseFlags, (host, connected): (bool, bool)) {
    let Some(begun) = stream.attempt_begun.take().filter(|_| host) else { return };
    let mut info = StreamInfo { end: Some(Instant::now()), response_code: status, ..seen(stream, begun, flags) };
    if !connected {
        (info.bytes_sent, info.protocol) = (0, None);
    }
    write(stream, info, EntryKind::UpstreamEnd, (None, None));
}

/// The request is over, and its last attempt with it. `answered`: the client has an answer.
pub(in crate::http) fn last(stream: &mut Stream<'_>, answered: bool) {
    trace::attempt::last(stream);
    let (response, trailers) = (stream.response.as_ref().filter(|_| answered), stream.trailers.as_ref());
    let Some(begun) = stream.attempt_begun else { return };
    let Some(status) = begun.status else {
        return write(stream, seen(stream, begun, ResponseFlags::NONE), EntryKind::UpstreamEnd, (None, None));
    };
    let flags = stream.info.flags.and(OF_ATTEMPTS);
    let received = stream.info.bytes_sent;
    let info = StreamInfo { bytes_received: received, response_code: status, ..seen(stream, begun, flags) };
    write(stream, info, EntryKind::UpstreamEnd, (response, trailers));
}

/// What may go wrong with an attempt after its answer has begun.
pub(in crate::http) const OF_ATTEMPTS: [ResponseFlags; 3] = [
    ResponseFlags::UPSTREAM_REMOTE_RESET,
    ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
    ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
];

/// The request as the upstream sees it: what is received comes from there. What filters have written is the request's, and so are the
/// number of attempts and the details.
fn seen(stream: &Stream<'_>, begun: Begun, flags: ResponseFlags) -> StreamInfo {
    let info = &stream.info;
    StreamInfo {
        start: begun.at,
        bytes_sent: info.bytes_received,
        bytes_received: 0,
        protocol: info.upstream_protocol,
        response_code: 0,
        response_code_details: None,
        flags,
        attempts: 0,
        metadata: DynamicMetadata::default(),
        filter_state: FilterState::default(),
        ..info.clone()
    }
}

fn write(
    stream: &Stream<'_>,
    info: StreamInfo,
    kind: EntryKind,
    (response, trailers): (Option<&ResponseHead>, Option<&Headers>),
) {
    let mut entry = LogEntry { info: &info, ..stream.entry(response, trailers) };
    entry.more.kind = kind;
    stream.context.manager.upstream_log.log(&stream.context.logs, &entry);
}

#[cfg(test)]
mod tests;
