//! CDS and EDS: clusters are checked and built when they arrive, warmed until their endpoints and secrets are here, then published.
//!
//! The control loop calls it. While a new version warms, the one before serves. DNS never holds a first version back; one that takes
//! the place of a version with endpoints waits for its first answer.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::cluster::Discovery;
use config::tls::SdsName;
use config::{Policy, Rejection};
use tokio::sync::Notify;
use xds_client::{Update, Verdict};

use super::Named;
use super::secrets::{self, SecretWatches};
use crate::cluster::Cluster;
use crate::cluster::dns::{self, Names};
use crate::cluster::published::{ClusterTable, Published};
use crate::stats::{ServerStats, Stats};
use crate::store::{ConfigStore, Kind, Stored};
use crate::tls::Secrets;

/// What every cluster is built from.
pub struct Parts {
    /// Secrets for TLS contexts.
    pub secrets: Arc<Secrets>,
    /// Stats.
    pub stats: Arc<Stats>,
    /// Bytes for dumps.
    pub store: Arc<ConfigStore>,
    /// Where warm clusters become visible.
    pub published: Arc<Published>,
    /// Counts of clusters.
    pub server: ServerStats,
    /// Names to addresses.
    pub resolver: Arc<dns::Resolver>,
}

/// All clusters.
pub struct Clusters {
    parts: Parts,
    options: Rc<config::Options>,
    active: HashMap<Arc<str>, Active>,
    warming: HashMap<Arc<str>, Warming>,
    /// EDS service name to cluster names.
    by_service: HashMap<Arc<str>, HashSet<Arc<str>>>,
    changed: bool,
    /// Removed or replaced since the last publication: their idle connections are to be closed.
    retired: Vec<Arc<Cluster>>,
    /// A name has been looked up for the first time: a version that warms may be warm.
    answered: Rc<Notify>,
}

struct Active {
    cluster: Arc<Cluster>,
    names: Option<Names>,
}

struct Warming {
    cluster: Arc<Cluster>,
    since: Instant,
    needs: Vec<SdsName>,
    /// Looked up beforehand, where there is something to lose.
    names: Option<Names>,
}

impl Clusters {
    /// None yet. `options` are those for dynamic resources.
    pub fn new(parts: Parts, options: Rc<config::Options>) -> Clusters {
        Clusters {
            parts,
            options,
            active: HashMap::new(),
            warming: HashMap::new(),
            by_service: HashMap::new(),
            changed: false,
            retired: Vec::new(),
            answered: Rc::default(),
        }
    }

    /// Adds a static cluster; its rejection is the bootstrap's.
    pub fn add_static(&mut self, config: Arc<config::cluster::Cluster>, stored: Stored) -> Result<(), Rejection> {
        tracing::debug!(target: "upstream", "static cluster '{}'", config.name);
        self.add(config, stored, true)
    }

    /// Applies a CDS response, resource by resource.
    pub fn update(&mut self, update: &Update) -> Verdict {
        for name in &update.removed {
            self.remove(&Arc::from(name.as_str()));
        }
        self.parts.store.set_version(Kind::Cluster, &update.version);
        super::each(update, Named::ByItself, |name, stored| self.update_one(name, stored))
    }

    fn update_one(&mut self, name: &Arc<str>, stored: Stored) -> Result<(), String> {
        if self.parts.store.is_static(Kind::Cluster, name) {
            // As in Envoy: what the bootstrap fixed is not changed from outside.
            tracing::debug!(target: "upstream", "cluster '{name}' is static; the control plane's version is ignored");
            return Ok(());
        }
        if self.parts.store.is_warming(Kind::Cluster, name, &stored.body) {
            return Ok(());
        }
        if self.parts.store.is_unchanged(Kind::Cluster, name, &stored.body) {
            self.stop_warming(name);
            return Ok(());
        }
        config::cluster::decode(&stored.body, &self.options)
            .and_then(|config| self.add(Arc::new(config), stored.clone(), false))
            .map_err(|rejection| {
                let reason = rejection.to_string();
                tracing::error!(target: "upstream", "cluster '{name}' is refused: {reason}");
                self.stop_unjudged(name, &stored, rejection.withholds_policy);
                self.parts.store.refuse(Kind::Cluster, name, stored, &reason);
                reason
            })
    }

