//! HTTP filters as plain data: one line a filter in the list below, one file a filter beside it. Called by the translations of
//! chains (`hcm/filters.rs`) and of `typed_per_filter_config` (`route/per_filter.rs`).
//!
//! A line makes the filter's variant of [`HttpFilterConfig`], that of [`ScopedConfig`] where routes may set something, and its rows
//! in the registry, against which `config/EXTENSIONS.md` is checked. Filters that are known and not read yet have rows in
//! `registry/table.rs`. What a file holds: the plain data, `decode`, and `scoped` for the settings of routes. It reads every
//! field: what cannot act is refused or noted, never dropped.

use std::sync::Arc;

use crate::extension::Extension;
use crate::options::Options;
use crate::registry::{self, Entry, Kind, State, policy};
use crate::rejection::{At, Rejection};

pub mod alpn;
pub mod api_key_auth;
pub mod basic_auth;
pub mod buffer;
pub mod composite;
pub mod compression;
pub mod compressor;
pub mod cors;
pub mod credential_injector;
pub mod csrf;
pub mod decompressor;
pub mod discovery;
pub mod dynamic_forward_proxy;
pub mod ext_authz;
pub mod ext_proc;
pub mod fault;
pub mod grpc_http1_bridge;
pub mod grpc_stats;
pub mod grpc_web;
pub mod header_mutation;
pub mod header_to_metadata;
pub mod health_check;
pub mod istio_stats;
pub mod json_to_metadata;
pub mod jwt_authn;
pub mod local_ratelimit;
pub mod match_delegate;
pub mod network;
pub mod peer_metadata;
pub mod ratelimit;
pub mod rbac;
pub mod set_filter_state;
pub mod set_metadata;
pub mod stateful_session;
pub mod token_bucket;
pub(crate) mod typed;

pub use network::NetworkFilterConfig;

/// The settings of a filter at one level: a table, a virtual host, a route or a weighted cluster.
///
/// The type of the message says what they are; the name says which filter of the chain they are for, and a filter of another type
/// by that name does not use them.
#[derive(Debug, Clone)]
pub struct ScopedFilter {
    /// The filter is switched off here. Where it is false the filter is switched on, also one that the chain has as disabled.
    pub disabled: bool,
    /// What it is told here; `None` where it is only switched, or its settings do not act.
    pub config: Option<ScopedConfig>,
}

