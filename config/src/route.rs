//! Routes (`envoy.config.route.v3.RouteConfiguration`). Host and path lookup over them is the proxy's matter.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::access_log::Format;
use crate::filters::ScopedFilter;
use crate::header_mutation::HeaderMutation;
use crate::matcher::{Fraction, HeaderMatcher, MetadataMatcher, QueryParameterMatcher};
use crate::metadata::Metadata;
use crate::rate_limit::RateLimit;

mod action;
pub(crate) mod decode;
pub(crate) mod hash;
pub(crate) mod headers;
mod internal_redirect;
pub(crate) mod matching;
pub(crate) mod mirror;
mod per_filter;
pub(crate) mod retry;

pub use decode::{decode, from_proto};

/// `RouteConfiguration`.
#[derive(Debug, Clone)]
pub struct RouteConfiguration {
    /// Resource name.
    pub name: Arc<str>,
    /// Virtual hosts in order.
    pub virtual_hosts: Vec<Arc<VirtualHost>>,
    /// `ignore_port_in_host_matching`.
    pub ignore_port_in_host: bool,
    /// `internal_only_headers`, lower case.
    pub internal_only_headers: Vec<Arc<str>>,
    /// Header changes at this level.
    pub headers: HeaderChanges,
    /// `most_specific_header_mutations_wins`.
    pub most_specific_headers_win: bool,
    /// `request_mirror_policies`, for virtual hosts without any.
    pub mirrors: Vec<Mirror>,
    /// `typed_per_filter_config`, by filter name, sorted.
    pub per_filter: Vec<(Arc<str>, ScopedFilter)>,
}

/// `VirtualHost`.
#[derive(Debug, Clone)]
pub struct VirtualHost {
    /// Name.
    pub name: Arc<str>,
    /// `metadata`.
    pub metadata: Arc<Metadata>,
    /// Lower case: exact, `*.suffix`, `prefix.*` or `*`.
    pub domains: Vec<Arc<str>>,
    /// In order, first match wins.
    pub routes: Vec<Arc<Route>>,
    /// `require_tls`.
    pub require_tls: RequireTls,
    /// Default for routes without one.
    pub retry: Option<Arc<RetryPolicy>>,
    /// `include_request_attempt_count`.
    pub attempt_count_in_request: bool,
    /// `include_is_timeout_retry_header`: retries say whether a timeout led to them.
    pub timeout_retry_in_request: bool,
    /// `include_attempt_count_in_response`.
    pub attempt_count_in_response: bool,
    /// Header changes at this level.
    pub headers: HeaderChanges,
    /// `per_request_buffer_limit_bytes`.
    pub buffer_limit: Option<u32>,
    /// `rate_limits`.
    pub rate_limits: Vec<RateLimit>,
    /// `hedge_policy.hedge_on_per_try_timeout`, for routes without a hedge policy.
    pub hedges: bool,
    /// `request_mirror_policies`, for routes without any; empty: those of the table.
    pub mirrors: Vec<Mirror>,
    /// `typed_per_filter_config`, by filter name, sorted.
    pub per_filter: Vec<(Arc<str>, ScopedFilter)>,
}

/// `VirtualHost.require_tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequireTls {
    /// No.
    #[default]
    No,
    /// For external requests.
    ExternalOnly,
    /// Always.
    All,
}

/// `Route`.
#[derive(Debug, Clone)]
pub struct Route {
    /// Name for logs; may be empty.
    pub name: Arc<str>,
    /// When it is taken.
    pub matches: RouteMatch,
    /// What is done.
    pub action: Action,
    /// Header changes at this level.
    pub headers: HeaderChanges,
    /// `decorator.operation`.
    pub decorator: Option<Arc<str>>,
    /// `decorator.propagate`, default true.
    pub decorator_propagate: bool,
    /// `stat_prefix`.
    pub stat_prefix: Option<Arc<str>>,
    /// `metadata`.
    pub metadata: Arc<Metadata>,
    /// `typed_per_filter_config`, by filter name, sorted.
    pub per_filter: Vec<(Arc<str>, ScopedFilter)>,
}

/// `RouteMatch`.
#[derive(Debug, Clone)]
pub struct RouteMatch {
    /// On the path, query excluded.
    pub path: PathMatch,
    /// `case_sensitive`, default true; prefix, path and separated prefix obey it.
    pub case_sensitive: bool,
    /// All of.
    pub headers: Vec<HeaderMatcher>,
    /// All of.
    pub query: Vec<QueryParameterMatcher>,
    /// `grpc`: only gRPC requests.
    pub grpc: bool,
    /// `runtime_fraction.default_value`.
    pub fraction: Option<Fraction>,
    /// `dynamic_metadata`: all of. Filters write it: such a route is for requests whose route is chosen again after them.
    pub dynamic_metadata: Vec<MetadataMatcher>,
}

