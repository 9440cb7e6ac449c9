//! Circuit breakers: how many connections, waiting requests, requests and retries a cluster may have under way, over all workers.
//!
//! Counts are atomics in the shared cluster. A limit that nobody can reach (istiod sends 4294967295) is not counted at all, so the
//! usual mesh cluster has no shared cache line on its request path.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use config::cluster::{RetryBudget, Thresholds};

use super::core::Core;
use super::identity::Identity;
use crate::stats::Gauge;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// `max_connections`.
    Connections,
    /// `max_pending_requests`.
    Pending,
    /// `max_requests`.
    Requests,
    /// `max_retries`.
    Retries,
}

impl Resource {
    /// In the order of the discriminants.
    pub const ALL: [Resource; 4] = [Resource::Connections, Resource::Pending, Resource::Requests, Resource::Retries];
}

/// The breakers of one cluster at one routing priority.
#[derive(Debug)]
pub struct Breakers {
    limits: [u32; 4],
    counts: [AtomicU32; 4],
    /// In the place of the limit of retries.
    budget: Option<RetryBudget>,
    /// Gauges show what is left.
    tracks: bool,
    /// Another version of the cluster shows that now. A read that is late moves its gauge by one.
    is_replaced: AtomicBool,
    /// Connections that each host may have.
    per_host: Option<u32>,
}

impl Breakers {
    /// Nothing under way.
    pub fn new(limits: &Thresholds) -> Breakers {
        Breakers {
            limits: [limits.max_connections, limits.max_pending_requests, limits.max_requests, limits.max_retries],
            counts: Default::default(),
            budget: limits.retry_budget,
            tracks: limits.track_remaining,
            is_replaced: AtomicBool::new(false),
            per_host: limits.max_host_connections,
        }
    }

    /// Whether a host may have another connection by its own limit. Workers that ask at one moment may all be told that it may.
    pub fn allows_host(&self, host: &Identity) -> bool {
        self.per_host.is_none_or(|limit| host.connections() < u64::from(limit))
    }

    /// Another version of the cluster takes its place: gauges are that one's.
    pub fn replaced(&self) {
        self.is_replaced.store(true, Ordering::Relaxed);
    }

    /// Whether the gauge of what is left moves.
    fn shows(&self, change: Change) -> bool {
        self.tracks && change != Change::Above && !self.is_replaced.load(Ordering::Relaxed)
    }

    /// What may be under way now.
    fn limit(&self, resource: Resource) -> u32 {
        match (resource, &self.budget) {
            (Resource::Retries, Some(budget)) => {
                // Both may change meanwhile: then the budget is that of a moment ago.
                let under_way = self.count(Resource::Requests).saturating_add(self.count(Resource::Pending));
                let share = budget.percent / 100.0 * f64::from(under_way);
                (share as u32).max(budget.minimum)
            }
            _ => self.limits[resource as usize],
        }
    }

    /// Whether a gauge shows how much is left of it.
    pub fn shows_remaining(&self, resource: Resource) -> Option<u32> {
        let has_limit = resource != Resource::Retries || self.budget.is_none();
        (self.tracks && has_limit).then_some(self.limits[resource as usize])
    }

    /// How many are under way; 0 where nothing is counted.
    pub fn count(&self, resource: Resource) -> u32 {
        self.counts[resource as usize].load(Ordering::Relaxed)
    }

    fn is_counted(&self, resource: Resource) -> bool {
        // A share of requests is a share of what is counted.
        let of_budget = self.budget.is_some() && resource != Resource::Connections;
        self.limits[resource as usize] != u32::MAX || self.tracks || of_budget
    }

    /// Takes a place. With `over` it is taken even above the limit. Tells whether it was taken, and whether that opened the breaker.
    fn take(&self, resource: Resource, over: bool) -> Option<Change> {
        let limit = self.limit(resource);
        let count = &self.counts[resource as usize];
        let taken = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < limit || over).then(|| count.saturating_add(1))
        });
        let limit = self.limits[resource as usize];
        taken.ok().map(|before| Change::of(before.saturating_add(1), limit))
    }

    fn give_back(&self, resource: Resource) -> Change {
        let before = self.counts[resource as usize].fetch_sub(1, Ordering::Relaxed);
        Change::of(before, self.limits[resource as usize])
    }
}

/// Whether a breaker opened or closed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Crossed,
    Same,
    /// It is above its limit, and was.
    Above,
}

impl Change {
    /// Of the place of that number.
    fn of(place: u32, limit: u32) -> Change {
        match place.cmp(&limit) {
            std::cmp::Ordering::Less => Change::Same,
            std::cmp::Ordering::Equal => Change::Crossed,
            std::cmp::Ordering::Greater => Change::Above,
        }
    }
}

/// One place taken; dropping it gives it back.
pub struct Permit(Option<Held>);

struct Held {
    core: Rc<Core>,
    priority: super::Priority,
    resource: Resource,
}

impl Permit {
    /// A place, or `None` when the breaker is open.
    pub fn take(core: &Rc<Core>, priority: super::Priority, resource: Resource) -> Option<Permit> {
        Permit::take_with(core, priority, resource, false)
    }

    /// One more connection to the host, or `None`, which is counted.
    pub fn connection(core: &Rc<Core>, priority: super::Priority, host: &Identity) -> Option<Permit> {
        let allowed = core.shared.breakers(priority).allows_host(host);
        let permit = allowed.then(|| Permit::take(core, priority, Resource::Connections)).flatten();
        if permit.is_none() {
            core.stats.upstream_cx_overflow.inc();
        }
        permit
    }

    /// A place even when the breaker is open: a host without any connection may always have one.
    pub fn force(core: &Rc<Core>, priority: super::Priority, resource: Resource) -> Permit {
        Permit::take_with(core, priority, resource, true).unwrap_or(Permit(None))
    }

    fn take_with(core: &Rc<Core>, priority: super::Priority, resource: Resource, over: bool) -> Option<Permit> {
        let breakers = core.shared.breakers(priority);
        if !breakers.is_counted(resource) {
            return Some(Permit(None));
        }
        let change = breakers.take(resource, over)?;
        if change == Change::Crossed {
            core.stats.breaker(priority, resource).inc();
        }
        if breakers.shows(change) {
            core.stats.remaining(priority, resource).dec();
        }
        Some(Permit(Some(Held { core: Rc::clone(core), priority, resource })))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(held) = &self.0 else { return };
        let breakers = held.core.shared.breakers(held.priority);
        let change = breakers.give_back(held.resource);
        if change == Change::Crossed {
            held.core.stats.breaker(held.priority, held.resource).dec();
        }
        if breakers.shows(change) {
            held.core.stats.remaining(held.priority, held.resource).inc();
        }
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(held) => write!(out, "Permit({:?})", held.resource),
            None => out.write_str("Permit(uncounted)"),
        }
    }
}

/// The gauges that show open breakers: `circuit_breakers.<priority>.<name>`.
pub type BreakerGauges = [Gauge; 4];

#[cfg(test)]
mod tests;
