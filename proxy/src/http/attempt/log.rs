//! The router's own log (`upstream_log`): a line for each attempt, by the same formats as an access log. Written by the loop in [`super`]
//! when an attempt is tried again, and by `exchange` for the last one when the request ends. Nothing is done where it is not configured.

use std::time::Instant;

use crate::failure::ResponseFlags;
use crate::http::stream::Stream;
use crate::telemetry::access_log::LogEntry;
use crate::wire::headers::Headers;
use crate::wire::message::ResponseHead;

/// An attempt begins.
pub(super) fn begins(stream: &mut Stream<'_>) {
    if !stream.context.manager.upstream_log.is_empty() {
        stream.attempt_begun = Some(Instant::now());
    }
}

/// An attempt is over, with this status (0: without an answer), and another one takes its place.
pub(super) fn over(stream: &Stream<'_>, status: u16, flags: ResponseFlags) {
    let log = &stream.context.manager.upstream_log;
    if log.is_empty() {
        return;
    }
    let mut info = stream.info.clone();
    info.start = stream.attempt_begun.unwrap_or(info.start);
    info.end = Some(Instant::now());
    info.response_code = status;
    info.flags = flags;
    let entry = LogEntry { info: &info, ..stream.entry(None, None) };
    log.log(&stream.context.logs, &entry);
}

/// The request is over, and its last attempt with it.
pub(in crate::http) fn last(stream: &Stream<'_>, response: Option<&ResponseHead>, trailers: Option<&Headers>) {
    let log = &stream.context.manager.upstream_log;
    let Some(begun) = stream.attempt_begun.filter(|_| !log.is_empty()) else { return };
    let mut info = stream.info.clone();
    info.start = begun;
    log.log(&stream.context.logs, &LogEntry { info: &info, ..stream.entry(response, trailers) });
}
