//! Access logs: which entries are written, how, and where to. `http` calls [`AccessLogs::log`] at the end of each request, `tcp` at the
//! end of each connection. A line goes to a file ([`crate::log_files`]); entries for services go to exporters, which send them later.

use std::fmt;
use std::sync::Arc;

use config::access_log::{AccessLog, Format, LogFormat, Sink as SinkConfig};

use crate::call::Calls;
use crate::log_files::Sink;
use crate::stats::Stats;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::format::{self, JsonLine};

mod again;
mod entry;
mod filter;
mod of_admin;
mod record;
mod sinks;

pub use crate::log_files::SinkSettings;
pub(crate) use again::Again;
use entry::ToLogService;
pub(crate) use filter::Filter;
pub use filter::wants_times as filter_wants_times;
pub use of_admin::{AdminLog, Asked};
use record::ToCollector;
pub use sinks::Sinks;

/// The logs of one listener or connection manager, compiled.
#[derive(Default)]
pub struct AccessLogs {
    logs: Vec<Log>,
    wants: Wants,
}

/// What some log tells that is not kept otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// Moments.
    pub times: bool,
    /// The span of a request, even of one that is not sampled.
    pub spans: bool,
}

impl Wants {
    /// What one of the two tells.
    pub fn and(self, other: Wants) -> Wants {
        Wants { times: self.times || other.times, spans: self.spans || other.spans }
    }
}

struct Log {
    filter: Option<Filter>,
    to: Box<dyn Destination>,
}

/// Where the entries of one log go, and as what.
pub trait Destination: Send + Sync {
    /// Never waits: what cannot be kept is dropped and counted.
    fn write(&self, logs: &WorkerLogs, entry: &LogEntry<'_>);
}

/// Who knows the places that configuration names: [`Sinks`] in the process.
pub trait Destinations {
    /// `None` for a log that goes nowhere.
    fn open(&self, sink: &SinkConfig, stats: &Arc<Stats>) -> Option<Box<dyn Destination>>;
}

/// A file, and what a line of it is.
struct ToFile {
    line: Line,
    file: Arc<Sink>,
}

/// A format made ready. [`AccessLogs`], bodies of local replies and of direct responses are written by it.
pub enum Line {
    /// Text, as it stands.
    Text(Format),
    /// An object, and the end of its line.
    Json(JsonLine),
}

/// Which of the sinks' buffers a worker writes to, and its calls to services. One per worker.
#[derive(Clone)]
pub struct WorkerLogs {
    worker: usize,
    /// Without them nothing is sent.
    calls: Option<Calls>,
}

impl WorkerLogs {
    /// For the worker of this index; `Sinks` must have been made for more workers than that (else indexes wrap and workers share).
    pub fn new(worker: usize) -> WorkerLogs {
        WorkerLogs { worker, calls: None }
    }

    /// The same, with calls for logs that go to services.
    pub fn over(self, calls: Calls) -> WorkerLogs {
        WorkerLogs { calls: Some(calls), ..self }
    }
}

impl AccessLogs {
    /// Compiles the configured logs; opens files that are new. A file that cannot be opened is told in the process's log, and its lines
    /// are lost until it can be (admin's `/reopen_logs`); everything else goes on.
    pub fn compile(config: &[AccessLog], sinks: &dyn Destinations, stats: &Arc<Stats>) -> AccessLogs {
        let logs: Vec<Log> = config.iter().filter_map(|log| Log::compile(log, sinks, stats)).collect();
        let of_filter = |log: &AccessLog| log.filter.as_ref().is_some_and(filter::wants_times);
        let wants = Wants {
            times: config.iter().any(|log| of_filter(log) || sink_wants_times(&log.sink)),
            spans: config.iter().any(|log| matches!(log.sink, SinkConfig::OpenTelemetry(_))),
        };
        AccessLogs { logs, wants }
    }

    /// What is told that is not kept otherwise.
    pub fn wants(&self) -> Wants {
        self.wants
    }

    /// Whether no entry is ever written.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// Writes the entry to every log whose filter takes it.
    pub fn log(&self, logs: &WorkerLogs, entry: &LogEntry<'_>) {
        for log in &self.logs {
            if log.filter.as_ref().is_none_or(|filter| filter.takes(entry)) {
                log.to.write(logs, entry);
            }
        }
    }
}

fn sink_wants_times(sink: &SinkConfig) -> bool {
    match sink {
        SinkConfig::File { format, .. } => format_wants_times(format),
        SinkConfig::OpenTelemetry(config) => record::wants_times(config),
        // Entries of log services have them all.
        SinkConfig::Grpc(_) => true,
        SinkConfig::Inert(_) => false,
    }
}

/// Whether a format tells of moments that are only kept where somebody wants them.
pub fn format_wants_times(format: &LogFormat) -> bool {
    match format {
        LogFormat::Text(text) => format::wants_times(text),
        LogFormat::Json(fields) => fields.iter().any(|(_, format)| format::json_wants_times(format)),
    }
}

impl Destination for ToFile {
    fn write(&self, logs: &WorkerLogs, entry: &LogEntry<'_>) {
        self.file.append(logs.worker, |out| self.line.write(entry, out));
    }
}

impl Destination for ToLogService {
    fn write(&self, logs: &WorkerLogs, entry: &LogEntry<'_>) {
        if let Some(calls) = &logs.calls {
            self.stream.send(self.entry(entry), calls);
        }
    }
}

impl Destination for ToCollector {
    fn write(&self, logs: &WorkerLogs, entry: &LogEntry<'_>) {
        if let Some(calls) = &logs.calls {
            self.records.send(self.record(entry), calls);
        }
    }
}

impl Destinations for Sinks {
    fn open(&self, sink: &SinkConfig, stats: &Arc<Stats>) -> Option<Box<dyn Destination>> {
        match sink {
            SinkConfig::File { path, format } if &**path != "/dev/null" => {
                Some(Box::new(ToFile { line: Line::compile(format), file: self.files().open(path) }))
            }
            SinkConfig::Grpc(config) => Some(Box::new(ToLogService::compile(config, self.exporters(), stats))),
            SinkConfig::OpenTelemetry(config) => Some(Box::new(ToCollector::compile(config, self.exporters(), stats))),
            SinkConfig::File { .. } | SinkConfig::Inert(_) => None,
        }
    }
}

impl Log {
    fn compile(config: &AccessLog, sinks: &dyn Destinations, stats: &Arc<Stats>) -> Option<Log> {
        let to = sinks.open(&config.sink, stats)?;
        Some(Log { filter: config.filter.as_ref().map(Filter::compile), to })
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

#[cfg(test)]
mod tests;
