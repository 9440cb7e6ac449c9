//! LDS: listeners are checked, compiled and bound when they arrive, warmed until their routes and secrets are here, then given
//! to the workers.
//!
//! The control loop calls it. A listener that cannot be bound is refused by name and tried again with backoff; nothing else
//! waits for it. A changed listener keeps its sockets; connections keep the version that they began with.

mod sockets;
mod warming;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::listener::Direction;
use config::tls::SdsName;
use config::{Policy, Rejection};
use xds_client::{Update, Verdict};

use self::sockets::{Refusal, Retry, bind_backoff};
use self::warming::Warming;
use super::routes::Routes;
use super::secrets::SecretWatches;
use crate::compile::CompileDeps;
use crate::drain::{Drain, Settings};
use crate::listener::Listener;
use crate::stats::{ServerStats, Stats};
use crate::status::ListenerStatus;
use crate::store::{ConfigStore, Kind, Stored};
use crate::telemetry::access_log::Sinks;
use crate::tls::Secrets;
use crate::workers::{Command, Workers};

/// What every listener is compiled from and given to.
pub struct Parts {
    /// Secrets for TLS contexts.
    pub secrets: Arc<Secrets>,
    /// Stats.
    pub stats: Arc<Stats>,
    /// Bytes for dumps.
    pub store: Arc<ConfigStore>,
    /// Access log files.
    pub sinks: Arc<Sinks>,
    /// Route slots.
    pub routes: Arc<Routes>,
    /// Those who accept.
    pub workers: Arc<Workers>,
    /// How old versions drain.
    pub drain: Settings,
    /// Counts of listeners.
    pub server: ServerStats,
}

/// All listeners.
pub struct Listeners {
    parts: Parts,
    options: Rc<config::Options>,
    active: HashMap<Arc<str>, Active>,
    warming: HashMap<Arc<str>, Warming>,
    retries: HashMap<Arc<str>, Retry>,
    stops: Vec<(Option<Direction>, Instant)>,
    /// Directions that were stopped for good: nothing is added or changed there any more. `None` stands for all.
    stopped: Vec<Option<Direction>>,
    next_id: u64,
}

struct Active {
    listener: Arc<Listener>,
    drain: Arc<Drain>,
    /// The workers' name for its sockets; `None` for listeners that are never bound.
    sockets: Option<u64>,
    /// Where they are bound.
    addresses: Vec<SocketAddr>,
}

impl Listeners {
    /// None yet. `options` are those for dynamic resources.
    pub fn new(parts: Parts, options: Rc<config::Options>) -> Listeners {
        Listeners {
            parts,
            options,
            active: HashMap::new(),
            warming: HashMap::new(),
            retries: HashMap::new(),
            stops: Vec::new(),
            stopped: Vec::new(),
            next_id: 0,
        }
    }

    /// Adds a static listener; its rejection, or an address that is taken, is the bootstrap's.
    pub fn add_static(&mut self, config: Arc<config::listener::Listener>, stored: Stored) -> Result<(), Rejection> {
        if self.parts.store.is_static(Kind::Listener, &config.name) {
            // As in Envoy, which says nothing.
            tracing::warn!(target: "config", "the bootstrap has two listeners '{}': the first counts, the other is left out", config.name);
            return Ok(());
        }
        tracing::debug!(target: "config", "static listener '{}'", config.name);
        self.add(config, stored, true).map_err(|refusal| refusal.rejection)
    }

    /// Applies an LDS response, resource by resource.
    pub fn update(&mut self, update: &Update) -> Verdict {
        for name in &update.removed {
            self.remove(&Arc::from(name.as_str()));
        }
        self.parts.store.set_version(Kind::Listener, &update.version);
        super::each(update, |name, stored| {
            self.retries.remove(name);
            self.update_one(name, stored, 0).inspect_err(|reason| {
                tracing::error!(target: "config", "listener '{name}' is refused: {reason}");
            })
        })
    }

