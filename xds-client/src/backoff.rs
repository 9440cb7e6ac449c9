//! Jittered exponential backoff, without an end: a control plane that is gone for a day is found again.
//!
//! Called by the ADS and SDS tasks between two attempts. Must never return zero, or a server that fails at once would
//! be asked in a tight loop.

use std::time::Duration;

/// How long to wait between attempts. The default is Envoy's for gRPC subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffSettings {
    /// The ceiling of the first wait. 500 ms by default.
    pub base: Duration,
    /// The ceiling of every wait. 30 s by default.
    pub max: Duration,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self { base: Duration::from_millis(500), max: Duration::from_secs(30) }
    }
}

/// The waits of one series of failures.
#[derive(Debug)]
pub(crate) struct Backoff {
    settings: BackoffSettings,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(settings: BackoffSettings) -> Self {
        Self { settings, failures: 0 }
    }

    /// The next wait: between half of the ceiling and all of it; the ceiling doubles with every failure.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let floor = Duration::from_millis(1);
        let doubled = self.settings.base.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let ceiling = doubled.min(self.settings.max).max(floor);
        self.failures = self.failures.saturating_add(1).min(31);
        ceiling.mul_f64(0.5 + 0.5 * fastrand::f64()).max(floor)
    }

    /// To be called when the server proved to be alive: with its first message, not with the connection.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests;
