//! Files of events: lines that one thread writes now and then, beside access logs and by the same writers. Called by clusters on the
//! control thread.

use std::sync::Arc;

use super::sink::{Files, Sink};

/// An open file. Cheap to clone.
#[derive(Clone)]
pub struct EventFile(Arc<Sink>);

impl EventFile {
    /// Opens it, as the file of an access log is opened: what cannot be written is told, and lost until it can.
    pub fn open(files: &Files, path: &str) -> EventFile {
        EventFile(files.open(path))
    }

    /// Adds a line; its end is added to it.
    pub fn write(&self, line: &str) {
        self.0.append(0, |buffer| {
            buffer.extend_from_slice(line.as_bytes());
            buffer.push(b'\n');
        });
    }
}
