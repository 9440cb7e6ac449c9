//! Plain configurations, in a line: what a test does not say is as istiod says it, or off.

use std::sync::Arc;
use std::time::Duration;

use config::access_log::{Format, Part};
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
        cookies: Vec::new(),
        certificate_presented: None,
        certificate_validated: None,
        filter_state: Vec::new(),
        ignores_parameters: false,
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
        buffer_limit: None,
        metadata: Arc::default(),
        tracing: None,
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
        weights_by: WeightsBy::Chance,
        metadata_match: None,
        cluster_not_found: 503,
        timeout: None,
        idle_timeout: None,
        flush_timeout: None,
        stream_duration: None,
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
        connect: None,
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
        rate_limits: Vec::new(),
        hedges: false,
        mirrors: Vec::new(),
        per_filter: Vec::new(),
        matcher: None,
        virtual_clusters: Vec::new(),
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

pub(super) fn cluster(name: &str) -> config::cluster::Cluster {
    use config::cluster::*;
    use config::endpoint::HealthStatus;
    Cluster {
        name: name.into(),
        stat_name: name.into(),
        discovery: Discovery::OriginalDst(Default::default()),
        connect_timeout: Duration::from_secs(60),
        balancer: Balancer::RoundRobin,
        panic_threshold: 50.0,
        subsets: None,
        local_zone: None,
        override_host_statuses: Box::new([HealthStatus::Unknown, HealthStatus::Healthy, HealthStatus::Degraded]),
        locality_weighted: false,
        circuit_breaker: Thresholds::default(),
        circuit_breaker_high: Thresholds::default(),
        http: UpstreamHttp { idle_timeout: None, ..UpstreamHttp::default() },
        // Names and protocols are a matter of TLS; what the test's connector makes is no TLS for that.
        transport: UpstreamTransport::Tls(Arc::new(crate::tls::testing::istio_client(&[], Vec::new()))),
        transport_matches: Vec::new(),
        tcp_keepalive: None,
        happy_eyeballs: Default::default(),
        preconnect: Default::default(),
        bind: None,
        outlier_detection: None,
        health_check: None,
        keeps_healthy: true,
        ignores_unchecked: false,
        closes_on_failure: false,
        closes_on_change: false,
        pool_per_client: false,
        balancing: Balancing::default(),
        buffer_limit: 1024 * 1024,
        metadata: Arc::default(),
        metadata_exchange: None,
        max_requests_per_connection: None,
    }
}

/// A route's `max_stream_duration`.
pub(crate) fn lasts(max: Option<Duration>) -> StreamDuration {
    StreamDuration { max: Some(max), ..StreamDuration::default() }
}
