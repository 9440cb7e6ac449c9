//! LDS: listeners are checked, compiled and bound when they arrive, warmed until their routes and secrets are here, then given
//! to the workers.
//!
//! The control loop calls it. A listener that cannot be bound is refused by name and tried again with backoff; nothing else
//! waits for it. A changed listener keeps its sockets; connections keep the filter chain that they began with, and drain only when that
//! one changed or went, or when something else than chains changed.

mod draining;
mod retry;
mod sockets;
mod stopping;
mod view;
mod warming;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use config::listener::{Direction, KeptChains};
use config::{Policy, Rejection};
use tokio::sync::Notify;
use xds_client::{Rejected, Update, Verdict};

use self::draining::Draining;
use self::retry::{Holder, Refusal, Retry};
use self::sockets::Sockets;
use self::warming::Warming;
use super::Named;
use super::audit::{self, Carrier};
use super::held::{Held, Seen};
use super::routes::Routes;
use super::secrets::SecretWatches;
use crate::compile::CompileDeps;
use crate::discoveries::Discoveries;
use crate::drain::Settings;
use crate::listener::bind::AdminPlace;
use crate::listener::{Before, Listener};
use crate::logs::Sinks;
use crate::stats::{ServerStats, Stats};
use crate::store::Stored;
use crate::threads::{Command, Workers};
use crate::tls::Secrets;

/// What every listener is compiled from and given to.
pub struct Parts {
    /// Secrets for TLS contexts.
    pub secrets: Arc<Secrets>,
    /// Stats.
    pub stats: Arc<Stats>,
    /// Access log files.
    pub sinks: Arc<Sinks>,
    /// Filters that are discovered.
    pub discoveries: Rc<Discoveries>,
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
    held: Held<Active, Warming>,
    sockets: Sockets,
    draining: Vec<Draining>,
    retries: HashMap<Arc<str>, Retry>,
    stops: Vec<(Option<Direction>, Instant)>,
    /// Directions that were stopped for good: nothing is added or changed there any more. `None` stands for all.
    stopped: Vec<Option<Direction>>,
    admin: Option<AdminPlace>,
}

struct Active {
    listener: Arc<Listener>,
    /// None for listeners that are never bound, and for stopped ones.
    sockets: Vec<u64>,
    /// Where it is bound, or was until it was stopped.
    addresses: Vec<SocketAddr>,
}

impl Listeners {
    /// None yet. `options` are those for dynamic resources.
    pub fn new(parts: Parts, options: Rc<config::Options>) -> Listeners {
        Listeners {
            sockets: Sockets::new(parts.workers.clone()),
            parts,
            options,
            held: Held::default(),
            draining: Vec::new(),
            retries: HashMap::new(),
            stops: Vec::new(),
            stopped: Vec::new(),
            admin: None,
        }
    }

    /// Where no listener can be.
    pub fn keep_for_admin(&mut self, place: AdminPlace) {
        self.admin = Some(place);
    }

    /// Adds a static listener; its rejection, or an address that is taken, is the bootstrap's. `clusters`: whether there is one of a name.
    pub fn add_static(
        &mut self,
        config: Arc<config::listener::Listener>,
        stored: Stored,
        clusters: &dyn Fn(&str) -> bool,
    ) -> Result<(), Rejection> {
        if self.held.is_static(&config.name) {
            // As in Envoy, which says nothing.
            tracing::warn!(target: "config", "the bootstrap has two listeners '{}': the first counts, the other is left out", config.name);
            return Ok(());
        }
        tracing::debug!(target: "config", "static listener '{}'", config.name);
        self.add(config, stored, true, clusters).map_err(|refusal| refusal.rejection)
    }

    /// Applies an LDS response, resource by resource. Whoever wants an address that another listener of ours has is looked at once more
    /// when all have been: that one may have moved.
    pub fn update(&mut self, update: &Update, clusters: &dyn Fn(&str) -> bool, secrets: &SecretWatches) -> Verdict {
        for name in &update.removed {
            self.remove(&Arc::from(name.as_str()));
        }
        self.held.set_version(&update.version);
        let mut aside = Vec::new();
        let mut verdict = super::each(update, Named::ByItself, |name, stored| {
            self.retries.remove(name);
            match self.take(name, &stored, clusters) {
                Err(refusal) if refusal.holder == Holder::Ours => {
                    aside.push((name.clone(), stored));
                    Ok(())
                }
                taken => self.taken(name, stored, 0, taken).inspect_err(|reason| tell_refused(name, reason)),
            }
        });
        if !aside.is_empty() {
            // Sockets that are left now are taken over as they are.
            self.activate_warm(secrets);
        }
        for (name, stored) in aside {
            let taken = self.update_one(&name, stored, 0, clusters).inspect_err(|reason| tell_refused(&name, reason));
            if let Err(reason) = taken {
                let refused = Rejected { name: name.as_ref().into(), reason };
                verdict = Err(verdict.err().into_iter().flatten().chain([refused]).collect());
            }
        }
        super::each_refused(update, |name, stored, reason| {
            tracing::error!(target: "config", "listener '{name}' is refused: it {reason}");
            self.refuse(name, stored, false, reason);
        });
        verdict
    }

