//! A cluster as all threads share it: immutable configuration, endpoints behind a pointer, circuit-breaker counts as atomics.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwap;
use config::Rejection;
use config::cluster::{Discovery, UpstreamTransport};
use config::endpoint::LoadAssignment;
use config::metadata::Criteria;
use config::tls::SdsName;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::circuit_breaker::Breakers;
use super::dns::Reached;
use super::endpoints::{EndpointSet, Membership};
use super::health::Failing;
use super::identity::Born;
use super::outlier::Watch;
use super::retry::Rules;
use super::stats::ClusterStats;
use super::transport::{Transport, Transports};
use super::{Attach, Priority};
use crate::peer_exchange::MetadataExchange;
use crate::stats::{Counter, Gauge, Scope, Stats};
use crate::status::HealthFlags;
use crate::tls::Secrets;

/// A cluster. Made and fed by the control thread, read by workers.
pub struct Cluster {
    config: Arc<config::cluster::Cluster>,
    /// `HttpProtocolOptions.retry_policy`.
    pub retry: Option<Rules>,
    transports: Transports,
    /// The filter of its connections, boxed: where there is one, it is there for each cluster.
    exchange: Option<Box<MetadataExchange>>,
    endpoints: ArcSwap<EndpointSet>,
    /// Of a million requests so many are not sent: a copy, for every request asks. A stale read is a roll of the dice that came sooner.
    drops: AtomicU32,
    /// Where hosts are watched that may be left out.
    outliers: Option<Arc<Watch>>,
    /// Where workers tell of hosts that say they fail their checks.
    failing: Option<Arc<Failing>>,
    /// Endpoints are known. Set once; a stale read shows the cluster warming a little longer.
    assigned: AtomicBool,
    breakers: [Breakers; 2],
    registry: Arc<Stats>,
    scope: OnceLock<Scope>,
    /// How many endpoints there are, for whoever asks.
    membership: OnceLock<MembershipStats>,
    stats: OnceLock<Box<ClusterStats>>,
    /// See [`Attached`](super::Attached). Set before the cluster is published, where its configuration has filters.
    filters: OnceLock<Arc<dyn Attach>>,
    /// Workers that use it and want to know when endpoints leave. Locked by the control thread, and by a worker at first use.
    watchers: Mutex<Vec<Weak<Notify>>>,
}

impl Cluster {
    /// A cluster out of its configuration. Static endpoints are there at once; others come by [`Cluster::assign`] and DNS.
    ///
    /// # Errors
    /// What of the configuration cannot be honoured, and why.
    pub fn new(
        config: Arc<config::cluster::Cluster>,
        secrets: &Arc<Secrets>,
        stats: &Arc<Stats>,
    ) -> Result<Arc<Cluster>, Rejection> {
        let cluster = Cluster {
            retry: config.http.retry.as_ref().map(Rules::compile),
            transports: Transports::new(&config, secrets)?,
            exchange: config
                .metadata_exchange
                .as_ref()
                .map(|config| Box::new(MetadataExchange::compile(config, stats))),
            endpoints: ArcSwap::from_pointee(EndpointSet::empty()),
            drops: AtomicU32::new(0),
            outliers: Watch::of(&config),
            failing: config.health_check.is_some().then(Arc::default),
            assigned: AtomicBool::new(false),
            breakers: [Breakers::new(&config.circuit_breaker), Breakers::new(&config.circuit_breaker_high)],
            registry: Arc::clone(stats),
            scope: OnceLock::new(),
            membership: OnceLock::new(),
            stats: OnceLock::new(),
            filters: OnceLock::new(),
            watchers: Mutex::default(),
            config,
        };
        match &cluster.config.discovery {
            Discovery::Static(assignment) => cluster.assign(assignment),
            // Names that are literal addresses need no DNS.
            Discovery::StrictDns(assignment, _) | Discovery::LogicalDns(assignment, _) => {
                cluster.assign_resolved(assignment, &HashMap::new());
            }
            Discovery::OriginalDst(_) | Discovery::DynamicForward(_) | Discovery::Inert(_) => {
                cluster.assigned.store(true, Ordering::Relaxed);
            }
            Discovery::Eds { .. } => {}
        }
        Ok(Arc::new(cluster))
    }

