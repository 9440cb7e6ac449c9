//! Where entries of access logs go: files, and exporters to services. One a process, made by `app`; given to whoever compiles access logs.

use std::sync::Arc;
use std::time::Duration;

use crate::export::LogExporters;
use crate::log_files::{EventFile, Files, SinkSettings};

/// All of them. Cheap to clone.
#[derive(Clone)]
pub struct Sinks {
    files: Files,
    exporters: Arc<LogExporters>,
}

impl Sinks {
    /// No file is open yet, and nobody is sent to.
    pub fn new(settings: SinkSettings) -> Sinks {
        Sinks { files: Files::new(settings), exporters: Arc::default() }
    }

    /// As [`Files::reopen`].
    pub fn reopen(&self) {
        self.files.reopen();
    }

    /// As [`Files::flush`].
    pub fn flush(&self, limit: Duration) {
        self.files.flush(limit);
    }

    /// As [`Files::cannot_be_opened`].
    pub fn cannot_be_opened(&self) -> Vec<String> {
        self.files.cannot_be_opened()
    }

    /// A file of events, beside those of entries.
    pub fn events(&self, path: &str) -> EventFile {
        EventFile::open(&self.files, path)
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// What sends entries to services.
    pub(super) fn exporters(&self) -> &LogExporters {
        &self.exporters
    }
}
