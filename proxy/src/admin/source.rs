//! What admin shows of the runtime, as plain data, and what it may ask of it. The control thread implements [`Source`]; nothing here
//! knows how.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use config::cluster::Thresholds;
use tokio::sync::oneshot;

use crate::status::{Assignment, HostStatus, Request, Shown};
use crate::tls::ContextFacts;

/// The runtime, as admin sees it. Methods answer at once, from what is at hand; what configuration is, the control loop tells.
pub trait Source: Send + Sync + 'static {
    /// `LIVE`, `DRAINING`, `PRE_INITIALIZING` or `INITIALIZING`.
    fn state(&self) -> &'static str;
    /// Asks the control loop what configuration is.
    fn shown(&self) -> oneshot::Receiver<Shown>;
    /// Active clusters.
    fn clusters(&self, shown: &Shown) -> Vec<ClusterStatus>;
    /// The endpoints of active clusters, by cluster.
    fn endpoints(&self, shown: &Shown) -> Vec<ClusterEndpoints>;
    /// Certificates in use, by TLS context.
    fn certificates(&self) -> Vec<ContextFacts>;
    /// The encoded `Bootstrap` (static resources may be left out: they are in [`Source::shown`]) and when it was read.
    fn bootstrap(&self) -> (Bytes, SystemTime);
    /// What the configuration asks for and does not get.
    fn not_acting(&self) -> Vec<String> {
        Vec::new()
    }
    /// Brings gauges up to date that nobody sets on change (uptime, memory). Called before statistics are read.
    fn refresh_stats(&self) {}
    /// Asks the control loop for something; it happens soon after this returned.
    fn ask(&self, request: Request);
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
    /// Of outlier detection, where there is any: the average success rate and the threshold of ejection, of all and of local origin.
    pub outlier_rates: Option<[f64; 4]>,
}

/// A cluster whose endpoints are asked for when their turn comes.
pub struct ClusterEndpoints {
    /// Name of the cluster.
    pub cluster: Arc<str>,
    /// It came from the control plane.
    pub added_via_api: bool,
    /// `eds_cluster_config.service_name`, else the name, for EDS clusters.
    pub eds_service_name: Option<Arc<str>>,
    /// They.
    pub now: Box<dyn Fn() -> Assignment + Send + Sync>,
}
