//! Entries of a request's log before its end (`access_log_options`), and the clock of entries that come again and again, of a request and of
//! its attempt. Called by `exchange`. Nothing is kept where it is not configured.

use std::task::Context as Task;
use std::time::Duration;

use config::access_log::EntryKind;

use super::attempt;
use super::stream::Stream;
use crate::logs::Again;
use crate::wire::codec::Downstream;

/// When something is written again.
#[derive(Debug, Default)]
pub(super) struct Clock {
    request: Option<Again>,
    attempt: Option<Again>,
}

impl Clock {
    /// Of a request that begins now.
    pub fn begin(stream: &Stream<'_>) -> Option<Box<Clock>> {
        let manager = &stream.context.manager;
        let interval = manager.config.early_log.interval.filter(|_| !manager.access_log.is_empty())?;
        Some(Box::new(Clock { request: Some(Again::new(interval)), attempt: None }))
    }

    /// An attempt begins.
    pub fn attempt_begins(clock: &mut Option<Box<Clock>>, interval: Option<Duration>) {
        if let Some(interval) = interval {
            clock.get_or_insert_default().attempt = Some(Again::new(interval));
        }
    }
}

/// Writes what is due.
pub(super) fn poll(clock: &mut Clock, stream: &mut Stream<'_>, downstream: &mut dyn Downstream, cx: &mut Task<'_>) {
    while clock.attempt.as_mut().is_some_and(|again| again.is_due(cx)) {
        attempt::log::goes_on(stream, EntryKind::UpstreamPeriodic);
    }
    while clock.request.as_mut().is_some_and(|again| again.is_due(cx)) {
        stream.info.client_wire(|| downstream.on_wire());
        write(stream, EntryKind::DownstreamPeriodic);
    }
}

/// The request has been looked at, and no filter has seen it.
pub(super) fn at_start(stream: &mut Stream<'_>) {
    if stream.context.manager.config.early_log.at_start {
        attempt::name_cluster(stream);
        write(stream, EntryKind::DownstreamStart);
    }
}

/// It has become a tunnel.
pub(super) fn at_tunnel(stream: &mut Stream<'_>) {
    if stream.context.manager.config.early_log.at_success {
        write(stream, EntryKind::DownstreamTunnelSuccessfullyEstablished);
    }
}

fn write(stream: &mut Stream<'_>, kind: EntryKind) {
    let context = stream.context;
    let log = &context.manager.access_log;
    if log.is_empty() {
        return;
    }
    let mut entry = stream.entry(stream.response.as_ref(), stream.trailers.as_ref());
    entry.more.kind = kind;
    log.log(&context.logs, &entry);
}

#[cfg(test)]
mod tests;
