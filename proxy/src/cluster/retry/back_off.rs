//! How long a retry waits. Held by [`Retries`](super::Retries); it only reckons.

use std::time::Duration;

use config::route::RetryPolicy;

use crate::cluster::stats::ClusterStats;
use crate::stats::Counter;

/// A wait before a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// So long.
    pub time: Duration,
    /// The response said how long.
    pub rate_limited: bool,
}

impl BackOff {
    /// What counts it.
    pub fn counter(self, stats: &ClusterStats) -> Counter {
        if self.rate_limited {
            stats.upstream_rq_retry_backoff_ratelimited
        } else {
            stats.upstream_rq_retry_backoff_exponential
        }
    }
}

/// The waits of one request, each up to twice as long as the one before.
#[derive(Debug)]
pub(super) struct Pace {
    /// The longest wait before the next retry.
    interval: Duration,
    longest: Duration,
}

const BASE_INTERVAL: Duration = Duration::from_millis(25);

impl Pace {
    /// Of a policy, or Envoy's.
    pub fn of(policy: Option<&RetryPolicy>) -> Pace {
        Pace {
            interval: policy.map_or(BASE_INTERVAL, |policy| policy.base_interval),
            longest: policy.map_or(BASE_INTERVAL * 10, |policy| policy.max_interval),
        }
    }

    /// The next wait; `told`, when the response said how long.
    pub fn next(&mut self, told: Option<Duration>) -> BackOff {
        if let Some(least) = told {
            // Up to half of it more, so that those who were told the same do not come back together.
            return BackOff { time: least + milliseconds(least.mul_f64(fastrand::f64() / 2.0)), rate_limited: true };
        }
        // Full jitter, for the same reason.
        let time = milliseconds(self.interval.mul_f64(fastrand::f64()));
        self.interval = (self.interval * 2).min(self.longest);
        BackOff { time, rate_limited: false }
    }
}

fn milliseconds(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
