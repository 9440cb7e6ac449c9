//! Sockets of listeners: bound beside what is in use, kept when the address stays, tried again with backoff when it is taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::{At, Rejection};

use super::Listeners;
use crate::drain::Drain;
use crate::listener::Listener;
use crate::listener::bind::{self, Bound, Socket};
use crate::store::{Kind, Stored};
use crate::workers::Command;

/// A listener whose address was taken.
pub(super) struct Retry {
    pub stored: Stored,
    pub attempts: u32,
    pub at: Instant,
}

/// Why a listener is not taken.
pub(super) struct Refusal {
    pub rejection: Rejection,
    /// The address was taken: it may be free later.
    pub try_again: bool,
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Refusal {
        Refusal { rejection, try_again: false }
    }
}

impl Listeners {
    /// New sockets, unless the version in use, or the one that warms, has those of the same address.
    pub(super) fn bind(&mut self, listener: &Arc<Listener>) -> Result<Option<Bound>, Refusal> {
        let config = listener.config();
        if config.address.is_none() || !config.bind_to_port {
            return Ok(None);
        }
        let active = self.active.get(&config.name);
        if active.is_some_and(|active| active.sockets.is_some() && same_sockets(active.listener.config(), config)) {
            return Ok(None);
        }
        if let Some(warming) = self.warming.get_mut(&config.name)
            && same_sockets(warming.listener.config(), config)
        {
            return Ok(warming.bound.take());
        }
        bind::bind(config, self.parts.workers.count()).map(Some).map_err(|failure| Refusal {
            rejection: At::root().field("address").reject(failure.to_string()),
            try_again: true,
        })
    }

    /// Refuses an address that another listener of ours has: with `SO_REUSEPORT` the system would deal connections to both.
    pub(super) fn check_address(&self, config: &config::listener::Listener) -> Result<(), Refusal> {
        let active = self.active.values().filter(|active| active.sockets.is_some()).map(|active| &active.listener);
        let others = active.chain(self.warming.values().map(|warming| &warming.listener)).map(|other| other.config());
        match others.filter(|other| other.name != config.name).find_map(|other| bind::duplicate(config, other)) {
            Some(rejection) => Err(Refusal { rejection, try_again: true }),
            None => Ok(()),
        }
    }

    /// Hands the sockets to the workers.
    pub(super) fn accept(&self, id: u64, listener: &Arc<Listener>, drain: &Arc<Drain>, sockets: Vec<Vec<Socket>>) {
        let mut sockets = sockets.into_iter();
        self.parts.workers.send_all(|| Command::Listen {
            id,
            listener: listener.clone(),
            drain: drain.clone(),
            sockets: sockets.next().unwrap_or_default(),
        });
    }

    /// The address was taken between binding and listening: what was in use stays, and it is tried again.
    pub(super) fn not_listening(&mut self, name: &Arc<str>, reason: &str) {
        tracing::error!(target: "config", "listener '{name}' is refused: {reason}");
        self.parts.server.listener_create_failure.inc();
        let mut waited = None;
        self.parts.store.change(Kind::Listener, name, |entry| waited = entry.warming.take());
        let Some(stored) = waited else { return };
        self.stop_unjudged(name, &stored, false);
        self.parts.store.refuse(Kind::Listener, name, stored.clone(), reason);
        let at = Instant::now() + bind_backoff(0);
        self.retries.insert(name.clone(), Retry { stored, attempts: 1, at });
    }

    pub(super) fn retry_binds(&mut self, now: Instant) {
        let due: Vec<Arc<str>> =
            self.retries.iter().filter(|(_, retry)| retry.at <= now).map(|(name, _)| name.clone()).collect();
        for name in due {
            let Some(retry) = self.retries.remove(&name) else { continue };
            let again = Stored::now(retry.stored.body, &retry.stored.version);
            match self.update_one(&name, again, retry.attempts) {
                Ok(()) => tracing::info!(target: "config", "listener '{name}' could be bound at last"),
                Err(reason) => tracing::warn!(target: "config", "listener '{name}' still not bound: {reason}"),
            }
        }
    }
}

/// Whether sockets of one version serve the other.
fn same_sockets(left: &config::listener::Listener, right: &config::listener::Listener) -> bool {
    left.address == right.address
        && left.additional_addresses == right.additional_addresses
        && left.socket_options == right.socket_options
        && left.freebind == right.freebind
        && left.transparent == right.transparent
        && left.reuse_port == right.reuse_port
        && left.bind_to_port == right.bind_to_port
}

/// 100 ms, doubled to 10 s.
pub(super) fn bind_backoff(attempts: u32) -> Duration {
    Duration::from_millis(100 << attempts.min(7)).min(Duration::from_secs(10))
}
