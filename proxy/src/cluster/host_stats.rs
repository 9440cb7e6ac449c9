//! Counts of one endpoint as one worker sees them. Written by that worker alone, summed by admin. No read-modify-write, no shared line.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// The sum over the workers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HostStats {
    /// `cx_active`.
    pub cx_active: u64,
    /// `cx_total`.
    pub cx_total: u64,
    /// `cx_connect_fail`.
    pub cx_connect_fail: u64,
    /// `rq_active`.
    pub rq_active: u64,
    /// `rq_total`.
    pub rq_total: u64,
    /// `rq_success`.
    pub rq_success: u64,
    /// `rq_error`.
    pub rq_error: u64,
    /// `rq_timeout`.
    pub rq_timeout: u64,
}

impl HostStats {
    /// Adds one worker's counts.
    pub fn add(&mut self, shard: &HostShard) {
        self.cx_active += shard.cx_active.get();
        self.cx_total += shard.cx_total.get();
        self.cx_connect_fail += shard.cx_connect_fail.get();
        self.rq_active += shard.rq_active.get();
        self.rq_total += shard.rq_total.get();
        self.rq_success += shard.rq_success.get();
        self.rq_error += shard.rq_error.get();
        self.rq_timeout += shard.rq_timeout.get();
    }
}
