//! Statistics of routes with a `stat_prefix`: `vhost.<virtual host>.route.<prefix>.*`, and of virtual clusters:
//! `vhost.<virtual host>.vcluster.<name>.*`. Made at the first request; all others have none and cost nothing.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::stats::{Counter, Histogram, Stats};

/// Handles of one route, or of one virtual cluster.
pub struct RouteStats {
    stats: Arc<Stats>,
    prefix: String,
    /// `upstream_rq_total`: attempts that got a stream.
    pub streams: Counter,
    /// `upstream_rq_timeout`.
    pub timeout: Counter,
    /// `upstream_rq_retry`.
    pub retry: Counter,
    /// `upstream_rq_retry_limit_exceeded`.
    pub retry_limit_exceeded: Counter,
    /// `upstream_rq_retry_overflow`.
    pub retry_overflow: Counter,
    /// `upstream_rq_retry_success`.
    pub retry_success: Counter,
    completed: Counter,
    time: Histogram,
    classes: [Counter; 5],
    /// By status, from 100 on, made when first seen.
    codes: Box<[OnceLock<Counter>]>,
}

impl RouteStats {
    /// `of`: the virtual host, and what of it.
    pub(super) fn new(stats: &Arc<Stats>, of: &str) -> RouteStats {
        let prefix = format!("vhost.{of}.upstream_rq_");
        let counter = |name: &str| stats.counter(&format!("{prefix}{name}"));
        RouteStats {
            streams: counter("total"),
            timeout: counter("timeout"),
            retry: counter("retry"),
            retry_limit_exceeded: counter("retry_limit_exceeded"),
            retry_overflow: counter("retry_overflow"),
            retry_success: counter("retry_success"),
            completed: counter("completed"),
            time: stats.histogram(&format!("{prefix}time")),
            classes: [1, 2, 3, 4, 5].map(|class| counter(&format!("{class}xx"))),
            codes: (100..600).map(|_| OnceLock::new()).collect(),
            stats: stats.clone(),
            prefix,
        }
    }

    /// Counts a response, with its time when it came from upstream.
    pub fn count_response(&self, status: u16, milliseconds: Option<u64>) {
        self.completed.inc();
        let index = usize::from(status.saturating_sub(100));
        if let (Some(code), Some(class)) = (self.codes.get(index), self.classes.get(index / 100)) {
            code.get_or_init(|| self.stats.counter(&format!("{}{status}", self.prefix))).inc();
            class.inc();
        }
        if let Some(milliseconds) = milliseconds {
            self.time.record(milliseconds);
        }
    }
}

impl fmt::Debug for RouteStats {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RouteStats").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
