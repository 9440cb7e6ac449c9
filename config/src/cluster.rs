//! Clusters (`envoy.config.cluster.v3.Cluster`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::dns_cache::DnsCache;
use crate::endpoint::{HealthStatus, LoadAssignment};
use crate::filters::network::metadata_exchange::MetadataExchange;
use crate::hcm::{HeaderCase, HttpFilter};
use crate::matcher::ResponsePredicate;
use crate::metadata::{Criteria, Metadata};
use crate::route::{HashPolicy, Mirror, RetryPolicy};
use crate::tls::UpstreamTls;
use crate::tlvs::Passed;

mod balancing;
pub(crate) mod bind;
mod connecting;
pub(crate) mod decode;
mod dns;
mod dynamic_forward;
mod health_check;
pub(crate) mod http2;
pub(crate) mod http_options;
mod original_dst;
mod outlier;
mod policy;
pub(crate) mod resolver;
mod subset;
mod together;
mod transport;
mod zones;

pub use balancing::{Balancing, LocalZone, SlowStart, ZoneAware};
pub use bind::{Bind, Source};
pub use decode::{decode, from_proto};
pub use health_check::{Asks, GrpcCheck, HealthCheck, HttpCheck, Intervals, TcpCheck};
pub use http2::{Http2Further, Http2Settings};
pub use outlier::{Consecutive, FailurePercentage, OutlierDetection, SuccessRate};
pub use resolver::DnsResolver;
pub use subset::{Selector, SelectorFallback, SubsetFallback, Subsets};

/// A cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Name: routes and filters refer to it.
    pub name: Arc<str>,
    /// `alt_stat_name` or the name.
    pub stat_name: Arc<str>,
    /// How endpoints are found.
    pub discovery: Discovery,
    /// Time allowed for a TCP connect; Envoy's default is 5 s.
    pub connect_timeout: Duration,
    /// Load balancing.
    pub balancer: Balancer,
    /// Its fine print.
    pub balancing: Balancing,
    /// `lb_subset_config`, or the typed policy of that kind.
    pub subsets: Option<Arc<Subsets>>,
    /// Where zones count: which cluster the proxy is a member of. Those that hash do not look at zones, and the local cluster itself does not.
    pub local_zone: Option<Arc<LocalZone>>,
    /// `common_lb_config.healthy_panic_threshold`, percent; default 50, 0 turns panic off.
    pub panic_threshold: f64,
    /// `common_lb_config.locality_weighted_lb_config` is set.
    pub locality_weighted: bool,
    /// `common_lb_config.override_host_status`: a host that a filter insists on is taken in one of these.
    pub override_host_statuses: Box<[HealthStatus]>,
    /// Limits for `DEFAULT` priority.
    pub circuit_breaker: Thresholds,
    /// Limits for `HIGH` priority.
    pub circuit_breaker_high: Thresholds,
    /// HTTP options towards the endpoints.
    pub http: UpstreamHttp,
    /// `transport_socket` (raw buffer when unset).
    pub transport: UpstreamTransport,
    /// `transport_socket_matches`, first match wins, falling back to `transport`.
    pub transport_matches: Vec<TransportMatch>,
    /// `upstream_connection_options.tcp_keepalive`.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// `upstream_connection_options.happy_eyeballs_config`: in which order addresses are tried.
    pub happy_eyeballs: HappyEyeballs,
    /// `preconnect_policy`: connections that are made before anybody needs them.
    pub preconnect: Preconnect,
    /// `upstream_bind_config`, or the cluster manager's; ignored for pipes.
    pub bind: Option<Arc<Bind>>,
    /// `outlier_detection`: hosts that fail are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// `health_checks`: what endpoints are asked before they count as healthy.
    pub health_check: Option<Arc<HealthCheck>>,
    /// `ignore_health_on_host_removal` is not set: an endpoint that is taken away stays while health checks succeed.
    pub keeps_healthy: bool,
    /// `common_lb_config.ignore_new_hosts_until_first_hc`: new endpoints count for nothing before their first health check.
    pub ignores_unchecked: bool,
    /// `close_connections_on_host_health_failure`.
    pub closes_on_failure: bool,
    /// `common_lb_config.close_connections_on_host_set_change`.
    pub closes_on_change: bool,
    /// `connection_pool_per_downstream_connection`: clients share no connections.
    pub pool_per_client: bool,
    /// `per_connection_buffer_limit_bytes`; default 1 MiB.
    pub buffer_limit: u32,
    /// `metadata.filter_metadata`; `istio.alpn_override == "false"` stops the ALPN filter.
    pub metadata: Arc<Metadata>,
    /// The exchange of metadata that is among its `filters`.
    pub metadata_exchange: Option<Arc<MetadataExchange>>,
    /// `max_requests_per_connection` (deprecated field and `common_http_protocol_options`).
    pub max_requests_per_connection: Option<u32>,
}