/// Path condition.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// `prefix`.
    Prefix(Arc<str>),
    /// `path`.
    Exact(Arc<str>),
    /// `safe_regex`, full match.
    Regex(regex::bytes::Regex),
    /// `path_separated_prefix`.
    SeparatedPrefix(Arc<str>),
    /// `connect_matcher`.
    Connect,
}

/// What a route does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Send it to a cluster.
    Forward(Arc<Forward>),
    /// Redirect.
    Redirect(Arc<Redirect>),
    /// Answer.
    Direct(Arc<DirectResponse>),
    /// `non_forwarding_action`, answered 404-like as Envoy's HCM does not route it.
    NonForwarding,
}

/// `RouteAction`.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Cluster or clusters.
    pub cluster: ClusterChoice,
    /// `cluster_not_found_response_code`; 503 or 404 or 500.
    pub cluster_not_found: u16,
    /// `timeout`; default 15 s, `None` = never (0 s in the config).
    pub timeout: Option<Duration>,
    /// `idle_timeout`; outer `None` = inherit, inner `None` = never.
    pub idle_timeout: Option<Option<Duration>>,
    /// `flush_timeout`; outer `None` = inherit, inner `None` = never.
    pub flush_timeout: Option<Option<Duration>>,
    /// `max_stream_duration.max_stream_duration`; outer `None` = unset.
    pub max_stream_duration: Option<Option<Duration>>,
    /// `max_stream_duration.grpc_timeout_header_max` or the deprecated `max_grpc_timeout`: outer `None` = the header is ignored,
    /// inner `None` = honoured without a cap.
    pub grpc_timeout_max: Option<Option<Duration>>,
    /// `max_stream_duration.grpc_timeout_header_offset` or the deprecated `grpc_timeout_offset`: taken off the header's value, if that is
    /// longer.
    pub grpc_timeout_offset: Option<Duration>,
    /// `retry_policy`.
    pub retry: Option<Arc<RetryPolicy>>,
    /// Path rewrite.
    pub rewrite: Option<PathRewrite>,
    /// Host rewrite.
    pub host_rewrite: Option<HostRewrite>,
    /// `append_x_forwarded_host`.
    pub append_x_forwarded_host: bool,
    /// `request_mirror_policies`; empty: those of the virtual host.
    pub mirrors: Vec<Mirror>,
    /// `internal_redirect_policy`, or what it replaced.
    pub internal_redirect: Option<InternalRedirect>,
    /// `hedge_policy.hedge_on_per_try_timeout`; `None`: as the virtual host says.
    pub hedges: Option<bool>,
    /// Hash policies.
    pub hash: Vec<HashPolicy>,
    /// `rate_limits`.
    pub rate_limits: Vec<RateLimit>,
    /// `include_vh_rate_limits`: those of the virtual host beside them.
    pub include_host_rate_limits: bool,
    /// Upgrades of this route, over those of the connection manager.
    pub upgrades: Vec<Upgrade>,
    /// `priority: HIGH`.
    pub high_priority: bool,
}

/// `cluster`, `weighted_clusters` or `cluster_header`.
#[derive(Debug, Clone)]
pub enum ClusterChoice {
    /// One.
    Single(Arc<str>),
    /// By weight; zero weights are kept and never chosen.
    Weighted(Vec<WeightedCluster>),
    /// The value of this request header names it.
    Header(Arc<str>),
}

/// `WeightedCluster.ClusterWeight`.
#[derive(Debug, Clone)]
pub struct WeightedCluster {
    /// Cluster.
    pub name: Arc<str>,
    /// Share.
    pub weight: u32,
    /// Header changes of this cluster.
    pub headers: HeaderChanges,
    /// `host_rewrite_literal`.
    pub host_rewrite: Option<Arc<str>>,
    /// `typed_per_filter_config`, by filter name, sorted.
    pub per_filter: Vec<(Arc<str>, ScopedFilter)>,
}

/// Rewrites of the path.
#[derive(Debug, Clone)]
pub enum PathRewrite {
    /// The matched prefix (or full path) is replaced by this.
    Prefix(Arc<str>),
    /// All matches are replaced; `\1` are groups.
    Regex {
        /// Pattern.
        pattern: regex::bytes::Regex,
        /// Substitution in RE2's syntax.
        substitution: Arc<str>,
    },
}

/// Rewrites of the host.
#[derive(Debug, Clone)]
pub enum HostRewrite {
    /// This value.
    Literal(Arc<str>),
    /// The endpoint's hostname.
    Auto,
    /// The value of this header.
    Header(Arc<str>),
    /// From the path.
    PathRegex {
        /// Pattern.
        pattern: regex::bytes::Regex,
        /// Substitution.
        substitution: Arc<str>,
    },
}

