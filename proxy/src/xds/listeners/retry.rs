//! Listeners whose address could not be had, and when it is tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::Rejection;

use super::Listeners;
use crate::store::Stored;

/// A listener whose address was taken.
pub(super) struct Retry {
    pub stored: Stored,
    pub attempts: u32,
    pub at: Instant,
    /// Another listener of ours has it: there is nothing to try before that one goes.
    pub is_ours: bool,
}

/// Why a listener is not taken.
pub(super) struct Refusal {
    pub rejection: Rejection,
    pub holder: Holder,
}

/// Who has the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// That is not what is wrong.
    Nobody,
    /// It may be free later.
    Stranger,
    /// Another listener of ours.
    Ours,
}

impl Refusal {
    pub fn taken(rejection: Rejection) -> Refusal {
        Refusal { rejection, holder: Holder::Stranger }
    }

    pub fn ours(rejection: Rejection) -> Refusal {
        Refusal { rejection, holder: Holder::Ours }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Refusal {
        Refusal { rejection, holder: Holder::Nobody }
    }
}

impl Listeners {
    /// The address was taken between binding and listening: what was in use stays, and it is tried again.
    pub(super) fn not_listening(&mut self, name: &Arc<str>, waited: Stored, reason: &str) {
        tracing::error!(target: "config", "listener '{name}' is refused: {reason}");
        self.parts.server.listener_create_failure.inc();
        self.stop_unjudged(name, &waited, false);
        self.held.refuse(name, waited.clone(), reason);
        self.retry_later(name, waited, 0, Holder::Stranger);
    }

    pub(super) fn retry_later(&mut self, name: &Arc<str>, stored: Stored, attempts: u32, holder: Holder) {
        if holder != Holder::Nobody {
            let at = Instant::now() + bind_backoff(attempts);
            let is_ours = holder == Holder::Ours;
            self.retries.insert(name.clone(), Retry { stored, attempts: attempts + 1, at, is_ours });
        }
    }

    /// A listener of ours is gone, or left an address: who waits for one tries at once.
    pub(super) fn address_is_free(&mut self) {
        let now = Instant::now();
        self.retries.values_mut().filter(|retry| retry.is_ours).for_each(|retry| retry.at = now);
    }

    pub(super) fn retry_binds(&mut self, now: Instant, clusters: &dyn Fn(&str) -> bool) {
        let due: Vec<Arc<str>> =
            self.retries.iter().filter(|(_, retry)| retry.at <= now).map(|(name, _)| name.clone()).collect();
        for name in due {
            let Some(retry) = self.retries.remove(&name) else { continue };
            let again = Stored::now(retry.stored.body, &retry.stored.version);
            match self.update_one(&name, again, retry.attempts, clusters) {
                Ok(()) => tracing::info!(target: "config", "listener '{name}' could be bound at last"),
                Err(reason) => tracing::warn!(target: "config", "listener '{name}' still not bound: {reason}"),
            }
        }
    }
}

/// 100 ms, doubled to 10 s.
pub(super) fn bind_backoff(attempts: u32) -> Duration {
    Duration::from_millis(100 << attempts.min(7)).min(Duration::from_secs(10))
}