/// One line a filter: variant, module, state, `Policy` where it carries any, type, what it does to traffic; and with `routes` the same of its settings.
macro_rules! http_filters {
    ($(
        $variant:ident $module:ident $state:ident $($policy:ident)? $type_name:literal $traffic:literal
        $(routes $scoped:ident $scoped_state:ident $($scoped_policy:ident)? $scoped_type:literal $scoped_traffic:literal)?;
    )*) => {
        /// HTTP filters that are known. What each does to traffic today stands in `config/EXTENSIONS.md`.
        #[derive(Debug, Clone)]
        pub enum HttpFilterConfig {
            $(#[doc = concat!("`", $type_name, "`.")] $variant(Arc<$module::$variant>),)*
            /// `config_discovery`.
            Discovered(Arc<discovery::Discovery<HttpFilterConfig>>),
            /// A filter that is parsed and does not act yet, by type; it is none that carries policy.
            Inert(Arc<str>),
        }

        /// What `typed_per_filter_config` tells a filter.
        #[derive(Debug, Clone)]
        pub enum ScopedConfig {
            $($(#[doc = concat!("`", $scoped_type, "`.")] $variant(Arc<$module::$scoped>),)?)*
        }

        /// The rows of the registry.
        pub(crate) static ENTRIES: &[Entry] = &[
            $(Entry::new(Kind::HttpFilter, $type_name, State::$state, policy!($($policy)?), $traffic),)*
            $($(Entry::new(Kind::PerRoute, $scoped_type, State::$scoped_state, policy!($($scoped_policy)?), $scoped_traffic),)?)*
        ];

        /// The config of a filter that has a line, whatever its state.
        fn read(
            at: &At<'_>,
            extension: &Extension<'_>,
            options: &Options,
        ) -> Option<Result<HttpFilterConfig, Rejection>> {
            Some(match &*extension.type_name {
                $($type_name => $module::decode(at, extension, options)
                    .map(|config| HttpFilterConfig::$variant(Arc::new(config))),)*
                _ => return None,
            })
        }

        /// The settings that a filter with a line has for routes, whatever their state.
        fn read_scoped(
            at: &At<'_>,
            extension: &Extension<'_>,
            options: &Options,
        ) -> Option<Result<ScopedConfig, Rejection>> {
            Some(match &*extension.type_name {
                $($($scoped_type => $module::scoped(at, extension, options)
                    .map(|config| ScopedConfig::$variant(Arc::new(config))),)?)*
                _ => return None,
            })
        }
    };
}

http_filters! {
    Alpn alpn Works "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig" "the upstream ALPN follows the upstream protocol";
    Cors cors Works "envoy.extensions.filters.http.cors.v3.Cors" "acts where a route has a CorsPolicy"
        routes CorsPolicy Works "envoy.extensions.filters.http.cors.v3.CorsPolicy" "preflights are answered, and allowed origins may read responses";
    HeaderMutation header_mutation Works "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation" "headers, trailers and the query; pseudo headers are never removed"
        routes HeaderMutationPerRoute Works "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute" "after those of the filter, in the order that Envoy has";
    GrpcStats grpc_stats Works "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig" "gRPC requests and messages are counted for their cluster; methods by name up to 1024 a cluster and worker";
    Fault fault Works "envoy.extensions.filters.http.fault.v3.HTTPFault" "delays, aborts and slow responses are injected"
        routes Fault Works "envoy.extensions.filters.http.fault.v3.HTTPFault" "delays, aborts and slow responses are injected";
    GrpcWeb grpc_web Works "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb" "gRPC-Web, binary and text, reaches the application as gRPC";
    Compressor compressor Works "envoy.extensions.filters.http.compressor.v3.Compressor" "bodies are compressed by gzip, brotli or zstd"
        routes CompressorPerRoute Works "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute" "as for the chain";
    Decompressor decompressor Works "envoy.extensions.filters.http.decompressor.v3.Decompressor" "bodies are decompressed; one that is none, or a bomb, ends its stream";
    DynamicForwardProxy dynamic_forward_proxy Works "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig" "hosts of requests to a dynamic forward proxy are resolved; sub clusters and save_upstream_address are refused"
        routes NewHost Works "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig" "another host, for the look-up and for the upstream";
    Buffer buffer Works "envoy.extensions.filters.http.buffer.v3.Buffer" "requests are held back until they are here; 413 above max_request_bytes"
        routes BufferPerRoute Works "envoy.extensions.filters.http.buffer.v3.BufferPerRoute" "as for the chain";
    HealthCheck health_check Works "envoy.extensions.filters.http.health_check.v3.HealthCheck" "health checks are answered, or passed on, and left out of statistics";
    StatefulSession stateful_session Works "envoy.extensions.filters.http.stateful_session.v3.StatefulSession" "sessions stay with an endpoint, by cookie or header"
        routes StatefulSessionPerRoute Works "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute" "as for the chain";
    LocalRateLimit local_ratelimit Works "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" "requests that find no token are refused"
        routes LocalRateLimit Works "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" "as for the chain, with buckets of its own";
    SetFilterState set_filter_state Works "envoy.extensions.filters.http.set_filter_state.v3.Config" "objects for the router, later filters and logs; those that nothing reads, upstream subject names, and hashable strings and addresses that are shared with upstreams, are refused"
        routes SetFilterState Works "envoy.extensions.filters.http.set_filter_state.v3.Config" "after those of the chain, the least specific level first";
    Csrf csrf Works Policy "envoy.extensions.filters.http.csrf.v3.CsrfPolicy" "requests that change something come from their own origin"
        routes Csrf Works Policy "envoy.extensions.filters.http.csrf.v3.CsrfPolicy" "the policy of a route, host or table";
    ExtAuthz ext_authz Works Policy "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz" "a gRPC or an HTTP service is asked; route_typed_metadata_context_namespaces is refused"
        routes ExtAuthzPerRoute Works Policy "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute" "context extensions of all levels, body and service in place of the filter's";
    ExtProc ext_proc Works Policy "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor" "a gRPC service is told of requests and responses, and changes or answers them; FULL_DUPLEX_STREAMED, GRPC, observability_mode and http_service are refused"
        routes ExtProcPerRoute Works Policy "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute" "mode, service, metadata and failure_mode_allow in place of the filter's, or none";
    RateLimit ratelimit Works "envoy.extensions.filters.http.ratelimit.v3.RateLimit" "a service says whether requests are above a limit; without its answer they pass, unless failure_mode_deny"
        routes RateLimitPerRoute Works "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute" "limits and the domain in place of the filter's; override_option does not act, as in Envoy";
    BasicAuth basic_auth Works Policy "envoy.extensions.filters.http.basic_auth.v3.BasicAuth" "requests show a user and a password; files of users are read once, as Envoy does"
        routes BasicAuthPerRoute Works Policy "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute" "other users";
    ApiKeyAuth api_key_auth Works Policy "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth" "requests show a key"
        routes ApiKeyAuth Works Policy "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute" "other keys, sources and forwarding, and which clients may come";
    CredentialInjector credential_injector Works Policy "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector" "requests carry a credential from a generic secret to the application, or are answered 401";
    HeaderToMetadata header_to_metadata Works "envoy.extensions.filters.http.header_to_metadata.v3.Config" "headers and cookies become dynamic metadata; pseudo headers are never removed"
        routes HeaderToMetadata Works "envoy.extensions.filters.http.header_to_metadata.v3.Config" "in place of the filter's rules";
    JsonToMetadata json_to_metadata Works "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata" "values of JSON bodies up to 1 MiB become dynamic metadata"
        routes JsonToMetadata Works "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata" "in place of the filter's rules";
    Rbac rbac Works Policy "envoy.extensions.filters.http.rbac.v3.RBAC" "requests are judged; CEL conditions with functions, or with attributes of Envoy's, that are not known here are refused; other names have no value, as in Envoy"
        routes RbacPerRoute Works Policy "envoy.extensions.filters.http.rbac.v3.RBACPerRoute" "rules in place of the filter's, or none";
    JwtAuthn jwt_authn Works Policy "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" "requests show the tokens that are required, of keys inline or fetched; a rule's match by path, headers and query"
        routes JwtAuthnPerRoute Works Policy "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig" "a requirement of the filter's by name, or none";
    MatchDelegate match_delegate Works "envoy.extensions.common.matching.v3.ExtensionWithMatcher" "the filter inside acts unless its tree skips it"
        routes MatchDelegatePerRoute Works "envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute" "a tree in place of the filter's";
    Composite composite Works "envoy.extensions.filters.http.composite.v3.Composite" "becomes what its tree says; dynamic_config in what a route tells is refused"
        routes CompositePerRoute Works "envoy.extensions.filters.http.composite.v3.CompositePerRoute" "a tree in place of the filter's";
    SetMetadata set_metadata Works "envoy.extensions.filters.http.set_metadata.v3.Config" "dynamic metadata for later filters and logs"
        routes SetMetadata Works "envoy.extensions.filters.http.set_metadata.v3.Config" "after those of the filter, the most specific level alone";
    PeerMetadata peer_metadata Works "io.istio.http.peer_metadata.Config" "peers tell each other what they are by headers or baggage; it stands in filter state, and headers go no further; workloads are asked for of peers that do not say what they are, over ADS (workload_discovery of the bootstrap)";
    IstioStats istio_stats Works "stats.PluginConfig" "Istio's metrics of requests and of gRPC's messages";
    GrpcHttp1Bridge grpc_http1_bridge Works "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config" "HTTP/1.1 clients call gRPC; bodies are held up to 1 MiB";
}

/// A filter of a chain that is known. One that acts has been read; one that does not is checked and named to the operator.
pub(crate) fn http(
    at: &At<'_>,
    name: &str,
    entry: &Entry,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<HttpFilterConfig, Rejection> {
    match acting(at, name, entry, || read(at, extension, options))? {
        Some(config) => Ok(config),
        None => {
            registry::inert(at, Kind::HttpFilter, name, extension, options)?;
            Ok(HttpFilterConfig::Inert(Arc::from(&*extension.type_name)))
        }
    }
}

/// Settings of a filter for a route that are known; `None` where they do not act.
pub(crate) fn scoped(
    at: &At<'_>,
    name: &str,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<Option<ScopedConfig>, Rejection> {
    let Some(entry) = registry::find(Kind::PerRoute, &extension.type_name) else {
        return Err(registry::not_registered(at, name, &extension.type_name));
    };
    let config = acting(at, name, entry, || read_scoped(at, extension, options))?;
    if config.is_none() {
        registry::inert(at, Kind::PerRoute, name, extension, options)?;
    }
    Ok(config)
}

/// What was read, if it acts. What does not act is read too, so that a wrong value is rejected all the same.
fn acting<T>(
    at: &At<'_>,
    name: &str,
    entry: &Entry,
    read: impl FnOnce() -> Option<Result<T, Rejection>>,
) -> Result<Option<T>, Rejection> {
    if entry.state == State::Refused {
        return Err(registry::refused(at, name, entry));
    }
    let Some(config) = read() else { return Ok(None) };
    let config = config.map_err(|rejection| registry::of(rejection, entry))?;
    Ok((entry.state == State::Works).then_some(config))
}

#[cfg(test)]
pub(crate) mod tests;
