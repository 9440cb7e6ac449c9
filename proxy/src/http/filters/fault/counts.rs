//! Statistics of faults (`http.<prefix>.fault.*`), and how many requests have one now. Used by the filter alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::stats::{Counter, Gauge, Stats, counters};

/// Callers that are counted by name. They name themselves, so that there is an end to it.
const CALLERS: usize = 1024;

/// What is counted.
#[derive(Debug)]
pub(super) struct Counts {
    injected: Caller,
    faults_overflow: Counter,
    pub response_rl_injected: Counter,
    active_faults: Gauge,
    /// What the gauge shows, for the limit: a gauge is written by each thread for itself, and an operator may have left it out. Only
    /// requests that are about to have a fault touch it.
    active: AtomicU64,
    callers: Option<Callers>,
}

/// By the caller's cluster. A lock, on the way of requests that have a fault only.
struct Callers {
    stats: Arc<Stats>,
    prefix: String,
    known: Mutex<HashMap<Bytes, Caller>>,
}

impl std::fmt::Debug for Callers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Callers").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

counters! {
    struct Caller { aborts_injected delays_injected }
}

impl Counts {
    /// Registers the names below `<scope>fault.`.
    pub fn new(stats: &Arc<Stats>, scope: &str, by_caller: bool) -> Counts {
        let prefix = format!("{scope}fault.");
        Counts {
            injected: Caller::new(stats, &prefix),
            faults_overflow: stats.counter(&format!("{prefix}faults_overflow")),
            response_rl_injected: stats.counter(&format!("{prefix}response_rl_injected")),
            active_faults: stats.gauge(&format!("{prefix}active_faults")),
            active: AtomicU64::new(0),
            callers: by_caller.then(|| Callers { stats: stats.clone(), prefix, known: Mutex::default() }),
        }
    }

    /// Whether one more request may have a fault.
    pub fn begin(&self, most: Option<u64>) -> bool {
        let most = most.unwrap_or(u64::MAX);
        let next = |active: u64| (active < most).then_some(active + 1);
        let begun = self.active.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok();
        if begun {
            self.active_faults.inc();
        } else {
            self.faults_overflow.inc();
        }
        begun
    }

    /// It has none any more.
    pub fn end(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        self.active_faults.dec();
    }

    /// A request is delayed.
    pub fn delay(&self, caller: Option<&Bytes>) {
        self.injected.delays_injected.inc();
        if let Some(caller) = self.caller(caller) {
            caller.delays_injected.inc();
        }
    }

    /// A request is answered.
    pub fn abort(&self, caller: Option<&Bytes>) {
        self.injected.aborts_injected.inc();
        if let Some(caller) = self.caller(caller) {
            caller.aborts_injected.inc();
        }
    }

    fn caller(&self, name: Option<&Bytes>) -> Option<Caller> {
        let (callers, name) = (self.callers.as_ref()?, name.filter(|name| !name.is_empty())?);
        let mut known = callers.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(name) {
            let text = std::str::from_utf8(name).ok().filter(|_| known.len() < CALLERS)?;
            let caller = Caller::new(&callers.stats, &format!("{}{text}.", callers.prefix));
            // A copy: the name is a slice of what was read from the wire.
            known.insert(Bytes::copy_from_slice(name), caller);
        }
        known.get(name).copied()
    }
}
