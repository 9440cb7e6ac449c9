//! Counts of one endpoint as one worker sees them. Written by that worker alone, summed by admin. No read-modify-write, no shared line.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::status::HostCounts;

/// A number that one thread writes and any thread reads. A stale read shows an old figure in admin, no more.
#[derive(Debug, Default)]
pub struct Owned(AtomicU64);

impl Owned {
    /// Adds one. For the owning thread only.
    #[inline]
    pub fn inc(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }

    /// Takes one away. For the owning thread only.
    #[inline]
    pub fn dec(&self) {
        self.0.store(self.get().wrapping_sub(1), Ordering::Relaxed);
    }

    /// The value.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One worker's counts of one endpoint, under Envoy's names.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct HostShard {
    /// `cx_active`.
    pub cx_active: Owned,
    /// `cx_total`.
    pub cx_total: Owned,
    /// `cx_connect_fail`.
    pub cx_connect_fail: Owned,
    /// `rq_active`.
    pub rq_active: Owned,
    /// `rq_total`.
    pub rq_total: Owned,
    /// `rq_success`.
    pub rq_success: Owned,
    /// `rq_error`.
    pub rq_error: Owned,
    /// `rq_timeout`.
    pub rq_timeout: Owned,
}

impl HostShard {
    /// Adds this worker's counts to the sum over all.
    pub fn add_to(&self, sum: &mut HostCounts) {
        sum.cx_active += self.cx_active.get();
        sum.cx_total += self.cx_total.get();
        sum.cx_connect_fail += self.cx_connect_fail.get();
        sum.rq_active += self.rq_active.get();
        sum.rq_total += self.rq_total.get();
        sum.rq_success += self.rq_success.get();
        sum.rq_error += self.rq_error.get();
        sum.rq_timeout += self.rq_timeout.get();
    }
}
