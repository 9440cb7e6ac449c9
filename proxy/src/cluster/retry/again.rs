//! What a retry wants of its host: the policy's predicates and priorities. Asked by the balancer; it chooses nothing.

use std::cell::RefCell;

use config::metadata::Metadata;
use config::route::{HostPredicate, RetryPolicy};
use serde_json::Value;

use crate::cluster::balance::PriorityLoad;
use crate::cluster::host::Host;

/// The wishes of one retry.
#[derive(Debug, Clone, Copy)]
pub struct Again<'a> {
    tried: &'a [Host],
    predicates: &'a [HostPredicate],
    attempts: u32,
    previous: Option<&'a PreviousPriorities>,
}

impl<'a> Again<'a> {
    /// Of a policy; `None` when it wishes nothing.
    pub(in crate::cluster) fn new(
        policy: &'a RetryPolicy,
        tried: &'a [Host],
        previous: Option<&'a PreviousPriorities>,
    ) -> Option<Again<'a>> {
        let attempts = if policy.predicates.is_empty() { 0 } else { policy.host_selection_attempts };
        let again = Again { tried, predicates: &policy.predicates, attempts, previous };
        (attempts > 0 || previous.is_some()).then_some(again)
    }

    /// After so many further picks a declined host is taken after all.
    pub fn attempts(self) -> u32 {
        self.attempts
    }

    /// Whether another host would be better.
    pub fn declines(self, host: &Host) -> bool {
        self.predicates.iter().any(|predicate| match predicate {
            HostPredicate::PreviousHosts => self.tried.contains(host),
            HostPredicate::OmitCanaryHosts => host.endpoint().canary,
            HostPredicate::OmitMetadata(labels) => has_all(&host.endpoint().metadata, labels),
        })
    }

    /// The load that `without` reckons with the priorities of earlier attempts left out; `None` where the policy does not mind them.
    pub fn load(self, without: impl Fn(&[u32]) -> Option<PriorityLoad>) -> Option<PriorityLoad> {
        self.previous?.load(self.tried, without)
    }
}

const LB: &str = "envoy.lb";

/// Whether an endpoint has all these labels; of a list, one must fit.
fn has_all(metadata: &Metadata, labels: &[(std::sync::Arc<str>, Value)]) -> bool {
    labels.iter().all(|(key, wanted)| match metadata.get(LB, key) {
        Some(Value::Array(list)) => list.contains(wanted),
        Some(value) => value == wanted,
        None => false,
    })
}

/// `envoy.retry_priorities.previous_priorities`: those of earlier attempts get nothing, until none is left.
#[derive(Debug)]
pub struct PreviousPriorities {
    /// Attempts after which those of the last ones are added.
    frequency: u32,
    seen: RefCell<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Attempts before the last time when no priority was left.
    forgotten: usize,
    excluded: Vec<u32>,
}

impl PreviousPriorities {
    pub(in crate::cluster) fn new(frequency: u32) -> PreviousPriorities {
        PreviousPriorities { frequency: frequency.max(1), seen: RefCell::default() }
    }

    /// The load that `without` reckons with some priorities left out; `None` where it stays as it is.
    fn load(&self, tried: &[Host], without: impl Fn(&[u32]) -> Option<PriorityLoad>) -> Option<PriorityLoad> {
        let seen = &mut *self.seen.borrow_mut();
        let attempted = tried.get(seen.forgotten..).unwrap_or_default();
        let count = u32::try_from(attempted.len()).unwrap_or(u32::MAX);
        if count < self.frequency {
            return None;
        }
        if count.is_multiple_of(self.frequency) {
            seen.excluded = attempted.iter().map(Host::priority).collect();
        }
        let load = without(&seen.excluded);
        if load.is_none() {
            // All have been tried: from the beginning.
            *seen = Seen { forgotten: tried.len(), excluded: Vec::new() };
        }
        load
    }
}
