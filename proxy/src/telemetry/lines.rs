//! How many lines a worker writes to the process log of what strangers bring about: a few a second, whatever happens. Asked before each such line.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Lines a second that one worker writes.
const LINES: u32 = 5;

thread_local! {
    /// When the second began, lines written in it, lines left out.
    static WINDOW: Cell<(Option<Instant>, u32, u32)> = const { Cell::new((None, 0, 0)) };
}

/// Takes a line of this second's share; tells how many were left out before it.
pub fn take_line() -> Option<u32> {
    let now = Instant::now();
    let (began, written, left_out) = WINDOW.get();
    match began {
        Some(began) if now.duration_since(began) < Duration::from_secs(1) => {
            if written >= LINES {
                WINDOW.set((Some(began), written, left_out.saturating_add(1)));
                return None;
            }
            WINDOW.set((Some(began), written + 1, 0));
            Some(left_out)
        }
        _ => {
            WINDOW.set((Some(now), 1, 0));
            Some(left_out)
        }
    }
}