    fn refuse(&mut self, name: &Arc<str>, stored: Stored, withheld: bool, reason: &str) {
        if self.held.is_static(name) {
            return;
        }
        self.stop_unjudged(name, &stored, withheld);
        self.parts.server.listener_create_failure.inc();
        self.held.refuse(name, stored, reason);
    }

    fn update_one(
        &mut self,
        name: &Arc<str>,
        stored: Stored,
        attempts: u32,
        clusters: &dyn Fn(&str) -> bool,
    ) -> Result<(), String> {
        let taken = self.take(name, &stored, clusters);
        self.taken(name, stored, attempts, taken)
    }

    fn take(&mut self, name: &Arc<str>, stored: &Stored, clusters: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
        match self.held.look(name, &stored.body) {
            Seen::New => {}
            Seen::Waits => return Ok(()),
            Seen::InUse => {
                self.held.take_warming(name);
                return Ok(());
            }
            Seen::Static => {
                // As in Envoy: what the bootstrap fixed is not changed from outside.
                tracing::debug!(target: "config", "listener '{name}' is static; the control plane's version is ignored");
                return Ok(());
            }
        }
        let config = config::listener::decode(&stored.body, &self.options)?;
        if self.is_stopped(config.direction) {
            // As in Envoy: whoever drains the process does not want it to accept again.
            tracing::debug!(target: "config", "listener '{name}' is ignored: listeners of its direction are stopped");
            return Ok(());
        }
        self.add(named(config, name), stored.clone(), false, clusters)
    }

    fn taken(
        &mut self,
        name: &Arc<str>,
        stored: Stored,
        attempts: u32,
        taken: Result<(), Refusal>,
    ) -> Result<(), String> {
        let Err(refusal) = taken else { return Ok(()) };
        let reason = refusal.rejection.to_string();
        self.retry_later(name, stored.clone(), attempts, refusal.holder);
        self.refuse(name, stored, refusal.rejection.withholds_policy, &reason);
        Err(reason)
    }

    /// The control plane may want policy in front of this listener that the versions before lack: those must not go on without it.
    /// `withheld`: it is refused for that very policy.
    pub(super) fn stop_unjudged(&mut self, name: &Arc<str>, refused: &Stored, withheld: bool) {
        let wanted = Policy::of_listener(&refused.body);
        let active = self.held.active(name).map(|active| active.listener.lacks(&self.parts.discoveries));
        let warming = self.held.warming(name).map(|warming| warming.listener.lacks(&self.parts.discoveries));
        let active_body = self.held.active_body(name).cloned();
        let in_force = |body: &[u8]| {
            let lacks = if active_body.as_deref() == Some(body) { &active } else { &warming };
            lacks.iter().flatten().fold(Policy::of_listener(body), |policy, name| policy.without(name))
        };
        let unjudged = |body: &[u8]| withheld || wanted.exceeds(&in_force(body));
        let (active, _) = self.held.take_down(name, unjudged);
        if let Some(active) = active {
            audit::policy(Carrier::Listener, name, "", active_body.as_deref(), None);
            tracing::error!(
                target: "config",
                "listener '{name}' is stopped: its new version carries policy that is not enforced here, and without it no traffic may pass"
            );
            self.parts.server.listener_removed.inc();
            let next = self.held.warming(name).map(|warming| &*warming.listener);
            active.listener.retired_by(next).iter().for_each(|drain| drain.finish());
            self.address_is_free();
        }
    }

    fn add(
        &mut self,
        config: Arc<config::listener::Listener>,
        stored: Stored,
        is_static: bool,
        clusters: &dyn Fn(&str) -> bool,
    ) -> Result<(), Refusal> {
        config.leads_to(clusters)?;
        self.admin.as_ref().map_or(Ok(()), |admin| admin.is_apart_from(&config))?;
        let name = config.name.clone();
        let deps = CompileDeps {
            secrets: &self.parts.secrets,
            stats: &self.parts.stats,
            log_sinks: &*self.parts.sinks,
            discoveries: &self.parts.discoveries,
            drain: self.parts.drain,
        };
        let kept = self.kept_chains(&name, &stored);
        let before = self.held.active(&name).zip(kept.as_ref());
        let before = before.map(|(active, kept)| Before { listener: &active.listener, kept });
        let compile = || Listener::compile(config, &deps, &*self.parts.routes, before);
        let fetching = || self.parts.discoveries.fetches().during(compile);
        let ((listener, fetches), asked) = self.parts.secrets.asked_during(fetching);
        let listener = listener?;
        let sockets = self.sockets.plan(&listener, &self.owners(&name))?;
        let extensions = listener.discovered();
        extensions.iter().for_each(|wanted| self.parts.discoveries.count_conflict(wanted));
        let (mut needs, routes) = (listener.needed_secrets(), listener.rds_names());
        needs.extend(asked);
        let since = Instant::now();
        self.held.warm(
            &name,
            stored,
            is_static,
            Warming { listener, sockets, since, needs, routes, extensions, fetches },
        );
        Ok(())
    }