impl Cluster {
    /// Whether `metadata.istio.alpn_override` is `"false"`.
    pub fn alpn_override_disabled(&self) -> bool {
        self.metadata.get("istio", "alpn_override").and_then(|value| value.as_str()) == Some("false")
    }
}

/// How a cluster's endpoints are found.
#[derive(Debug, Clone)]
pub enum Discovery {
    /// Endpoints in the cluster.
    Static(LoadAssignment),
    /// DNS names in the cluster, all answers are endpoints.
    StrictDns(LoadAssignment, DnsSettings),
    /// One DNS name, the first answer at connect time.
    LogicalDns(LoadAssignment, DnsSettings),
    /// EDS over ADS under this service name (the cluster's name when unset). `None` timeout waits for ever.
    Eds {
        /// Resource name asked for.
        service_name: Arc<str>,
        /// `initial_fetch_timeout`.
        initial_fetch_timeout: Option<Duration>,
    },
    /// The original destination of the downstream connection. Where no such is known: no healthy upstream.
    OriginalDst(OriginalDst),
    /// The host that each request asks for, resolved on the way (`envoy.clusters.dynamic_forward_proxy`).
    DynamicForward(Arc<DnsCache>),
    /// Extension clusters that are accepted but hold no endpoint, by type.
    Inert(Arc<str>),
}

/// What besides the connection says where a request goes, in Envoy's order: filter state, metadata, a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginalDst {
    /// `use_http_header`: the header that names the destination, lower case.
    pub header: Option<Arc<str>>,
    /// `upstream_port_override`: in place of the destination's, wherever that is from.
    pub port: Option<u16>,
    /// `metadata_key`: a namespace of dynamic metadata, and the path within.
    pub metadata: Option<MetadataKey>,
}

/// A place in dynamic metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataKey {
    /// `key`: the namespace.
    pub namespace: Arc<str>,
    /// `path` within it.
    pub path: Vec<Arc<str>>,
}

/// DNS behaviour of a cluster.
#[derive(Debug, Clone)]
pub struct DnsSettings {
    /// Which families are asked for.
    pub family: DnsFamily,
    /// `dns_refresh_rate`, default 5 s.
    pub refresh: Duration,
    /// `respect_dns_ttl`.
    pub respect_ttl: bool,
    /// `dns_jitter`.
    pub jitter: Duration,
    /// `dns_min_refresh_rate`: records that live shorter are asked for as often.
    pub least: Duration,
    /// Whom to ask, and how.
    pub resolver: DnsResolver,
    /// `dns_failure_refresh_rate`: after the first failure, and at most.
    pub failure: Option<(Duration, Duration)>,
    /// `wait_for_warm_on_init` is set: the cluster is in use only once a name has been looked up, well or not.
    pub waits: bool,
}

/// `dns_lookup_family`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsFamily {
    /// IPv6 if there is any, else IPv4.
    Auto,
    /// IPv4 only.
    V4Only,
    /// IPv6 only.
    V6Only,
    /// IPv4 if there is any, else IPv6.
    V4Preferred,
    /// Both.
    All,
}

