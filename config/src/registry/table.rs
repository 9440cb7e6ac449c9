//! The table of extensions but for the filters that `filters/mod.rs` lists. `Policy` behind the state: it says who may do what.

use envoy_types::pb::envoy::config::trace::v3 as trace;
use envoy_types::pb::envoy::extensions as ext;
use prost::Message;

use super::{Entry, Kind, State, policy};

use Kind::{
    AccessLog, AccessLogFilter, Bootstrap, Cluster, Compression, Credential, DnsResolver, EarlyHeaders, EventSink,
    Formatter, HeaderFormatter, HttpFilter, InternalRedirect, ListenerFilter, LoadBalancing, MatchTree, Matcher,
    NetworkFilter, OriginalIp, PerRoute, ProtocolOptions, RateLimitDescriptor, RequestId, ResourceDetector,
    ResourceMonitor, Retry, Sampler, SessionState, StatsSink, Tracer, TransportSocket,
};
use State::{Inert, InertIfFailOpen, Refused, Works};

fn is<T: Message + Default>(bytes: &[u8]) -> Result<(), prost::DecodeError> {
    T::decode(bytes).map(|_| ())
}

/// For types whose bytes are not looked at: refused ones, and those without fields that matter.
pub(super) const fn unread(_: &[u8]) -> Result<(), prost::DecodeError> {
    Ok(())
}

macro_rules! entries {
    ($($kind:ident $state:ident $($policy:ident)? $type_name:literal, $check:expr, $traffic:literal;)*) => {
        &[$(Entry {
            kind: $kind,
            type_name: $type_name,
            state: $state,
            policy: policy!($($policy)?),
            traffic: $traffic,
            check: $check,
        }),*]
    };
}

