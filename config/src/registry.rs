//! Every extension that this build knows, by type: what it does to traffic today. Read by the translations and by the test that
//! compares it with `config/EXTENSIONS.md`. A type that is not here is refused as Envoy refuses it, unless it is optional.
//!
//! The rule behind the states: what could let traffic pass that a policy forbids is refused, so that the resource is
//! rejected with the filter's name; what only observes or improves traffic may be parsed without acting.

use crate::descriptors::Descriptors;
use crate::extension::Extension;
use crate::options::Options;
use crate::rejection::{At, Rejection};

mod table;

/// The word of a row of a table that says that the extension carries policy, or its absence.
macro_rules! policy {
    (Policy) => {
        true
    };
    () => {
        false
    };
}
pub(crate) use policy;

/// All extensions that are known.
pub fn extensions() -> impl Iterator<Item = &'static Entry> {
    table::EXTENSIONS.iter().chain(crate::filters::ENTRIES).chain(crate::filters::network::ENTRIES)
}

pub(crate) const FILE_EVENT_SINK: &str = "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink";
pub(crate) const METADATA_EXCHANGE: &str = "envoy.tcp.metadataexchange.config.MetadataExchange";
pub(crate) const UPSTREAM_CODEC: &str = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec";
pub(crate) const WORKLOAD_DISCOVERY: &str = "istio.workload.BootstrapExtension";
pub(crate) const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
pub(crate) const HTTP_CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
pub(crate) const TCP_PROXY: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
pub(crate) const UPSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
pub(crate) const DOWNSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
pub(crate) const SECRET: &str = "envoy.extensions.transport_sockets.tls.v3.Secret";
pub(crate) const SPIFFE_VALIDATOR: &str = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
pub(crate) const RAW_BUFFER: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
pub(crate) const INTERNAL_UPSTREAM: &str =
    "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport";
pub(crate) const UPSTREAM_PROXY_PROTOCOL: &str =
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";
pub(crate) const UPSTREAM_HTTP_PROXY: &str =
    "envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport";
pub(crate) const QUIC_DOWNSTREAM: &str = "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport";
pub(crate) const PRESERVE_CASE: &str =
    "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";
pub(crate) const URI_TEMPLATE_MATCH: &str = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";
pub(crate) const URI_TEMPLATE_REWRITE: &str = "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig";
pub(crate) const FORWARD_CLIENT_CERT: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertConfig";
pub(crate) const CUSTOM_HEADER_ADDRESS: &str =
    "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig";
pub(crate) const FORWARDED_ADDRESS: &str = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig";
pub(crate) const EARLY_HEADER_MUTATION: &str =
    "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation";
pub(crate) const PREVIOUS_ROUTES: &str = "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig";
pub(crate) const ALLOW_LISTED_ROUTES: &str =
    "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig";
pub(crate) const SAFE_CROSS_SCHEME: &str =
    "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig";
pub(crate) const REDIRECT_BY_FILTER_STATE: &str =
    "envoy.extensions.internal_redirect.filter_state.v3.FilterStateConfig";
pub(crate) const OPENTELEMETRY_TRACER: &str = "envoy.config.trace.v3.OpenTelemetryConfig";
pub(crate) const ZIPKIN_TRACER: &str = "envoy.config.trace.v3.ZipkinConfig";
pub(crate) const CEL_FORMATTER: &str = "envoy.extensions.formatter.cel.v3.Cel";
pub(crate) const WITHOUT_QUERY_FORMATTER: &str = "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery";
pub(crate) const CEL_LOG_FILTER: &str = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter";
pub(crate) const GENERIC_CREDENTIAL: &str = "envoy.extensions.http.injected_credentials.generic.v3.Generic";
pub(crate) const GZIP_COMPRESSOR: &str = "envoy.extensions.compression.gzip.compressor.v3.Gzip";
pub(crate) const GZIP_DECOMPRESSOR: &str = "envoy.extensions.compression.gzip.decompressor.v3.Gzip";
pub(crate) const BROTLI_COMPRESSOR: &str = "envoy.extensions.compression.brotli.compressor.v3.Brotli";
pub(crate) const BROTLI_DECOMPRESSOR: &str = "envoy.extensions.compression.brotli.decompressor.v3.Brotli";
pub(crate) const ZSTD_COMPRESSOR: &str = "envoy.extensions.compression.zstd.compressor.v3.Zstd";
pub(crate) const ZSTD_DECOMPRESSOR: &str = "envoy.extensions.compression.zstd.decompressor.v3.Zstd";
pub(crate) const LOAD_BALANCING_PREFIX: &str = "envoy.extensions.load_balancing_policies.";

