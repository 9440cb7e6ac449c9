//! What admin sees of the runtime, and what it may ask of it. `app` makes it; admin's own code knows only [`Source`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use config::cluster::Discovery;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::admin::source::{ClusterEndpoints, ClusterStatus, Source};
use crate::cluster::Cluster;
use crate::cluster::published::Published;
use crate::stats::ServerStats;
use crate::status::{Ask, Request, Shown, Status};
use crate::store::Kind;
use crate::tls::{ContextFacts, Secrets};

/// Handles to everything that admin shows.
pub struct Runtime {
    /// Clusters in use.
    pub published: Arc<Published>,
    /// Certificates in use.
    pub secrets: Arc<Secrets>,
    /// The state.
    pub status: Arc<Status>,
    /// Gauges to bring up to date.
    pub server: ServerStats,
    /// The encoded bootstrap, static resources left out.
    pub bootstrap: Bytes,
    /// When it was read.
    pub read_at: SystemTime,
    /// To the control loop.
    pub requests: mpsc::UnboundedSender<Ask>,
    /// Notified when somebody asks for statistics.
    pub asked_for_stats: Arc<Notify>,
}

impl Source for Runtime {
    fn not_acting(&self) -> Vec<String> {
        crate::xds::told()
    }

    fn state(&self) -> &'static str {
        self.status.state().as_str()
    }

    fn shown(&self) -> oneshot::Receiver<Shown> {
        let (reply, shown) = oneshot::channel();
        // The control loop ends only with the process.
        let _ = self.requests.send(Ask::Show(reply));
        shown
    }

    fn clusters(&self, shown: &Shown) -> Vec<ClusterStatus> {
        let fixed = fixed(shown);
        self.by_name().iter().map(|cluster| cluster_status(cluster, &fixed)).collect()
    }

    fn endpoints(&self, shown: &Shown) -> Vec<ClusterEndpoints> {
        let fixed = fixed(shown);
        let of = |cluster: Arc<Cluster>| ClusterEndpoints {
            cluster: cluster.config().name.clone(),
            added_via_api: !fixed.contains(&*cluster.config().name),
            eds_service_name: service_name(&cluster),
            now: Box::new(move || cluster.assignment()),
        };
        self.by_name().into_iter().map(of).collect()
    }

    fn certificates(&self) -> Vec<ContextFacts> {
        self.secrets.contexts()
    }

    fn bootstrap(&self) -> (Bytes, SystemTime) {
        (self.bootstrap.clone(), self.read_at)
    }

    fn refresh_stats(&self) {
        self.server.tick();
        self.asked_for_stats.notify_one();
        // Without any, what Envoy shows: the longest time that it can say.
        let days = self.secrets.days_until_first_expires(SystemTime::now()).unwrap_or(u32::MAX.into());
        self.server.days_until_first_cert_expiring.set(days);
        if let Some(seconds) = self.secrets.seconds_until_first_response_expires(SystemTime::now()) {
            self.server.seconds_until_first_ocsp_response_expiring.set(seconds);
        }
        self.server.total_connections.set(crate::listener::limit::active());
        let [allocated, physical] = crate::admin::memory::sizes();
        self.server.memory_allocated.set(allocated);
        self.server.memory_physical_size.set(physical);
    }

    fn ask(&self, request: Request) {
        // The control loop ends only with the process.
        let _ = self.requests.send(Ask::Do(request));
    }
}

impl Runtime {
    fn by_name(&self) -> Vec<Arc<Cluster>> {
        let mut clusters: Vec<Arc<Cluster>> = self.published.clusters.load().values().cloned().collect();
        clusters.sort_by(|left, right| left.config().name.cmp(&right.config().name));
        clusters
    }
}

/// Names of the bootstrap's clusters.
fn fixed(shown: &Shown) -> HashSet<&str> {
    let fixed = shown.resources.resources(Kind::Cluster).iter().filter(|entry| entry.is_static);
    fixed.map(|entry| &*entry.name).collect()
}

fn service_name(cluster: &Cluster) -> Option<Arc<str>> {
    match &cluster.config().discovery {
        Discovery::Eds { service_name, .. } => Some(service_name.clone()),
        _ => None,
    }
}

fn cluster_status(cluster: &Arc<Cluster>, fixed: &HashSet<&str>) -> ClusterStatus {
    let config = cluster.config();
    ClusterStatus {
        name: config.name.clone(),
        observability_name: config.stat_name.clone(),
        added_via_api: !fixed.contains(&*config.name),
        eds_service_name: service_name(cluster),
        thresholds: [config.circuit_breaker, config.circuit_breaker_high],
        outlier_rates: cluster.outliers().map(|watch| watch.averages()),
        hosts: cluster.host_statuses(),
    }
}