    fn update_one(&mut self, name: &Arc<str>, stored: Stored, attempts: u32) -> Result<(), String> {
        if self.parts.store.is_static(Kind::Listener, name) {
            // As in Envoy: what the bootstrap fixed is not changed from outside.
            tracing::debug!(target: "config", "listener '{name}' is static; the control plane's version is ignored");
            return Ok(());
        }
        if self.parts.store.is_warming(Kind::Listener, name, &stored.body) {
            return Ok(());
        }
        if self.parts.store.is_unchanged(Kind::Listener, name, &stored.body) {
            self.warming.remove(name);
            return Ok(());
        }
        let refusal = match config::listener::decode(&stored.body, &self.options).map_err(Refusal::from) {
            Ok(config) if self.is_stopped(config.direction) => {
                // As in Envoy: whoever drains the process does not want it to accept again.
                tracing::debug!(target: "config", "listener '{name}' is ignored: listeners of its direction are stopped");
                return Ok(());
            }
            Ok(config) => match self.add(Arc::new(config), stored.clone(), false) {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        self.stop_unjudged(name, &stored, refusal.rejection.withholds_policy);
        let reason = refusal.rejection.to_string();
        self.parts.server.listener_create_failure.inc();
        if refusal.try_again {
            let at = Instant::now() + bind_backoff(attempts);
            self.retries.insert(name.clone(), Retry { stored: stored.clone(), attempts: attempts + 1, at });
        }
        self.parts.store.refuse(Kind::Listener, name, stored, &reason);
        Err(reason)
    }

    /// The control plane may want policy in front of this listener that the versions before lack: those must not go on without it.
    /// `withheld`: it is refused for that very policy.
    pub(super) fn stop_unjudged(&mut self, name: &Arc<str>, refused: &Stored, withheld: bool) {
        let wanted = Policy::of_listener(&refused.body);
        let unjudged = |body: &[u8]| withheld || wanted.exceeds(&Policy::of_listener(body));
        let taken = self.parts.store.take_down(Kind::Listener, name, unjudged);
        if taken.warming {
            self.warming.remove(name);
        }
        if taken.active
            && let Some(active) = self.active.remove(name)
        {
            tracing::error!(
                target: "config",
                "listener '{name}' is stopped: its new version carries policy that is not enforced here, and without it no traffic may pass"
            );
            self.parts.server.listener_removed.inc();
            active.drain.finish();
            self.retire(active);
        }
    }

    fn add(&mut self, config: Arc<config::listener::Listener>, stored: Stored, is_static: bool) -> Result<(), Refusal> {
        let name = config.name.clone();
        let deps = CompileDeps { secrets: &self.parts.secrets, stats: &self.parts.stats, log_sinks: &self.parts.sinks };
        let listener = Listener::compile(config.clone(), &deps, &*self.parts.routes)?;
        self.check_address(&config)?;
        let bound = self.bind(&listener)?;
        self.parts.store.warm(Kind::Listener, &name, stored, is_static);
        let (needs, routes) = (listener.needed_secrets(), listener.rds_names());
        let since = Instant::now();
        self.warming.insert(name, Warming { listener, bound, since, needs, routes });
        Ok(())
    }

    fn remove(&mut self, name: &Arc<str>) {
        if self.parts.store.is_static(Kind::Listener, name) {
            return;
        }
        self.warming.remove(name);
        self.retries.remove(name);
        self.parts.store.remove(Kind::Listener, name);
        if let Some(active) = self.active.remove(name) {
            self.parts.server.listener_removed.inc();
            tracing::info!(target: "config", "listener '{name}' removed; its connections drain");
            self.retire(active);
        }
    }

    /// No new connections; those that are open end with the drain time.
    fn retire(&self, active: Active) {
        if let Some(id) = active.sockets {
            self.parts.workers.send_all(|| Command::Stop { id });
        }
        drain_and_finish(active.drain);
    }

    /// Gives every warm listener to the workers. Tells whether anything changed.
    pub fn settle(&mut self, secrets: &SecretWatches) -> bool {
        let routes = self.parts.routes.clone();
        let warm: Vec<Arc<str>> = self
            .warming
            .iter()
            .filter(|(_, warming)| warming.is_warm(secrets, &routes))
            .map(|(name, _)| name.clone())
            .collect();
        for name in &warm {
            if let Some(warming) = self.warming.remove(name) {
                self.activate(name.clone(), warming);
            }
        }
        !warm.is_empty()
    }

    fn activate(&mut self, name: Arc<str>, warming: Warming) {
        let Warming { listener, bound, .. } = warming;
        let bound = match bound.map(|bound| (bound.addresses(), bound.listen())) {
            Some((_, Err(failure))) => return self.not_listening(&name, &failure.to_string()),
            Some((addresses, Ok(sockets))) => Some((addresses, sockets)),
            None => None,
        };
        let drain = Drain::new(self.parts.drain);
        let before = self.active.remove(&name);
        let modified = before.is_some();
        let (sockets, addresses) = match (bound, before) {
            (Some((addresses, sockets)), before) => {
                let id = self.next_id;
                self.next_id += 1;
                self.accept(id, &listener, &drain, sockets);
                if let Some(before) = before {
                    self.retire(before);
                }
                (Some(id), addresses)
            }
            (None, Some(before)) => {
                if let Some(id) = before.sockets {
                    let workers = &self.parts.workers;
                    workers.send_all(|| Command::Replace { id, listener: listener.clone(), drain: drain.clone() });
                }
                drain_and_finish(before.drain);
                (before.sockets, before.addresses)
            }
            (None, None) => (None, Vec::new()),
        };
        if modified {
            self.parts.server.listener_modified.inc();
        } else {
            self.parts.server.listener_added.inc();
        }
        self.parts.server.listener_create_success.add(self.parts.workers.count() as u64);
        tell_active(&name, &addresses);
        self.parts.store.activate(Kind::Listener, &name);
        self.active.insert(name, Active { listener, drain, sockets, addresses });
    }

    /// Does what is due: binds that failed before, and stops that were asked for with a delay. The moment of the next is in
    /// [`Self::next_timeout`].
    pub fn on_timer(&mut self) {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.stops.drain(..).partition(|(_, at)| *at <= now);
        self.stops = later;
        for (direction, _) in due {
            self.stop_accepting(direction);
        }
        self.retry_binds(now);
    }

    /// Stops accepting on listeners of a direction (`None`: all), for admin's `drain_listeners`.
    pub fn stop_accepting(&mut self, direction: Option<Direction>) {
        if !self.stopped.contains(&direction) {
            self.stopped.push(direction);
        }
        let waiting: Vec<Arc<str>> = self
            .warming
            .iter()
            .filter(|(_, warming)| self.is_stopped(warming.listener.config().direction))
            .map(|(name, _)| name.clone())
            .collect();
        for name in waiting {
            self.warming.remove(&name);
            self.parts.store.change(Kind::Listener, &name, |entry| entry.warming = None);
        }
        for active in self.active.values_mut() {
            let config = active.listener.config();
            if config.drain_modify_only || direction.is_some_and(|wanted| config.direction != wanted) {
                continue;
            }
            if let Some(id) = active.sockets.take() {
                self.parts.workers.send_all(|| Command::Stop { id });
            }
        }
    }

    fn is_stopped(&self, direction: Direction) -> bool {
        self.stopped.iter().any(|stopped| stopped.is_none_or(|stopped| stopped == direction))
    }

    /// The same, later.
    pub fn stop_accepting_after(&mut self, direction: Option<Direction>, at: Instant) {
        self.stops.push((direction, at));
    }

    /// Secrets that listeners of either state need.
    pub fn needed_secrets(&self) -> impl Iterator<Item = SdsName> {
        let active = self.active.values().flat_map(|active| active.listener.needed_secrets());
        active.chain(self.warming.values().flat_map(|warming| warming.needs.iter().cloned()))
    }

    /// How many wait.
    pub fn warming_count(&self) -> usize {
        self.warming.len()
    }

    /// How many are in use.
    pub fn active_count(&self) -> usize {
        self.active.len()
    }

    /// Active listeners by name, for admin.
    pub fn active(&self) -> Vec<ListenerStatus> {
        let each = self.active.iter();
        let mut list: Vec<_> = each
            .map(|(name, active)| ListenerStatus { name: name.clone(), addresses: active.addresses.clone() })
            .collect();
        list.sort_by(|left, right| left.name.cmp(&right.name));
        list
    }

    /// How long until something is due: a bind, or the end of a wait.
    pub fn next_timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let binds = self.retries.values().map(|retry| retry.at.saturating_duration_since(now));
        let stops = self.stops.iter().map(|(_, at)| at.saturating_duration_since(now));
        let waits = self.warming.values().filter_map(Warming::next_timeout);
        binds.chain(stops).chain(waits).min()
    }
}

fn tell_active(name: &str, addresses: &[SocketAddr]) {
    match addresses {
        [] => tracing::info!(target: "config", "listener '{name}' is active, without a TCP port of its own"),
        [address] => tracing::info!(target: "config", "listener '{name}' accepts on {address}"),
        several => tracing::info!(target: "config", "listener '{name}' accepts on {several:?}"),
    }
}

fn drain_and_finish(drain: Arc<Drain>) {
    drain.begin();
    tokio::task::spawn_local(async move {
        tokio::time::sleep(drain.time()).await;
        drain.finish();
    });
}

#[cfg(test)]
mod tests;
