//! Workers: one OS thread each, with a current-thread runtime, that own their connections, pools, cursors and log buffers.
//!
//! Nothing on a worker needs `Send`; what a forwarded request writes to, no other worker does, unless configuration asks for something that
//! all count together.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::call::Calls;
use crate::cluster::WorkerClusters;
use crate::cluster::published::Published;
use crate::drain::ServerDrain;
use crate::logs::WorkerLogs;
use crate::stats::Stats;

/// What every data-path function can reach. One a worker thread.
pub struct Worker {
    /// 0 is the first.
    pub index: usize,
    /// What the control thread has published.
    pub published: Arc<Published>,
    /// Pools and balancer cursors.
    pub clusters: Rc<WorkerClusters>,
    /// Calls to services over the same.
    pub calls: Calls,
    /// Access log buffers.
    pub logs: WorkerLogs,
    /// Drains of the process.
    pub drain: Arc<ServerDrain>,
    /// Stats registry, for names that are only known while running.
    pub stats: Arc<Stats>,
    /// Numbers connections.
    pub connections: ConnectionIds,
}

/// Connection numbers, unique in the process: a worker takes every n-th.
pub struct ConnectionIds {
    next: Cell<u64>,
    step: u64,
}

impl ConnectionIds {
    /// For worker `index` of `workers`.
    pub fn new(index: usize, workers: usize) -> ConnectionIds {
        ConnectionIds { next: Cell::new(index as u64), step: workers.max(1) as u64 }
    }

    /// A number that no other connection has.
    pub fn next(&self) -> u64 {
        let id = self.next.get();
        self.next.set(id + self.step);
        id
    }
}

#[cfg(test)]
mod tests;
