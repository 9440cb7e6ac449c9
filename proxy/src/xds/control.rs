//! The control loop: one event in, then everything that became possible is done.
//!
//! Events are responses over ADS, secrets over SDS, commands of admin and of signals, and timers. After each, clusters and
//! listeners that are warm come into use, subscriptions follow what is referred to, and readiness is looked at. It runs on the
//! control thread alone and never blocks.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use config::bootstrap::DynamicSource;
use config::listener::Direction;
use config::tls::{SdsName, SdsSource};
use tokio::sync::{Notify, mpsc};
use xds_client::{AdsEvents, AdsHandle, Event, Rejected, Subscription, Update, Verdict, type_url};

use super::clusters::Clusters;
use super::listeners::Listeners;
use super::routes::Routes;
use super::secrets::{Arrival, SecretWatches};
use super::status::Status;
use super::store::{ConfigStore, Kind, Stored};
use crate::drain::ServerDrain;
use crate::http::route::RouteTable;
use crate::telemetry::stats::{DiscoveryStats, ServerState, ServerStats};

/// What admin and signals ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `drain_listeners`.
    Drain {
        /// Inbound listeners alone.
        inbound_only: bool,
        /// Keep accepting for the drain time.
        graceful: bool,
        /// Never stop accepting.
        skip_exit: bool,
    },
    /// `healthcheck/fail` and `healthcheck/ok`.
    SetHealthy(bool),
    /// `quitquitquit`.
    Quit,
}

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
    /// SDS.
    pub secrets: SecretWatches,
    /// Bytes for dumps.
    pub store: Arc<ConfigStore>,
    /// Checks of dynamic resources.
    pub options: Rc<config::Options>,
    /// Drains of the process.
    pub drain: Arc<ServerDrain>,
    /// Gauges and counters of the server.
    pub stats: ServerStats,
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
}

/// Progress of the first configuration: CDS, then EDS, then LDS, then RDS; then ready.
#[derive(Debug)]
pub struct Start {
    began: Instant,
    clusters_came: bool,
    listeners_wanted: Option<Instant>,
    listeners_came: bool,
    live: bool,
}

impl Default for Start {
    fn default() -> Self {
        Start {
            began: Instant::now(),
            clusters_came: false,
            listeners_wanted: None,
            listeners_came: false,
            live: false,
        }
    }
}

impl Control {
    /// Runs until the process ends.
    pub async fn run(
        mut self,
        ads: Option<Ads>,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut requests: mpsc::UnboundedReceiver<Request>,
    ) {
        let (handle, mut events) = match ads {
            Some(ads) => (Some(ads.handle), Some(ads.events)),
            None => (None, None),
        };
        if let Some(handle) = &handle {
            handle.subscribe(type_url::CLUSTER, Subscription::Wildcard);
        }
        self.settle(handle.as_ref());
        loop {
            let timer = tokio::time::sleep(self.next_timeout());
            tokio::select! {
                event = next_event(&mut events) => match event {
                    Some(event) => self.on_ads(event, handle.as_ref()),
                    None => events = None,
                },
                Some(arrival) = arrivals.recv() => self.secrets.arrived(arrival),
                Some(request) = requests.recv() => self.on_request(request),
                () = timer => {
                    self.listeners.on_timer();
                    // A listener that could be bound at last needs its routes and secrets.
                    self.dirty = true;
                }
            }
            self.settle(handle.as_ref());
        }
    }

    fn on_ads(&mut self, event: Event, handle: Option<&AdsHandle>) {
        match event {
            Event::Connected => {
                tracing::info!(target: "config", "connected to the control plane");
                self.stats.control_plane_connected.set(1);
            }
            Event::Disconnected { reason, retry_in } => {
                self.stats.control_plane_connected.set(0);
                for discovery in [self.stats.cds, self.stats.lds] {
                    discovery.update_attempt.inc();
                    discovery.update_failure.inc();
                }
                tracing::warn!(
                    target: "config",
                    "the stream to the control plane ended: {reason}; the last good configuration stays, next attempt in {} ms",
                    retry_in.as_millis()
                );
            }
            Event::Update(update) => {
                let verdict = self.judge(&update);
                if let Some(handle) = handle {
                    handle.verdict(update.id, verdict);
                }
            }
        }
    }

    /// Applies a response and tells what was thought of it.
    pub(super) fn judge(&mut self, update: &Update) -> Verdict {
        let verdict = self.apply(update);
        super::tell_notes(update.type_url.rsplit('.').next().unwrap_or_default(), &self.options);
        self.count(update, &verdict);
        verdict
    }

