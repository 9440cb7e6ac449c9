//! ECDS: configs of filters that listeners and clusters name, checked and put into every chain that names them when they arrive.
//!
//! The control loop tells it what these name and hands it what came. A new config compiles new chains beside those in use and swaps
//! them in: no listener changes, no connection drains. A refused one leaves the one before in use, unless policy would be lost with it;
//! one that nobody names any more is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::filters::discovery;
use config::{At, Policy, Rejection};
use xds_client::{Update, Verdict};

use super::Named;
use super::audit::{self, Carrier};
use super::held::{Held, Seen};
use crate::discoveries::{Change, Discoveries, Key, Kind, State, Wanted, Withheld};
use crate::stats::{Counter, DiscoveryStats, Stats};
use crate::store::{Resources, Stored};

/// All that are wanted.
pub struct Extensions {
    discoveries: Rc<Discoveries>,
    options: Rc<config::Options>,
    stats: Arc<Stats>,
    held: Held<(), ()>,
    watches: BTreeMap<Key, Watch>,
}

/// A name, as one kind of filter.
struct Watch {
    /// Who wants it: more than one chain may.
    wanted: Vec<Wanted>,
    since: Instant,
    counts: Counts,
}

/// What Envoy counts of a subscription.
struct Counts {
    reload: Counter,
    fail: Counter,
    updates: DiscoveryStats,
}

impl Counts {
    fn new(stats: &Arc<Stats>, (kind, name): &Key) -> Counts {
        let scope = kind.scope(name);
        // Who finds one counts it: see `Discoveries::count_conflict`.
        stats.counter(&format!("{scope}config_conflict"));
        let updates = DiscoveryStats::new(stats, scope.trim_end_matches('.'));
        updates.begun();
        Counts {
            reload: stats.counter(&format!("{scope}config_reload")),
            fail: stats.counter(&format!("{scope}config_fail")),
            updates,
        }
    }
}

impl Extensions {
    /// None yet. `options` are those for dynamic resources.
    pub fn new(discoveries: Rc<Discoveries>, options: Rc<config::Options>, stats: Arc<Stats>) -> Extensions {
        Extensions { discoveries, options, stats, held: Held::default(), watches: BTreeMap::new() }
    }

    /// These are wanted, and no others; those that drain get what comes, and have no say in it. Tells whether anything is known now that
    /// was not before.
    pub fn want(&mut self, wanted: impl Iterator<Item = Wanted>, draining: impl Iterator<Item = Key>) -> bool {
        let mut by_key: BTreeMap<Key, Vec<Wanted>> = draining.map(|key| (key, Vec::new())).collect();
        for one in wanted {
            by_key.entry(one.key.clone()).or_default().push(one);
        }
        let names: BTreeSet<Arc<str>> = by_key.keys().map(|(_, name)| name.clone()).collect();
        let gone: Vec<Key> = self.watches.keys().filter(|key| !by_key.contains_key(*key)).cloned().collect();
        for key in gone {
            self.watches.remove(&key);
            self.discoveries.forget(&key);
            if !names.contains(&key.1) {
                tracing::debug!(target: "config", "extension config '{}' is needed no more and forgotten", key.1);
                self.held.remove(&key.1);
            }
        }
        let mut learned = false;
        for (key, wanted) in by_key {
            match self.watches.get_mut(&key) {
                Some(watch) => watch.wanted = wanted,
                None => learned |= self.watch(key, wanted),
            }
        }
        learned
    }

    fn watch(&mut self, key: Key, wanted: Vec<Wanted>) -> bool {
        let counts = Counts::new(&self.stats, &key);
        self.watches.insert(key.clone(), Watch { wanted, since: Instant::now(), counts });
        let (kind, name) = key;
        self.held.show_as(&name, &name, false);
        // A filter of the other kind has this name, and what came for that would not be sent again.
        let Some(body) = self.held.active_body(&name).cloned() else { return false };
        if let Err(rejection) = self.take(&[kind], &name, &body) {
            tracing::error!(target: "config", "extension config '{name}' is no good for a filter that names it, too: {rejection}");
            self.count_failure(&[kind], &name);
            self.withhold(&[kind], &name, &body, &rejection);
        }
        true
    }

