//! What admin shows of the runtime, as plain data, and what it may ask of it. The control thread implements [`Source`]; nothing here
//! knows how.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use config::address::Address;
use config::cluster::Thresholds;
use config::endpoint::{HealthStatus, Locality};

use crate::tls::CertificateFacts;

/// The runtime, as admin sees it. Methods answer at once, from what is at hand.
pub trait Source: Send + Sync + 'static {
    /// `LIVE`, `DRAINING`, `PRE_INITIALIZING` or `INITIALIZING`.
    fn state(&self) -> &'static str;
    /// Active listeners.
    fn listeners(&self) -> Vec<ListenerStatus>;
    /// Active clusters.
    fn clusters(&self) -> Vec<ClusterStatus>;
    /// Certificates in use.
    fn certificates(&self) -> Vec<CertificateFacts>;
    /// Everything of a kind that configuration holds, by name.
    fn resources(&self, kind: Kind) -> Vec<Resource>;
    /// Version of the last accepted response of a kind; empty when there was none.
    fn version(&self, kind: Kind) -> Arc<str>;
    /// The encoded `Bootstrap` (static resources may be left out: they are in [`Source::resources`]) and when it was read.
    fn bootstrap(&self) -> (Bytes, SystemTime);
    /// Brings gauges up to date that nobody sets on change (uptime, memory). Called before statistics are read.
    fn refresh_stats(&self) {}
    /// `/drain_listeners`.
    fn drain(&self, drain: Drain);
    /// `/healthcheck/fail` (false) and `/healthcheck/ok` (true).
    fn set_healthy(&self, healthy: bool);
    /// `/quitquitquit`: begin to end the process, soon after this returned.
    fn quit(&self);
}

/// How listeners are drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Only listeners of inbound traffic.
    pub inbound_only: bool,
    /// Go on accepting for `--drain-time-s`, then stop; else stop now.
    pub graceful: bool,
    /// Never stop accepting; only tell connections to end.
    pub skip_exit: bool,
}

/// Lists of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `envoy.config.cluster.v3.Cluster`.
    Cluster,
    /// `envoy.config.endpoint.v3.ClusterLoadAssignment`.
    Endpoints,
    /// `envoy.config.listener.v3.Listener`.
    Listener,
    /// `envoy.config.route.v3.RouteConfiguration`.
    Route,
    /// `envoy.extensions.transport_sockets.tls.v3.Secret`.
    Secret,
}

/// What is held of one name. A secret that was asked for and has not come holds nothing.
#[derive(Debug, Clone, Default)]
pub struct Resource {
    /// Name.
    pub name: Arc<str>,
    /// From the bootstrap.
    pub is_static: bool,
    /// In use.
    pub active: Option<Version>,
    /// Waits for what it needs.
    pub warming: Option<Version>,
    /// Was refused last.
    pub refused: Option<(Version, Arc<str>)>,
}

/// One version of a resource, as it was received.
#[derive(Debug, Clone)]
pub struct Version {
    /// The encoded message.
    pub body: Bytes,
    /// Empty for static ones.
    pub version: Arc<str>,
    /// When it came.
    pub last_updated: SystemTime,
}

/// A listener that listens.
#[derive(Debug, Clone)]
pub struct ListenerStatus {
    /// Name.
    pub name: Arc<str>,
    /// Its addresses, the ports that the system chose filled in.
    pub addresses: Vec<SocketAddr>,
}

/// A cluster and its endpoints.
#[derive(Debug, Clone)]
pub struct ClusterStatus {
    /// Name.
    pub name: Arc<str>,
    /// `alt_stat_name`, else the name.
    pub observability_name: Arc<str>,
    /// It came from the control plane.
    pub added_via_api: bool,
    /// `eds_cluster_config.service_name`, else the name, for EDS clusters.
    pub eds_service_name: Option<Arc<str>>,
    /// Circuit breakers of the default and the high priority.
    pub thresholds: [Thresholds; 2],
    /// Endpoints.
    pub hosts: Vec<HostStatus>,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub struct HostStatus {
    /// As printed: `10.0.0.1:80`, or a path.
    pub address: Arc<str>,
    /// Taken apart.
    pub target: Address,
    /// `hostname`.
    pub hostname: Arc<str>,
    /// What the control plane said.
    pub health: HealthStatus,
    /// Ejected by outlier detection.
    pub failed_outlier_check: bool,
    /// Weight.
    pub weight: u32,
    /// 0 is the highest.
    pub priority: u32,
    /// Where.
    pub locality: Locality,
    /// Counts.
    pub counts: HostCounts,
}

/// What happened at an endpoint, by Envoy's names.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)] // The names are the statistics' own.
pub struct HostCounts {
    pub cx_active: u64,
    pub cx_connect_fail: u64,
    pub cx_total: u64,
    pub rq_active: u64,
    pub rq_error: u64,
    pub rq_pending_active: u64,
    pub rq_success: u64,
    pub rq_timeout: u64,
    pub rq_total: u64,
}