    fn count(&self, update: &Update, verdict: &Verdict) {
        let discovery: DiscoveryStats = match &*update.type_url {
            type_url::CLUSTER => self.stats.cds,
            type_url::LISTENER => self.stats.lds,
            _ => return,
        };
        discovery.update_attempt.inc();
        match verdict {
            Ok(()) => {
                discovery.update_success.inc();
                discovery.update_time.set(unix_milliseconds());
                discovery.version.set(hash(&update.version));
            }
            Err(_) => discovery.update_rejected.inc(),
        }
    }

    fn apply(&mut self, update: &Update) -> Verdict {
        match &*update.type_url {
            type_url::CLUSTER => {
                self.start.clusters_came = true;
                self.dirty = true;
                self.clusters.update(update)
            }
            type_url::ENDPOINT => self.clusters.assign(update),
            type_url::LISTENER => {
                self.start.listeners_came = true;
                self.dirty = true;
                self.listeners.update(update)
            }
            type_url::ROUTE => self.apply_routes(update),
            type_url::SECRET => self.apply_secrets(update),
            other => {
                tracing::warn!(target: "config", "the control plane sent resources of type {other}, which were not asked for");
                Ok(())
            }
        }
    }

    fn apply_routes(&mut self, update: &Update) -> Verdict {
        let version: Arc<str> = update.version.as_str().into();
        let mut rejected = Vec::new();
        for resource in &update.resources {
            let name: Arc<str> = resource.name.as_str().into();
            let stored = Stored::now(resource.body.clone(), &version);
            if self.store.is_unchanged(Kind::Route, &name, &stored.body) && self.routes.is_filled(&name) {
                continue;
            }
            let table =
                config::route::decode(&resource.body, &self.options).and_then(|config| RouteTable::compile(&config));
            match table {
                Ok(table) => {
                    self.routes.publish(&name, table);
                    self.store.accept(Kind::Route, &name, stored);
                }
                Err(rejection) => {
                    let reason = rejection.to_string();
                    if rejection.withholds_policy {
                        tracing::error!(target: "config", "route table '{name}' is taken away, its policy is not enforced here: {reason}");
                        self.routes.remove(&name);
                        self.store.change(Kind::Route, &name, |entry| entry.active = None);
                    } else {
                        tracing::error!(target: "config", "route table '{name}' is refused, the one before it stays: {reason}");
                    }
                    self.store.refuse(Kind::Route, &name, stored, &reason);
                    rejected.push(Rejected { name: resource.name.clone(), reason });
                }
            }
        }
        for name in &update.removed {
            self.routes.remove(name);
            self.store.remove(Kind::Route, &Arc::from(name.as_str()));
        }
        self.store.set_version(Kind::Route, &update.version);
        super::verdict(rejected)
    }