    /// Replaces the endpoints (EDS). Endpoints whose address stays keep their connections and counts.
    pub fn assign(&self, assignment: &LoadAssignment) {
        let before = self.endpoints.load();
        let choose = |endpoint: &config::endpoint::Endpoint| self.transports.choose(&self.config, endpoint);
        self.publish(EndpointSet::new(assignment, &before, &self.born(), choose));
    }

    /// Replaces the endpoints of a DNS cluster: `answers` holds what names have resolved to so far, literal addresses stand for
    /// themselves, and names without an answer give no endpoint.
    pub fn assign_resolved(&self, assignment: &LoadAssignment, answers: &HashMap<Arc<str>, Vec<std::net::IpAddr>>) {
        let before = self.endpoints.load();
        let choose = |endpoint: &config::endpoint::Endpoint| self.transports.choose(&self.config, endpoint);
        let set = match self.config.discovery {
            Discovery::LogicalDns(..) => EndpointSet::logical(assignment, answers, &before, &self.born(), choose),
            _ => EndpointSet::new(&super::dns::resolved(assignment, answers), &before, &self.born(), choose),
        };
        self.publish(set);
    }

    /// Replaces the endpoints of a dynamic forward proxy: names, each at its addresses.
    pub fn assign_named(&self, names: &[Reached]) {
        let before = self.endpoints.load();
        if let Some(transport) = self.transport_matching(&Criteria::default()) {
            self.publish(EndpointSet::named(names, &before, &self.born(), transport));
        }
    }

