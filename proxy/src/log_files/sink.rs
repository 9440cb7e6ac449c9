//! Files that access logs go to: one [`Sink`] a path, with a buffer for each worker, so that logs which share a file never interleave.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::writer::Writer;
use crate::outage::Outage;
use crate::stats::Counter;

/// What one worker may keep for one file. More lines are dropped while the file does not take them.
const LIMIT: usize = 1 << 20;

/// How lines get out.
#[derive(Debug, Clone, Copy)]
pub struct SinkSettings {
    /// Worker threads that write.
    pub workers: usize,
    /// `--file-flush-interval-msec`: a line waits no longer than this.
    pub flush_interval: Duration,
    /// `--file-flush-min-size-kb`, in octets: a worker's buffer of this size goes out at once.
    pub flush_size: usize,
    /// Files are opened. Who only looks whether a configuration is good has none made.
    pub opens: bool,
    /// Counts lines that no writer, or no file, took.
    pub dropped: Counter,
}

impl Default for SinkSettings {
    fn default() -> SinkSettings {
        SinkSettings {
            workers: 1,
            flush_interval: Duration::from_secs(10),
            flush_size: 64 * 1024,
            opens: true,
            dropped: Counter::NONE,
        }
    }
}

/// All open files. One a process; part of what compiles access logs. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    shared: Arc<Shared>,
}

struct Shared {
    settings: SinkSettings,
    // Terminals and pipes may block for ever: each has its own thread, so that files go on.
    writers: [Arc<Writer>; 3],
    /// Those that were not opened and could not be.
    missing: Mutex<BTreeSet<String>>,
}

impl Files {
    /// No file is open yet.
    pub fn new(settings: SinkSettings) -> Files {
        let settings = SinkSettings {
            workers: settings.workers.max(1),
            flush_size: settings.flush_size.clamp(1, LIMIT / 2),
            ..settings
        };
        let writers = ["log-stdout", "log-stderr", "log-files"].map(|name| Writer::new(name, settings.flush_interval));
        Files { shared: Arc::new(Shared { settings, writers, missing: Mutex::default() }) }
    }

    /// Opens every file again (after rotation). SIGUSR1 and admin's `/reopen_logs`.
    pub fn reopen(&self) {
        self.shared.writers.iter().for_each(|writer| writer.reopen());
    }

    /// Writes out what is buffered, waiting at most `limit` for files that do not take it. At exit; tests use it to see their lines.
    pub fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        self.shared.writers.iter().for_each(|writer| writer.flush_until(end));
    }

    /// The sink of a path, opened if this is its first log.
    pub fn open(&self, path: &str) -> Arc<Sink> {
        let writer = match path {
            "/dev/stdout" => &self.shared.writers[0],
            "/dev/stderr" => &self.shared.writers[1],
            _ => &self.shared.writers[2],
        };
        let make = || Sink::new(path, &self.shared.settings, Arc::clone(writer));
        if self.shared.settings.opens {
            return writer.sink(path, make);
        }
        self.missing().extend(why_not(path));
        Arc::new(make())
    }

    /// Files that were asked for, are not opened here, and could not be: a sentence for each.
    pub fn cannot_be_opened(&self) -> Vec<String> {
        self.missing().iter().cloned().collect()
    }

    fn missing(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Whole at every moment that can panic.
        self.shared.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the file of a log cannot be there, without making it.
fn why_not(path: &str) -> Option<String> {
    let file = Path::new(path);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let reason = match std::fs::metadata(file) {
        Ok(about) if about.is_dir() => "it is a folder".to_owned(),
        Err(error) if !folder.is_dir() => error.to_string(),
        _ => return None,
    };
    Some(format!("access log {path}: cannot be opened: {reason}; its lines are lost until it can"))
}

/// A file.
pub struct Sink {
    path: Box<str>,
    buffers: Box<[Buffer]>,
    settings: SinkSettings,
    dropped: AtomicU64,
    /// The file takes no lines.
    pub(super) outage: Outage,
    writer: Arc<Writer>,
}

/// On a cache line of its own: another worker's lines must not slow this one's. The lock is the worker's but for the moment when the
/// writer swaps the buffer.
#[repr(align(128))]
#[derive(Default)]
struct Buffer(Mutex<Vec<u8>>);

impl Sink {
    fn new(path: &str, settings: &SinkSettings, writer: Arc<Writer>) -> Sink {
        Sink {
            path: path.into(),
            buffers: (0..settings.workers).map(|_| Buffer::default()).collect(),
            settings: *settings,
            dropped: AtomicU64::new(0),
            outage: Outage::default(),
            writer,
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Adds a line to the worker's buffer, or drops it when the file has not taken lines for long.
    pub fn append(&self, worker: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let mut buffer = lock(&self.buffers[worker % self.buffers.len()]);
        let before = buffer.len();
        if before >= LIMIT {
            self.dropped.fetch_add(1, Relaxed);
            self.settings.dropped.inc();
            return;
        }
        write(&mut buffer);
        let after = buffer.len();
        drop(buffer);
        if after >= self.settings.flush_size && before < self.settings.flush_size {
            self.writer.wake_now();
        } else if before == 0 && after > 0 {
            self.writer.wake_later();
        }
    }

    /// Hands out each worker's lines in turn. `lines` is swapped with the buffers, so that their memory is used again.
    pub(super) fn drain(&self, lines: &mut Vec<u8>, mut write: impl FnMut(&[u8])) {
        for buffer in &self.buffers {
            lines.clear();
            std::mem::swap(lines, &mut *lock(buffer));
            if !lines.is_empty() {
                write(lines);
            }
            lines.shrink_to(2 * self.settings.flush_size);
        }
    }

    /// Counts lines that the file has not taken.
    pub(super) fn lost(&self, lines: &[u8]) {
        self.settings.dropped.add(lines.iter().filter(|octet| **octet == b'\n').count() as u64);
    }

    pub(super) fn is_drained(&self) -> bool {
        self.buffers.iter().all(|buffer| lock(buffer).is_empty())
    }

    /// Lines dropped since it was asked last.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Relaxed)
    }
}

fn lock(buffer: &Buffer) -> MutexGuard<'_, Vec<u8>> {
    // A line half written by a panic is still only a line.
    buffer.0.lock().unwrap_or_else(PoisonError::into_inner)
}
