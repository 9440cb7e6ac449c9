//! The control loop: one event in, then everything that became possible is done.
//!
//! Events are responses over ADS, secrets over SDS, first answers to what filters have fetched, commands of admin and of signals, and timers. After each, clusters and
//! listeners that are warm come into use, subscriptions follow what is referred to, and readiness is looked at. It runs on the
//! control thread alone and never blocks.

mod apply;
mod draining;
mod start;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::bootstrap::DynamicSource;
use config::tls::{SdsName, SdsSource};
use tokio::sync::{Notify, mpsc};
use xds_client::{AdsEvents, AdsHandle, Event, Subscription, type_url};

pub use self::start::Start;
use super::asked::Asked;
use super::audit::{self, Carrier};
use super::cache::Cache;
use super::clusters::Clusters;
use super::extensions::Extensions;
use super::held::Held;
use super::listeners::Listeners;
use super::routes::Routes;
use super::runtimes::Runtimes;
use super::secrets::{Arrival, SecretWatches};
use super::workloads::{WORKLOAD, Workloads};
use crate::drain::ServerDrain;
use crate::stats::{ServerStats, Stats};
use crate::status::{Ask, Request, Shown, Status};
use crate::store::{Kind, Snapshot};

/// The streams of a control plane.
pub struct Ads {
    /// Tells it what is wanted.
    pub handle: AdsHandle,
    /// What it says.
    pub events: AdsEvents,
}

/// Everything the loop works on.
pub struct Control {
    /// CDS and EDS.
    pub clusters: Clusters,
    /// LDS.
    pub listeners: Listeners,
    /// RDS.
    pub routes: Arc<Routes>,
    /// ECDS.
    pub extensions: Extensions,
    /// RTDS.
    pub runtimes: Runtimes,
    /// SDS.
    pub secrets: SecretWatches,
    /// Workload discovery, where the bootstrap asks for it.
    pub workloads: Option<Workloads>,
    /// Route tables, which are in use in their slots.
    pub tables: Held<(), ()>,
    /// What is counted of them.
    pub asked_tables: Asked,
    /// Checks of dynamic resources.
    pub options: Rc<config::Options>,
    /// Their unknown fields are counted and told (`--ignore-unknown-dynamic-fields`).
    pub heeds_unknown_fields: bool,
    /// Drains of the process.
    pub drain: Arc<ServerDrain>,
    /// Gauges and counters of the server.
    pub stats: ServerStats,
    /// Where filters' settings in route tables register their statistics.
    pub registry: Arc<Stats>,
    /// What admin shows.
    pub status: Arc<Status>,
    /// Ends the process when notified.
    pub quit: Arc<Notify>,
    /// Where CDS comes from.
    pub cds: Option<DynamicSource>,
    /// Where LDS comes from.
    pub lds: Option<DynamicSource>,
    /// Progress of the first configuration.
    pub start: Start,
    /// What `healthcheck/fail` and `healthcheck/ok` last said.
    pub healthy: bool,
    /// Clusters or listeners were added, changed or removed since subscriptions were looked at. Nothing else names secrets,
    /// endpoints or routes.
    pub dirty: bool,
    /// When memory is given back to the system.
    pub trim_at: Option<Instant>,
    /// What was accepted before, on disk.
    pub cache: Option<Cache>,
}

/// From an update to the moment when memory is given back: updates come in bursts, and it is no cheap thing to do.
const TRIM_AFTER: Duration = Duration::from_secs(2);

impl Control {
    /// Runs until the process ends.
    pub async fn run(
        mut self,
        ads: Option<Ads>,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut requests: mpsc::UnboundedReceiver<Ask>,
    ) {
        let (handle, mut events) = match ads {
            Some(ads) => (Some(ads.handle), Some(ads.events)),
            None => (None, None),
        };
        self.runtimes.begin(handle.as_ref());
        self.settle(handle.as_ref());
        let answered = self.clusters.answered();
        let fetched = self.listeners.begin_fetching();
        loop {
            let look = self.secrets.look_at_files().unwrap_or(Duration::MAX);
            let timer = tokio::time::sleep(self.next_timeout().min(look));
            tokio::select! {
                event = next_event(&mut events) => match event {
                    Some(event) => self.on_ads(event, handle.as_ref()),
                    None => events = None,
                },
                Some(arrival) = arrivals.recv() => self.secrets.arrived(arrival),
                event = self.runtimes.next() => self.runtimes.arrived(event),
                Some(ask) = requests.recv() => self.on_ask(ask),
                () = answered.notified() => {}
                () = fetched.notified() => {}
                () = timer => {
                    self.trim_if_due();
                    self.look_into_cache(handle.as_ref());
                    if self.listeners.on_timer(&|name| self.clusters.is_there(name)) {
                        self.listeners.let_go_of_replaced();
                        self.trim_soon();
                    }
                    // A listener that could be bound at last needs its routes and secrets.
                    self.dirty = true;
                }
            }
            self.settle(handle.as_ref());
        }
    }

