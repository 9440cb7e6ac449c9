//! What checks have found out of one endpoint: Envoy's thresholds, flags and counts. No clock, no connection.

use std::sync::Arc;

use config::cluster::HealthCheck;

use super::events::{Log, What};
use super::stats::HealthStats;
use crate::cluster::endpoints::Endpoint;
use crate::cluster::identity::Identity;
use crate::status::HealthFlags;

/// How a check has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Well.
    Well {
        /// The answer calls the endpoint degraded.
        degraded: bool,
    },
    /// Not.
    Ill(Failure),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: Kind,
    /// One of `retriable_statuses`: it counts towards the threshold.
    pub retriable: bool,
    /// The answer's status, 0 where there was none.
    pub status: u16,
    /// The answer says that the endpoint is to be taken out at once.
    pub immediate: bool,
}

/// `HealthCheckFailureType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The endpoint says it.
    Active,
    /// It said it in an answer to a request.
    Passive,
    /// It could not be asked.
    Network,
    /// It did not answer in time.
    Timeout,
}

/// What became of the endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It will change if this goes on.
    Pending,
    /// It changed, or what is published of it.
    Changed,
}

/// What is known of one endpoint.
pub struct State {
    host: Arc<Identity>,
    stats: HealthStats,
    /// No check has ended yet.
    pub first: bool,
    well: u32,
    ill: u32,
}

impl Failure {
    /// One without an answer.
    pub fn of(kind: Kind) -> Failure {
        Failure { kind, retriable: false, status: 0, immediate: false }
    }

    fn is_network(self) -> bool {
        matches!(self.kind, Kind::Network | Kind::Timeout)
    }
}

impl State {
    /// Nothing yet; the flags of the endpoint say how it begins.
    pub fn new(host: &Arc<Identity>, stats: HealthStats) -> State {
        let flags = host.flags();
        if !flags.has(HealthFlags::FAILED_ACTIVE_HC) {
            stats.healthy.inc();
        }
        if flags.has(HealthFlags::DEGRADED_ACTIVE_HC) {
            stats.degraded.inc();
        }
        State { host: Arc::clone(host), stats, first: true, well: 0, ill: 0 }
    }

    /// A check has ended.
    pub fn ends(&mut self, found: Found, check: &HealthCheck, log: &Log, endpoint: &Endpoint) -> Change {
        match found {
            Found::Well { degraded } => self.succeeds(degraded, check, log, endpoint),
            Found::Ill(failure) => self.fails(failure, check, log, endpoint),
        }
    }

    fn succeeds(&mut self, degraded: bool, check: &HealthCheck, log: &Log, endpoint: &Endpoint) -> Change {
        self.ill = 0;
        let mut change = Change::None;
        if self.has(HealthFlags::FAILED_ACTIVE_HC) {
            self.well = self.well.saturating_add(1);
            // As in Envoy the first check counts at once.
            if self.first || self.well == check.healthy_threshold {
                self.clear(
                    HealthFlags::FAILED_ACTIVE_HC
                        .with(HealthFlags::ACTIVE_HC_TIMEOUT)
                        .with(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL),
                );
                self.stats.healthy.inc();
                self.host.becomes_well();
                change = Change::Changed;
                log.write(endpoint, What::Healthy { first: self.first });
            } else {
                change = Change::Pending;
            }
        }
        if change != Change::Changed && check.logs_successes {
            log.write(endpoint, What::Success);
        }
        change = self.no_longer_pending(change);
        if degraded != self.has(HealthFlags::DEGRADED_ACTIVE_HC) {
            if degraded {
                self.set(HealthFlags::DEGRADED_ACTIVE_HC);
                self.stats.degraded.inc();
                log.write(endpoint, What::Degraded);
            } else {
                self.clear(HealthFlags::DEGRADED_ACTIVE_HC);
                self.stats.degraded.dec();
                log.write(endpoint, What::NoLongerDegraded);
            }
            if change == Change::None {
                change = Change::Changed;
            }
        }
        self.stats.success.inc();
        self.first = false;
        change
    }

    /// A check has failed, or the endpoint says that it would.
    pub fn fails(&mut self, failure: Failure, check: &HealthCheck, log: &Log, endpoint: &Endpoint) -> Change {
        if failure.immediate {
            self.set(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL);
        }
        self.well = 0;
        let mut change = Change::None;
        if !self.has(HealthFlags::FAILED_ACTIVE_HC) {
            let counts = failure.is_network() || failure.retriable;
            self.ill = self.ill.saturating_add(u32::from(counts));
            if !counts || self.ill == check.unhealthy_threshold {
                self.set(HealthFlags::FAILED_ACTIVE_HC);
                self.stats.healthy.dec();
                change = Change::Changed;
                log.write(endpoint, What::Unhealthy(failure));
            } else {
                change = Change::Pending;
            }
        }
        if failure.kind == Kind::Timeout && self.has(HealthFlags::FAILED_ACTIVE_HC) {
            self.set(HealthFlags::ACTIVE_HC_TIMEOUT);
        } else {
            self.clear(HealthFlags::ACTIVE_HC_TIMEOUT);
        }
        change = self.no_longer_pending(change);
        if self.first || check.logs_failures {
            log.write(endpoint, What::Failure { failure, first: self.first });
        }
        self.stats.failure.inc();
        if failure.is_network() {
            self.stats.network_failure.inc();
        } else if failure.kind == Kind::Passive {
            self.stats.passive_failure.inc();
        }
        self.first = false;
        change
    }

    fn no_longer_pending(&self, change: Change) -> Change {
        if self.has(HealthFlags::PENDING_ACTIVE_HC) {
            self.clear(HealthFlags::PENDING_ACTIVE_HC);
            return Change::Changed;
        }
        change
    }

    fn has(&self, flag: HealthFlags) -> bool {
        self.host.flags().has(flag)
    }

    fn set(&self, flags: HealthFlags) {
        self.host.set_flags(self.host.flags().with(flags));
    }

    fn clear(&self, flags: HealthFlags) {
        self.host.set_flags(self.host.flags().without(flags));
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !self.has(HealthFlags::FAILED_ACTIVE_HC) {
            self.stats.healthy.dec();
        }
        if self.has(HealthFlags::DEGRADED_ACTIVE_HC) {
            self.stats.degraded.dec();
        }
    }
}
