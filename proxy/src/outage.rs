//! When to say that something fails, so that a log tells of it and is not filled with it: when it begins, once a minute while it lasts, and
//! when it is over. Kept by whoever asks a service again and again; the workers share it. A success costs one relaxed reading.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// When it was last said that it fails, in seconds; zero: it does not.
#[derive(Debug, Default)]
pub(crate) struct Outage(AtomicU64);

/// Between two lines while it lasts.
const AGAIN: u64 = 60;

impl Outage {
    /// It has failed. Whether that is to be said.
    pub fn failed(&self) -> bool {
        self.is_news(now())
    }

    /// It has not. Whether that is to be said.
    pub fn is_ended(&self) -> bool {
        self.0.load(Relaxed) != 0 && self.is_over(now())
    }

    fn is_news(&self, now: u64) -> bool {
        let said = self.0.load(Relaxed);
        let is_due = said == 0 || now >= said + AGAIN;
        is_due && self.0.compare_exchange(said, now, Relaxed, Relaxed).is_ok()
    }

    /// One answer among failures within the second in which that was said is none: lines are few, however it flickers.
    fn is_over(&self, now: u64) -> bool {
        let said = self.0.load(Relaxed);
        said != 0 && now > said && self.0.compare_exchange(said, 0, Relaxed, Relaxed).is_ok()
    }
}

/// Seconds since the first question, from one.
fn now() -> u64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGIN.elapsed().as_secs() + 1
}

#[cfg(test)]
mod tests;
