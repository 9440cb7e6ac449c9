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
        self.take_many(1.0)
    }

    /// Takes so many tokens, if they are all there.
    pub fn take_many(&self, count: f64) -> bool {
        self.change(|tokens| (tokens >= count).then_some(tokens - count))
    }

    /// Puts so many tokens back; the bucket gets no fuller than full.
    pub fn give_back(&self, count: f64) {
        self.change(|tokens| Some((tokens + count).min(self.most)));
    }

    /// Tokens that are there, parts of one included.
    pub fn left(&self) -> f64 {
        self.tokens(self.now(), self.empty.load(Ordering::Relaxed))
    }

    /// Seconds until there is a token.
    pub fn seconds_to_next(&self) -> f64 {
        (1.0 - self.left()).max(0.0) / self.per_second
    }

    /// Tokens that come in a second.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    fn change(&self, next: impl Fn(f64) -> Option<f64>) -> bool {
        let now = self.now();
        let mut empty = self.empty.load(Ordering::Relaxed);
        loop {
            let Some(tokens) = next(self.tokens(now, empty)) else { return false };
            let moment = now - tokens / self.per_second;
            match self.empty.compare_exchange_weak(empty, moment.to_bits(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => empty = newer,
            }
        }
    }

    fn now(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    fn tokens(&self, now: f64, empty: u64) -> f64 {
        ((now - f64::from_bits(empty)) * self.per_second).min(self.most)
    }
}

#[cfg(test)]
mod tests;
