//! A bounded buffer in front of a file that may block: whoever writes never waits, one thread does.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines that wait for a reader take at most this much; further ones are dropped.
const LIMIT: usize = 1 << 20;

/// Opens a log for appending. Reading too, as Envoy does: opening a named pipe then waits for no reader. Where that is not allowed, a pipe
/// that nobody reads is refused.
pub fn open_log(path: &Path) -> io::Result<File> {
    File::options().read(true).append(true).create(true).open(path).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let file = File::options().append(true).create(true).custom_flags(libc::O_NONBLOCK).open(path)?;
            rustix::io::ioctl_fionbio(&file, false)?;
            Ok(file)
        }
        _ => Err(error),
    })
}

/// Where lines are handed over.
pub struct Output {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    /// The thread holds lines that are not yet written.
    writing: bool,
    closed: bool,
    /// What is written to from now on.
    next: Option<File>,
}

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    // The state is consistent at every moment that can panic.
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    /// Starts the thread that writes to `file`.
    pub fn start(file: File) -> io::Result<Output> {
        let shared = Arc::new(Shared { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("log".into()).stack_size(128 * 1024).spawn(move || run(&theirs, file))?;
        Ok(Output { shared })
    }

    /// Takes one line, or drops it when too much is waiting.
    pub fn push(&self, line: &[u8]) {
        let mut state = lock(&self.shared);
        if state.lines.len() + line.len() > LIMIT {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        self.shared.filled.notify_one();
    }

    /// Lines go to `file` from now on, those that wait as well.
    pub fn replace(&self, file: File) {
        lock(&self.shared).next = Some(file);
    }

    /// Waits until all is written, at most `limit`.
    pub fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut state = lock(&self.shared);
        while !state.lines.is_empty() || state.writing {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.shared.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        lock(&self.shared).closed = true;
        self.shared.filled.notify_one();
    }
}

fn run(shared: &Shared, mut file: File) {
    let mut lines = Vec::new();
    loop {
        let dropped = {
            let mut state = lock(shared);
            state.writing = false;
            shared.emptied.notify_all();
            while state.lines.is_empty() {
                if state.closed {
                    return;
                }
                state = shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut lines, &mut state.lines);
            state.writing = true;
            if let Some(next) = state.next.take() {
                file = next;
            }
            std::mem::take(&mut state.dropped)
        };
        // Nowhere is left to tell of an error of the log itself.
        let _ = write_all(&mut file, &lines);
        if dropped > 0 {
            let _ = write_all(&mut file, format!("{dropped} log lines were dropped: nobody read them\n").as_bytes());
        }
        lines.clear();
        lines.shrink_to(64 * 1024);
    }
}

/// `write_all` that also waits for a file that somebody made non-blocking (stderr may be shared with a terminal's other programs).
pub fn write_all(file: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