    /// How hosts begin that were not there before.
    fn born(&self) -> Born<'_> {
        let mut flags = HealthFlags::FAILED_ACTIVE_HC;
        if self.config.ignores_unchecked && !matches!(self.config.discovery, Discovery::Static(_)) {
            flags = flags.with(HealthFlags::PENDING_ACTIVE_HC);
        }
        let now = self.config.balancing.slow_start.map(|_| Instant::now());
        Born { outliers: self.outliers.as_ref(), failing: self.failing.as_ref(), flags, now }
    }

    fn publish(&self, set: EndpointSet) {
        let keeps = self.failing.is_some() && self.config.keeps_healthy;
        let set = if keeps { set.with_healthy_of(&self.endpoints.load()) } else { set };
        let counts = set.counts();
        if set.has_other_hosts(&self.endpoints.load()) {
            self.membership().change.inc();
        }
        self.drops.store(set.drops, Ordering::Relaxed);
        self.endpoints.store(Arc::new(set));
        self.assigned.store(true, Ordering::Relaxed);
        self.show_membership(counts);
        self.notify();
        if let Some(outliers) = &self.outliers {
            // Hosts that were left out may be gone.
            outliers.wake();
        }
    }

    /// Makes visible what was found out of the health of its endpoints. For the control thread.
    pub fn publish_health(&self) {
        let before = self.endpoints.load();
        let set = before.with_health_of_now();
        let counts = set.counts();
        if counts.total != before.counts().total {
            self.membership().change.inc();
        }
        self.endpoints.store(Arc::new(set));
        self.show_membership(counts);
        self.notify();
    }

    /// Where workers tell of hosts that say they fail their checks; `None` where nobody checks.
    pub fn failing(&self) -> Option<&Arc<Failing>> {
        self.failing.as_ref()
    }

    /// Whether some worker has ever used it.
    pub fn was_used(&self) -> bool {
        self.stats.get().is_some()
    }

    /// What watches its hosts, where it asks for outlier detection.
    pub fn outliers(&self) -> Option<&Arc<Watch>> {
        self.outliers.as_ref()
    }

    /// Another version takes its place. The control thread calls it before that one is published.
    pub fn be_replaced(&self) {
        self.breakers.iter().for_each(Breakers::replaced);
    }

    /// Tells the workers that the cluster was removed or replaced, so that they close its idle connections now. The control thread calls
    /// it after the new table is published.
    pub fn retire(&self) {
        self.notify();
    }

    /// The secrets that its TLS contexts need.
    pub fn needed_secrets(&self) -> Vec<SdsName> {
        self.transports.needed_secrets()
    }

    /// Whether its endpoints are known: always, but for EDS before the first assignment. DNS never delays.
    pub fn is_warm(&self) -> bool {
        self.assigned.load(Ordering::Relaxed)
    }

    /// Whether every secret that its TLS contexts need has arrived.
    pub fn has_secrets(&self) -> bool {
        self.transports.has_secrets()
    }

    /// Takes what was made of its filters.
    pub fn attach(&self, filters: Arc<dyn Attach>) {
        // Once, by who made the cluster.
        let _ = self.filters.set(filters);
    }

    /// That.
    pub fn attached(&self) -> Option<&Arc<dyn Attach>> {
        self.filters.get()
    }

    /// What is exchanged with its servers.
    pub fn exchange(&self) -> Option<&MetadataExchange> {
        self.exchange.as_deref()
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<config::cluster::Cluster> {
        &self.config
    }

    /// `drop_overloads`: of a million requests so many are not sent.
    pub fn drops(&self) -> u32 {
        self.drops.load(Ordering::Relaxed)
    }

    /// The endpoints of this moment.
    pub fn endpoints(&self) -> arc_swap::Guard<Arc<EndpointSet>> {
        self.endpoints.load()
    }

    /// The same, to keep.
    pub fn endpoints_owned(&self) -> Arc<EndpointSet> {
        self.endpoints.load_full()
    }

    /// A transport by number.
    pub fn transport(&self, index: u16) -> &Transport {
        self.transports.get(index)
    }

    /// The transport of an endpoint that no assignment names: the original destination of a connection.
    pub fn transport_of(&self, address: SocketAddr) -> Option<u16> {
        let endpoint = config::endpoint::Endpoint {
            address: config::address::Address::Socket(address),
            additional_addresses: Vec::new(),
            health: config::endpoint::HealthStatus::Unknown,
            weight: 1,
            hostname: "".into(),
            transport_socket_match: Default::default(),
            locality_socket_match: Default::default(),
            http_proxy: None,
            tlvs: Arc::default(),
            metadata: Default::default(),
            check: None,
        };
        self.transports.choose(&self.config, &endpoint)
    }

    /// The transport that endpoints with such metadata have.
    pub fn transport_matching(&self, metadata: &Criteria) -> Option<u16> {
        self.transports.matching(&self.config, metadata)
    }

    /// The circuit breakers of a priority.
    pub fn breakers(&self, priority: Priority) -> &Breakers {
        &self.breakers[priority as usize]
    }

    /// The statistics, made on first use.
    pub fn stats(&self) -> &ClusterStats {
        self.stats.get_or_init(|| Box::new(ClusterStats::new(self.scope(), self.speaks_tls(), &self.breakers)))
    }

    /// Whether connections to it may be TLS.
    fn speaks_tls(&self) -> bool {
        let matches = self.config.transport_matches.iter().map(|one| &one.transport);
        std::iter::once(&self.config.transport).chain(matches).any(UpstreamTransport::is_tls)
    }

    /// Where its statistics live; they go away with the cluster.
    pub fn scope(&self) -> &Scope {
        self.scope.get_or_init(|| self.registry.scope(&stats_prefix(&self.config)))
    }

    /// Wakes `watcher` whenever the endpoints change or the cluster is retired.
    pub fn watch(&self, watcher: &Arc<Notify>) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|other| other.strong_count() > 0 && !std::ptr::eq(other.as_ptr(), Arc::as_ptr(watcher)));
        watchers.push(Arc::downgrade(watcher));
    }

    fn notify(&self) {
        let watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().filter_map(Weak::upgrade).for_each(|watcher| watcher.notify_one());
    }

    fn membership(&self) -> &MembershipStats {
        self.membership.get_or_init(|| MembershipStats::new(self.scope()))
    }

    fn show_membership(&self, counts: Membership) {
        let shown = self.membership();
        shown.total.set(counts.total);
        shown.healthy.set(counts.healthy);
        shown.degraded.set(counts.degraded);
        shown.excluded.set(counts.excluded);
    }
}

/// What is shown of the endpoints.
struct MembershipStats {
    change: Counter,
    total: Gauge,
    healthy: Gauge,
    degraded: Gauge,
    excluded: Gauge,
}

/// What the statistics of a cluster begin with.
pub fn stats_prefix(config: &config::cluster::Cluster) -> String {
    format!("cluster.{}.", config.stat_name)
}

impl MembershipStats {
    fn new(scope: &Scope) -> MembershipStats {
        let gauge = |name| scope.gauge(name);
        MembershipStats {
            change: scope.counter("membership_change"),
            total: gauge("membership_total"),
            healthy: gauge("membership_healthy"),
            degraded: gauge("membership_degraded"),
            excluded: gauge("membership_excluded"),
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Cluster").field("name", &self.config.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
