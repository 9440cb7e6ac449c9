//! The router's own log (`upstream_log`): a line for each attempt, by the same formats as an access log, and where `upstream_log_options`
//! says so one when it has its stream, and one now and then. Written by the loop in [`super`] when an attempt is tried again, and by
//! `exchange` for the last one when the request ends. Nothing is done where it is not configured.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use tokio::time::{Sleep, sleep};

use crate::failure::ResponseFlags;
use crate::http::exchange::Exchange;
use crate::http::stream::Stream;
use crate::telemetry::access_log::{EntryKind, LogEntry};
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::headers::Headers;
use crate::wire::message::ResponseHead;

/// Until the next line of an attempt that goes on.
pub(in crate::http) type Again = Pin<Box<Sleep>>;

/// An attempt begins.
pub(super) fn begins(exchange: &mut Exchange<'_>) {
    let manager = &exchange.stream.context.manager;
    if !manager.upstream_log.is_empty() {
        exchange.stream.attempt_begun = Some(Instant::now());
        exchange.log_again = manager.config.router.upstream_log_interval.map(|time| Box::pin(sleep(time)));
    }
}

/// It has its stream.
pub(super) fn ready(stream: &Stream<'_>) {
    if stream.context.manager.config.router.upstream_log_at_stream {
        goes_on(stream, EntryKind::UpstreamPoolReady);
    }
}

/// It goes on.
pub(in crate::http) fn poll_again(again: &mut Option<Again>, stream: &Stream<'_>, cx: &mut Context<'_>) {
    let interval = stream.context.manager.config.router.upstream_log_interval;
    while let (Some(timer), Some(interval)) = (again.as_mut(), interval)
        && timer.as_mut().poll(cx).is_ready()
    {
        goes_on(stream, EntryKind::UpstreamPeriodic);
        timer.as_mut().reset(tokio::time::Instant::now() + interval);
    }
}

fn goes_on(stream: &Stream<'_>, kind: EntryKind) {
    let log = &stream.context.manager.upstream_log;
    let Some(begun) = stream.attempt_begun.filter(|_| !log.is_empty()) else { return };
    write(stream, StreamInfo { start: begun, ..stream.info.clone() }, kind, (None, None));
}

/// An attempt is over, with this status (0: without an answer), and another one takes its place.
pub(super) fn over(stream: &Stream<'_>, status: u16, flags: ResponseFlags) {
    if stream.context.manager.upstream_log.is_empty() {
        return;
    }
    let start = stream.attempt_begun.unwrap_or(stream.info.start);
    let end = Some(Instant::now());
    let info = StreamInfo { start, end, response_code: status, flags, ..stream.info.clone() };
    write(stream, info, EntryKind::UpstreamEnd, (None, None));
}

/// The request is over, and its last attempt with it.
pub(in crate::http) fn last(stream: &Stream<'_>, response: Option<&ResponseHead>, trailers: Option<&Headers>) {
    let log = &stream.context.manager.upstream_log;
    let Some(begun) = stream.attempt_begun.filter(|_| !log.is_empty()) else { return };
    let info = StreamInfo { start: begun, ..stream.info.clone() };
    write(stream, info, EntryKind::UpstreamEnd, (response, trailers));
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
