//! Routes (`envoy.config.route.v3.RouteConfiguration`). Host and path lookup over them is the proxy's matter.

use std::sync::Arc;

use bytes::Bytes;

use crate::access_log::Format;
use crate::filters::ScopedFilter;
use crate::hcm::ReplyFormat;
use crate::match_tree::Matcher;
use crate::matcher::{
    CookieMatcher, FilterStateMatcher, Fraction, HeaderMatcher, MetadataMatcher, QueryParameterMatcher, UriTemplate,
};
use crate::metadata::Metadata;
use crate::rate_limit::RateLimit;
use crate::runtime::Live;
use crate::tracing::OfRoute;

mod action;
pub(crate) mod clusters;
pub(crate) mod decode;
mod forward;
pub(crate) mod hash;
mod header_changes;
pub(crate) mod headers;
mod internal_redirect;
pub(crate) mod matching;
pub(crate) mod mirror;
mod per_filter;
pub(crate) mod retry;
mod retry_policy;
mod tree;

pub use decode::{decode, from_proto};
pub use forward::{
    ClusterChoice, Connect, Forward, HashBy, HashPolicy, HostRewrite, InternalRedirect, Mirror, MirrorTarget,
    PathRewrite, RedirectPredicate, StreamDuration, Upgrade, WeightedCluster, WeightsBy,
};
pub use header_changes::{AppendAction, HeaderAdd, HeaderChanges};
pub use retry_policy::{HostPredicate, RateLimitedBackOff, ResetHeader, RetryOn, RetryPolicy};

/// `RouteConfiguration`.
#[derive(Debug, Clone)]
pub struct RouteConfiguration {
    /// Resource name.
    pub name: Arc<str>,
    /// Virtual hosts in order.
    pub virtual_hosts: Vec<Arc<VirtualHost>>,
    /// `ignore_port_in_host_matching`.
    pub ignore_port_in_host: bool,
    /// `vhost_header`: the header that has the host, in place of the host.
    pub host_header: Option<Arc<str>>,
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
    /// `validate_clusters`; unset means true for a table that stands in its connection manager, and false for one over RDS.
    pub validate_clusters: Option<bool>,
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
    /// `rate_limits`.
    pub rate_limits: Vec<RateLimit>,
    /// `hedge_policy.hedge_on_per_try_timeout`, for routes without a hedge policy.
    pub hedges: bool,
    /// `request_mirror_policies`, for routes without any; empty: those of the table.
    pub mirrors: Vec<Mirror>,
    /// `typed_per_filter_config`, by filter name, sorted.
    pub per_filter: Vec<(Arc<str>, ScopedFilter)>,
    /// `matcher`, in place of `routes`: what it says is a list of them.
    pub matcher: Option<Arc<Matcher<Vec<Arc<Route>>>>>,
    /// `virtual_clusters`.
    pub virtual_clusters: Vec<VirtualCluster>,
}

/// `VirtualCluster`: which requests are counted together.
#[derive(Debug, Clone)]
pub struct VirtualCluster {
    /// Name.
    pub name: Arc<str>,
    /// All of.
    pub headers: Vec<HeaderMatcher>,
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
    /// Octets of a body that may be kept or held, in place of the connection's limit: `request_body_buffer_limit`, else
    /// `per_request_buffer_limit_bytes`, each the route's or else its virtual host's.
    pub buffer_limit: Option<u64>,
    /// `metadata`.
    pub metadata: Arc<Metadata>,
    /// `tracing`.
    pub tracing: Option<Arc<OfRoute>>,
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
    pub fraction: Option<Live<Fraction>>,
    /// `cookies`: all of.
    pub cookies: Vec<CookieMatcher>,
    /// `tls_context.presented`: whether the client has shown a certificate.
    pub certificate_presented: Option<bool>,
    /// `tls_context.validated`: whether it was judged good.
    pub certificate_validated: Option<bool>,
    /// `filter_state`: all of.
    pub filter_state: Vec<FilterStateMatcher>,
    /// `ignore_path_parameters_in_path_matching` of the table: the path ends before the first `;`.
    pub ignores_parameters: bool,
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
    /// `path_match_policy`, a template of URIs: full match.
    Template(UriTemplate),
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
    /// `non_forwarding_action`: answered 503 (`NC`), as a route to a cluster without a name.
    NonForwarding,
}

/// `RedirectAction`.
#[derive(Debug, Clone)]
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
    /// `regex_rewrite`: pattern and substitution.
    pub regex: Option<(regex::bytes::Regex, Arc<str>)>,
    /// `path_rewrite`: a format.
    pub path_format: Option<Format>,
    /// `strip_query`.
    pub strip_query: bool,
}

/// `DirectResponseAction`.
#[derive(Debug, Clone)]
pub struct DirectResponse {
    /// Status code.
    pub status: u16,
    /// Body; empty when unset.
    pub body: Bytes,
    /// `body_format`: how it is written.
    pub format: Option<ReplyFormat>,
}