/// `InternalRedirectPolicy`: redirects that the upstream answers with, and that are followed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalRedirect {
    /// `max_internal_redirects`; default 1.
    pub most: u32,
    /// `redirect_response_codes`; default 302.
    pub codes: Vec<u16>,
    /// `predicates`: each must agree.
    pub predicates: Vec<RedirectPredicate>,
    /// `allow_cross_scheme_redirect`.
    pub crosses_schemes: bool,
    /// `response_headers_to_copy`, lower case: they replace those of the request.
    pub copied: Vec<Arc<str>>,
}

/// Which redirects are followed (`InternalRedirectPolicy.predicates`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectPredicate {
    /// Not to a route that this one has led to before.
    PreviousRoutes,
    /// Only to routes of these names.
    AllowListedRoutes(Vec<Arc<str>>),
    /// Not from http to https.
    SafeCrossScheme,
    /// As a boolean of the filter state says.
    FilterState {
        /// `redirect_enabled_key`.
        key: Arc<str>,
        /// `redirect_if_absent`.
        if_absent: bool,
    },
}

/// `RequestMirrorPolicy`: a copy of the request goes there, and its answer nowhere.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// `cluster` or `cluster_header`.
    pub to: MirrorTarget,
    /// `runtime_fraction`: the share of requests; `None` = all.
    pub fraction: Option<Fraction>,
    /// `disable_shadow_host_suffix_append`: the host goes without `-shadow`.
    pub keeps_host: bool,
    /// `request_headers_mutations`, in order.
    pub mutations: Vec<HeaderMutation>,
    /// `host_rewrite_literal`, in place of the suffix.
    pub host_rewrite: Option<Arc<str>>,
}

/// Where a mirror goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MirrorTarget {
    /// This cluster.
    Cluster(Arc<str>),
    /// The cluster that this request header names; without it nowhere.
    Header(Arc<str>),
}

/// `hash_policy`.
#[derive(Debug, Clone)]
pub enum HashPolicy {
    /// A header's value.
    Header(Arc<str>),
    /// A cookie, made when absent if it has a ttl.
    Cookie {
        /// Name.
        name: Arc<str>,
        /// Lifetime.
        ttl: Option<Duration>,
        /// Path.
        path: Arc<str>,
    },
    /// Source address.
    SourceIp,
    /// A query parameter.
    QueryParameter(Arc<str>),
}

/// `RetryPolicy`.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// When.
    pub on: RetryOn,
    /// How often; default 1.
    pub num_retries: u32,
    /// `per_try_timeout`; `None` = the route's.
    pub per_try_timeout: Option<Duration>,
    /// `per_try_idle_timeout`.
    pub per_try_idle_timeout: Option<Duration>,
    /// With `retriable-status-codes`.
    pub status_codes: Vec<u16>,
    /// With `retriable-headers`: a response that any of these fits.
    pub headers: Vec<HeaderMatcher>,
    /// `retriable_request_headers`: only requests that any of these fits; without one, all.
    pub request_headers: Vec<HeaderMatcher>,
    /// `retry_back_off.base_interval`; default 25 ms.
    pub base_interval: Duration,
    /// `retry_back_off.max_interval`; default ten times the base.
    pub max_interval: Duration,
    /// `rate_limited_retry_back_off`: when the response itself says how long to wait.
    pub rate_limited: Option<RateLimitedBackOff>,
    /// `retry_host_predicate`: hosts that a retry declines.
    pub predicates: Vec<HostPredicate>,
    /// `host_selection_retry_max_attempts`; default 1.
    pub host_selection_attempts: u32,
    /// `previous_priorities`, with its update frequency.
    pub previous_priorities: Option<u32>,
}

/// `RetryPolicy.RateLimitedRetryBackOff`.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimitedBackOff {
    /// Looked at in order; the first that gives a time within `max_interval` counts.
    pub headers: Vec<ResetHeader>,
    /// Longer waits are not believed; default 300 s.
    pub max_interval: Duration,
}

/// `RetryPolicy.ResetHeader`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetHeader {
    /// Lower case.
    pub name: Arc<str>,
    /// The value is a moment (`UNIX_TIMESTAMP`), not a number of seconds.
    pub is_timestamp: bool,
}

/// A predicate of `retry_host_predicate`.
#[derive(Debug, Clone, PartialEq)]
pub enum HostPredicate {
    /// `envoy.retry_host_predicates.previous_hosts`: those that were tried.
    PreviousHosts,
    /// `envoy.retry_host_predicates.omit_canary_hosts`.
    OmitCanaryHosts,
    /// `envoy.retry_host_predicates.omit_host_metadata`: those that have all of these under `envoy.lb`.
    OmitMetadata(Vec<(Arc<str>, serde_json::Value)>),
}