    fn add(&mut self, config: Arc<config::cluster::Cluster>, stored: Stored, is_static: bool) -> Result<(), Rejection> {
        let name = config.name.clone();
        let cluster = Cluster::new(config.clone(), &self.parts.secrets, &self.parts.stats)?;
        if let Discovery::Eds { service_name, .. } = &config.discovery {
            self.by_service.entry(service_name.clone()).or_default().insert(name.clone());
            self.reuse_assignment(service_name, &cluster);
        }
        let needs = cluster.needed_secrets();
        let names = self.active.get(&name).and_then(|before| self.names_beside(&cluster, before));
        self.parts.store.warm(Kind::Cluster, &name, stored, is_static);
        let warming = Warming { cluster, since: Instant::now(), needs, names };
        if let Some(before) = self.warming.insert(name.clone(), warming) {
            self.release_service(&name, &before.cluster);
        }
        Ok(())
    }

    /// The control plane may want peers verified in a way that the versions before do not: those must not go on.
    fn stop_unjudged(&mut self, name: &Arc<str>, refused: &Stored, withheld: bool) {
        let wanted = Policy::of(&refused.body);
        let unjudged = |body: &[u8]| withheld || wanted.exceeds(&Policy::of(body));
        let taken = self.parts.store.take_down(Kind::Cluster, name, unjudged);
        if taken.warming {
            self.stop_warming(name);
        }
        if taken.active {
            tracing::error!(
                target: "upstream",
                "cluster '{name}' is stopped: its new version carries policy that is not enforced here, and without it no traffic may pass"
            );
            self.stop_active(name);
        }
    }

    /// Names are looked up before the version in use gives way, if that one has endpoints; what it knows is known to the new one, too.
    fn names_beside(&self, cluster: &Arc<Cluster>, before: &Active) -> Option<Names> {
        if before.cluster.endpoints().is_empty() {
            return None;
        }
        let names = self.names_of(cluster)?;
        if let Some(known) = &before.names {
            names.take_over(known);
        }
        Some(names)
    }

    fn names_of(&self, cluster: &Arc<Cluster>) -> Option<Names> {
        Names::follow(cluster, self.parts.resolver.clone(), self.answered.clone())
    }

    /// Fires when a cluster may have become warm without an event of the control plane.
    pub fn answered(&self) -> Rc<Notify> {
        self.answered.clone()
    }

    /// A new version of a cluster takes the endpoints that the one before had: they are still what the control plane said last.
    fn reuse_assignment(&self, service_name: &Arc<str>, cluster: &Arc<Cluster>) {
        let Some(body) = self.parts.store.active(Kind::Endpoints, service_name) else { return };
        if let Ok(assignment) = config::endpoint::decode(&body, &self.options) {
            cluster.assign(&assignment);
        }
    }

    /// Applies an EDS response.
    pub fn assign(&mut self, update: &Update) -> Verdict {
        let verdict = super::each(update, Named::AsAskedFor("EDS cluster"), |service, stored| {
            let assignment = config::endpoint::decode(&stored.body, &self.options).map_err(|rejection| {
                tracing::error!(target: "upstream", "endpoints of '{service}' are refused: {rejection}");
                rejection.to_string()
            })?;
            // Kept only for who asks: they would be old when somebody does.
            if self.by_service.contains_key(service) {
                self.assign_one(service, &assignment, |_| true);
                self.parts.store.accept(Kind::Endpoints, service, stored);
            }
            Ok(())
        });
        // As in Envoy: endpoints in use stay. A cluster that waits for them waits no longer.
        for name in &update.removed {
            let none = config::endpoint::LoadAssignment::default();
            self.assign_one(&name.as_str().into(), &none, |cluster| !cluster.is_warm());
        }
        self.parts.store.set_version(Kind::Endpoints, &update.version);
        verdict
    }

    fn assign_one(
        &self,
        service: &Arc<str>,
        assignment: &config::endpoint::LoadAssignment,
        concerns: impl Fn(&Cluster) -> bool,
    ) {
        for name in self.by_service.get(service).into_iter().flatten() {
            let active = self.active.get(name).map(|active| &active.cluster);
            let warming = self.warming.get(name).map(|warming| &warming.cluster);
            // Two versions of a cluster may name two services.
            let of_service = active.into_iter().chain(warming).filter(|cluster| service_of(cluster) == Some(service));
            of_service.filter(|cluster| concerns(cluster)).for_each(|cluster| cluster.assign(assignment));
        }
    }

    fn stop_warming(&mut self, name: &Arc<str>) {
        if let Some(warming) = self.warming.remove(name) {
            self.release_service(name, &warming.cluster);
        }
    }

    /// A version of a cluster is gone: nothing is asked any more about a service that only it named.
    fn release_service(&mut self, name: &Arc<str>, gone: &Cluster) {
        let Some(service) = service_of(gone) else { return };
        let active = self.active.get(name).map(|active| &active.cluster);
        let warming = self.warming.get(name).map(|warming| &warming.cluster);
        if active.into_iter().chain(warming).any(|cluster| service_of(cluster) == Some(service)) {
            return;
        }
        if let Some(names) = self.by_service.get_mut(service) {
            names.remove(name);
            if names.is_empty() {
                self.by_service.remove(service);
                self.parts.store.remove(Kind::Endpoints, service);
            }
        }
    }