    fn on_ads(&mut self, event: Event, handle: Option<&AdsHandle>) {
        match event {
            Event::Connected => self.stats.control_plane_connected.set(1),
            Event::Disconnected { reason, retry_in } => {
                self.stats.control_plane_connected.set(0);
                if let Some(cache) = &mut self.cache {
                    cache.control_plane_is_away();
                }
                self.start.answered = false;
                self.stream_ended();
                let meanwhile = if self.start.clusters_came || self.start.listeners_came {
                    "the last good configuration stays"
                } else {
                    "no configuration has come yet, so the proxy is not ready"
                };
                tracing::warn!(
                    target: "config",
                    "the stream to the control plane ended: {reason}; {meanwhile}, next attempt in {} ms; if that fails too, look into the \
                     log of the server at this address (the agent, then istiod)",
                    retry_in.as_millis()
                );
            }
            Event::Update(mut update) => {
                if let Some(cache) = &mut self.cache {
                    cache.heard(&mut update);
                }
                // A stream that was opened may still lead to something else than a control plane.
                if !std::mem::replace(&mut self.start.answered, true) {
                    tracing::info!(target: "config", "connected to the control plane");
                }
                let verdict = self.judge(&update);
                if let Some(handle) = handle {
                    self.stats.control_plane_identifier.set(&handle.status().control_plane);
                    handle.verdict(update.id, verdict);
                }
            }
        }
    }

    /// Whatever is asked for over ADS counts it.
    fn stream_ended(&self) {
        if self.cds.is_some() && self.start.begun {
            self.stats.cds.failed();
        }
        if self.lds.is_some() && self.start.listeners_wanted.is_some() {
            self.stats.lds.failed();
        }
        self.clusters.stream_ended();
        self.asked_tables.failed(|_| true);
        self.extensions.stream_ended();
        self.runtimes.stream_ended();
        self.secrets.stream_ended();
    }

    fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Do(request) => self.on_request(request),
            // Who asked may be gone.
            Ask::Show(reply) => drop(reply.send(self.show())),
        }
    }

    /// What configuration is now.
    pub(in crate::xds) fn show(&self) -> Shown {
        let mut kinds = BTreeMap::from(self.clusters.snapshot());
        kinds.insert(Kind::Listener, self.listeners.snapshot());
        kinds.insert(Kind::Route, self.tables.snapshot());
        kinds.insert(Kind::Extension, self.extensions.snapshot());
        kinds.insert(Kind::Secret, self.secrets.snapshot());
        let stale_since = self.cache.as_ref().and_then(Cache::stale_since);
        Shown { resources: Snapshot { kinds }, listeners: self.listeners.active(), stale_since }
    }

    /// Begins with what is on disk where the control plane is away, and keeps there what is in use.
    fn look_into_cache(&mut self, ads: Option<&AdsHandle>) {
        let Some(mut cache) = self.cache.take() else { return };
        for update in cache.begin_with() {
            // Nobody is told what was thought of it, and it counts as no update: it was accepted once.
            if let Err(refused) = self.apply(&update) {
                tracing::warn!(target: "config", "{} resources that were kept are refused now", refused.len());
            }
            self.settle(ads);
        }
        cache.save_if_due(|| self.show().resources);
        self.cache = Some(cache);
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Drain { inbound_only, graceful, skip_exit } => {
                self.drain_listeners(inbound_only, graceful, skip_exit)
            }
            Request::SetHealthy(healthy) => {
                tracing::warn!(target: "main", "health checks are made to {} from now on", if healthy { "pass" } else { "fail" });
                self.healthy = healthy;
                self.drain.set_healthy(healthy);
                self.show_health();
            }
            Request::Quit => self.quit.notify_one(),
        }
    }

    /// Does all that has become possible.
    pub(super) fn settle(&mut self, ads: Option<&AdsHandle>) {
        self.extensions.give_up_waiting();
        self.clusters.give_up_waiting();
        self.asked_tables.give_up_waiting();
        self.secrets.give_up_waiting();
        self.runtimes.give_up_waiting();
        self.begin(ads);
        let settled = self.settle_all();
        if std::mem::take(&mut self.dirty) | settled {
            // A listener or cluster may have waited for what had come already; then the one before it drains from now on.
            if self.want_extensions() && self.settle_all() {
                self.want_extensions();
            }
            self.forget_routes();
            // What was read from a file may be all that something waited for; then the one before it needs its secrets no more.
            if self.watch_secrets(ads) && self.settle_all() {
                self.watch_secrets(ads);
            }
            if let Some(ads) = ads {
                self.subscribe(ads);
            }
        }
        if let Some(ads) = ads.filter(|_| self.start.begun) {
            self.want_listeners(ads);
        }
        self.look_at_readiness(ads.is_some());
        self.stats.active_clusters.set(self.clusters.active_count() as u64);
        self.stats.warming_clusters.set(self.clusters.warming_count() as u64);
        self.stats.total_listeners_active.set(self.listeners.active_count() as u64);
        self.stats.total_listeners_warming.set(self.listeners.warming_count() as u64);
    }

    /// Asks for the first configuration once the runtime is as it is to be.
    fn begin(&mut self, ads: Option<&AdsHandle>) {
        if self.start.begun || self.runtimes.next_timeout().is_some() {
            return;
        }
        self.start.begun = true;
        self.start.began = Instant::now();
        // What the bootstrap does not ask for is not waited for.
        self.start.clusters_came = self.cds.is_none();
        self.start.listeners_came = self.lds.is_none();
        // What static resources ask for is asked for now, too.
        self.dirty = true;
        if let Some(ads) = ads {
            if self.cds.is_some() {
                ads.subscribe(type_url::CLUSTER, Subscription::Wildcard);
                self.stats.cds.begun();
            }
            if self.workloads.is_some() {
                ads.subscribe(WORKLOAD, Subscription::Wildcard);
            }
        }
    }

    /// Puts in use what is warm. No listener serves before the first clusters know which of their endpoints are well.
    fn settle_all(&mut self) -> bool {
        let clusters = self.clusters.settle(&self.secrets);
        let held_back = !self.start.live && (!self.start.begun || self.clusters.holds_back());
        clusters | (!held_back && self.listeners.settle(&self.secrets))
    }

    fn want_extensions(&mut self) -> bool {
        let wanted = self.listeners.extensions_in_use().chain(self.clusters.extensions_in_use());
        self.extensions.want(wanted, self.listeners.draining_extensions())
    }

    /// Lets go of the route tables that no listener names any more.
    fn forget_routes(&mut self) {
        for name in self.routes.forget_unused(self.listeners.tables_in_use()) {
            let body = self.tables.active_body(&name).cloned();
            audit::policy(Carrier::Routes, &name, "", body.as_deref(), None);
            self.tables.remove(&name);
        }
    }

    /// What an update has replaced is given back to the system once the workers have let go of it.
    fn trim_soon(&mut self) {
        self.trim_at.get_or_insert_with(|| Instant::now() + TRIM_AFTER);
    }

    fn trim_if_due(&mut self) {
        if self.trim_at.is_some_and(|at| at <= Instant::now()) {
            self.trim_at = None;
            crate::sys::trim_memory();
        }
    }

    fn watch_secrets(&mut self, ads: Option<&AdsHandle>) -> bool {
        let contexts = self.clusters.needed_secrets().chain(self.listeners.needed_secrets());
        let needed: HashSet<SdsName> = contexts.chain(self.secrets.of_credentials()).collect();
        let is_news = self.secrets.want(&needed);
        if let Some(ads) = ads {
            let names: BTreeSet<String> =
                needed.iter().filter(|name| name.source == SdsSource::Ads).map(|name| name.name.to_string()).collect();
            ads.subscribe(type_url::SECRET, Subscription::Names(names));
        }
        is_news
    }

    fn subscribe(&mut self, ads: &AdsHandle) {
        ads.subscribe(type_url::EXTENSION_CONFIG, Subscription::Names(self.extensions.names().collect()));
        if self.start.clusters_came {
            ads.subscribe(type_url::ENDPOINT, Subscription::Names(self.clusters.service_names().collect()));
        }
        if self.start.listeners_came {
            ads.subscribe(type_url::ROUTE, Subscription::Names(self.routes.wanted().collect()));
            self.asked_tables.want(self.listeners.tables_asked_for());
        }
    }

    fn next_timeout(&self) -> Duration {
        let fetches = self.fetches_left().into_iter().flatten().filter(|left| !self.start.live && !left.is_zero());
        [self.clusters.next_timeout(), self.listeners.next_timeout(), self.extensions.next_timeout()]
            .into_iter()
            .flatten()
            .chain(fetches)
            .chain(self.runtimes.next_timeout())
            .chain(self.asked_tables.next_timeout())
            .chain(self.cache.as_ref().and_then(Cache::next_timeout))
            .chain(self.trim_at.map(|at| at.saturating_duration_since(Instant::now())))
            .min()
            .unwrap_or(Duration::from_secs(3600))
            .max(Duration::from_millis(1))
    }
}

/// Never ready when there is no control plane.
async fn next_event(events: &mut Option<AdsEvents>) -> Option<Event> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