/// Conditions of `retry_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryOn(pub u32);

impl RetryOn {
    /// `5xx`.
    pub const SERVER_ERROR: u32 = 1;
    /// `gateway-error`.
    pub const GATEWAY_ERROR: u32 = 1 << 1;
    /// `connect-failure`.
    pub const CONNECT_FAILURE: u32 = 1 << 2;
    /// `retriable-4xx`.
    pub const RETRIABLE_4XX: u32 = 1 << 3;
    /// `refused-stream`.
    pub const REFUSED_STREAM: u32 = 1 << 4;
    /// `retriable-status-codes`.
    pub const STATUS_CODES: u32 = 1 << 5;
    /// `reset`.
    pub const RESET: u32 = 1 << 6;
    /// `reset-before-request`.
    pub const RESET_BEFORE_REQUEST: u32 = 1 << 7;
    /// gRPC `cancelled`.
    pub const GRPC_CANCELLED: u32 = 1 << 8;
    /// gRPC `deadline-exceeded`.
    pub const GRPC_DEADLINE_EXCEEDED: u32 = 1 << 9;
    /// gRPC `resource-exhausted`.
    pub const GRPC_RESOURCE_EXHAUSTED: u32 = 1 << 10;
    /// gRPC `unavailable`.
    pub const GRPC_UNAVAILABLE: u32 = 1 << 11;
    /// gRPC `internal`.
    pub const GRPC_INTERNAL: u32 = 1 << 12;
    /// `retriable-headers`.
    pub const RETRIABLE_HEADERS: u32 = 1 << 13;
    /// `envoy-ratelimited`.
    pub const ENVOY_RATELIMITED: u32 = 1 << 14;

    /// Conditions on gRPC statuses.
    const GRPC: u32 = RetryOn::GRPC_CANCELLED
        | RetryOn::GRPC_DEADLINE_EXCEEDED
        | RetryOn::GRPC_RESOURCE_EXHAUSTED
        | RetryOn::GRPC_UNAVAILABLE
        | RetryOn::GRPC_INTERNAL;

    /// Those about gRPC statuses.
    pub fn grpc(self) -> RetryOn {
        RetryOn(self.0 & RetryOn::GRPC)
    }

    /// The others.
    pub fn http(self) -> RetryOn {
        RetryOn(self.0 & !RetryOn::GRPC)
    }

    /// Whether any of these conditions is asked for.
    pub fn has(self, conditions: u32) -> bool {
        self.0 & conditions != 0
    }
}

/// `RedirectAction`.
#[derive(Debug, Clone, PartialEq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `scheme_redirect`; `https_redirect` is `https`.
    pub scheme: Option<Arc<str>>,
    /// `host_redirect`.
    pub host: Option<Arc<str>>,
    /// `port_redirect`.
    pub port: Option<u16>,
    /// `path_redirect`, may carry a query.
    pub path: Option<Arc<str>>,
    /// `prefix_rewrite`.
    pub prefix: Option<Arc<str>>,
    /// `strip_query`.
    pub strip_query: bool,
}

/// `DirectResponseAction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectResponse {
    /// Status code.
    pub status: u16,
    /// Body; empty when unset.
    pub body: Bytes,
}

/// An upgrade that is allowed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Lower case: `websocket`, `connect`.
    pub kind: Arc<str>,
    /// Allowed.
    pub enabled: bool,
}

/// Header changes of one level.
#[derive(Debug, Clone, Default)]
pub struct HeaderChanges {
    /// On requests.
    pub request_add: Vec<HeaderAdd>,
    /// On requests, lower case.
    pub request_remove: Vec<Arc<str>>,
    /// On responses.
    pub response_add: Vec<HeaderAdd>,
    /// On responses, lower case.
    pub response_remove: Vec<Arc<str>>,
}

impl HeaderChanges {
    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.request_add.is_empty()
            && self.request_remove.is_empty()
            && self.response_add.is_empty()
            && self.response_remove.is_empty()
    }
}

/// `HeaderValueOption`.
#[derive(Debug, Clone)]
pub struct HeaderAdd {
    /// Lower case.
    pub name: Arc<str>,
    /// May hold `%COMMAND%` operators.
    pub value: Format,
    /// `append_action`.
    pub action: AppendAction,
    /// `keep_empty_value`.
    pub keep_empty: bool,
}

/// `HeaderValueOption.append_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendAction {
    /// Another value beside what is there.
    AppendOrAdd,
    /// Only when absent.
    AddIfAbsent,
    /// In place of what is there, or new.
    OverwriteOrAdd,
    /// Only in place of what is there.
    OverwriteIfExists,
}