/// Load-balancing policy.
#[derive(Debug, Clone, PartialEq)]
pub enum Balancer {
    /// Weighted round robin.
    RoundRobin,
    /// Best of `choices` (default 2) by active requests; weighted when weights differ.
    LeastRequest {
        /// How many are compared.
        choices: u32,
    },
    /// Uniform random.
    Random,
    /// Ring hash; at random for requests without a hash.
    RingHash {
        /// Least number of points.
        minimum_ring_size: u64,
    },
    /// Maglev; at random for requests without a hash.
    Maglev {
        /// Table size.
        table_size: u64,
    },
    /// `CLUSTER_PROVIDED`.
    ClusterProvided,
}

/// Circuit-breaker limits; Envoy's defaults are 1024/1024/1024/3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Connections to the cluster.
    pub max_connections: u32,
    /// Requests that wait for a connection.
    pub max_pending_requests: u32,
    /// Requests in flight.
    pub max_requests: u32,
    /// Retries in flight.
    pub max_retries: u32,
    /// `retry_budget`: the share of requests under way that may be retries, in place of `max_retries`.
    pub retry_budget: Option<RetryBudget>,
    /// `track_remaining`: gauges show how much is left.
    pub track_remaining: bool,
    /// `per_host_thresholds`: connections to each endpoint.
    pub max_host_connections: Option<u32>,
}

/// `RetryBudget`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    /// `budget_percent`.
    pub percent: f64,
    /// `min_retry_concurrency`: so many are always allowed.
    pub minimum: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            retry_budget: None,
            track_remaining: false,
            max_host_connections: None,
        }
    }
}

/// HTTP towards the endpoints (`HttpProtocolOptions`).
#[derive(Debug, Clone)]
pub struct UpstreamHttp {
    /// Which HTTP version.
    pub protocol: UpstreamProtocol,
    /// `common_http_protocol_options.idle_timeout`; default 1 h, `None` = never.
    pub idle_timeout: Option<Duration>,
    /// `common_http_protocol_options.max_connection_duration`.
    pub max_connection_duration: Option<Duration>,
    /// `common_http_protocol_options.max_stream_duration`: of one attempt; `None` = never (the default).
    pub max_stream_duration: Option<Duration>,
    /// HTTP/2 settings.
    pub http2: Http2Settings,
    /// `upstream_http_protocol_options.auto_sni`.
    pub auto_sni: bool,
    /// `upstream_http_protocol_options.auto_san_validation`.
    pub auto_san_validation: bool,
    /// How header names are spelt towards HTTP/1, and whether it is kept how they came from there.
    pub header_case: HeaderCase,
    /// `send_fully_qualified_url` towards HTTP/1.
    pub full_url: bool,
    /// Trailers are sent and taken over HTTP/1 (`enable_trailers`).
    pub trailers: bool,
    /// `common_http_protocol_options.max_headers_count`; default 100.
    pub max_headers_count: u32,
    /// `common_http_protocol_options.max_response_headers_kb` in octets; `None` is the codec's default.
    pub max_response_headers: Option<u32>,
    /// `http_filters` before the codec, in place of the router's.
    pub filters: Vec<HttpFilter>,
    /// `request_mirror_policies`, in place of the route's.
    pub mirrors: Vec<Mirror>,
    /// `hash_policy`, in place of the route's.
    pub hash: Vec<HashPolicy>,
    /// `retry_policy`, in place of the route's.
    pub retry: Option<Arc<RetryPolicy>>,
    /// `outlier_detection.error_matcher`: answers that outlier detection takes for errors, in place of those of 500 and above.
    pub error_matcher: Option<Arc<ResponsePredicate>>,
}

