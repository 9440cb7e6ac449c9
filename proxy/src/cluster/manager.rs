//! The clusters of one worker: made on first use, dropped when idle or gone, kept tidy by one task.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::connect::{Connector, Sockets};
use super::worker::WorkerCluster;
use crate::cluster::published::{ClusterTable, Published};

/// The clusters that this worker has used. One per worker thread.
pub struct WorkerClusters {
    index: usize,
    connector: Rc<dyn Connector>,
    used: RefCell<HashMap<Arc<str>, Rc<WorkerCluster>, RandomState>>,
    /// The table that `used` was last compared with. A worker that has nothing to do must not keep it, and all its clusters, in memory.
    table: RefCell<Weak<ClusterTable>>,
    /// Wakes [`WorkerClusters::maintain`] when endpoints or clusters leave, or when a first cluster is used.
    changed: Arc<Notify>,
}

impl WorkerClusters {
    /// None used yet. `index` is the worker's.
    pub fn new(index: usize) -> WorkerClusters {
        WorkerClusters::over(index, Rc::new(Sockets))
    }

    /// The same, over connections that are made in another way.
    pub fn over(index: usize, connector: Rc<dyn Connector>) -> WorkerClusters {
        WorkerClusters {
            index,
            connector,
            used: RefCell::default(),
            table: RefCell::default(),
            changed: Arc::default(),
        }
    }

    /// The cluster of that name as this worker uses it; `None` when there is no such cluster (`NC`).
    pub fn get(&self, published: &Published, name: &str) -> Option<Rc<WorkerCluster>> {
        let table = published.clusters.load();
        if !self.is_compared_with(&table) {
            self.forget_removed(&table);
        }
        if let Some(known) = self.used.borrow().get(name) {
            known.touch();
            return Some(Rc::clone(known));
        }
        let (name, shared) = table.get_key_value(name)?;
        let local = shared.config().local_zone.as_ref().and_then(|zone| table.get(&zone.cluster));
        let made = WorkerCluster::new(shared, self.index, &self.connector, local, published.zone.clone());
        shared.watch(&self.changed);
        if self.used.borrow_mut().insert(Arc::clone(name), Rc::clone(&made)).is_none() {
            self.changed.notify_one();
        }
        Some(made)
    }

    /// Closes what has been idle too long, whose host or whose cluster is gone. Runs for the worker's life; the worker spawns it once.
    pub async fn maintain(&self, published: &Published) {
        let mut cooling = Instant::now() + COOLING;
        let mut next_sweep = Instant::now();
        loop {
            let mut changed = pin!(self.changed.notified());
            let mut timer = pin!(sleep_until(Instant::now() + self.interval()));
            // Idle connections wake this task when their peers close them; it then looks at all of them, but not for each anew.
            poll_fn(|cx| {
                let now = Instant::now();
                if now >= next_sweep {
                    next_sweep = now + SWEEP_SPACING;
                    self.sweep(now, cx);
                } else {
                    timer.as_mut().reset(next_sweep);
                }
                match (changed.as_mut().poll(cx), timer.as_mut().poll(cx)) {
                    (Poll::Pending, Poll::Pending) => Poll::Pending,
                    _ => Poll::Ready(()),
                }
            })
            .await;
            let table = published.clusters.load();
            if !self.is_compared_with(&table) {
                self.forget_removed(&table);
            }
            for cluster in self.all() {
                cluster.follow_endpoints();
            }
            if Instant::now() >= cooling {
                cooling = Instant::now() + COOLING;
                self.forget_unused();
            }
        }
    }

    /// The reference that is kept lets no other table have the same address.
    fn is_compared_with(&self, table: &Arc<ClusterTable>) -> bool {
        std::ptr::eq(Arc::as_ptr(table), self.table.borrow().as_ptr())
    }

    fn all(&self) -> Vec<Rc<WorkerCluster>> {
        self.used.borrow().values().cloned().collect()
    }

    /// How long to sleep when nothing happens: for ever without clusters, else so that no idle timeout is overslept by much.
    fn interval(&self) -> Duration {
        let used = self.used.borrow();
        if used.is_empty() {
            return FOR_EVER;
        }
        let limits = used.values().filter_map(|cluster| {
            let http = &cluster.config().http;
            http.idle_timeout.into_iter().chain(http.max_connection_duration).min()
        });
        limits.min().unwrap_or(SWEEP_INTERVAL).clamp(LEAST_INTERVAL, SWEEP_INTERVAL)
    }

    fn sweep(&self, now: Instant, cx: &mut Context<'_>) {
        for cluster in self.all() {
            cluster.sweep(now, cx);
        }
    }

    /// Lets go of clusters that the table no longer holds, or holds in another version.
    fn forget_removed(&self, table: &Arc<ClusterTable>) {
        *self.table.borrow_mut() = Arc::downgrade(table);
        let mut removed = Vec::new();
        self.used.borrow_mut().retain(|name, cluster| {
            let stays = table.get(name).is_some_and(|shared| Arc::ptr_eq(shared, cluster.shared()));
            if !stays {
                removed.push(Rc::clone(cluster));
            }
            stays
        });
        for cluster in removed {
            cluster.retire();
        }
    }

    /// Lets go of clusters without connections that nobody asked for since the last time.
    fn forget_unused(&self) {
        self.used.borrow_mut().retain(|_, cluster| cluster.is_wanted());
    }
}

/// How often idle connections are looked at when nothing else happens.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How often they are looked at when there is reason all the time.
const SWEEP_SPACING: Duration = Duration::from_millis(50);
const LEAST_INTERVAL: Duration = Duration::from_millis(100);
/// A cluster that was not used for this long (at most twice) is dropped from the worker.
const COOLING: Duration = Duration::from_secs(60);
/// Tokio's timers end some years ahead.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests;
