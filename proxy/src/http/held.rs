//! What the control thread swaps while connections live (route tables, chains of filters), as the requests of one worker hold it: one
//! reference count of the worker's own, so that workers do not fight over a cache line. Connections keep a [`Held`], requests what it gives
//! them, so that an idle connection pins no version. One that is replaced is let go when the worker is told ([`let_go`]) or next asked.

use std::any::Any;
use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// What a request holds.
pub(crate) type Pinned<T> = Rc<Arc<T>>;

/// Where the control thread puts versions.
pub(crate) trait Slot: 'static {
    /// What is in it.
    type Value: 'static;

    /// The version of this moment; `None` when there is none.
    fn load(&self) -> Option<Arc<Self::Value>>;

    /// Whether this is the version of this moment. Costs no reference count.
    fn is_current(&self, value: &Arc<Self::Value>) -> bool;
}

/// What one worker holds of a slot, for all its connections.
pub(crate) struct Held<S: Slot> {
    slot: Arc<S>,
    held: RefCell<Option<Pinned<S::Value>>>,
}

/// Any of them.
trait LetGo {
    fn let_go(&self);
    /// To look it up by its slot.
    fn is_of(&self, slot: *const ()) -> bool;
    fn into_any(self: Rc<Self>) -> Rc<dyn Any>;
}

thread_local! {
    /// Those of this worker.
    static ALL: RefCell<Vec<Weak<dyn LetGo>>> = const { RefCell::new(Vec::new()) };
}

impl<S: Slot> Held<S> {
    /// That of a slot, on this thread.
    pub fn of(slot: &Arc<S>) -> Rc<Held<S>> {
        ALL.with_borrow_mut(|all| {
            let address = Arc::as_ptr(slot).cast();
            let known = all.iter().filter_map(Weak::upgrade).find(|held| held.is_of(address));
            known.and_then(|held| held.into_any().downcast().ok()).unwrap_or_else(|| {
                let held = Rc::new(Held { slot: slot.clone(), held: RefCell::new(None) });
                all.retain(|held| held.strong_count() > 0);
                let weak = Rc::downgrade(&held);
                all.push(weak);
                held
            })
        })
    }

    /// The version of this moment; `None` when it was taken away or has not come yet.
    pub fn current(&self) -> Option<Pinned<S::Value>> {
        self.let_go();
        let mut held = self.held.borrow_mut();
        if held.is_none() {
            *held = self.slot.load().map(Rc::new);
        }
        held.clone()
    }

    /// The slot.
    pub fn slot(&self) -> &S {
        &self.slot
    }
}

impl<S: Slot> LetGo for Held<S> {
    fn let_go(&self) {
        let mut held = self.held.borrow_mut();
        if held.as_ref().is_some_and(|held| !self.slot.is_current(held)) {
            *held = None;
        }
    }

    fn is_of(&self, slot: *const ()) -> bool {
        Arc::as_ptr(&self.slot).cast() == slot
    }

    fn into_any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

/// Lets go of the versions that were replaced. Workers call it when the control thread says that something has changed.
pub fn let_go() {
    ALL.with_borrow(|all| all.iter().filter_map(Weak::upgrade).for_each(|held| held.let_go()));
}

#[cfg(test)]
mod tests;
