//! `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`.

use std::sync::Arc;
use std::time::Duration;

use crate::access_log::{AccessLog, Early};
use crate::metadata::Criteria;

pub(crate) mod decode;

/// A TCP proxy.
#[derive(Debug, Clone)]
pub struct TcpProxy {
    /// Prefix of its stats.
    pub stat_prefix: Arc<str>,
    /// Where bytes go: cluster names with weights (one entry of weight 1 for a plain `cluster`).
    pub clusters: Vec<WeightedTcpCluster>,
    /// `metadata_match`, for a cluster that a filter names.
    pub metadata_match: Option<Arc<Criteria>>,
    /// No bytes in either direction for so long ends it; default 1 h, `None` = never.
    pub idle_timeout: Option<Duration>,
    /// `max_downstream_connection_duration`.
    pub max_connection_duration: Option<Duration>,
    /// `max_downstream_connection_duration_jitter_percentage`: at most such a share longer.
    pub duration_jitter: f64,
    /// Connect attempts; default 1.
    pub max_connect_attempts: u32,
    /// `backoff_options`: the longest wait before the second attempt, and the longest of all; each may be twice as long as the one
    /// before. `None`: there is none.
    pub back_off: Option<(Duration, Duration)>,
    /// `hash_policy` has source_ip.
    pub hash_source_ip: bool,
    /// `tunneling_config`: CONNECT or POST through the upstream. Connections are refused until it acts.
    pub tunneling: Option<Tunneling>,
    /// Logs.
    pub access_log: Vec<AccessLog>,
    /// `access_log_options`, or what stood in their place before.
    pub early_log: Early,
}

/// A cluster and its weight.
#[derive(Debug, Clone)]
pub struct WeightedTcpCluster {
    /// Cluster name.
    pub name: Arc<str>,
    /// Share.
    pub weight: u32,
    /// `metadata_match`, over that of the proxy: of clusters with subsets those with such endpoints.
    pub metadata_match: Option<Arc<Criteria>>,
}

/// `tunneling_config`.
#[derive(Debug, Clone)]
pub struct Tunneling {
    /// `host:port` of the CONNECT.
    pub hostname: Arc<str>,
    /// POST in place of CONNECT.
    pub use_post: bool,
}
