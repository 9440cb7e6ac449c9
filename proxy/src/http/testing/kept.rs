//! What requests were, as access logs are told of them at their end: a log of the connection manager that keeps its entries for the test.
//! One a thread: a test's contexts share it, and a new context begins it anew.

use std::cell::RefCell;
use std::sync::Arc;

use config::access_log::{AccessLog, Format, LogFormat, Sink};

use crate::logs::{Destination, Destinations, Sinks, WorkerLogs};
use crate::stats::Stats;
use crate::telemetry::access_log::{EntryKind, LogEntry};
use crate::telemetry::stream_info::StreamInfo;

const PATH: &str = "kept by the test";

thread_local! {
    static KEPT: RefCell<Vec<StreamInfo>> = const { RefCell::new(Vec::new()) };
}

/// The log. What was kept is forgotten.
pub fn log() -> AccessLog {
    KEPT.take();
    let format = LogFormat::Text(Format { parts: Vec::new(), omit_empty: false });
    AccessLog { filter: None, sink: Sink::File { path: PATH.into(), format } }
}

/// Requests that are over.
pub fn all() -> Vec<StreamInfo> {
    KEPT.with_borrow(Clone::clone)
}

/// The request that ended last. It is forgotten.
pub fn last() -> StreamInfo {
    KEPT.with_borrow_mut(Vec::pop).expect("every request is logged")
}

/// The log's place beside those of the process.
pub struct Beside<'a>(pub &'a Sinks);

struct Kept;

impl Destinations for Beside<'_> {
    fn open(&self, sink: &Sink, stats: &Arc<Stats>) -> Option<Box<dyn Destination>> {
        match sink {
            Sink::File { path, .. } if &**path == PATH => Some(Box::new(Kept)),
            other => self.0.open(other, stats),
        }
    }
}

impl Destination for Kept {
    fn write(&self, _logs: &WorkerLogs, entry: &LogEntry<'_>) {
        if entry.more.kind == EntryKind::DownstreamEnd {
            KEPT.with_borrow_mut(|kept| kept.push(entry.info.clone()));
        }
    }
}