/// Where an extension may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `Listener.listener_filters`.
    ListenerFilter,
    /// `FilterChain.filters`, and `Cluster.filters`.
    NetworkFilter,
    /// `HttpConnectionManager.http_filters`.
    HttpFilter,
    /// `typed_per_filter_config` of routes, virtual hosts and weighted clusters.
    PerRoute,
    /// `compressor_library` and `decompressor_library`.
    Compression,
    /// `StatefulSession.session_state`.
    SessionState,
    /// Inputs, conditions and actions of match trees.
    MatchTree,
    /// `transport_socket` of a chain or a cluster.
    TransportSocket,
    /// `Cluster.cluster_type`.
    Cluster,
    /// `Cluster.typed_extension_protocol_options`.
    ProtocolOptions,
    /// `Cluster.load_balancing_policy`.
    LoadBalancing,
    /// `typed_dns_resolver_config`.
    DnsResolver,
    /// `access_log`.
    AccessLog,
    /// `AccessLogFilter.extension_filter`.
    AccessLogFilter,
    /// `SubstitutionFormatString.formatters`.
    Formatter,
    /// `HttpConnectionManager.tracing.provider`.
    Tracer,
    /// `OpenTelemetryConfig.resource_detectors`.
    ResourceDetector,
    /// `OpenTelemetryConfig.sampler`.
    Sampler,
    /// `HttpConnectionManager.request_id_extension`.
    RequestId,
    /// `Http1ProtocolOptions.header_key_format`.
    HeaderFormatter,
    /// `HttpConnectionManager.original_ip_detection_extensions`.
    OriginalIp,
    /// `HttpConnectionManager.early_header_mutation_extensions`.
    EarlyHeaders,
    /// `RetryPolicy.retry_host_predicate` and `retry_priority`.
    Retry,
    /// `InternalRedirectPolicy.predicates`.
    InternalRedirect,
    /// `StringMatcher.custom`, path matchers and certificate validators.
    Matcher,
    /// `CredentialInjector.credential`.
    Credential,
    /// `RateLimit.Action.extension`.
    RateLimitDescriptor,
    /// `Bootstrap.bootstrap_extensions`.
    Bootstrap,
    /// `OverloadManager.resource_monitors`.
    ResourceMonitor,
    /// `Bootstrap.stats_sinks`.
    StatsSink,
    /// `HealthCheck.event_logger`.
    EventSink,
}

/// What an extension does today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It acts as Envoy's does.
    Works,
    /// It is parsed and checked, and does nothing yet.
    Inert,
    /// It is parsed and does nothing, where its config asks to let traffic pass when it fails; refused otherwise.
    InertIfFailOpen,
    /// A resource that holds it is rejected.
    Refused,
}

/// An extension.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Where it stands.
    pub kind: Kind,
    /// Full message name, without `type.googleapis.com/`.
    pub type_name: &'static str,
    /// What it does today.
    pub state: State,
    /// It says who may do what. Where it is wanted and not enforced, nothing may pass, so what was in force without it goes too.
    pub policy: bool,
    /// What that means for traffic, or why it is refused.
    pub traffic: &'static str,
    /// Whether bytes are a message of this type.
    check: fn(&[u8]) -> Result<(), prost::DecodeError>,
}

