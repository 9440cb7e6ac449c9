//! The limit of downstream connections of the process. `app` sets it; every accept asks. Atomics: once a connection, never per request.

use std::sync::atomic::{AtomicU64, Ordering};

static MAX: AtomicU64 = AtomicU64::new(u64::MAX);
static ACTIVE: AtomicU64 = AtomicU64::new(0);

/// Sets the limit (`envoy.resource_monitors.downstream_connections` or the runtime key `overload.global_downstream_max_connections`).
pub fn set_max(connections: u64) {
    MAX.store(connections, Ordering::Relaxed);
}

/// Downstream connections that are open now.
pub fn active() -> u64 {
    ACTIVE.load(Ordering::Relaxed)
}

/// One open downstream connection; gives its place back when dropped.
#[derive(Debug)]
pub(super) struct Permit(());

/// A place for one more connection. Listeners that ignore the limit are counted all the same.
pub(super) fn acquire(ignore: bool) -> Option<Permit> {
    let before = ACTIVE.fetch_add(1, Ordering::Relaxed);
    if before >= MAX.load(Ordering::Relaxed) && !ignore {
        ACTIVE.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    Some(Permit(()))
}

impl Drop for Permit {
    fn drop(&mut self) {
        ACTIVE.fetch_sub(1, Ordering::Relaxed);
    }
}
