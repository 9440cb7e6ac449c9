//! Statistics of a limit, `<stat_prefix>.http_local_rate_limit.*`. Used by the filter alone.

use std::sync::Arc;

use crate::stats::{Counter, Stats};

/// What is counted.
#[derive(Debug)]
pub(super) struct Counts {
    pub enabled: Counter,
    pub enforced: Counter,
    pub ok: Counter,
    pub rate_limited: Counter,
    pub shadow_mode: Counter,
}

impl Counts {
    /// Registers the names. Envoy leaves out whose listener or route it is.
    pub fn new(stats: &Arc<Stats>, stat_prefix: &str) -> Counts {
        let counter = |name: &str| stats.counter(&format!("{stat_prefix}.http_local_rate_limit.{name}"));
        Counts {
            enabled: counter("enabled"),
            enforced: counter("enforced"),
            ok: counter("ok"),
            rate_limited: counter("rate_limited"),
            shadow_mode: counter("shadow_mode"),
        }
    }
}
