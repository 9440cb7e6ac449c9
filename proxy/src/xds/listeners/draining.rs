//! Listeners and filter chains that are on their way out: asked to go, ended when the drain time is over. Until then their connections
//! still want their route tables and filters.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Listeners;
use crate::discoveries::{Key, Wanted};
use crate::drain::Drain;
use crate::listener::Listener;
use crate::xds::asked::Awaited;

pub(super) struct Draining {
    drains: Vec<Arc<Drain>>,
    tables: Vec<Arc<str>>,
    extensions: Vec<Key>,
    /// All of a listener, or some of its chains.
    whole: bool,
    pub ends: Instant,
}

impl Draining {
    pub fn left(&self, now: Instant) -> Duration {
        self.ends.saturating_duration_since(now)
    }
}

impl Listeners {
    /// Asks the connections of a version to go that `next` has no place for, and ends those that stay beyond the drain time.
    pub(super) fn drain(&mut self, before: &Listener, next: Option<&Listener>) {
        let drains = before.retired_by(next);
        for drain in &drains {
            drain.begin();
        }
        if !drains.is_empty() {
            let whole = next.is_none_or(|next| !before.is_succeeded_by(next));
            let tables = before.rds_names().into_iter().map(|(name, _)| name).collect();
            let extensions = before.discovered().into_iter().map(|wanted| wanted.key).collect();
            let ends = Instant::now() + self.parts.drain.time;
            self.draining.push(Draining { drains, tables, extensions, whole, ends });
            self.count_draining();
        }
    }

    pub(super) fn end_drains(&mut self, now: Instant) -> bool {
        let over = |draining: &Draining| draining.ends <= now;
        for draining in self.draining.iter().filter(|draining| over(draining)) {
            draining.drains.iter().for_each(|drain| drain.finish());
        }
        let before = self.draining.len();
        self.draining.retain(|draining| !over(draining));
        self.count_draining();
        self.draining.len() < before
    }

    /// Names of the route tables that connections or requests may ask for.
    pub fn tables_in_use(&self) -> impl Iterator<Item = Arc<str>> {
        let active = self.held.all_active().flat_map(|(_, active)| active.listener.rds_names());
        let warming = self.held.all_warming().flat_map(|(_, warming)| warming.routes.iter().cloned());
        let draining = self.draining.iter().flat_map(|draining| draining.tables.iter().cloned());
        active.chain(warming).map(|(name, _)| name).chain(draining)
    }

    /// Those that are asked for: the name, what it is counted under, and how long it is waited for.
    pub fn tables_asked_for(&self) -> impl Iterator<Item = (Arc<str>, String, Awaited)> {
        let active = self.held.all_active().map(|(_, active)| &active.listener);
        let all = active.chain(self.held.all_warming().map(|(_, warming)| &warming.listener));
        all.flat_map(|listener| listener.tables_asked_for()).map(|(name, prefix, timeout)| {
            let scope = format!("http.{prefix}.rds.{name}");
            (name, scope, Awaited::Stream(timeout))
        })
    }

    /// The filters to be discovered of listeners that are in use or are to be.
    pub fn extensions_in_use(&self) -> impl Iterator<Item = Wanted> {
        let active = self.held.all_active().flat_map(|(_, active)| active.listener.discovered());
        let warming = self.held.all_warming().flat_map(|(_, warming)| warming.extensions.iter().cloned());
        active.chain(warming)
    }

    /// Those that connections meet which drain.
    pub fn draining_extensions(&self) -> impl Iterator<Item = Key> {
        self.draining.iter().flat_map(|draining| draining.extensions.iter().cloned())
    }

    fn count_draining(&self) {
        let of = |whole: bool| self.draining.iter().filter(move |draining| draining.whole == whole);
        self.parts.server.total_listeners_draining.set(of(true).count() as u64);
        let chains = of(false).map(|draining| draining.drains.len()).sum::<usize>();
        self.parts.server.total_filter_chains_draining.set(chains as u64);
    }
}