    /// The filter chains of the version in use that stay, where nothing else differs.
    fn kept_chains(&self, name: &Arc<str>, stored: &Stored) -> Option<KeptChains> {
        config::listener::kept_chains(self.held.active_body(name)?, &stored.body)
    }

    /// Closes, or holds back, the sockets that no listener serves on any more.
    fn sweep(&mut self) {
        let used = self.held.all_active().flat_map(|(_, active)| &active.sockets).copied().collect();
        let wanted = self.held.all_warming().flat_map(|(_, warming)| &warming.sockets).copied().collect();
        self.sockets.sweep(&used, &wanted);
    }

    fn remove(&mut self, name: &Arc<str>) {
        if self.held.is_static(name) {
            return;
        }
        self.retries.remove(name);
        let body = self.held.active_body(name).cloned();
        let (active, _) = self.held.remove(name);
        if let Some(active) = active {
            audit::policy(Carrier::Listener, name, "", body.as_deref(), None);
            self.parts.server.listener_removed.inc();
            tracing::info!(target: "config", "listener '{name}' removed; its connections drain");
            self.drain(&active.listener, None);
        }
        self.address_is_free();
    }

    /// Gives every warm listener to the workers. Tells whether anything changed.
    pub fn settle(&mut self, secrets: &SecretWatches) -> bool {
        let some = self.activate_warm(secrets);
        self.sweep();
        some
    }

    fn activate_warm(&mut self, secrets: &SecretWatches) -> bool {
        let (routes, discoveries) = (&self.parts.routes, &self.parts.discoveries);
        let warm = self.held.all_warming().filter(|(name, warming)| {
            let serves = self.held.active(name).is_some();
            warming.is_warm(secrets, routes, discoveries, serves)
        });
        let warm: Vec<Arc<str>> = warm.map(|(name, _)| name.clone()).collect();
        for name in &warm {
            self.activate(name);
        }
        !warm.is_empty()
    }

    fn activate(&mut self, name: &Arc<str>) {
        let Some(warmed) = self.held.take_warming(name) else { return };
        let (listener, sockets) = (warmed.made.listener.clone(), warmed.made.sockets.clone());
        warmed.made.routes.iter().for_each(|(name, _)| self.parts.routes.give_up(name));
        if let Err(failure) = self.sockets.begin(&sockets, &listener) {
            return self.not_listening(name, warmed.stored, &failure.to_string());
        }
        let addresses = self.sockets.addresses(&sockets);
        tell_active(name, &addresses);
        self.parts.server.listener_create_success.add(self.parts.workers.count() as u64);
        let active = Active { listener: listener.clone(), sockets, addresses };
        let before = self.held.active_body(name).cloned();
        let (version, body) = (warmed.stored.version.clone(), warmed.stored.body.clone());
        audit::policy(Carrier::Listener, name, &version, before.as_deref(), Some(&body));
        match self.held.activate(name, warmed, active) {
            Some(before) => {
                self.parts.server.listener_modified.inc();
                if before.listener.is_succeeded_by(&listener) {
                    self.parts.server.listener_in_place_updated.inc();
                }
                self.drain(&before.listener, Some(&listener));
                self.address_is_free();
            }
            None => self.parts.server.listener_added.inc(),
        }
    }

    /// Does what is due: ends of drains, binds that failed before, and stops that were asked for with a delay. The moment of the next is in
    /// [`Self::next_timeout`]. Tells whether drains have ended: what they held is free.
    pub fn on_timer(&mut self, clusters: &dyn Fn(&str) -> bool) -> bool {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = self.stops.drain(..).partition(|(_, at)| *at <= now);
        self.stops = later;
        for (direction, _) in due {
            self.stop_accepting(direction);
        }
        let ended = self.end_drains(now);
        self.retry_binds(now, clusters);
        ended
    }

    /// The clusters of the bootstrap are there: what filters want is fetched from now on. Notified when something was answered for the first
    /// time: a listener may be warm.
    pub fn begin_fetching(&self) -> Rc<Notify> {
        let fetches = self.parts.discoveries.fetches();
        fetches.begin();
        fetches.settled()
    }

    /// Route tables or filters have changed: workers let go of those that were replaced.
    pub fn let_go_of_replaced(&self) {
        self.parts.workers.send_all(|| Command::LetGo);
    }
}

/// A listener without a name has that of its resource.
fn named(config: config::listener::Listener, name: &Arc<str>) -> Arc<config::listener::Listener> {
    Arc::new(config::listener::Listener { name: name.clone(), ..config })
}

fn tell_refused(name: &str, reason: &str) {
    tracing::error!(target: "config", "listener '{name}' is refused: {reason}");
}

fn tell_active(name: &str, addresses: &[SocketAddr]) {
    match addresses {
        [] => tracing::info!(target: "config", "listener '{name}' is active, without a TCP port of its own"),
        [address] => tracing::info!(target: "config", "listener '{name}' accepts on {address}"),
        several => tracing::info!(target: "config", "listener '{name}' accepts on {several:?}"),
    }
}

#[cfg(test)]
mod tests;
