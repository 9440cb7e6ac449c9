//! Pipes for splicing, lent by the thread while bytes are in flight and given back empty. A user's pipes share a budget: without
//! privileges the 65th of 1 MiB stays small, so few large ones that go round are worth more than one for each connection.

use std::cell::RefCell;

use crate::sys::Pipe;

/// Octets of a pipe: what one splice moves at most.
const CAPACITY: usize = 1 << 20;
/// Smaller pipes than this are not worth splicing through: copying moves more at a time.
const SMALLEST: usize = 16 * 1024;
/// Idle pipes that a thread keeps.
const KEPT: usize = 8;

thread_local! {
    static STORE: RefCell<Store> = const { RefCell::new(Store { idle: Vec::new(), smallest: SMALLEST }) };
}

/// The pipes of a thread.
#[derive(Debug)]
pub(super) struct Store {
    /// With nothing in them.
    pub idle: Vec<Pipe>,
    /// What a pipe must hold to be worth it.
    pub smallest: usize,
}

/// A pipe with nothing in it; `None` when the system gives none that is worth it.
pub(super) fn lend() -> Option<Pipe> {
    with(Store::lend)
}

/// Takes back an empty pipe. One that still holds bytes must be dropped instead.
pub(super) fn give_back(pipe: Pipe) {
    with(|store| {
        if store.idle.len() < KEPT {
            store.idle.push(pipe);
        }
    });
}

/// The thread's pipes.
pub(super) fn with<T>(use_it: impl FnOnce(&mut Store) -> T) -> T {
    STORE.with_borrow_mut(use_it)
}

impl Store {
    fn lend(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.idle.pop() {
            return Some(pipe);
        }
        match Pipe::new(CAPACITY) {
            Ok(pipe) if pipe.capacity >= self.smallest => Some(pipe),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "no pipe for splicing; bytes are copied");
                None
            }
        }
    }
}
