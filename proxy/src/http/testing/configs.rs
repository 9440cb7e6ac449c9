//! Plain configurations, in a line: what a test does not say is as istiod says it, or off.

use std::sync::Arc;
use std::time::Duration;

use config::access_log::{Format, Part};
use config::hcm::*;
use config::route::*;

pub fn prefix_match(prefix: &str) -> RouteMatch {
    RouteMatch {
        path: PathMatch::Prefix(prefix.into()),
        case_sensitive: true,
        headers: Vec::new(),
        query: Vec::new(),
        grpc: false,
        fraction: None,
        dynamic_metadata: Vec::new(),
    }
}

pub fn route(prefix: &str, action: Action) -> Route {
    Route {
        name: "r".into(),
        matches: prefix_match(prefix),
        action,
        headers: HeaderChanges::default(),
        decorator: None,
        decorator_propagate: true,
        stat_prefix: None,
        metadata: Arc::default(),
        per_filter: Vec::new(),
    }
}

/// `/` to `app`, as changed.
pub fn to_app(change: impl FnOnce(&mut Forward)) -> Vec<Route> {
    vec![route("/", forward("app", change))]
}

pub fn forward(cluster: &str, change: impl FnOnce(&mut Forward)) -> Action {
    let mut forward = Forward {
        cluster: ClusterChoice::Single(cluster.into()),
        cluster_not_found: 503,
        timeout: None,
        idle_timeout: None,
        max_stream_duration: None,
        grpc_timeout_max: None,
        grpc_timeout_offset: None,
        retry: None,
        rewrite: None,
        host_rewrite: None,
        append_x_forwarded_host: false,
        mirrors: Vec::new(),
        internal_redirect: None,
        hedges: None,
        hash: Vec::new(),
        upgrades: Vec::new(),
        rate_limits: Vec::new(),
        include_host_rate_limits: false,
        high_priority: false,
    };
    change(&mut forward);
    Action::Forward(Arc::new(forward))
}

pub fn retry_on(conditions: u32, num_retries: u32) -> RetryPolicy {
    RetryPolicy {
        on: RetryOn(conditions),
        num_retries,
        per_try_timeout: None,
        per_try_idle_timeout: None,
        status_codes: Vec::new(),
        base_interval: Duration::from_millis(25),
        max_interval: Duration::from_millis(250),
        headers: Vec::new(),
        request_headers: Vec::new(),
        rate_limited: None,
        predicates: Vec::new(),
        host_selection_attempts: 1,
        previous_priorities: None,
    }
}

pub fn virtual_host(name: &str, domains: &[&str], routes: Vec<Route>) -> VirtualHost {
    VirtualHost {
        metadata: Arc::default(),
        name: name.into(),
        domains: domains.iter().map(|domain| Arc::from(*domain)).collect(),
        routes: routes.into_iter().map(Arc::new).collect(),
        require_tls: RequireTls::No,
        retry: None,
        attempt_count_in_request: false,
        timeout_retry_in_request: false,
        attempt_count_in_response: false,
        headers: HeaderChanges::default(),
        buffer_limit: None,
        rate_limits: Vec::new(),
        hedges: false,
        mirrors: Vec::new(),
        per_filter: Vec::new(),
    }
}

pub fn add(name: &str, value: &str, action: AppendAction) -> HeaderAdd {
    HeaderAdd {
        name: name.into(),
        value: Format { parts: vec![Part::Literal(value.into())], omit_empty: false },
        action,
        keep_empty: false,
    }
}

/// As istiod configures an outbound listener, tracing left out.
pub(super) fn manager() -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: "test".into(),
        codec: CodecType::Auto,
        routes: RouteSource::Rds { name: "test".into(), initial_fetch_timeout: None },
        filters: Vec::new(),
        router: Router {
            suppress_envoy_headers: false,
            dynamic_stats: true,
            suppress_grpc_codes: false,
            strict_headers: Vec::new(),
            respect_expected_timeout: false,
            upstream_log: Vec::new(),
            upstream_filters: Vec::new(),
        },
        use_remote_address: false,
        xff_num_trusted_hops: 0,
        skip_xff_append: false,
        internal_ranges: Vec::new(),
        generate_request_id: true,
        preserve_external_request_id: false,
        request_id_in_response: false,
        request_id_packs_trace_reason: true,
        request_id_samples: true,
        server_name: "envoy".into(),
        server_header: ServerHeader::Overwrite,
        forward_client_cert: ForwardClientCert::Sanitize,
        client_cert_details: ClientCertDetails::default(),
        proxy_100_continue: true,
        normalize_path: true,
        merge_slashes: false,
        escaped_slashes: EscapedSlashes::Keep,
        strip_host_port: StripHostPort::Keep,
        strip_trailing_host_dot: false,
        append_x_forwarded_port: false,
        upgrades: vec![Upgrade { kind: "websocket".into(), enabled: true }],
        http1: Http1Settings::default(),
        http2: config::cluster::Http2Settings::default(),
        idle_timeout: Some(Duration::from_secs(3600)),
        max_connection_duration: None,
        max_requests_per_connection: None,
        max_headers_count: 100,
        max_request_headers: 60 * 1024,
        underscores: Underscores::Allow,
        stream_idle_timeout: None,
        stream_flush_timeout: None,
        request_timeout: None,
        request_headers_timeout: None,
        drain_timeout: Duration::from_secs(5),
        delayed_close_timeout: Some(Duration::from_secs(1)),
        via: None,
        tracing: None,
        reject_fragment: false,
        access_log: Vec::new(),
    }
}

pub(super) fn cluster(name: &str) -> config::cluster::Cluster {
    use config::cluster::*;
    Cluster {
        name: name.into(),
        stat_name: name.into(),
        discovery: Discovery::OriginalDst,
        connect_timeout: Duration::from_secs(5),
        balancer: Balancer::RoundRobin,
        panic_threshold: 50.0,
        override_host_statuses: Box::default(),
        locality_weighted: false,
        circuit_breaker: Thresholds::default(),
        circuit_breaker_high: Thresholds::default(),
        http: UpstreamHttp { idle_timeout: None, ..UpstreamHttp::default() },
        transport: UpstreamTransport::Raw,
        transport_matches: Vec::new(),
        tcp_keepalive: None,
        bind_address: None,
        outlier_detection: None,
        buffer_limit: 1024 * 1024,
        metadata: Arc::default(),
        metadata_exchange: false,
        max_requests_per_connection: None,
    }
}
