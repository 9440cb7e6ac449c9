//! Where a route table that comes by RDS is found: a slot that the control thread fills and workers read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use super::RouteTable;
use crate::http::held::Slot;

/// The newest table of one RDS name. Shared by all threads; reading is one atomic load.
#[derive(Debug, Default)]
pub struct RouteSlot {
    table: ArcSwapOption<RouteTable>,
    /// There was one, and it may serve no longer. A stale read costs one request the wait for a first table.
    taken_away: AtomicBool,
    published: Notify,
}

impl RouteSlot {
    /// An empty slot.
    pub fn new() -> Arc<RouteSlot> {
        Arc::new(RouteSlot::default())
    }

    /// Makes a table visible to requests that begin from now on.
    pub fn publish(&self, table: Arc<RouteTable>) {
        self.table.store(Some(table));
        self.taken_away.store(false, Ordering::Release);
        self.published.notify_waiters();
    }

    /// Takes the table away: requests find no route, those too that wait for a first one.
    pub fn remove(&self) {
        self.taken_away.store(true, Ordering::Release);
        self.table.store(None);
        self.published.notify_waiters();
    }

    /// Whether there is no use in waiting for a table.
    pub fn was_taken_away(&self) -> bool {
        self.taken_away.load(Ordering::Acquire)
    }

    /// The table of this moment.
    pub fn load(&self) -> Option<Arc<RouteTable>> {
        self.table.load_full()
    }

    /// Whether this is the table of this moment. Costs no reference count.
    pub fn is_current(&self, table: &Arc<RouteTable>) -> bool {
        self.table.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, table))
    }

    /// Waits for the first table, or for the word that there is none.
    pub async fn wait(&self) {
        loop {
            let published = self.published.notified();
            let mut published = std::pin::pin!(published);
            // Registered before the load, so that a table published between the two is not missed.
            published.as_mut().enable();
            if self.table.load().is_some() || self.was_taken_away() {
                return;
            }
            published.await;
        }
    }
}

impl Slot for RouteSlot {
    type Value = RouteTable;

    fn load(&self) -> Option<Arc<RouteTable>> {
        RouteSlot::load(self)
    }

    fn is_current(&self, table: &Arc<RouteTable>) -> bool {
        RouteSlot::is_current(self, table)
    }
}

/// Where compiled listeners find the slot of an RDS name. The control thread's registry implements it.
pub trait RouteSlots {
    /// The slot of a name; made empty if it is new.
    fn slot(&self, name: &Arc<str>) -> Arc<RouteSlot>;
}