    fn apply_secrets(&mut self, update: &Update) -> Verdict {
        let version: Arc<str> = update.version.as_str().into();
        let mut rejected = Vec::new();
        for resource in &update.resources {
            let name: Arc<str> = resource.name.as_str().into();
            if let Err(reason) = self.secrets.apply(&name, resource.body.clone(), &version) {
                rejected.push(Rejected { name: resource.name.clone(), reason });
            }
        }
        super::verdict(rejected)
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Drain { inbound_only, graceful, skip_exit } => {
                self.drain_listeners(inbound_only, graceful, skip_exit)
            }
            Request::SetHealthy(healthy) => {
                tracing::warn!(target: "main", "health checks are made to {} from now on", if healthy { "pass" } else { "fail" });
                self.healthy = healthy;
                self.show_health();
            }
            Request::Quit => self.quit.notify_one(),
        }
    }

    /// Live only once the first configuration is here and while no operator says otherwise.
    fn show_health(&self) {
        if !self.healthy {
            self.set_state(ServerState::Draining);
        } else if self.start.live {
            self.set_state(ServerState::Live);
        } else {
            self.set_state(ServerState::Initializing);
        }
    }

    fn set_state(&self, state: ServerState) {
        self.stats.set_state(state);
        self.status.set_state(state);
    }

    fn drain_listeners(&mut self, inbound_only: bool, graceful: bool, skip_exit: bool) {
        let drain = if inbound_only { &self.drain.inbound } else { &self.drain.all };
        let direction = inbound_only.then_some(Direction::Inbound);
        if !graceful {
            return self.listeners.stop_accepting(direction);
        }
        let which = if inbound_only { "inbound listeners" } else { "all listeners" };
        if !drain.begin() {
            return tracing::info!(target: "main", "{which} are draining already");
        }
        tracing::info!(target: "main", "{which} drain for {} s", drain.time().as_secs());
        if !skip_exit {
            self.listeners.stop_accepting_after(direction, Instant::now() + drain.time());
        }
    }

    /// Does all that has become possible.
    pub(super) fn settle(&mut self, ads: Option<&AdsHandle>) {
        let settled = self.clusters.settle(&self.secrets) | self.listeners.settle(&self.secrets);
        if std::mem::take(&mut self.dirty) | settled | self.forget_routes() {
            self.status.listeners.store(Arc::new(self.listeners.active()));
            self.watch_secrets(ads);
            if let Some(ads) = ads {
                self.subscribe(ads);
            }
        }
        if let Some(ads) = ads {
            self.want_listeners(ads);
        }
        self.look_at_readiness(ads.is_some());
        self.stats.active_clusters.set(self.clusters.active_count() as u64);
        self.stats.warming_clusters.set(self.clusters.warming_count() as u64);
        self.stats.total_listeners_active.set(self.listeners.active_count() as u64);
        self.stats.total_listeners_warming.set(self.listeners.warming_count() as u64);
    }

    /// Lets go of the route tables that no listener holds any more; tells whether there were any.
    fn forget_routes(&self) -> bool {
        let unused = self.routes.forget_unused();
        for name in &unused {
            self.store.remove(Kind::Route, name);
        }
        !unused.is_empty()
    }

    fn watch_secrets(&mut self, ads: Option<&AdsHandle>) {
        let needed: HashSet<SdsName> = self.clusters.needed_secrets().chain(self.listeners.needed_secrets()).collect();
        self.secrets.want(&needed);
        if let Some(ads) = ads {
            let names: BTreeSet<String> =
                needed.iter().filter(|name| name.source == SdsSource::Ads).map(|name| name.name.to_string()).collect();
            ads.subscribe(type_url::SECRET, Subscription::Names(names));
        }
    }

    fn subscribe(&mut self, ads: &AdsHandle) {
        if self.start.clusters_came {
            ads.subscribe(type_url::ENDPOINT, Subscription::Names(self.clusters.service_names().collect()));
        }
        if self.start.listeners_came {
            ads.subscribe(type_url::ROUTE, Subscription::Names(self.routes.wanted().collect()));
        }
    }

    /// LDS is asked for once the first clusters have their endpoints, and even when no listener is to be expected.
    fn want_listeners(&mut self, ads: &AdsHandle) {
        let clusters_done = self.start.clusters_came || self.waited_for(&self.cds, self.start.began);
        if clusters_done && self.start.listeners_wanted.is_none() && !self.clusters.awaits_endpoints() {
            ads.subscribe(type_url::LISTENER, Subscription::Wildcard);
            self.start.listeners_wanted = Some(Instant::now());
            self.set_state(ServerState::Initializing);
        }
    }

    /// Whether the initial fetch timeout of a source is over.
    fn waited_for(&self, source: &Option<DynamicSource>, since: Instant) -> bool {
        match source {
            Some(DynamicSource::Ads { initial_fetch_timeout: Some(timeout) }) => since.elapsed() >= *timeout,
            _ => false,
        }
    }

    fn look_at_readiness(&mut self, dynamic: bool) {
        if self.start.live {
            return;
        }
        let listeners_done = self.start.listeners_came
            || self.start.listeners_wanted.is_some_and(|since| self.waited_for(&self.lds, since));
        let configured = !dynamic || listeners_done;
        if configured && self.listeners.warming_count() == 0 {
            self.start.live = true;
            self.show_health();
            self.stats.workers_started.set(1);
            tracing::info!(
                target: "main",
                "ready after {} ms: {} clusters, {} listeners",
                self.start.began.elapsed().as_millis(),
                self.clusters.active_count(),
                self.listeners.active_count()
            );
            crate::sys::trim_memory();
        }
    }

    fn next_timeout(&self) -> Duration {
        let fetches = [(&self.cds, Some(self.start.began)), (&self.lds, self.start.listeners_wanted)];
        let fetches = fetches.into_iter().filter_map(|(source, since)| match (source, since) {
            (Some(DynamicSource::Ads { initial_fetch_timeout: Some(timeout) }), Some(since)) if !self.start.live => {
                Some(timeout.saturating_sub(since.elapsed())).filter(|left| !left.is_zero())
            }
            _ => None,
        });
        [self.clusters.next_timeout(), self.listeners.next_timeout()]
            .into_iter()
            .flatten()
            .chain(fetches)
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

fn unix_milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A version is shown as a number. Which hash is nobody's business, but it must be stable (FNV-1a, 64 bits).
fn hash(version: &str) -> u64 {
    version.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;
