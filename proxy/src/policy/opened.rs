//! A service that gives no answer, where that lets everything pass: said when it begins, once a minute while it lasts, and when it is over.
//! Kept by filters that ask a service and may fail open; the workers share it. An answer costs one relaxed reading.

use std::fmt::Display;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// When it was last said that everything passes, in seconds; zero: the service answers.
#[derive(Debug, Default)]
pub(crate) struct Opened(AtomicU64);

/// Between two lines while it lasts.
const AGAIN: u64 = 60;

impl Opened {
    /// Somebody passes who was not judged. `who` names the filter.
    pub fn failed(&self, who: impl Display, why: &str) {
        if self.is_news(now()) {
            tracing::warn!(target: "filter", "{who}: what it should judge passes without its judgement: {why}");
        }
    }

    /// The service has answered.
    pub fn answered(&self, who: impl Display) {
        if self.0.load(Relaxed) != 0 && self.is_over(now()) {
            tracing::warn!(target: "filter", "{who}: judges again");
        }
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
