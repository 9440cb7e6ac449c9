//! Slow start: a host that has just become healthy gets less, and more from moment to moment. Called by [`super::chooser`]; a list none of
//! whose hosts is new has none of it.

use std::time::Duration;

use config::cluster::{self, Balancing};
use tokio::time::Instant;

use crate::cluster::host::Host;

/// The slow start of a list.
#[derive(Debug)]
pub struct SlowStart {
    config: cluster::SlowStart,
    /// When the last one of the hosts has its full share.
    until: Instant,
}

impl SlowStart {
    /// Of a list, if the cluster wants it and some host is new.
    pub fn of(hosts: &[Host], balancing: &Balancing) -> Option<SlowStart> {
        let config = balancing.slow_start?;
        let last = hosts.iter().filter_map(|host| host.endpoint().well_since).max()?;
        let until = last.checked_add(config.window)?;
        (until > Instant::now()).then_some(SlowStart { config, until })
    }

    /// Which part of its weight a host has now.
    pub fn share(&self, host: &Host) -> f64 {
        let now = Instant::now();
        match host.endpoint().well_since {
            Some(since) if now < self.until => share(&self.config, now.duration_since(since)),
            _ => 1.0,
        }
    }
}

fn share(config: &cluster::SlowStart, age: Duration) -> f64 {
    if age >= config.window {
        return 1.0;
    }
    // At least a millisecond, as in Envoy.
    let age = age.max(Duration::from_millis(1));
    let time = age.as_secs_f64() / config.window.as_secs_f64();
    let factor = if config.aggression == 1.0 { time } else { time.powf(1.0 / config.aggression) };
    factor.max(config.least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_from_the_least_to_all() {
        let config = cluster::SlowStart { window: Duration::from_secs(100), aggression: 1.0, least: 0.1 };
        for (seconds, expected) in [(0, 0.1), (5, 0.1), (50, 0.5), (99, 0.99), (100, 1.0), (1000, 1.0)] {
            assert_eq!(share(&config, Duration::from_secs(seconds)), expected, "{seconds}");
        }
        let eager = cluster::SlowStart { aggression: 2.0, ..config };
        assert_eq!(share(&eager, Duration::from_secs(25)), 0.5);
    }
}
