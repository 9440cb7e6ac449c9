//! What admin sees of the runtime, and what it may ask of it. `app` makes it; admin's own code knows only [`Source`].

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use config::cluster::Discovery;
use tokio::sync::mpsc;

use crate::admin::source::{
    ClusterStatus, Drain, HostCounts, HostStatus, Kind, ListenerStatus, Resource, Source, Version,
};
use crate::cluster::{self, Cluster};
use crate::published::Published;
use crate::telemetry::stats::ServerStats;
use crate::tls::{CertificateFacts, Secrets};
use crate::xds::control::Request;
use crate::xds::status::Status;
use crate::xds::store::{self, ConfigStore, Stored};

/// Handles to everything that admin shows.
pub struct Runtime {
    /// Clusters in use.
    pub published: Arc<Published>,
    /// Certificates in use.
    pub secrets: Arc<Secrets>,
    /// Received bytes.
    pub store: Arc<ConfigStore>,
    /// State and listeners.
    pub status: Arc<Status>,
    /// Gauges to bring up to date.
    pub server: ServerStats,
    /// The encoded bootstrap, static resources left out.
    pub bootstrap: Bytes,
    /// When it was read.
    pub read_at: SystemTime,
    /// To the control loop.
    pub requests: mpsc::UnboundedSender<Request>,
}

impl Runtime {
    fn ask(&self, request: Request) {
        // The control loop ends only with the process.
        let _ = self.requests.send(request);
    }
}

impl Source for Runtime {
    fn state(&self) -> &'static str {
        self.status.state().as_str()
    }

    fn listeners(&self) -> Vec<ListenerStatus> {
        let listeners = self.status.listeners.load();
        let each = listeners.iter();
        each.map(|one| ListenerStatus { name: one.name.clone(), addresses: one.addresses.clone() }).collect()
    }

    fn clusters(&self) -> Vec<ClusterStatus> {
        let table = self.published.clusters.load();
        let mut clusters: Vec<&Arc<Cluster>> = table.values().collect();
        clusters.sort_by(|left, right| left.config().name.cmp(&right.config().name));
        clusters.into_iter().map(|cluster| self.cluster_status(cluster)).collect()
    }

    fn certificates(&self) -> Vec<CertificateFacts> {
        self.secrets.certificates()
    }

    fn resources(&self, kind: Kind) -> Vec<Resource> {
        self.store.list(stored_kind(kind)).into_iter().map(|(name, entry)| resource(name, entry)).collect()
    }

    fn version(&self, kind: Kind) -> Arc<str> {
        self.store.version(stored_kind(kind))
    }

    fn bootstrap(&self) -> (Bytes, SystemTime) {
        (self.bootstrap.clone(), self.read_at)
    }

    fn refresh_stats(&self) {
        self.server.tick();
        self.server.total_connections.set(crate::listener::limit::active());
    }

    fn drain(&self, drain: Drain) {
        let Drain { inbound_only, graceful, skip_exit } = drain;
        self.ask(Request::Drain { inbound_only, graceful, skip_exit });
    }

    fn set_healthy(&self, healthy: bool) {
        self.ask(Request::SetHealthy(healthy));
    }

    fn quit(&self) {
        self.ask(Request::Quit);
    }
}

impl Runtime {
    fn cluster_status(&self, cluster: &Arc<Cluster>) -> ClusterStatus {
        let config = cluster.config();
        let is_static = self.store.is_static(store::Kind::Cluster, &config.name);
        ClusterStatus {
            name: config.name.clone(),
            observability_name: config.stat_name.clone(),
            added_via_api: !is_static,
            eds_service_name: match &config.discovery {
                Discovery::Eds { service_name, .. } => Some(service_name.clone()),
                _ => None,
            },
            thresholds: [config.circuit_breaker, config.circuit_breaker_high],
            hosts: cluster.host_statuses().into_iter().map(host_status).collect(),
        }
    }
}

fn host_status(host: cluster::HostStatus) -> HostStatus {
    let stats = host.stats;
    HostStatus {
        address: host.address,
        target: host.target,
        hostname: host.hostname,
        health: host.health,
        failed_outlier_check: false,
        weight: host.weight,
        priority: host.priority,
        locality: host.locality,
        counts: HostCounts {
            cx_active: stats.cx_active,
            cx_connect_fail: stats.cx_connect_fail,
            cx_total: stats.cx_total,
            rq_active: stats.rq_active,
            rq_error: stats.rq_error,
            rq_pending_active: 0,
            rq_success: stats.rq_success,
            rq_timeout: stats.rq_timeout,
            rq_total: stats.rq_total,
        },
    }
}

fn stored_kind(kind: Kind) -> store::Kind {
    match kind {
        Kind::Cluster => store::Kind::Cluster,
        Kind::Endpoints => store::Kind::Endpoints,
        Kind::Listener => store::Kind::Listener,
        Kind::Route => store::Kind::Route,
        Kind::Secret => store::Kind::Secret,
    }
}

fn resource(name: Arc<str>, entry: store::Entry) -> Resource {
    Resource {
        name,
        is_static: entry.is_static,
        active: entry.active.map(version),
        warming: entry.warming.map(version),
        refused: entry.refused.map(|refused| (version(refused.resource), refused.reason)),
    }
}

fn version(stored: Stored) -> Version {
    Version { body: stored.body, version: stored.version, last_updated: stored.last_updated }
}