impl Default for UpstreamHttp {
    /// What holds where a cluster says nothing.
    fn default() -> UpstreamHttp {
        UpstreamHttp {
            protocol: UpstreamProtocol::Http1,
            idle_timeout: Some(Duration::from_secs(3600)),
            max_connection_duration: None,
            max_stream_duration: None,
            http2: Http2Settings::default(),
            auto_sni: false,
            auto_san_validation: false,
            header_case: HeaderCase::Lower,
            full_url: false,
            trailers: false,
            max_headers_count: 100,
            max_response_headers: None,
            filters: Vec::new(),
            mirrors: Vec::new(),
            hash: Vec::new(),
            retry: None,
            error_matcher: None,
        }
    }
}

/// Choice of the upstream HTTP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// `explicit_http_config.http_protocol_options`, and the default.
    Http1,
    /// `explicit_http_config.http2_protocol_options`; prior knowledge on plaintext.
    Http2,
    /// `use_downstream_protocol_config`.
    Downstream,
    /// `auto_config`: by ALPN.
    Auto,
}

/// How bytes are carried to an endpoint.
#[derive(Debug, Clone)]
pub enum UpstreamTransport {
    /// Plain TCP.
    Raw,
    /// TLS.
    Tls(Arc<UpstreamTls>),
    /// `internal_upstream`: accepted, never selectable.
    Internal,
    /// `upstream_proxy_protocol` around another transport.
    ProxyProtocol {
        /// 1 or 2.
        version: u8,
        /// `added_tlvs`, as version 2 writes them.
        added: Arc<[u8]>,
        /// `pass_through_tlvs`: which of the client's follow.
        passes: Passed,
        /// The wrapped transport.
        inner: Box<UpstreamTransport>,
    },
    /// `http_11_proxy` around another transport: connections go to the proxy that the endpoint, its locality or this names, and those with TLS
    /// ask it for a tunnel.
    HttpProxy {
        /// `default_proxy_address`.
        default: Option<SocketAddr>,
        /// The wrapped transport.
        inner: Box<UpstreamTransport>,
    },
}

impl UpstreamTransport {
    /// TLS, perhaps behind a header of the PROXY protocol or through a proxy.
    pub fn is_tls(&self) -> bool {
        matches!(self.innermost(), UpstreamTransport::Tls(_))
    }

    /// What others are wrapped around.
    pub fn innermost(&self) -> &UpstreamTransport {
        match self {
            UpstreamTransport::ProxyProtocol { inner, .. } | UpstreamTransport::HttpProxy { inner, .. } => {
                inner.innermost()
            }
            UpstreamTransport::Raw | UpstreamTransport::Tls(_) | UpstreamTransport::Internal => self,
        }
    }
}

/// `HappyEyeballsConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HappyEyeballs {
    /// `first_address_family_version`: whether IPv4 comes first; `None` = whatever the first address is.
    pub four_first: Option<bool>,
    /// `first_address_family_count`: so many of them before one of the other family.
    pub count: usize,
}

impl Default for HappyEyeballs {
    fn default() -> HappyEyeballs {
        HappyEyeballs { four_first: None, count: 1 }
    }
}

/// `PreconnectPolicy`; a ratio of 1 is as many connections as are needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preconnect {
    /// `per_upstream_preconnect_ratio`: of a host's own requests.
    pub per_host: f64,
    /// `predictive_preconnect_ratio`: of all requests, at the hosts that come next.
    pub ahead: f64,
}

impl Default for Preconnect {
    fn default() -> Preconnect {
        Preconnect { per_host: 1.0, ahead: 1.0 }
    }
}

/// One entry of `transport_socket_matches`.
#[derive(Debug, Clone)]
pub struct TransportMatch {
    /// Name, e.g. `tlsMode-istio`.
    pub name: Arc<str>,
    /// Every pair must be in the endpoint's `envoy.transport_socket_match`; empty matches all.
    pub criteria: Criteria,
    /// What is used then.
    pub transport: UpstreamTransport,
}

/// `TcpKeepalive`; `None` = the system's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpKeepalive {
    /// `keepalive_probes`.
    pub probes: Option<u32>,
    /// `keepalive_time`.
    pub time: Option<Duration>,
    /// `keepalive_interval`.
    pub interval: Option<Duration>,
}
