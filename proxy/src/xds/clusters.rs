//! CDS and EDS: clusters are checked and built when they arrive, warmed until their endpoints, secrets and filters are here, then published.
//!
//! The control loop calls it. While a new version warms, the one before serves. DNS holds a first version back only where that asks for it; one that
//! takes the place of a version with endpoints waits for its first answer.

mod endpoints;
mod extensions;
mod subscribed;

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use config::cluster::Discovery;
use config::tls::SdsName;
use config::{At, Policy, Rejection};
use tokio::sync::Notify;
use xds_client::{Update, Verdict};

use self::endpoints::{eds_timeout, endpoints_came};
use self::subscribed::Subscribed;
use super::Named;
use super::audit::{self, Carrier};
use super::held::{Held, Seen};
use super::secrets::{self, SecretWatches};
use crate::cluster::dns::{self, Names};
use crate::cluster::health::Checks;
use crate::cluster::outlier::Ejections;
use crate::cluster::published::{ClusterTable, NameCaches, Published};
use crate::cluster::{Cluster, NameCache};
use crate::discoveries::{Discoveries, Wanted};
use crate::http::attach_filters;
use crate::log_files::EventFile;
use crate::logs::Sinks;
use crate::stats::{ServerStats, Stats};
use crate::store::{Kind, Resources, Stored};
use crate::tls::Secrets;

/// What every cluster is built from.
pub struct Parts {
    /// Secrets for TLS contexts.
    pub secrets: Arc<Secrets>,
    /// Stats.
    pub stats: Arc<Stats>,
    /// Where warm clusters become visible.
    pub published: Arc<Published>,
    /// Counts of clusters.
    pub server: ServerStats,
    /// Names to addresses.
    pub resolver: Arc<dns::Resolver>,
    /// Filters that are discovered.
    pub discoveries: Rc<Discoveries>,
    /// Where ejections are written down.
    pub outlier_log: Option<EventFile>,
    /// Opens logs of health checks.
    pub sinks: Arc<Sinks>,
}

/// All clusters.
pub struct Clusters {
    parts: Parts,
    options: Rc<config::Options>,
    held: Held<Active, Warming>,
    assignments: Held<(), ()>,
    /// EDS service name to cluster names.
    by_service: HashMap<Arc<str>, HashSet<Arc<str>>>,
    /// What clusters count of it.
    subscribed: HashMap<Arc<str>, Subscribed>,
    /// When the endpoints of a service are too old to be used, unless newer ones come.
    stale_at: HashMap<Arc<str>, tokio::time::Instant>,
    changed: bool,
    /// Removed or replaced since the last publication: their idle connections are to be closed.
    retired: Vec<Arc<Cluster>>,
    /// A name has been looked up for the first time: a version that warms may be warm.
    answered: Rc<Notify>,
    /// Caches of names of dynamic forward proxies, by name. They live as long as their clusters.
    caches: HashMap<Arc<str>, Weak<NameCache>>,
}

struct Active {
    cluster: Arc<Cluster>,
    names: Option<Names>,
    cache: Option<Arc<NameCache>>,
    /// Run while they are held.
    _ejections: Option<Ejections>,
    _checks: Option<Checks>,
}

struct Warming {
    cluster: Arc<Cluster>,
    since: Instant,
    needs: Vec<SdsName>,
    /// Looked up beforehand, where there is something to lose, or the cluster wants it.
    names: Option<Names>,
    /// A version with endpoints serves meanwhile.
    stands_in: bool,
    /// Names that it resolves for whoever asks.
    cache: Option<Arc<NameCache>>,
    /// Filters that are discovered.
    extensions: Vec<Wanted>,
    /// Begun once all else is here: its endpoints are asked before anybody is sent to them.
    checks: OnceCell<Checks>,
}