    /// The names that are asked for.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let names: BTreeSet<&Arc<str>> = self.watches.keys().map(|(_, name)| name).collect();
        names.into_iter().map(|name| name.to_string())
    }

    /// Applies a response, resource by resource.
    pub fn update(&mut self, update: &Update) -> Verdict {
        self.held.set_version(&update.version);
        for name in &update.removed {
            self.remove(&Arc::from(name.as_str()));
        }
        let named = Named::AsAskedFor("resource name in ExtensionConfigDS response");
        let verdict = super::each(update, named, |name, stored| self.apply(name, stored));
        super::each_refused(update, |name, stored, reason| {
            let kinds = self.kinds_of(name);
            if !kinds.is_empty() {
                self.refuse(&kinds, name, stored, &At::root().reject(format!("it {reason}")));
            }
        });
        verdict
    }

    fn apply(&mut self, name: &Arc<str>, stored: Stored) -> Result<(), String> {
        let kinds = self.kinds_of(name);
        // It may have been on its way when it was let go.
        if kinds.is_empty() {
            return Ok(());
        }
        if self.held.look(name, &stored.body) == Seen::InUse {
            self.count_success(&kinds, name, &stored, None);
            return Ok(());
        }
        let begun = Instant::now();
        match self.take(&kinds, name, &stored.body) {
            Ok(()) => {
                tracing::info!(target: "config", "extension config '{name}' is in use, version '{}'", stored.version);
                self.count_success(&kinds, name, &stored, Some(begun.elapsed()));
                let before = self.held.active_body(name).cloned();
                audit::policy(Carrier::Extension, name, &stored.version, before.as_deref(), Some(&stored.body));
                self.held.put(name, stored, ());
                Ok(())
            }
            Err(rejection) => Err(self.refuse(&kinds, name, stored, &rejection)),
        }
    }

    /// Checks, compiles and swaps in, as each of these kinds, or else changes nothing.
    fn take(&self, kinds: &[Kind], name: &Arc<str>, body: &[u8]) -> Result<(), Rejection> {
        let resource = discovery::Resource::open(body, &self.options)?;
        for wanted in
            kinds.iter().filter_map(|kind| self.watches.get(&(*kind, name.clone()))).flat_map(|one| &one.wanted)
        {
            discovery::check_type(&wanted.types, resource.type_name())?;
        }
        let mut change = Change::default();
        for kind in kinds {
            match kind {
                Kind::Http => change.http = Some(State::Is(resource.http(&self.options)?)),
                Kind::UpstreamHttp => change.upstream_http = Some(State::Is(resource.upstream_http(&self.options)?)),
                Kind::Network => change.network = Some(State::Is(resource.network(&self.options)?)),
                Kind::Listener => change.listener = Some(State::Is(resource.listener(&self.options)?)),
            }
        }
        self.discoveries.change(name, change)
    }

    fn refuse(&mut self, kinds: &[Kind], name: &Arc<str>, stored: Stored, rejection: &Rejection) -> String {
        let reason = rejection.to_string();
        self.count_failure(kinds, name);
        for watch in self.watches_of(kinds, name) {
            watch.counts.updates.rejected();
        }
        let wanted = Policy::of_extension_config(&stored.body);
        let unjudged = |body: &[u8]| rejection.withholds_policy || wanted.exceeds(&Policy::of_extension_config(body));
        let body = self.held.active_body(name).cloned();
        let taken_down = self.held.take_down(name, unjudged).0.is_some();
        if taken_down {
            audit::policy(Carrier::Extension, name, "", body.as_deref(), None);
        }
        if self.held.active(name).is_some() {
            tracing::error!(target: "config", "extension config '{name}' is refused, the one before it stays: {reason}");
        } else {
            let before = if taken_down {
                "the one before it lacks policy that this one carries, and goes"
            } else {
                "there is none before it"
            };
            tracing::error!(target: "config", "extension config '{name}' is refused: {reason}; {before}");
            self.withhold(kinds, name, &stored.body, rejection);
        }
        self.held.refuse(name, stored, &reason);
        reason
    }

    /// What was refused, and has nothing before it that may stand in, is the default, unless that lacks its policy.
    fn withhold(&self, kinds: &[Kind], name: &Arc<str>, body: &[u8], rejection: &Rejection) {
        let withheld = Withheld { policy: Policy::of_extension_config(body), wholly: rejection.withholds_policy };
        self.fall_back(kinds, name, Some(&withheld));
    }

    fn fall_back(&self, kinds: &[Kind], name: &Arc<str>, withheld: Option<&Withheld>) {
        if let Err(rejection) = self.discoveries.change(name, Change::fall_back(kinds, withheld)) {
            // Checked with its listener. If it is no good all the same, nothing may pass.
            tracing::error!(target: "config", "the default of extension config '{name}' cannot be used: {rejection}");
            let nothing = Withheld { policy: Policy::default(), wholly: true };
            drop(self.discoveries.change(name, Change::fall_back(kinds, Some(&nothing))));
        }
    }

    /// The control plane has none of this name any more: the default takes its place, or nothing does.
    fn remove(&mut self, name: &Arc<str>) {
        let kinds = self.kinds_of(name);
        if kinds.is_empty() {
            return;
        }
        tracing::info!(target: "config", "the control plane has no extension config '{name}'; its default counts, if there is one");
        let body = self.held.active_body(name).cloned();
        audit::policy(Carrier::Extension, name, "", body.as_deref(), None);
        self.held.remove(name);
        self.held.show_as(name, name, false);
        self.fall_back(&kinds, name, None);
        for watch in self.watches_of(&kinds, name) {
            watch.counts.reload.inc();
        }
    }

    /// The stream to the control plane ended, or could not be opened.
    pub fn stream_ended(&self) {
        for watch in self.watches.values() {
            watch.counts.updates.failed();
        }
    }

    /// Those that nobody sent in time are waited for no longer. Tells whether there were any.
    pub fn give_up_waiting(&mut self) -> bool {
        let late = self.watches.iter().filter(|(key, watch)| {
            !self.discoveries.is_settled(key) && watch.left().is_some_and(|left| left.is_zero())
        });
        let late: Vec<Key> = late.map(|(key, _)| key.clone()).collect();
        for key in &late {
            let (kind, name) = key;
            tracing::warn!(target: "config", "extension config '{name}' has not come in time; its default counts, if there is one");
            self.count_failure(&[*kind], name);
            for watch in self.watches_of(&[*kind], name) {
                watch.counts.updates.timed_out();
            }
            self.fall_back(&[*kind], name, None);
        }
        !late.is_empty()
    }

    /// How long until the first of these waits is over.
    pub fn next_timeout(&self) -> Option<Duration> {
        let waiting = self.watches.iter().filter(|(key, _)| !self.discoveries.is_settled(key));
        waiting.filter_map(|(_, watch)| watch.left()).min()
    }

    /// All versions, for admin.
    pub fn snapshot(&self) -> Resources {
        self.held.snapshot()
    }

    fn kinds_of(&self, name: &Arc<str>) -> Vec<Kind> {
        let kinds = Kind::ALL.into_iter();
        kinds.filter(|kind| self.watches.contains_key(&(*kind, name.clone()))).collect()
    }

    fn watches_of(&self, kinds: &[Kind], name: &Arc<str>) -> impl Iterator<Item = &Watch> {
        kinds.iter().filter_map(|kind| self.watches.get(&(*kind, name.clone())))
    }

    fn count_failure(&self, kinds: &[Kind], name: &Arc<str>) {
        self.watches_of(kinds, name).for_each(|watch| watch.counts.fail.inc());
    }

    /// `took`: it is new, and that is what taking it took.
    fn count_success(&self, kinds: &[Kind], name: &Arc<str>, stored: &Stored, took: Option<Duration>) {
        for watch in self.watches_of(kinds, name) {
            watch.counts.updates.succeeded(&stored.version, took.unwrap_or_default());
            if took.is_some() {
                watch.counts.reload.inc();
            }
        }
    }
}

impl Watch {
    /// How long it is waited for; `None`: without an end.
    fn left(&self) -> Option<Duration> {
        let shortest = self.wanted.iter().filter_map(|wanted| wanted.timeout).min();
        shortest.map(|timeout| timeout.saturating_sub(self.since.elapsed()))
    }
}

#[cfg(test)]
mod tests;