/// Extensions that have no file of their own.
pub(super) static EXTENSIONS: &[Entry] = entries![
    ListenerFilter Works "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", is::<ext::filters::listener::tls_inspector::v3::TlsInspector>, "server name, ALPN and transport protocol are found; no JA3 or JA4 fingerprints";
    ListenerFilter Works "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector", is::<ext::filters::listener::http_inspector::v3::HttpInspector>, "HTTP is found on plaintext and chooses the filter chain";
    ListenerFilter Inert "envoy.extensions.filters.listener.original_dst.v3.OriginalDst", is::<ext::filters::listener::original_dst::v3::OriginalDst>, "no redirected connections exist here, so there is no address to restore";
    ListenerFilter Works "envoy.extensions.filters.listener.set_filter_state.v3.Config", is::<ext::filters::listener::set_filter_state::v3::Config>, "objects of the connection for filters and logs; those that nothing reads are refused";
    ListenerFilter Works "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol", is::<ext::filters::listener::proxy_protocol::v3::ProxyProtocol>, "versions 1 and 2; TLVs are skipped, so rules on them are rejected";

    NetworkFilter Works "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", unread, "HTTP";
    NetworkFilter Works "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", unread, "bytes, as they are or inside a CONNECT or POST";
    NetworkFilter Inert "envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy", is::<ext::filters::network::mongo_proxy::v3::MongoProxy>, "no mongo metrics; bytes pass unchanged; a configured delay is not injected";
    NetworkFilter Inert "envoy.extensions.filters.network.mysql_proxy.v3.MySQLProxy", unread, "no mysql metrics; bytes pass unchanged";
    NetworkFilter Inert "envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy", is::<ext::filters::network::zookeeper_proxy::v3::ZooKeeperProxy>, "no zookeeper metrics; bytes pass unchanged";
    NetworkFilter InertIfFailOpen Policy "envoy.extensions.filters.network.wasm.v3.Wasm", is::<ext::filters::network::wasm::v3::Wasm>, "plugins do not run; only one that may fail open is passed by";
    NetworkFilter InertIfFailOpen Policy "envoy.extensions.filters.network.ext_proc.v3.NetworkExternalProcessor", is::<ext::filters::network::ext_proc::v3::NetworkExternalProcessor>, "nothing is sent to the processor; only one that may fail open is passed by";
    NetworkFilter Refused "envoy.extensions.filters.network.redis_proxy.v3.RedisProxy", unread, "Redis is routed by command, which a TCP proxy cannot do; use the TCP protocol for the port";

    HttpFilter Works "envoy.extensions.filters.http.router.v3.Router", unread, "the last filter";
    HttpFilter InertIfFailOpen Policy "envoy.extensions.filters.http.wasm.v3.Wasm", is::<ext::filters::http::wasm::v3::Wasm>, "plugins do not run; only one that may fail open is passed by";
    HttpFilter InertIfFailOpen Policy "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor", is::<ext::filters::http::ext_proc::v3::ExternalProcessor>, "nothing is sent to the processor; only one that may fail open is passed by";
    HttpFilter Refused Policy "envoy.extensions.filters.http.lua.v3.Lua", unread, "scripts do not run, and one may hold policy";
    HttpFilter Refused Policy "envoy.extensions.filters.http.oauth2.v3.OAuth2", unread, "without it requests would pass without a login; Istio's own resources never ask for it";

    PerRoute Refused Policy "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute", unread, "nothing is sent to the processor, and it may hold policy";
    PerRoute Refused Policy "envoy.extensions.filters.http.lua.v3.LuaPerRoute", unread, "scripts do not run, and one may hold policy";

    Compression Works "envoy.extensions.compression.gzip.compressor.v3.Gzip", unread, "as far as the compressor filter that names it acts";
    Compression Works "envoy.extensions.compression.gzip.decompressor.v3.Gzip", unread, "as far as the decompressor filter that names it acts";
    Compression Works "envoy.extensions.compression.brotli.compressor.v3.Brotli", unread, "as far as the compressor filter that names it acts";
    Compression Works "envoy.extensions.compression.brotli.decompressor.v3.Brotli", unread, "as far as the decompressor filter that names it acts";
    Compression Works "envoy.extensions.compression.zstd.compressor.v3.Zstd", unread, "as far as the compressor filter that names it acts";
    Compression Works "envoy.extensions.compression.zstd.decompressor.v3.Zstd", unread, "as far as the decompressor filter that names it acts";

    SessionState Works "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState", unread, "as far as the filter that names it acts";
    SessionState Works "envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState", unread, "as far as the filter that names it acts";
    SessionState Refused "envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState", unread, "sessions are kept by cookies and headers of our own alone";

    MatchTree Works "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.type.matcher.v3.HttpRequestTrailerMatchInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.type.matcher.v3.HttpResponseHeaderMatchInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.type.matcher.v3.HttpResponseTrailerMatchInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.type.matcher.v3.HttpResponseStatusCodeClassMatchInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.type.matcher.v3.HttpResponseLocalReplyMatchInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.environment_variable.v3.Config", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.SourcePortInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.DirectSourceIPInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.SourceTypeInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Refused "envoy.extensions.matching.common_inputs.network.v3.TransportProtocolInput", unread, "no filter knows it, as in Envoy";
    MatchTree Refused "envoy.extensions.matching.common_inputs.network.v3.ApplicationProtocolInput", unread, "no filter knows it, as in Envoy";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.NetworkNamespaceInput", unread, "never there, for no address here is in another network namespace";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput", unread, "as far as the filter that holds the tree acts; field is refused, for objects are not looked into";
    MatchTree Works "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.ssl.v3.DnsSanInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.common_inputs.ssl.v3.SubjectInput", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "xds.type.matcher.v3.HttpAttributesCelMatchInput", unread, "what CelMatcher looks at; network filters cannot match it, as in Envoy";
    MatchTree Works "xds.type.matcher.v3.CelMatcher", unread, "attributes and functions that are not known here are refused, and cel_expr_string, which Envoy does not read";
    MatchTree Works "xds.type.matcher.v3.IPMatcher", unread, "a tree by ranges of addresses";
    MatchTree Works "xds.type.matcher.v3.ServerNameMatcher", unread, "a tree by domains";
    MatchTree Refused "envoy.extensions.matching.http.dynamic_modules.v3.HttpDynamicModuleMatchInput", unread, "modules are not loaded";
    MatchTree Refused "envoy.extensions.matching.http.dynamic_modules.v3.DynamicModuleDataInput", unread, "modules are not loaded";
    MatchTree Refused "envoy.extensions.matching.input_matchers.dynamic_modules.v3.DynamicModuleMatcher", unread, "modules are not loaded";
    MatchTree Works "envoy.extensions.matching.input_matchers.ip.v3.Ip", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.input_matchers.consistent_hashing.v3.ConsistentHashing", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.input_matchers.metadata.v3.Metadata", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.filters.common.matcher.action.v3.SkipFilter", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertConfig", unread, "what forward_client_cert_matcher says";
    MatchTree Works "envoy.config.route.v3.Route", unread, "the route of a place in a virtual host's tree";
    MatchTree Works "envoy.config.route.v3.RouteList", unread, "the routes of a place in a virtual host's tree, in order";
    MatchTree Works "envoy.extensions.filters.http.composite.v3.ExecuteFilterAction", unread, "as far as the filter that holds the tree acts";
    MatchTree Works "envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher", unread, "a permission of RBAC; never holds: no filter here writes the address, and texts under its key are none";
    MatchTree Works "envoy.extensions.rbac.principals.mtls_authenticated.v3.Config", unread, "a principal of RBAC";
    MatchTree Works "envoy.config.rbac.v3.Action", unread, "what an RBAC matcher says";

    TransportSocket Works "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", unread, "TLS 1.2 and 1.3 towards clients";
    TransportSocket Works "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", unread, "TLS 1.2 and 1.3 towards endpoints";
    TransportSocket Works "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", unread, "plaintext";
    TransportSocket Works "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport", unread, "versions 1 and 2 towards endpoints";
    TransportSocket Works "envoy.extensions.transport_sockets.http_11_proxy.v3.Http11ProxyUpstreamTransport", unread, "connections go by way of an HTTP/1.1 proxy: those with TLS in a tunnel, others as they are";
    TransportSocket Inert "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport", unread, "endpoints behind it are never chosen";
    TransportSocket Refused "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport", unread, "QUIC listeners are not supported yet";

    Cluster Works "envoy.extensions.clusters.dns.v3.DnsCluster", unread, "as STRICT_DNS or LOGICAL_DNS";
    Cluster Works "envoy.extensions.clusters.original_dst.v3.OriginalDstCluster", unread, "as ORIGINAL_DST: by filter state, metadata or header, else 503 UH";
    Cluster Works "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig", unread, "the host that each request asks for, resolved by the filter before it or else by itself; sub clusters are refused";
    Cluster Refused "envoy.extensions.clusters.aggregate.v3.ClusterConfig", unread, "its clusters are not tried in turn, and istiod sends none; give the endpoints priorities";
    Cluster Refused "envoy.extensions.clusters.redis.v3.RedisClusterConfig", unread, "Redis is not routed by command";

    ProtocolOptions Works "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", unread, "HTTP/1.1 and HTTP/2; HTTP/3 is rejected";

    EventSink Works "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink", unread, "a line of JSON for each change of health";

    LoadBalancing Works "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin", unread, "";
    LoadBalancing Works "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest", unread, "";
    LoadBalancing Works "envoy.extensions.load_balancing_policies.random.v3.Random", unread, "";
    LoadBalancing Works "envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided", unread, "";
    LoadBalancing Works "envoy.extensions.load_balancing_policies.subset.v3.Subset", unread, "endpoints by their metadata, then the policy within";
    LoadBalancing Works "envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality", unread, "localities by their weights, then its endpoint picking policy";
    LoadBalancing Works "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash", unread, "Envoy's ring; hash_policy is not acting, and bounded load counts the requests of a worker";
    LoadBalancing Works "envoy.extensions.load_balancing_policies.maglev.v3.Maglev", unread, "Envoy's table; hash_policy is not acting, and bounded load counts the requests of a worker";
    LoadBalancing Inert "envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin", unread, "plain round robin";
    LoadBalancing Inert "envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost", unread, "its fallback policy is used";

    DnsResolver Works "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig", unread, "servers, tries, timeouts, order and families as it says; the library is another";
    DnsResolver Works "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig", unread, "the servers and search domains of resolv.conf, and the hosts file; the library is another";
    DnsResolver Inert "envoy.extensions.network.dns_resolver.apple.v3.AppleDnsResolverConfig", is::<ext::network::dns_resolver::apple::v3::AppleDnsResolverConfig>, "the system's resolver configuration is used";

    AccessLog Works "envoy.extensions.access_loggers.file.v3.FileAccessLog", unread, "text and JSON";
    AccessLog Works "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", unread, "text and JSON";
    AccessLog Works "envoy.extensions.access_loggers.stream.v3.StderrAccessLog", unread, "text and JSON";
    AccessLog Works "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig", unread, "requests, sent to a log service over gRPC";
    AccessLog Works "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig", unread, "connections, sent to a log service over gRPC";
    AccessLog Works "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig", unread, "records of requests and connections, sent to a collector over gRPC or HTTP";

    AccessLogFilter Works "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", unread, "entries of which the expression is true are written; attributes and functions that are not known here are refused";

    Formatter Works "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery", unread, "%REQ_WITHOUT_QUERY%, which there is with it alone";
    Formatter Works "envoy.extensions.formatter.metadata.v3.Metadata", unread, "%METADATA%";
    Formatter Works "envoy.extensions.formatter.cel.v3.Cel", unread, "%CEL% and %TYPED_CEL%, which need no formatter; attributes and functions that are not known here are refused";

    Tracer Works "envoy.config.trace.v3.ZipkinConfig", unread, "spans in JSON or protobuf over HTTP, B3 contexts, and W3C ones where it says so; called services are told of no span of their own";
    Tracer Works "envoy.config.trace.v3.OpenTelemetryConfig", unread, "spans over gRPC or HTTP, W3C contexts; called services are told of no span of their own";
    Tracer Inert "envoy.config.trace.v3.DatadogConfig", is::<trace::DatadogConfig>, "no spans are sent, and the tracer's own headers pass unchanged: no kept library speaks its protocol; give OpenTelemetry, which its collectors read";
    Tracer Inert "envoy.config.trace.v3.SkyWalkingConfig", is::<trace::SkyWalkingConfig>, "no spans are sent, and the tracer's own headers pass unchanged: no kept library speaks its protocol; give OpenTelemetry, which its collectors read";
    Tracer Inert "envoy.config.trace.v3.LightstepConfig", is::<trace::LightstepConfig>, "no spans are sent, and the tracer's own headers pass unchanged: no kept library speaks its protocol; give OpenTelemetry, which its collectors read";

    ResourceDetector Works "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.EnvironmentResourceDetectorConfig", unread, "what OTEL_RESOURCE_ATTRIBUTES says";
    ResourceDetector Works "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig", unread, "these attributes";
    ResourceDetector Inert "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.DynatraceResourceDetectorConfig", is::<ext::tracers::opentelemetry::resource_detectors::v3::DynatraceResourceDetectorConfig>, "its files are not read: spans lack their attributes";

    Sampler Works "envoy.extensions.tracers.opentelemetry.samplers.v3.AlwaysOnSamplerConfig", unread, "all that the connection manager leaves";
    Sampler Works "envoy.extensions.tracers.opentelemetry.samplers.v3.TraceIdRatioBasedSamplerConfig", unread, "a share of what the connection manager leaves, by trace id";
    Sampler Works "envoy.extensions.tracers.opentelemetry.samplers.v3.ParentBasedSamplerConfig", unread, "as the caller has decided";
    Sampler Inert "envoy.extensions.tracers.opentelemetry.samplers.v3.DynatraceSamplerConfig", is::<ext::tracers::opentelemetry::samplers::v3::DynatraceSamplerConfig>, "as if there were no sampler";
    Sampler Inert "envoy.extensions.tracers.opentelemetry.samplers.v3.CELSamplerConfig", is::<ext::tracers::opentelemetry::samplers::v3::CelSamplerConfig>, "as if there were no sampler";

    RequestId Works "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", unread, "x-request-id carries the trace decision";

    HeaderFormatter Works "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig", unread, "header names keep their case from HTTP/1 to HTTP/1; so do reason phrases where it says so";

    OriginalIp Works "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig", unread, "the client is whom a header names";
    OriginalIp Works "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig", unread, "the client is whom x-forwarded-for names behind so many proxies, or behind those of these ranges";

    EarlyHeaders Works "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", unread, "headers of requests change before anybody looks at them";
    EarlyHeaders Refused "envoy.extensions.http.early_header_mutation.dynamic_modules.v3.DynamicModuleEarlyHeaderMutation", unread, "modules are not loaded, and headers that one removes would pass";

    Retry Works "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate", is::<ext::retry::host::previous_hosts::v3::PreviousHostsPredicate>, "endpoints that were tried are avoided";
    Retry Works "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", unread, "priorities that were tried are avoided";
    Retry Works "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate", is::<ext::retry::host::omit_canary_hosts::v3::OmitCanaryHostsPredicate>, "canary endpoints are avoided";
    Retry Works "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig", is::<ext::retry::host::omit_host_metadata::v3::OmitHostMetadataConfig>, "endpoints with that metadata are avoided";

    InternalRedirect Works "envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig", is::<ext::internal_redirect::previous_routes::v3::PreviousRoutesConfig>, "redirects to a route that was led to before go to the client";
    InternalRedirect Works "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig", unread, "redirects to other routes go to the client";
    InternalRedirect Works "envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig", is::<ext::internal_redirect::safe_cross_scheme::v3::SafeCrossSchemeConfig>, "redirects from http to https go to the client";
    InternalRedirect Works "envoy.extensions.internal_redirect.filter_state.v3.FilterStateConfig", unread, "redirects are followed where the filter state says so";

    Matcher Works "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", unread, "paths of that shape";
    Matcher Works "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig", unread, "a path made of what the template has matched";
    Matcher Works Policy "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig", unread, "each trust domain has its own roots; a certificate with two URI names is no SVID; what of the context it would not look at is refused; workload_trust_domain is refused, for no object of the filter state chooses a domain here";

    Credential Works "envoy.extensions.http.injected_credentials.generic.v3.Generic", unread, "a header has a secret for its value, with a prefix";
    Credential Refused Policy "envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2", unread, "no token is fetched; give a generic secret";

    RateLimitDescriptor Works "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", unread, "an entry with the header's value, under the extension's name";
    RateLimitDescriptor Works "envoy.extensions.rate_limit_descriptors.expr.v3.Descriptor", unread, "an entry with the expression's value";
    RateLimitDescriptor Refused "envoy.extensions.rate_limit_descriptors.jwt_claim.v3.Descriptor", unread, "nobody has verified the token; verify it with jwt_authn and limit by its metadata";

    Bootstrap Inert "envoy.extensions.bootstrap.internal_listener.v3.InternalListener", is::<ext::bootstrap::internal_listener::v3::InternalListener>, "internal listeners are accepted and never reached";
    Bootstrap Works "istio.workload.BootstrapExtension", unread, "workloads are asked for over ADS, for peers that do not say who they are";

    ResourceMonitor Works "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig", unread, "the limit on downstream connections";
    ResourceMonitor Works "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", unread, "the anonymous memory of the process, against a number";
    ResourceMonitor Works "envoy.extensions.resource_monitors.cgroup_memory.v3.CgroupMemoryConfig", unread, "the same, of the control group";
    ResourceMonitor Works "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig", unread, "a number in a file, for trials";

    StatsSink Works "envoy.config.metrics.v3.StatsdSink", unread, "lines of statsd over UDP, or over TCP to a cluster; histograms as their buckets' middles, with rates";
    StatsSink Works "envoy.config.metrics.v3.DogStatsdSink", unread, "the same with tags, over UDP; addresses that are no IP address and port are refused";
    StatsSink Works "envoy.config.metrics.v3.MetricsServiceConfig", unread, "metrics over a gRPC stream";
    StatsSink Inert "envoy.config.metrics.v3.HystrixSink", unread, "no stream for Hystrix dashboards is served";
    StatsSink Inert "envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink", unread, "statistics are not sent there";
    StatsSink Inert "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig", unread, "statistics are not sent there";
    StatsSink Inert "envoy.extensions.stat_sinks.wasm.v3.Wasm", unread, "statistics are not sent there";
];
