//! What admin shows of the runtime, as plain data, and what it may ask of it. The control thread implements [`Source`]; nothing here
//! knows how.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use config::cluster::Thresholds;

use crate::status::{HostStatus, ListenerStatus, Request};
use crate::store::{Entry, Kind};
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
    fn resources(&self, kind: Kind) -> Vec<Entry>;
    /// Version of the last accepted response of a kind; empty when there was none.
    fn version(&self, kind: Kind) -> Arc<str>;
    /// The encoded `Bootstrap` (static resources may be left out: they are in [`Source::resources`]) and when it was read.
    fn bootstrap(&self) -> (Bytes, SystemTime);
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
}