    fn remove(&mut self, name: &Arc<str>) {
        if self.parts.store.is_static(Kind::Cluster, name) {
            return;
        }
        self.stop_warming(name);
        self.stop_active(name);
        self.parts.store.remove(Kind::Cluster, name);
    }

    fn stop_active(&mut self, name: &Arc<str>) {
        if let Some(active) = self.active.remove(name) {
            self.changed = true;
            self.release_service(name, &active.cluster);
            self.retired.push(active.cluster);
            self.parts.server.cluster_removed.inc();
            tracing::debug!(target: "upstream", "cluster '{name}' removed");
        }
    }

    /// Puts every warm cluster in use and publishes once. Tells whether anything changed.
    pub fn settle(&mut self, secrets: &SecretWatches) -> bool {
        let warm: Vec<Arc<str>> = self
            .warming
            .iter()
            .filter(|(_, warming)| is_warm(warming, secrets))
            .map(|(name, _)| name.clone())
            .collect();
        for name in warm {
            if let Some(warming) = self.warming.remove(&name) {
                self.activate(name, warming);
            }
        }
        let changed = std::mem::take(&mut self.changed);
        if changed {
            let table: ClusterTable =
                self.active.iter().map(|(name, active)| (name.clone(), active.cluster.clone())).collect();
            self.parts.published.clusters.store(Arc::new(table));
            self.retired.drain(..).for_each(|cluster| cluster.retire());
        }
        changed
    }

    fn activate(&mut self, name: Arc<str>, warming: Warming) {
        let Warming { cluster, names, .. } = warming;
        let names = names.or_else(|| self.names_of(&cluster));
        self.parts.store.activate(Kind::Cluster, &name);
        match self.active.insert(name.clone(), Active { cluster, names }) {
            Some(before) => {
                self.release_service(&name, &before.cluster);
                self.retired.push(before.cluster);
                self.parts.server.cluster_modified.inc();
            }
            None => self.parts.server.cluster_added.inc(),
        }
        self.changed = true;
    }

    /// EDS names to subscribe to.
    pub fn service_names(&self) -> impl Iterator<Item = String> {
        self.by_service.keys().map(|name| name.to_string())
    }

    /// Whether clusters are still waiting for endpoints or secrets.
    pub fn warming_count(&self) -> usize {
        self.warming.len()
    }

    /// How many are in use.
    pub fn active_count(&self) -> usize {
        self.active.len()
    }

    /// Whether some cluster still waits for its endpoints.
    pub fn awaits_endpoints(&self) -> bool {
        self.warming.values().any(|warming| !endpoints_came(warming))
    }

    /// Secrets that clusters of either state need.
    pub fn needed_secrets(&self) -> impl Iterator<Item = SdsName> {
        let active = self.active.values().flat_map(|active| active.cluster.needed_secrets());
        active.chain(self.warming.values().flat_map(|warming| warming.needs.iter().cloned()))
    }

    /// How long until a wait is over by its timeout.
    pub fn next_timeout(&self) -> Option<Duration> {
        let waits = self.warming.values().filter_map(|warming| {
            let secret = secrets::next_timeout(&warming.needs, warming.since);
            let endpoints = eds_timeout(warming).map(|timeout| timeout.saturating_sub(warming.since.elapsed()));
            [secret, endpoints].into_iter().flatten().filter(|left| !left.is_zero()).min()
        });
        waits.min()
    }
}

/// The EDS service that a cluster asks about.
fn service_of(cluster: &Cluster) -> Option<&Arc<str>> {
    match &cluster.config().discovery {
        Discovery::Eds { service_name, .. } => Some(service_name),
        _ => None,
    }
}

fn is_warm(warming: &Warming, secrets: &SecretWatches) -> bool {
    let answered =
        warming.names.as_ref().is_none_or(|names| !warming.cluster.endpoints().is_empty() || names.are_answered());
    answered && endpoints_came(warming) && secrets.are_ready(&warming.needs, warming.since)
}

fn endpoints_came(warming: &Warming) -> bool {
    warming.cluster.is_warm() || eds_timeout(warming).is_some_and(|timeout| warming.since.elapsed() >= timeout)
}

fn eds_timeout(warming: &Warming) -> Option<Duration> {
    match warming.cluster.config().discovery {
        Discovery::Eds { initial_fetch_timeout, .. } => initial_fetch_timeout,
        _ => None,
    }
}

#[cfg(test)]
mod tests;
