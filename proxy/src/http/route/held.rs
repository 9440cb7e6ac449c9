//! The newest route table of a slot as the requests of one worker hold it: one reference count of the worker's own, so that workers do not
//! fight over a cache line. Connections keep a [`HeldTable`], requests what it gives them, so that an idle connection pins no table. A
//! table that is replaced is let go when the worker is told ([`let_go`]) or next asked.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::{RouteSlot, RouteTable};

/// A route table that a request holds.
pub type PinnedTable = Rc<Arc<RouteTable>>;

/// What one worker holds of a slot, for all its connections.
pub struct HeldTable {
    slot: Arc<RouteSlot>,
    held: RefCell<Option<PinnedTable>>,
}

thread_local! {
    /// Those of this worker.
    static ALL: RefCell<Vec<Weak<HeldTable>>> = const { RefCell::new(Vec::new()) };
}

impl HeldTable {
    /// That of a slot, on this thread.
    pub fn of(slot: &Arc<RouteSlot>) -> Rc<HeldTable> {
        ALL.with_borrow_mut(|all| {
            let known = all.iter().filter_map(Weak::upgrade).find(|held| Arc::ptr_eq(&held.slot, slot));
            known.unwrap_or_else(|| {
                let held = Rc::new(HeldTable { slot: slot.clone(), held: RefCell::new(None) });
                all.retain(|held| held.strong_count() > 0);
                all.push(Rc::downgrade(&held));
                held
            })
        })
    }

    /// The table of this moment; `None` when RDS took it away or has not brought it yet.
    pub fn current(&self) -> Option<PinnedTable> {
        self.let_go();
        let mut held = self.held.borrow_mut();
        if held.is_none() {
            *held = self.slot.load().map(Rc::new);
        }
        held.clone()
    }

    /// The slot.
    pub fn slot(&self) -> &RouteSlot {
        &self.slot
    }

    fn let_go(&self) {
        let mut held = self.held.borrow_mut();
        if held.as_ref().is_some_and(|held| !self.slot.is_current(held)) {
            *held = None;
        }
    }
}

/// Lets go of the tables that were replaced. Workers call it when the control thread says that tables have changed.
pub fn let_go() {
    ALL.with_borrow(|all| all.iter().filter_map(Weak::upgrade).for_each(|held| held.let_go()));
}

#[cfg(test)]
mod tests;
