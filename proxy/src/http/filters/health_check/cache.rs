//! The last answer to a health check, good until the next tick. Used by the filter alone.
//!
//! Envoy has a timer that forgets the answer every `cache_time`. Here time is counted in ticks of that length: an answer is good in the
//! tick in which it came, and no timer is needed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// One filter's, shared by all workers. A stale read costs the application one more health check.
#[derive(Debug)]
pub(super) struct Cache {
    begin: Instant,
    tick: Duration,
    /// The tick plus one, then 15 bits of status and one that says degraded; 0 is nothing.
    word: AtomicU64,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cached {
    pub status: u16,
    pub degraded: bool,
}

const STATUS: u64 = 0x7fff;

impl Cache {
    /// Nothing is known yet.
    pub fn new(tick: Duration) -> Cache {
        Cache { begin: Instant::now(), tick: tick.max(Duration::from_millis(1)), word: AtomicU64::new(0) }
    }

    /// Whether an answer is known and still good.
    pub fn is_good(&self) -> bool {
        self.word.load(Ordering::Relaxed) >> 16 == self.now()
    }

    /// The answer, however old.
    pub fn last(&self) -> Option<Cached> {
        let word = self.word.load(Ordering::Relaxed);
        (word != 0).then_some(Cached { status: (word >> 1 & STATUS) as u16, degraded: word & 1 == 1 })
    }

    /// A newer one.
    pub fn set(&self, cached: Cached) {
        let word = self.now() << 16 | (u64::from(cached.status) & STATUS) << 1 | u64::from(cached.degraded);
        self.word.store(word, Ordering::Relaxed);
    }

    /// The tick, from 1 on.
    fn now(&self) -> u64 {
        let ticks = self.begin.elapsed().as_millis() / self.tick.as_millis();
        // 48 bits of milliseconds are nine thousand years.
        ticks as u64 + 1
    }
}
