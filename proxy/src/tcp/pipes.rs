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
    static IDLE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe with nothing in it; `None` when the system gives none that is worth it.
pub(super) fn lend() -> Option<Pipe> {
    #[cfg(test)]
    if REFUSED.get() {
        return None;
    }
    if let Some(pipe) = IDLE.with_borrow_mut(Vec::pop) {
        return Some(pipe);
    }
    match Pipe::new(CAPACITY) {
        Ok(pipe) if pipe.capacity >= SMALLEST => Some(pipe),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, "no pipe for splicing; bytes are copied");
            None
        }
    }
}

/// Takes back an empty pipe. One that still holds bytes must be dropped instead.
pub(super) fn give_back(pipe: Pipe) {
    IDLE.with_borrow_mut(|idle| {
        if idle.len() < KEPT {
            idle.push(pipe);
        }
    });
}

#[cfg(test)]
thread_local! {
    static REFUSED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// As if the system had no pipes.
#[cfg(test)]
pub(super) fn refuse(refused: bool) {
    REFUSED.set(refused);
}

/// Pipes that the thread keeps now.
#[cfg(test)]
pub(super) fn idle() -> usize {
    IDLE.with_borrow(Vec::len)
}
