//! What workers count of one host for outlier detection: failures in a row, and successes out of all. They report a suspect and decide
//! nothing. All workers write the same numbers, as in Envoy: failures in a row are those of the proxy, not of a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::shared::Watch;
use crate::cluster::identity::Identity;
use crate::wire::headers::Name;
use crate::wire::message::ResponseHead;

/// What has become of a request or connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered: the status, or what counts as one.
    Answered(u16),
    /// A stream for a request is there.
    Connected,
    /// A connection is there, and nothing more is known of what becomes of it.
    ConnectedForGood,
    /// It could not be made, or has ended before its time. Never because we have enough of them ourselves.
    Failed,
    /// It has not come in time; the status of the answer given instead.
    TimedOut(u16),
}

/// Why a host is suspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// `consecutive_5xx`.
    Consecutive5xx,
    /// `consecutive_gateway_failure`.
    ConsecutiveGatewayFailure,
    /// `consecutive_local_origin_failure`.
    ConsecutiveLocalOriginFailure,
    /// It calls itself degraded.
    Degraded,
}

impl Suspicion {
    /// All, in the order in which they are looked at.
    pub(super) const ALL: [Suspicion; 4] = [
        Suspicion::ConsecutiveGatewayFailure,
        Suspicion::Consecutive5xx,
        Suspicion::ConsecutiveLocalOriginFailure,
        Suspicion::Degraded,
    ];

    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// The counts of one host.
pub struct Monitor {
    watch: Arc<Watch>,
    in_a_row: [AtomicU32; 3],
    volumes: [Volume; 2],
    /// Suspicions that the control thread has not looked at.
    suspected: AtomicU8,
    /// `success_rate` and `local_origin_success_rate` of the last interval: bits of an `f64`. For admin.
    shown: [AtomicU64; 2],
}

/// Requests of an interval, and how many of them succeeded. Read and written without order: one counted at the moment of reading may count
/// for the next interval.
#[derive(Default)]
struct Volume {
    total: AtomicU64,
    success: AtomicU64,
}

impl Monitor {
    /// Nothing counted.
    pub fn new(watch: &Arc<Watch>) -> Monitor {
        Monitor {
            watch: Arc::clone(watch),
            in_a_row: Default::default(),
            volumes: Default::default(),
            suspected: AtomicU8::new(0),
            shown: std::array::from_fn(|_| AtomicU64::new((-1_f64).to_bits())),
        }
    }

    /// What it is part of.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Counts; `host` is the one that it is of.
    pub fn put(&self, host: &Arc<Identity>, outcome: Outcome) {
        self.watch.counts();
        match (outcome, self.watch.config.split_local_origin) {
            (Outcome::Answered(status), _) => self.answered(host, status),
            (Outcome::Connected, false) => {}
            (Outcome::ConnectedForGood, false) => self.answered(host, 200),
            (Outcome::Failed, false) => self.answered(host, 503),
            (Outcome::TimedOut(status), false) => self.answered(host, status),
            (Outcome::Connected | Outcome::ConnectedForGood, true) => {
                self.volumes[1].count(true);
                self.ends(Suspicion::ConsecutiveLocalOriginFailure);
            }
            (Outcome::Failed | Outcome::TimedOut(_), true) => {
                self.volumes[1].count(false);
                self.goes_on(host, Suspicion::ConsecutiveLocalOriginFailure);
            }
        }
    }

    /// Counts an answer; `grpc`: the HTTP status that its gRPC status means.
    pub fn put_answer(&self, host: &Arc<Identity>, head: &ResponseHead, grpc: Option<u16>) {
        self.put(host, Outcome::Answered(self.watch.status_of(head, grpc)));
        if self.watch.config.detect_degraded && head.headers.contains(&Name::X_ENVOY_DEGRADED) {
            self.suspect(host, Suspicion::Degraded);
        }
    }

    fn answered(&self, host: &Arc<Identity>, status: u16) {
        let failed = (500..600).contains(&status);
        self.volumes[0].count(!failed);
        if !failed {
            self.ends(Suspicion::Consecutive5xx);
            return self.ends(Suspicion::ConsecutiveGatewayFailure);
        }
        match status {
            502..=504 => self.goes_on(host, Suspicion::ConsecutiveGatewayFailure),
            _ => self.ends(Suspicion::ConsecutiveGatewayFailure),
        }
        self.goes_on(host, Suspicion::Consecutive5xx);
    }

    fn goes_on(&self, host: &Arc<Identity>, row: Suspicion) {
        let config = &self.watch.config;
        let limit = match row {
            Suspicion::Consecutive5xx => config.consecutive_5xx.count,
            Suspicion::ConsecutiveGatewayFailure => config.consecutive_gateway_failure.count,
            Suspicion::ConsecutiveLocalOriginFailure => config.consecutive_local_origin_failure.count,
            Suspicion::Degraded => return,
        };
        let before = self.in_a_row[row as usize].fetch_add(1, Ordering::Relaxed);
        // At the limit, and not above it: a row is told once. The control thread ends it.
        if before.wrapping_add(1) == limit {
            self.suspect(host, row);
        }
    }

    /// A row is over.
    pub(super) fn ends(&self, row: Suspicion) {
        if let Some(row) = self.in_a_row.get(row as usize)
            && row.load(Ordering::Relaxed) != 0
        {
            row.store(0, Ordering::Relaxed);
        }
    }

    fn suspect(&self, host: &Arc<Identity>, why: Suspicion) {
        // Whoever sets the first bit tells: so the list never holds more entries than there are hosts.
        if self.suspected.fetch_or(why.bit(), Ordering::AcqRel) == 0 {
            self.watch.suspects(host);
        }
    }

    /// Suspicions since it was asked last.
    pub(super) fn take_suspicions(&self) -> impl Iterator<Item = Suspicion> + use<> {
        let bits = self.suspected.swap(0, Ordering::AcqRel);
        Suspicion::ALL.into_iter().filter(move |why| bits & why.bit() != 0)
    }

    /// Requests since it was asked last, and how many of them succeeded: what servers answered, or what connections suffered.
    pub(super) fn take_volume(&self, local: bool) -> (u64, u64) {
        self.volumes[usize::from(local)].take()
    }

    /// `success_rate` and `local_origin_success_rate`; -1 for none.
    pub fn rates(&self) -> [f64; 2] {
        std::array::from_fn(|index| f64::from_bits(self.shown[index].load(Ordering::Relaxed)))
    }

    pub(super) fn show_rate(&self, local: bool, rate: f64) {
        self.shown[usize::from(local)].store(rate.to_bits(), Ordering::Relaxed);
    }
}

impl Volume {
    fn count(&self, success: bool) {
        self.total.fetch_add(1, Ordering::Relaxed);
        if success {
            self.success.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn take(&self) -> (u64, u64) {
        let total = self.total.swap(0, Ordering::Relaxed);
        (total, self.success.swap(0, Ordering::Relaxed).min(total))
    }
}
