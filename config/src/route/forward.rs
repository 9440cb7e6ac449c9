//! What forwarding a request means (`RouteAction`): where to, how it is changed, hashed, mirrored and limited. Made by
//! [`decode`](super::decode), read by the proxy's router.

use std::sync::Arc;
use std::time::Duration;

use super::{HeaderChanges, RetryPolicy};
use crate::access_log::Format;
use crate::filters::ScopedFilter;
use crate::header_mutation::HeaderMutation;
use crate::matcher::{Fraction, TemplatePiece};
use crate::metadata::Criteria;
use crate::rate_limit::RateLimit;
use crate::runtime::Live;

/// `RouteAction`.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Cluster or clusters.
    pub cluster: ClusterChoice,
    /// What chooses among weighted clusters.
    pub weights_by: WeightsBy,
    /// `metadata_match`: of clusters with subsets those with such endpoints.
    pub metadata_match: Option<Arc<Criteria>>,
    /// `cluster_not_found_response_code`; 503 or 404 or 500.
    pub cluster_not_found: u16,
    /// `timeout`; default 15 s, `None` = never (0 s in the config).
    pub timeout: Option<Duration>,
    /// `idle_timeout`; outer `None` = inherit, inner `None` = never.
    pub idle_timeout: Option<Option<Duration>>,
    /// `flush_timeout`; outer `None` = inherit, inner `None` = never.
    pub flush_timeout: Option<Option<Duration>>,
    /// `max_stream_duration`: where it is given, it stands for `timeout` and the two below.
    pub stream_duration: Option<StreamDuration>,
    /// The deprecated `max_grpc_timeout`: outer `None` = the header is ignored, inner `None` = honoured without a cap.
    pub grpc_timeout_max: Option<Option<Duration>>,
    /// The deprecated `grpc_timeout_offset`: taken off the header's value, if that is longer.
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
    /// `upgrade_configs.connect_config`: tunnels end here, and their octets go to the endpoint.
    pub connect: Option<Connect>,
    /// Upgrades of this route, over those of the connection manager.
    pub upgrades: Vec<Upgrade>,
    /// `priority: HIGH`.
    pub high_priority: bool,
}

/// `max_stream_duration` of a route.
#[derive(Debug, Clone, Default)]
pub struct StreamDuration {
    /// `max_stream_duration`: outer `None` = the manager's, inner `None` = never.
    pub max: Option<Option<Duration>>,
    /// `grpc_timeout_header_max`: outer `None` = the header is ignored, inner `None` = honoured without a cap.
    pub grpc_max: Option<Option<Duration>>,
    /// `grpc_timeout_header_offset`: taken off the header's value, of which nothing may be left.
    pub grpc_offset: Duration,
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

/// `WeightedCluster.random_value_specifier`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WeightsBy {
    /// Chance.
    #[default]
    Chance,
    /// `header_name`: a number in this header; without one, chance.
    Header(Arc<str>),
    /// `use_hash_policy`: the hash of the request; without one, chance.
    Hash,
}

/// `WeightedCluster.ClusterWeight`.
#[derive(Debug, Clone)]
pub struct WeightedCluster {
    /// Cluster; empty where a header names it.
    pub name: Arc<str>,
    /// `cluster_header`.
    pub header: Option<Arc<str>>,
    /// Share.
    pub weight: Live<u32>,
    /// `metadata_match`, over that of the route.
    pub metadata_match: Option<Arc<Criteria>>,
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
    /// `path_rewrite_policy`: made of what the template of the match has matched.
    Template {
        /// The template.
        pattern: regex::bytes::Regex,
        /// What is made.
        pieces: Vec<TemplatePiece>,
    },
    /// `path_rewrite`: a format. What comes to nothing rewrites nothing.
    Format(Format),
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
    /// `host_rewrite`: a format. What comes to nothing rewrites nothing.
    Format(Format),
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
    pub fraction: Option<Live<Fraction>>,
    /// `disable_shadow_host_suffix_append`: the host goes without `-shadow`.
    pub keeps_host: bool,
    /// `request_headers_mutations`, in order.
    pub mutations: Vec<HeaderMutation>,
    /// `host_rewrite_literal`, in place of the suffix.
    pub host_rewrite: Option<Arc<str>>,
    /// `trace_sampled`: it belongs to the trace of its request, where that is traced.
    pub traced: bool,
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
pub struct HashPolicy {
    /// What is hashed.
    pub by: HashBy,
    /// `terminal`: where there is a hash by then, those after it are not asked.
    pub terminal: bool,
}

/// What a [`HashPolicy`] hashes.
#[derive(Debug, Clone)]
pub enum HashBy {
    /// A header's value, rewritten where that is said.
    Header(Arc<str>, Option<(regex::bytes::Regex, Arc<str>)>),
    /// An object of the filter state.
    FilterState(Arc<str>),
    /// A cookie, made when absent if it has a ttl.
    Cookie {
        /// Name.
        name: Arc<str>,
        /// Lifetime.
        ttl: Option<Duration>,
        /// Path.
        path: Arc<str>,
        /// `attributes`: name and value of each.
        attributes: Vec<(Arc<str>, Arc<str>)>,
    },
    /// Source address.
    SourceIp,
    /// A query parameter.
    QueryParameter(Arc<str>),
}

/// `UpgradeConfig.ConnectConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connect {
    /// `proxy_protocol_config`: the version of the header with which the octets begin.
    pub proxy_protocol: Option<u8>,
    /// `allow_post`: so are bodies of POST.
    pub allow_post: bool,
}

/// An upgrade that is allowed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Lower case: `websocket`, `connect`.
    pub kind: Arc<str>,
    /// Allowed.
    pub enabled: bool,
}
