//! `envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`.

use std::sync::Arc;
use std::time::Duration;

use crate::access_log::{AccessLog, Early, Format};
use crate::metadata::Criteria;
use crate::route::HeaderChanges;
use crate::tlvs::Added;

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
    /// `tunneling_config`: CONNECT or POST through the upstream.
    pub tunneling: Option<Tunneling>,
    /// `upstream_connect_mode` is ON_DOWNSTREAM_DATA: nobody is connected to before the client has said something, of which so much is read.
    /// (TLS is established before a TCP proxy connects to anybody, whatever the mode.)
    pub awaits_data: Option<u32>,
    /// `proxy_protocol_tlvs`: what a header of the PROXY protocol may tell the upstream.
    pub tlvs: Added,
    /// `proxy_protocol_tlv_merge_policy`: where the client's own header had some, too.
    pub merges: TlvMerge,
    /// `check_drain_close`: octets that pass while the listener drains are the last.
    pub check_drain_close: bool,
    /// Logs.
    pub access_log: Vec<AccessLog>,
    /// `access_log_options`, or what stood in their place before.
    pub early_log: Early,
}

/// `ProxyProtocolTlvMergePolicy`: what becomes of the client's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlvMerge {
    /// With a header of its own the client's alone count.
    AddIfAbsent,
    /// Those of other types stay.
    Overwrite,
    /// All stay, before those that are added.
    Append,
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
    /// `host:port` of the CONNECT, with operators.
    pub hostname: Format,
    /// `use_post`: POST to this path in place of CONNECT.
    pub post_path: Option<Arc<str>>,
    /// `headers_to_add`.
    pub headers: HeaderChanges,
    /// `propagate_response_headers`: they become an object of the connection's filter state.
    pub keeps_headers: bool,
    /// `propagate_response_trailers`, likewise.
    pub keeps_trailers: bool,
    /// `request_id_extension`: the header of the id that each tunnel gets, and its key in the dynamic metadata.
    pub request_id: Option<(Arc<str>, Arc<str>)>,
}
