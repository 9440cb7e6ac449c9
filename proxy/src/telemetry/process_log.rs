//! The process's own log: a `tracing` subscriber that writes Envoy's lines to stderr (or `--log-path`), with a level for each of
//! Envoy's loggers, changed at run time by admin's `/logging`.
//!
//! A thread that logs appends to a bounded buffer and goes on; another thread writes. When nobody reads stderr, lines are dropped and the
//! drop is told later; no worker ever waits.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

mod levels;
mod output;
mod pattern;
mod recent;

pub use levels::{LOGGERS, Levels, LogLevel, level_name, parse_level, parse_levels};
use output::Output;
pub(crate) use output::{open_log, write_all};
use pattern::{Line, Pattern};
pub use recent::Recent;

/// Envoy's default pattern.
pub const DEFAULT_PATTERN: &str = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v";

/// How the log is written.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// `-l`.
    pub level: LogLevel,
    /// `--component-log-level`, checked by the command line.
    pub component_levels: &'a str,
    /// `--log-format`, or the bootstrap's `application_log_config`.
    pub pattern: &'a str,
    /// `--log-format-escaped`.
    pub escaped: bool,
    /// `--log-path`; stderr otherwise.
    pub path: Option<&'a Path>,
}

/// The living log. Cheap to clone.
#[derive(Clone)]
pub struct ProcessLog {
    shared: Arc<Shared>,
}

struct Shared {
    levels: Levels,
    pattern: std::sync::RwLock<Pattern>,
    output: Output,
    /// Where it is written, if that is a file.
    path: Option<PathBuf>,
    recent: recent::Lines,
}

static GLOBAL: OnceLock<ProcessLog> = OnceLock::new();

/// Starts the log of this process. A second call gives the log that is there already.
pub fn start(settings: &Settings<'_>) -> io::Result<ProcessLog> {
    if let Some(log) = GLOBAL.get() {
        return Ok(log.clone());
    }
    let file = match settings.path {
        Some(path) => open_log(path)?,
        None => File::from(io::stderr().as_fd().try_clone_to_owned()?),
    };
    let log = ProcessLog::new(settings, file)?;
    if tracing::subscriber::set_global_default(LogSubscriber(Arc::clone(&log.shared))).is_ok() {
        let _ = GLOBAL.set(log.clone());
    }
    Ok(log)
}

/// Writes out what is buffered, for at most `limit`. For the end of the process; does nothing when there is no log.
pub fn flush(limit: Duration) {
    if let Some(log) = GLOBAL.get() {
        log.shared.output.flush(limit);
    }
}

impl ProcessLog {
    fn new(settings: &Settings<'_>, file: File) -> io::Result<ProcessLog> {
        let levels = Levels::new(settings.level);
        for (logger, level) in parse_levels(settings.component_levels).map_err(io::Error::other)? {
            levels.set(logger, level);
        }
        let pattern = std::sync::RwLock::new(Pattern::parse(settings.pattern, settings.escaped));
        let (output, path) = (Output::start(file)?, settings.path.map(Path::to_owned));
        Ok(ProcessLog { shared: Arc::new(Shared { levels, pattern, output, path, recent: recent::Lines::default() }) })
    }

    /// The pattern of the bootstrap, known only after the log was needed first.
    pub fn set_pattern(&self, pattern: &str) {
        let mut current = self.shared.pattern.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *current = Pattern::parse(pattern, false);
    }

    /// Opens its file again: somebody has moved it. Where that is not possible the one that is open stays.
    pub fn reopen(&self) {
        let Some(path) = &self.shared.path else { return };
        match open_log(path) {
            Ok(file) => self.shared.output.replace(file),
            Err(error) => {
                tracing::error!(target: "main", "cannot open {} again: {error}; lines go where they went", path.display());
            }
        }
    }

    /// The last warnings and errors, the newest first.
    pub fn recent(&self) -> Vec<Recent> {
        self.shared.recent.list()
    }

    /// Every logger and its level, in Envoy's order.
    pub fn levels(&self) -> Vec<(&'static str, LogLevel)> {
        LOGGERS.iter().enumerate().map(|(index, name)| (*name, self.shared.levels.get(index))).collect()
    }

    /// Sets all loggers.
    pub fn set_all(&self, level: LogLevel) {
        (0..LOGGERS.len()).for_each(|logger| self.shared.levels.set(logger, level));
        tracing_core::callsite::rebuild_interest_cache();
    }

    /// Sets some loggers, all or none: `parse_levels` gives the numbers.
    pub fn set(&self, levels: &[(usize, LogLevel)]) {
        for (logger, level) in levels {
            self.shared.levels.set(*logger, *level);
        }
        tracing_core::callsite::rebuild_interest_cache();
    }
}

struct LogSubscriber(Arc<Shared>);

impl Subscriber for LogSubscriber {
    // Asked once for each place in the code, and again after a level changed: a place that is off costs one load.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.0.levels.enabled(metadata.target(), levels::of(metadata.level()))
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(self.0.levels.most_verbose())
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        let level = if text.critical { LogLevel::Critical } else { levels::of(metadata.level()) };
        let line = Line {
            time: SystemTime::now(),
            level: level_name(level),
            logger: LOGGERS[levels::logger_of(metadata.target())],
            file: metadata.file().unwrap_or_default(),
            line: metadata.line().unwrap_or_default(),
            message: &text.finish(),
        };
        if level >= LogLevel::Warning {
            self.0.recent.push(line.time, line.level, line.logger, line.message);
        }
        let mut out = Vec::with_capacity(256);
        self.0.pattern.read().unwrap_or_else(std::sync::PoisonError::into_inner).write(&line, &mut out);
        self.0.output.push(&out);
    }
}

/// Message and fields of an event. The boolean field `critical` makes an error a critical one.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
    critical: bool,
}

impl Text {
    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        self.message
    }
}

impl Visit for Text {
    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == "critical" {
            self.critical = value;
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write;
        // A string takes all that is written to it.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
pub(crate) mod tests;
