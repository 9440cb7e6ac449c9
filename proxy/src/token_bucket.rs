//! A token bucket that threads share, as Envoy's: it fills without steps, and knows no timer. Made by the filters that limit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A bucket, full at first. One word says all: the moment at which it would be empty if nothing had been put in since.
#[derive(Debug)]
pub struct TokenBucket {
    most: f64,
    per_second: f64,
    begin: Instant,
    /// Seconds after `begin`, as the bits of an `f64`. Taken and put back as one: no token is given twice, and a reader that comes late
    /// tries again.
    empty: AtomicU64,
}

impl TokenBucket {
    /// A full bucket of `most` tokens into which `count` come in each `interval`.
    pub fn new(most: u32, count: u32, interval: Duration) -> TokenBucket {
        let (most, per_second) = (f64::from(most), f64::from(count) / interval.as_secs_f64());
        let empty = AtomicU64::new((-most / per_second).to_bits());
        TokenBucket { most, per_second, begin: Instant::now(), empty }
    }

    /// Takes a token, if there is one.
    pub fn take(&self) -> bool {
        let now = self.begin.elapsed().as_secs_f64();
        let mut empty = self.empty.load(Ordering::Relaxed);
        loop {
            let tokens = ((now - f64::from_bits(empty)) * self.per_second).min(self.most);
            if tokens < 1.0 {
                return false;
            }
            let next = now - (tokens - 1.0) / self.per_second;
            match self.empty.compare_exchange_weak(empty, next.to_bits(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => empty = newer,
            }
        }
    }
}

#[cfg(test)]
mod tests;