impl Entry {
    /// The row of an extension that its own translation checks.
    pub(crate) const fn new(
        kind: Kind,
        type_name: &'static str,
        state: State,
        policy: bool,
        traffic: &'static str,
    ) -> Entry {
        Entry { kind, type_name, state, policy, traffic, check: table::unread }
    }
}

/// Whether a message of this type says who may do what, or who a peer is: what carries policy, TLS contexts, secrets.
pub(crate) fn holds_policy(type_name: &str) -> bool {
    let names_peers = [DOWNSTREAM_TLS, UPSTREAM_TLS, SECRET].contains(&type_name);
    names_peers || extensions().any(|entry| entry.policy && entry.type_name == type_name)
}

/// The entry of a type at a place.
pub fn find(kind: Kind, type_name: &str) -> Option<&'static Entry> {
    extensions().find(|entry| entry.kind == kind && entry.type_name == type_name)
}

/// Takes an extension that does not act: known, well-formed and not refused.
pub(crate) fn inert(
    at: &At<'_>,
    kind: Kind,
    name: &str,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<(), Rejection> {
    let Some(entry) = find(kind, &extension.type_name) else {
        return Err(not_registered(at, name, &extension.type_name));
    };
    if entry.state == State::Refused {
        return Err(refused(at, name, entry));
    }
    // Where conversion from JSON succeeds, the bytes are well-formed by construction.
    let bytes = extension.bytes(at, options)?;
    (entry.check)(&bytes).map_err(|error| crate::proto::not_a_message(at, &error))?;
    crate::fields::check_inert(&extension.type_name, &bytes, at, options)?;
    if entry.state != State::Works {
        options.note(at, format_args!("{name:?} is parsed and not acting: {}", entry.traffic));
    }
    Ok(())
}

/// The rejection of an extension that this build refuses.
pub(crate) fn refused(at: &At<'_>, name: &str, entry: &Entry) -> Rejection {
    let noun = match entry.kind {
        Kind::ListenerFilter | Kind::NetworkFilter | Kind::HttpFilter | Kind::PerRoute => "filter",
        _ => "extension",
    };
    let rejection =
        at.unsupported(format!("{noun} {name:?} ({}) is not supported yet: {}", entry.type_name, entry.traffic));
    of(rejection, entry)
}

/// The rejection of something about this extension: it withholds policy where the extension carries it.
pub(crate) fn of(rejection: Rejection, entry: &Entry) -> Rejection {
    if entry.policy { rejection.withholding_policy() } else { rejection }
}

/// The rejection of an extension that this build does not know, in Envoy's words, and what to do.
pub(crate) fn not_registered(at: &At<'_>, name: &str, type_name: &str) -> Rejection {
    let reason = format!("Didn't find a registered implementation for '{name}' with type URL: '{type_name}'");
    match Descriptors::knows(type_name) {
        true => at.unsupported(reason),
        false => at.reject(format!("{reason}; take it out, or keep Envoy for this workload")),
    }
}

/// Whether Envoy has an HTTP filter with such a config, also one that is not known here: it may carry policy, and is never left out.
pub(crate) fn configures_http_filter(type_name: &str) -> bool {
    let is_filters_own = type_name.contains(".filters.http.") || type_name.contains(".filter.http.");
    is_filters_own && Descriptors::knows(type_name)
}

/// The same of a place where some of those that are known are refused.
pub(crate) fn unknown(at: &At<'_>, kind: Kind, name: &str, type_name: &str) -> Rejection {
    match find(kind, type_name) {
        Some(entry) if entry.state == State::Refused => refused(at, name, entry),
        _ => not_registered(at, name, type_name),
    }
}

/// A transport socket without a config: Envoy knows the plain one by name.
pub(crate) fn untyped_raw_buffer(at: &At<'_>, name: &str) -> Result<(), Rejection> {
    match name {
        "envoy.transport_sockets.raw_buffer" | "raw_buffer" => Ok(()),
        _ => {
            Err(at.field("typed_config").reject(format!("transport socket {name:?} needs a typed_config; give it one")))
        }
    }
}

#[cfg(test)]
mod tests;