impl Clusters {
    /// None yet. `options` are those for dynamic resources.
    pub fn new(parts: Parts, options: Rc<config::Options>) -> Clusters {
        Clusters {
            parts,
            options,
            held: Held::default(),
            assignments: Held::default(),
            by_service: HashMap::new(),
            subscribed: HashMap::new(),
            stale_at: HashMap::new(),
            changed: false,
            retired: Vec::new(),
            answered: Rc::default(),
            caches: HashMap::new(),
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
        self.held.set_version(&update.version);
        let verdict = super::each(update, Named::ByItself, |name, stored| self.update_one(name, stored));
        super::each_refused(update, |name, stored, reason| self.refuse(name, stored, false, &format!("it {reason}")));
        verdict
    }

    fn refuse(&mut self, name: &Arc<str>, stored: Stored, withheld: bool, reason: &str) {
        tracing::error!(target: "upstream", "cluster '{name}' is refused: {reason}");
        if self.held.is_static(name) {
            return;
        }
        self.stop_unjudged(name, &stored, withheld);
        self.held.refuse(name, stored, reason);
    }

    fn update_one(&mut self, name: &Arc<str>, stored: Stored) -> Result<(), String> {
        match self.held.look(name, &stored.body) {
            Seen::New => {}
            Seen::Waits => return Ok(()),
            Seen::InUse => {
                self.stop_warming(name);
                return Ok(());
            }
            Seen::Static => {
                // As in Envoy: what the bootstrap fixed is not changed from outside.
                tracing::debug!(target: "upstream", "cluster '{name}' is static; the control plane's version is ignored");
                return Ok(());
            }
        }
        config::cluster::decode(&stored.body, &self.options)
            .and_then(|config| self.add(Arc::new(config), stored.clone(), false))
            .map_err(|rejection| {
                let reason = rejection.to_string();
                self.refuse(name, stored, rejection.withholds_policy, &reason);
                reason
            })
    }

    fn add(&mut self, config: Arc<config::cluster::Cluster>, stored: Stored, is_static: bool) -> Result<(), Rejection> {
        let name = config.name.clone();
        let parts = &self.parts;
        let make = || made(config.clone(), &parts.secrets, &parts.stats, &parts.discoveries);
        let (cluster, asked) = parts.secrets.asked_during(make);
        let cluster = cluster?;
        if let Discovery::Eds { service_name, .. } = &config.discovery {
            self.by_service.entry(service_name.clone()).or_default().insert(name.clone());
            self.reuse_assignment(service_name, &cluster);
            self.begin_asking(&cluster);
        }
        let cache = self.cache_of(&config)?;
        let mut needs = cluster.needed_secrets();
        needs.extend(asked);
        let before = self.held.active(&name).filter(|before| !before.cluster.endpoints().is_empty());
        let stands_in = before.is_some();
        let names = self.names_beforehand(&cluster, before);
        let extensions = extensions::discovered(&cluster);
        extensions.iter().for_each(|wanted| self.parts.discoveries.count_conflict(wanted));
        let checks = OnceCell::new();
        let since = Instant::now();
        let warming = Warming { cluster, since, needs, names, stands_in, cache, extensions, checks };
        if let Some(before) = self.held.warm(&name, stored, is_static, warming) {
            self.release_service(&name, &before.cluster);
        }
        Ok(())
    }

    /// The control plane may want peers verified in a way that the versions before do not: those must not go on.
    fn stop_unjudged(&mut self, name: &Arc<str>, refused: &Stored, withheld: bool) {
        let wanted = Policy::of_cluster(&refused.body);
        let lacks = |cluster: &Cluster| extensions::lacks(cluster, &self.parts.discoveries);
        let active = self.held.active(name).map(|active| lacks(&active.cluster));
        let warming = self.held.warming(name).map(|warming| lacks(&warming.cluster));
        let body = self.held.active_body(name).cloned();
        let in_force = |other: &[u8]| {
            let lacks = if body.as_deref() == Some(other) { &active } else { &warming };
            lacks.iter().flatten().fold(Policy::of_cluster(other), |policy, name| policy.without(name))
        };
        let unjudged = |body: &[u8]| withheld || wanted.exceeds(&in_force(body));
        let (active, warming) = self.held.take_down(name, unjudged);
        if let Some(warming) = warming {
            self.release_service(name, &warming.cluster);
        }
        if let Some(active) = active {
            tracing::error!(
                target: "upstream",
                "cluster '{name}' is stopped: its new version carries policy that is not enforced here, and without it no traffic may pass"
            );
            audit::policy(Carrier::Cluster, name, "", body.as_deref(), None);
            self.retire(name, active);
        }
    }

    /// Names are looked up before the version in use gives way, if that one has endpoints; what it knows is known to the new one, too. Without such
    /// a version where the cluster wants it.
    fn names_beforehand(&self, cluster: &Arc<Cluster>, before: Option<&Active>) -> Option<Names> {
        let Some(before) = before else { return self.names_of(cluster).filter(Names::are_waited_for) };
        let names = self.names_of(cluster)?;
        if let Some(known) = &before.names {
            names.take_over(known);
        }
        Some(names)
    }

    fn names_of(&self, cluster: &Arc<Cluster>) -> Option<Names> {
        Names::follow(cluster, self.parts.resolver.clone(), self.answered.clone())
    }

    /// The cache of a dynamic forward proxy: that of its name, if there is one.
    fn cache_of(&mut self, config: &config::cluster::Cluster) -> Result<Option<Arc<NameCache>>, Rejection> {
        let Discovery::DynamicForward(wanted) = &config.discovery else { return Ok(None) };
        self.caches.retain(|_, cache| cache.strong_count() > 0);
        let Some(known) = self.caches.get(&wanted.name).and_then(Weak::upgrade) else {
            let made = NameCache::new(wanted.clone(), &self.parts.stats);
            self.caches.insert(wanted.name.clone(), Arc::downgrade(&made));
            return Ok(Some(made));
        };
        if known.config() != wanted {
            let root = At::root();
            let at = root.field("cluster_type");
            let reason = format!("config specified DNS cache '{}' with different settings", wanted.name);
            let at = at.field("typed_config");
            return Err(at.field("dns_cache_config").reject(reason));
        }
        Ok(Some(known))
    }

    /// Fires when a cluster may have become warm without an event of the control plane.
    pub fn answered(&self) -> Rc<Notify> {
        self.answered.clone()
    }

    fn stop_warming(&mut self, name: &Arc<str>) {
        if let Some(warming) = self.held.take_warming(name) {
            self.release_service(name, &warming.made.cluster);
        }
    }

    fn remove(&mut self, name: &Arc<str>) {
        if self.held.is_static(name) {
            return;
        }
        let body = self.held.active_body(name).cloned();
        let (active, warming) = self.held.remove(name);
        if let Some(warming) = warming {
            self.release_service(name, &warming.cluster);
        }
        if let Some(active) = active {
            audit::policy(Carrier::Cluster, name, "", body.as_deref(), None);
            self.retire(name, active);
        }
    }

    fn retire(&mut self, name: &Arc<str>, active: Active) {
        self.changed = true;
        self.release_service(name, &active.cluster);
        self.retired.push(active.cluster);
        self.parts.server.cluster_removed.inc();
        tracing::debug!(target: "upstream", "cluster '{name}' removed");
    }

    /// Puts every warm cluster in use and publishes once. Tells whether anything changed.
    pub fn settle(&mut self, secrets: &SecretWatches) -> bool {
        self.let_go_of_stale();
        let discoveries = &self.parts.discoveries;
        let warm = self.held.all_warming().filter(|(_, warming)| {
            is_warm(warming, secrets)
                && warming.extensions.iter().all(|wanted| wanted.is_ready(discoveries))
                && self.were_checked(warming)
        });
        let warm: Vec<Arc<str>> = warm.map(|(name, _)| name.clone()).collect();
        for name in warm {
            self.activate(&name);
        }
        let changed = std::mem::take(&mut self.changed);
        if changed {
            self.retired.iter().for_each(|cluster| cluster.be_replaced());
            let clusters = self.held.all_active().map(|(name, active)| (name.clone(), active.cluster.clone()));
            self.parts.published.clusters.store(Arc::new(clusters.collect::<ClusterTable>()));
            let caches = self.held.all_active().filter_map(|(_, active)| active.cache.as_ref());
            let caches = caches.map(|cache| (cache.config().name.clone(), cache.clone()));
            self.parts.published.names.store(Arc::new(caches.collect::<NameCaches>()));
            self.retired.drain(..).for_each(|cluster| cluster.retire());
        }
        changed
    }

    /// Whether its endpoints have been checked once, or need not be. Begins with it.
    fn were_checked(&self, warming: &Warming) -> bool {
        if warming.cluster.config().health_check.is_none() {
            return true;
        }
        let begin = || {
            let open = |path: &str| self.parts.sinks.events(path);
            Checks::follow(&warming.cluster, open, self.answered.clone()).expect("it has a health check")
        };
        warming.checks.get_or_init(begin).are_done()
    }

    /// Whether clusters that nothing stands in for wait for names, where they want that, or for the first checks of their endpoints.
    pub fn holds_back(&self) -> bool {
        let waits =
            |warming: &Warming| !names_came(warming) || warming.checks.get().is_some_and(|checks| !checks.are_done());
        self.held.all_warming().any(|(name, warming)| waits(warming) && self.held.active(name).is_none())
    }

    fn activate(&mut self, name: &Arc<str>) {
        let Some(mut warmed) = self.held.take_warming(name) else { return };
        let cluster = warmed.made.cluster.clone();
        let names = warmed.made.names.take().or_else(|| self.names_of(&cluster));
        let before = self.held.active_body(name).cloned();
        let stored = &warmed.stored;
        audit::policy(Carrier::Cluster, name, &stored.version, before.as_deref(), Some(&stored.body));
        let ejections = Ejections::follow(&cluster, self.parts.outlier_log.clone());
        let checks = warmed.made.checks.take();
        let cache = warmed.made.cache.take();
        if let Some(cache) = &cache {
            cache.serve(&cluster, &self.parts.resolver);
        }
        let active = Active { cluster, names, cache, _ejections: ejections, _checks: checks };
        match self.held.activate(name, warmed, active) {
            Some(before) => {
                self.release_service(name, &before.cluster);
                self.retired.push(before.cluster);
                self.parts.server.cluster_modified.inc();
            }
            None => self.parts.server.cluster_added.inc(),
        }
        self.changed = true;
    }

    /// Clusters, and endpoints, for admin.
    pub fn snapshot(&self) -> [(Kind, Resources); 2] {
        [(Kind::Cluster, self.held.snapshot()), (Kind::Endpoints, self.assignments.snapshot())]
    }

    /// Whether there is a cluster of this name, be it one that warms.
    pub fn is_there(&self, name: &str) -> bool {
        self.held.active(name).is_some() || self.held.warming(name).is_some()
    }

    /// Whether clusters are still waiting for endpoints or secrets.
    pub fn warming_count(&self) -> usize {
        self.held.all_warming().count()
    }

    /// How many are in use.
    pub fn active_count(&self) -> usize {
        self.held.all_active().count()
    }

    /// Secrets that clusters of either state need.
    pub fn needed_secrets(&self) -> impl Iterator<Item = SdsName> {
        let active = self.held.all_active().flat_map(|(_, active)| active.cluster.needed_secrets());
        active.chain(self.held.all_warming().flat_map(|(_, warming)| warming.needs.iter().cloned()))
    }

    /// How long until a wait is over by its timeout.
    pub fn next_timeout(&self) -> Option<Duration> {
        let waits = self.held.all_warming().filter_map(|(_, warming)| {
            let secret = secrets::next_timeout(&warming.needs, warming.since);
            let endpoints = eds_timeout(warming).map(|timeout| timeout.saturating_sub(warming.since.elapsed()));
            [secret, endpoints].into_iter().flatten().filter(|left| !left.is_zero()).min()
        });
        waits.chain(self.next_stale()).min()
    }
}

fn is_warm(warming: &Warming, secrets: &SecretWatches) -> bool {
    names_came(warming) && endpoints_came(warming) && secrets.are_ready(&warming.needs, warming.since)
}

/// A version that serves gives way to answers, nothing at all to the end of a look-up.
fn names_came(warming: &Warming) -> bool {
    let came = |names: &Names| if warming.stands_in { names.are_answered() } else { names.were_looked_up() };
    warming.names.as_ref().is_none_or(|names| !warming.cluster.endpoints().is_empty() || came(names))
}

/// A cluster out of its configuration, filters of its own included.
///
/// # Errors
/// What of the configuration cannot be honoured, and why.
pub fn made(
    config: Arc<config::cluster::Cluster>,
    secrets: &Arc<Secrets>,
    stats: &Arc<Stats>,
    discoveries: &Discoveries,
) -> Result<Arc<Cluster>, Rejection> {
    let cluster = Cluster::new(config, secrets, stats)?;
    attach_filters(&cluster, secrets, stats, discoveries)?;
    Ok(cluster)
}

#[cfg(test)]
mod tests;
