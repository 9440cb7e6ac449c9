//! The threads that write access logs out. One may block on its file for as long as it likes; workers do not notice.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::sink::Sink;
use crate::telemetry::process_log::{open_log, write_all};

/// One thread and the files that it writes. The thread starts with the first file.
pub struct Writer {
    name: &'static str,
    interval: Duration,
    state: Mutex<State>,
    changed: Condvar,
    written: Condvar,
    /// Some buffer has lines: set by workers, so that the lock is taken once an interval and not once a line.
    pending: AtomicBool,
}

#[derive(Default)]
struct State {
    files: Vec<Open>,
    running: bool,
    now: bool,
    /// Rounds asked for and rounds finished, for [`Writer::flush_until`].
    asked: u64,
    done: u64,
    reopen: bool,
}

#[derive(Clone)]
struct Open {
    sink: Arc<Sink>,
    /// `None`: it could not be opened; lines are lost.
    file: Option<Arc<File>>,
}

impl Writer {
    pub fn new(name: &'static str, interval: Duration) -> Arc<Writer> {
        Arc::new(Writer {
            name,
            interval,
            state: Mutex::default(),
            changed: Condvar::new(),
            written: Condvar::new(),
            pending: AtomicBool::new(false),
        })
    }

    /// The sink of this path, made (and its file opened) when there is none.
    pub fn sink(self: &Arc<Self>, path: &str, make: impl FnOnce() -> Sink) -> Arc<Sink> {
        let mut state = self.lock();
        if let Some(open) = state.files.iter().find(|open| open.sink.path() == path) {
            return Arc::clone(&open.sink);
        }
        let sink = Arc::new(make());
        state.files.push(Open { sink: Arc::clone(&sink), file: open(path) });
        if !state.running {
            let writer = Arc::downgrade(self);
            let thread = std::thread::Builder::new().name(self.name.into()).stack_size(128 * 1024);
            match thread.spawn(move || run(&writer)) {
                Ok(_) => state.running = true,
                Err(error) => tracing::error!("no access log is written to {path}: cannot start a thread: {error}"),
            }
        }
        sink
    }

    /// Somebody began to fill a buffer: write it when the interval has passed.
    pub fn wake_later(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            // The lock orders this with the thread's look at `pending`.
            drop(self.lock());
            self.changed.notify_one();
        }
    }

    /// A buffer is full enough: write now.
    pub fn wake_now(&self) {
        self.pending.store(true, Ordering::Release);
        self.lock().now = true;
        self.changed.notify_one();
    }

    pub fn reopen(&self) {
        self.lock().reopen = true;
        self.wake_now();
    }

    /// Waits until everything that was buffered at the call is written, or `end`.
    pub fn flush_until(&self, end: Instant) {
        let mut state = self.lock();
        if !state.running {
            return;
        }
        state.asked += 1;
        state.now = true;
        let round = state.asked;
        self.pending.store(true, Ordering::Release);
        self.changed.notify_one();
        while state.done < round {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Consistent at every moment that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, then for the interval or for somebody in a hurry. Gives the files and the round; `None` after a while without
    /// anything, so that the thread can see whether it is still needed.
    fn wait(&self) -> Option<(Vec<Open>, u64)> {
        let state = self.lock();
        let idle = |_: &mut State| !self.pending.load(Ordering::Acquire);
        let (state, _) =
            self.changed.wait_timeout_while(state, LOOK_AROUND, idle).unwrap_or_else(PoisonError::into_inner);
        if !self.pending.load(Ordering::Acquire) {
            return None;
        }
        let patient = |state: &mut State| !state.now;
        let (mut state, _) =
            self.changed.wait_timeout_while(state, self.interval, patient).unwrap_or_else(PoisonError::into_inner);
        state.now = false;
        // Before the buffers are looked at: a line that comes later asks again.
        self.pending.store(false, Ordering::Release);
        if std::mem::take(&mut state.reopen) {
            for open in &mut state.files {
                open.reopen();
            }
        }
        Some((state.files.clone(), state.asked))
    }

    /// Forgets files that no log writes to any more.
    fn finish(&self, written: Vec<Open>, round: u64) {
        let mut state = self.lock();
        drop(written);
        state.files.retain(|open| Arc::strong_count(&open.sink) > 1 || !open.sink.is_drained());
        state.done = round;
        self.written.notify_all();
    }
}

/// How often an idle thread looks whether anybody still holds its writer.
const LOOK_AROUND: Duration = Duration::from_secs(60);

fn run(writer: &Weak<Writer>) {
    let mut lines = Vec::new();
    while let Some(writer) = writer.upgrade() {
        let Some((files, round)) = writer.wait() else { continue };
        for open in &files {
            open.write(&mut lines);
        }
        writer.finish(files, round);
    }
}

impl Open {
    fn write(&self, lines: &mut Vec<u8>) {
        let path = self.sink.path();
        self.sink.drain(lines, |lines| {
            let written = self.file.as_ref().map(|file| write_all(&mut &**file, lines));
            match written {
                Some(Ok(())) if self.sink.outage.is_ended() => tracing::info!("access log {path} takes lines again"),
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    if self.sink.outage.failed() {
                        tracing::error!(
                            "access log {path}: {error}; lines are lost (server.dropped_log_lines counts them) until there is room, or \
                             SIGUSR1 opens another file"
                        );
                    }
                    self.sink.lost(lines);
                }
                // That it cannot be opened has been said.
                None => self.sink.lost(lines),
            }
        });
        match self.sink.take_dropped() {
            0 => {}
            count => tracing::warn!("access log {path}: {count} lines were dropped, for nobody took them in time"),
        }
    }

    fn reopen(&mut self) {
        if let Some(file) = open(self.sink.path()) {
            self.file = Some(file);
        }
    }
}

/// Opens for appending. Terminal and pipe of the process itself are duplicated, not opened by path: that fails for another user's.
fn open(path: &str) -> Option<Arc<File>> {
    let file = match path {
        "/dev/stdout" => io::stdout().as_fd().try_clone_to_owned().map(File::from),
        "/dev/stderr" => io::stderr().as_fd().try_clone_to_owned().map(File::from),
        _ => open_log(Path::new(path)),
    };
    match file {
        Ok(file) => Some(Arc::new(file)),
        Err(error) => {
            tracing::error!(
                "access log {path}: cannot be opened: {error}; its lines are lost until it can (POST /reopen_logs)"
            );
            None
        }
    }
}
