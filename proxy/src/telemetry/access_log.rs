//! Access logs: which entries are written, how, and where to. `http` calls [`AccessLogs::log`] at the end of each request, `tcp` at the
//! end of each connection. A line goes into a buffer of the worker's own; other threads write buffers out, so that a blocked
//! file or terminal never stalls a worker.

use std::fmt;
use std::sync::Arc;

use config::access_log::{AccessLog, Format, LogFormat, Sink as SinkConfig};
use config::metadata::Metadata;

use super::format::{self, JsonLine};
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::headers::Headers;
use crate::wire::message::{RequestHead, ResponseHead};

mod filter;
mod sink;
mod writer;

pub(crate) use filter::Filter;
pub use filter::wants_times as filter_wants_times;
pub use sink::{SinkSettings, Sinks};

/// The logs of one listener or connection manager, compiled.
#[derive(Default)]
pub struct AccessLogs {
    logs: Vec<Log>,
    wants_times: bool,
}

struct Log {
    filter: Option<Filter>,
    line: Line,
    sink: Arc<sink::Sink>,
}

/// A format made ready. [`AccessLogs`] and bodies of local replies are written by it.
pub enum Line {
    /// Text, as it stands.
    Text(Format),
    /// An object, and the end of its line.
    Json(JsonLine),
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
    /// The rest.
    pub more: More<'a>,
}

/// What few formats ask for.
#[derive(Debug, Clone, Copy, Default)]
pub struct More<'a> {
    /// The name of the route; empty prints `-`.
    pub route_name: Option<&'a str>,
    /// Metadata of the route.
    pub route: Option<&'a Metadata>,
    /// And of its virtual host.
    pub virtual_host: Option<&'a Metadata>,
    /// The name of the virtual cluster.
    pub virtual_cluster: Option<&'a str>,
    /// What is written.
    pub kind: EntryKind,
    /// The body of an answer of our own.
    pub reply: Option<&'a [u8]>,
}

/// `%ACCESS_LOG_TYPE%`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EntryKind {
    /// No log: a header's value, say.
    #[default]
    NotSet,
    /// The end of a request.
    DownstreamEnd,
    /// The end of a connection.
    TcpConnectionEnd,
    /// An attempt has its stream.
    UpstreamPoolReady,
    /// An attempt goes on.
    UpstreamPeriodic,
    /// The end of an attempt.
    UpstreamEnd,
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
    /// Compiles the configured logs; opens files that are new. A file that cannot be opened is told in the process's log, and its lines
    /// are lost until it can be (admin's `/reopen_logs`); everything else goes on.
    pub fn compile(config: &[AccessLog], sinks: &Sinks) -> AccessLogs {
        let logs: Vec<Log> = config.iter().filter_map(|log| Log::compile(log, sinks)).collect();
        let of_filter = |log: &AccessLog| log.filter.as_ref().is_some_and(filter::wants_times);
        let wants_times = config.iter().any(|log| {
            of_filter(log)
                || match &log.sink {
                    SinkConfig::File { format, .. } => format_wants_times(format),
                    SinkConfig::Inert(_) => false,
                }
        });
        AccessLogs { logs, wants_times }
    }

    /// Whether some line tells of moments that are not kept otherwise.
    pub fn wants_times(&self) -> bool {
        self.wants_times
    }

    /// Whether no entry is ever written.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// Writes the entry to every log whose filter takes it.
    pub fn log(&self, logs: &WorkerLogs, entry: &LogEntry<'_>) {
        for log in &self.logs {
            if log.filter.as_ref().is_none_or(|filter| filter.takes(entry)) {
                log.sink.append(logs.worker, |out| log.line.write(entry, out));
            }
        }
    }
}

impl Log {
    fn compile(config: &AccessLog, sinks: &Sinks) -> Option<Log> {
        let SinkConfig::File { path, format } = &config.sink else { return None };
        if &**path == "/dev/null" {
            return None;
        }
        let (filter, line) = (config.filter.as_ref().map(Filter::compile), Line::compile(format));
        Some(Log { filter, line, sink: sinks.open(path) })
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Line::Text(_) => "Text",
            Line::Json(_) => "Json",
        })
    }
}

impl Line {
    /// Makes a format ready.
    pub fn compile(format: &LogFormat) -> Line {
        match format {
            LogFormat::Text(text) => {
                let mut text = text.clone();
                format::settle(&mut text);
                Line::Text(text)
            }
            LogFormat::Json(fields) => Line::Json(JsonLine::compile(fields)),
        }
    }

    /// Appends the entry.
    pub fn write(&self, entry: &LogEntry<'_>, out: &mut Vec<u8>) {
        match self {
            Line::Text(text) => format::write(text, entry, out),
            Line::Json(line) => format::write_line(line, entry, out),
        }
    }
}

/// Whether a format tells of moments that are only kept where somebody wants them.
pub fn format_wants_times(format: &LogFormat) -> bool {
    match format {
        LogFormat::Text(text) => format::wants_times(text),
        LogFormat::Json(fields) => fields.iter().any(|(_, format)| format::json_wants_times(format)),
    }
}

#[cfg(test)]
mod tests;
