//! Files that access logs go to.

use std::sync::Arc;
use std::time::Duration;

/// How lines get out.
#[derive(Debug, Clone, Copy)]
pub struct SinkSettings {
    /// Worker threads that write.
    pub workers: usize,
    /// `--file-flush-interval-msec`: a line waits no longer than this.
    pub flush_interval: Duration,
    /// `--file-flush-min-size-kb`, in octets: a worker's buffer of this size goes out at once.
    pub flush_size: usize,
}

impl Default for SinkSettings {
    fn default() -> SinkSettings {
        SinkSettings { workers: 1, flush_interval: Duration::from_secs(10), flush_size: 64 * 1024 }
    }
}

/// All open files. One a process; shared by whoever compiles access logs.
#[derive(Clone)]
pub struct Sinks {
    settings: Arc<SinkSettings>,
}

impl Sinks {
    /// No file is open yet.
    pub fn new(settings: SinkSettings) -> Sinks {
        Sinks { settings: Arc::new(settings) }
    }

    /// Opens every file again (after rotation). SIGUSR1 and admin's `/reopen_logs`.
    pub fn reopen(&self) {}

    /// Writes out what is buffered, waiting at most `limit` for files that do not take it. Called once, at exit.
    pub fn flush(&self, _limit: Duration) {
        let _ = &self.settings;
    }
}
