//! What is told of a connection: when it began, in the listener's statistics, and in its access log, however it ended. A connection that
//! did not come to its last filter is told of here too.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use crate::failure::ResponseFlags;
use crate::listener::chain::{FilterChain, Terminal};
use crate::listener::compiled::Common;
use crate::stats::OneMore;
use crate::tcp::filters::Closed;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::tls::{FailureKind, HandshakeFailure};
use crate::transport::Stream;
use crate::worker::Worker;

/// When a connection was accepted, on both clocks.
#[derive(Clone, Copy)]
pub(super) struct StartTime {
    pub at: Instant,
    wall: std::time::SystemTime,
}

impl StartTime {
    pub fn now() -> StartTime {
        StartTime { at: Instant::now(), wall: std::time::SystemTime::now() }
    }

    pub fn stream_info(self, connection: Rc<ConnectionInfo>) -> StreamInfo {
        let mut info = StreamInfo::begin(connection, None);
        (info.start, info.start_time) = (self.at, self.wall);
        info
    }
}

/// A connection that has a chain, in the listener's statistics.
pub(super) struct Life {
    common: Arc<Common>,
    begun: Instant,
    _active: OneMore,
}

impl Life {
    pub fn begin(common: &Arc<Common>, begun: Instant) -> Life {
        let stats = &common.stats;
        stats.cx_total.inc();
        Life { common: common.clone(), begun, _active: stats.cx_active.hold() }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.common.stats.cx_destroy.inc();
        let length = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.common.stats.cx_length_ms.record(length);
    }
}

/// A connection that a network filter closes, or that its client closes while one waits.
pub(super) fn turn_away(
    worker: &Worker,
    common: &Common,
    chain: &FilterChain,
    begun: StartTime,
    info: Rc<ConnectionInfo>,
    (stream, closed): (&Stream, Closed),
) {
    stream.reset_if_unread();
    let mut info = begun.stream_info(info);
    (info.flags, info.end) = (closed.flags, Some(Instant::now()));
    match &chain.terminal {
        Terminal::Tcp(proxy) => proxy.turned_away(worker, &info),
        Terminal::Http(manager) => manager.count_unserved(chain.tls.is_some(), closed.by_client),
        Terminal::Echo | Terminal::Direct(_) | Terminal::None => {}
    }
    log(worker, common, &info);
}

/// A connection that no chain took.
pub(super) fn log_unserved(
    worker: &Worker,
    common: &Common,
    begun: StartTime,
    info: ConnectionInfo,
    flags: ResponseFlags,
) {
    if common.access_log.is_empty() {
        return;
    }
    let mut info = begun.stream_info(Rc::new(ConnectionInfo { listener: common.name.clone(), ..info }));
    (info.flags, info.end) = (flags, Some(Instant::now()));
    if flags == ResponseFlags::NO_ROUTE_FOUND {
        info.response_code_details = Some("filter_chain_not_found".into());
    }
    log(worker, common, &info);
}

pub(super) fn log_failed_handshake(
    worker: &Worker,
    common: &Common,
    chain: &FilterChain,
    begun: StartTime,
    info: Rc<ConnectionInfo>,
    failure: &HandshakeFailure,
) {
    let mut info = begun.stream_info(info);
    info.end = Some(Instant::now());
    if !failure.reason.is_empty() {
        info.downstream_transport_failure = Some(failure.reason.clone());
    }
    log(worker, common, &info);
    match &chain.terminal {
        Terminal::Tcp(proxy) => proxy.log(worker, &info),
        Terminal::Http(manager) => manager.count_unserved(true, matches!(failure.kind, FailureKind::Closed)),
        Terminal::Echo | Terminal::Direct(_) | Terminal::None => {}
    }
}

/// A connection that its last filter serves, for the listener's log: told at its end, or when the process ends before it.
pub(super) struct Served {
    worker: Rc<Worker>,
    common: Arc<Common>,
    begun: StartTime,
    info: Rc<ConnectionInfo>,
}

impl Served {
    /// `None` where nobody wants to know. On the heap, for few connections have one.
    pub fn begin(
        worker: &Rc<Worker>,
        common: Arc<Common>,
        begun: StartTime,
        info: &Rc<ConnectionInfo>,
    ) -> Option<Box<Served>> {
        info.told.as_ref()?;
        Some(Box::new(Served { worker: worker.clone(), common, begun, info: info.clone() }))
    }

    /// It has ended; `ended` is what its last filter knows of it. Told when this is dropped.
    pub fn end(&self, ended: Option<StreamInfo>) {
        if let (Some(told), Some(ended)) = (&self.info.told, ended) {
            told.ended.replace(Some(Box::new(ended)));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Some(told) = &self.info.told else { return };
        let ended = told.ended.take();
        let mut info = ended.map_or_else(|| self.begun.stream_info(self.info.clone()), |ended| *ended);
        told.complete(&mut info);
        log(&self.worker, &self.common, &info);
    }
}

pub(super) fn log(worker: &Worker, common: &Common, info: &StreamInfo) {
    common.access_log.log(&worker.logs, &LogEntry::of(info));
}
