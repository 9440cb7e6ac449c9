//! The limit of downstream connections of the process. `app` sets it; every accept asks. Atomics: once a connection, never per request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::overload::{self, Act};

static MAX: AtomicU64 = AtomicU64::new(u64::MAX);
static ACTIVE: AtomicU64 = AtomicU64::new(0);

/// Sets the limit (`envoy.resource_monitors.downstream_connections` or the runtime key `overload.global_downstream_max_connections`).
pub fn set_max(connections: u64) {
    MAX.store(connections, Ordering::Relaxed);
}

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Connections wait in the queues (`stop_accepting_connections`), or do not any more. A stale read costs a connection.
pub fn stop_accepting(stop: bool) {
    STOPPED.store(stop, Ordering::Relaxed);
}

/// Whether they wait.
pub(super) fn has_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// Downstream connections that are open now.
pub fn active() -> u64 {
    ACTIVE.load(Ordering::Relaxed)
}

/// One open downstream connection; gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Permit(());

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The limit is reached.
    Limit,
    /// There is too little memory.
    Overload,
}

/// A place for one more connection. Listeners that ignore the limit are counted all the same, and so are those that bypass the overload
/// manager.
pub(super) fn acquire(ignores_limit: bool, bypasses_overload: bool) -> Result<Permit, Full> {
    let is_full = ACTIVE.fetch_add(1, Ordering::Relaxed) >= MAX.load(Ordering::Relaxed);
    // What is done is counted: it is asked only where the answer matters.
    let matters = !bypasses_overload && (!is_full || ignores_limit);
    let is_rejecting = matters && (overload::does(Act::ShedAccept) || overload::does(Act::Reject));
    let full = judged((is_full, ignores_limit), (is_rejecting, bypasses_overload));
    match full {
        // A permit gives its place back itself.
        None => Ok(Permit(())),
        Some(full) => {
            ACTIVE.fetch_sub(1, Ordering::Relaxed);
            Err(full)
        }
    }
}

/// What is so, and whether the listener minds.
fn judged((is_full, ignores_limit): (bool, bool), (is_rejecting, bypasses_overload): (bool, bool)) -> Option<Full> {
    match () {
        () if is_full && !ignores_limit => Some(Full::Limit),
        () if is_rejecting && !bypasses_overload => Some(Full::Overload),
        () => None,
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        ACTIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
