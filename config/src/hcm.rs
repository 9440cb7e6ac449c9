//! `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::access_log::{AccessLog, Early};
use crate::cluster::Http2Settings;
use crate::filters::HttpFilterConfig;
use crate::header_mutation::HeaderMutation;
use crate::match_tree::Matcher;
use crate::matcher::StringMatcher;
use crate::route::{RouteConfiguration, Upgrade};
use crate::runtime::Live;
use crate::tracing::Tracing;

mod client_cert;
pub(crate) mod decode;
pub(crate) mod filters;
mod heads;
mod local_reply;
mod original_ip;
pub(crate) mod upstream;

pub use heads::{ForwardProto, ProxyStatus, SchemeHeader, UserAgent};
pub(crate) use local_reply::format as reply_format;
pub use local_reply::{LocalReplies, ReplyFormat, ReplyMapper};
pub use original_ip::OriginalIp;

/// HTTP connection manager.
#[derive(Debug, Clone)]
pub struct HttpConnectionManager {
    /// Prefix of its stats.
    pub stat_prefix: Arc<str>,
    /// Which codec.
    pub codec: CodecType,
    /// Where the routes come from.
    pub routes: RouteSource,
    /// HTTP filters in order, the router excluded.
    pub filters: Vec<HttpFilter>,
    /// The router's own settings.
    pub router: Router,
    /// `use_remote_address`.
    pub use_remote_address: bool,
    /// `xff_num_trusted_hops`.
    pub xff_num_trusted_hops: u32,
    /// `skip_xff_append`.
    pub skip_xff_append: bool,
    /// `internal_address_config.cidr_ranges`; empty: nothing is internal.
    pub internal_ranges: Vec<IpNet>,
    /// `generate_request_id`, default true.
    pub generate_request_id: bool,
    /// `preserve_external_request_id`.
    pub preserve_external_request_id: bool,
    /// `always_set_request_id_in_response`.
    pub request_id_in_response: bool,
    /// UUID request id: the 15th character carries the trace decision.
    pub request_id_packs_trace_reason: bool,
    /// `use_request_id_for_trace_sampling`.
    pub request_id_samples: bool,
    /// Value of the `server` header; default `envoy`.
    pub server_name: Arc<str>,
    /// What happens to an upstream's `server` header.
    pub server_header: ServerHeader,
    /// `forward_client_cert_details`.
    pub forward_client_cert: ForwardClientCert,
    /// Which parts of the peer's certificate are told.
    pub client_cert_details: ClientCertDetails,
    /// `forward_client_cert_matcher`: for requests for which it says something, that is done instead.
    pub client_cert_matcher: Option<Arc<Matcher<(ForwardClientCert, ClientCertDetails)>>>,
    /// `proxy_100_continue`.
    pub proxy_100_continue: bool,
    /// `normalize_path`.
    pub normalize_path: bool,
    /// `merge_slashes`.
    pub merge_slashes: bool,
    /// `path_with_escaped_slashes_action`.
    pub escaped_slashes: EscapedSlashes,
    /// `strip_any_host_port` / `strip_matching_host_port`.
    pub strip_host_port: StripHostPort,
    /// `strip_trailing_host_dot`.
    pub strip_trailing_host_dot: bool,
    /// `append_x_forwarded_port`.
    pub append_x_forwarded_port: bool,
    /// `add_proxy_protocol_connection_state`: PROXY protocol upstream tells of the client's connection.
    pub tells_connection: bool,
    /// `append_local_overload`: requests that are refused for overload are told so in a header.
    pub append_local_overload: bool,
    /// Upgrades allowed at listener level (`websocket`).
    pub upgrades: Vec<Upgrade>,
    /// Filters of upgrades that have their own, by the kind of the upgrade. The router behind them is that of all others.
    pub upgrade_filters: Vec<(Arc<str>, Vec<HttpFilter>)>,
    /// HTTP/1 settings.
    pub http1: Http1Settings,
    /// `default_host_for_http_10`.
    pub default_host: Option<Arc<str>>,
    /// `ignore_http_11_upgrade`: who asks for one of these is answered as if it had not.
    pub ignored_upgrades: Option<Arc<[StringMatcher]>>,
    /// `stream_error_on_invalid_http_message` and HTTP/1's `override_…`: a 400 does not end the connection.
    pub keeps_after_400: bool,
    /// HTTP/2 settings.
    pub http2: Http2Settings,
    /// `common_http_protocol_options.idle_timeout`; default 1 h, `None` = never.
    pub idle_timeout: Option<Duration>,
    /// `common_http_protocol_options.max_connection_duration`.
    pub max_connection_duration: Option<Duration>,
    /// `common_http_protocol_options.max_requests_per_connection`.
    pub max_requests_per_connection: Option<u32>,
    /// `common_http_protocol_options.max_headers_count`; default 100.
    pub max_headers_count: u32,
    /// `max_request_headers_kb` in octets; default 60 KiB.
    pub max_request_headers: u32,
    /// `headers_with_underscores_action`.
    pub underscores: Underscores,
    /// `stream_idle_timeout`; default 5 min, `None` = never.
    pub stream_idle_timeout: Option<Duration>,
    /// `stream_flush_timeout`; default `stream_idle_timeout`, `None` = never.
    pub stream_flush_timeout: Option<Duration>,
    /// `common_http_protocol_options.max_stream_duration`, unless the route says otherwise; `None` = never (the default).
    pub max_stream_duration: Option<Duration>,
    /// `request_timeout`; `None` = never (the default).
    pub request_timeout: Option<Duration>,
    /// `request_headers_timeout`; `None` = never (the default).
    pub request_headers_timeout: Option<Duration>,
    /// `drain_timeout`; default 5 s.
    pub drain_timeout: Duration,
    /// `delayed_close_timeout`; default 1 s, `None` = close at once.
    pub delayed_close_timeout: Option<Duration>,
    /// `via`.
    pub via: Option<Arc<str>>,
    /// `tracing`.
    pub tracing: Option<Tracing>,
    /// `http_reject_path_with_fragment` is not a field but a runtime key; here false strips the fragment.
    pub reject_fragment: Live<bool>,
    /// Logs.
    pub access_log: Vec<AccessLog>,
    /// `access_log_options`, or what stood in their place before.
    pub early_log: Early,
    /// `local_reply_config`.
    pub local_replies: Option<LocalReplies>,
    /// `proxy_status_config`.
    pub proxy_status: Option<ProxyStatus>,
    /// `scheme_header_transformation`.
    pub scheme: SchemeHeader,
    /// `add_user_agent`.
    pub user_agent: Option<UserAgent>,
    /// `forward_proto_config`.
    pub forward_proto: Option<ForwardProto>,
    /// `original_ip_detection_extensions`; empty: as the fields above say.
    pub original_ip: Vec<OriginalIp>,
    /// `early_header_mutation_extensions`.
    pub early_headers: Vec<HeaderMutation>,
    /// `common_http_protocol_options.max_connection_duration_jitter`: at most such a share longer.
    pub duration_jitter: f64,
    /// `drain_timeout_jitter`, likewise.
    pub drain_jitter: f64,
    /// `http1_safe_max_connection_duration`: a connection that is too old ends with the answer to a next request.
    pub safe_max_duration: bool,
}

/// `codec_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecType {
    /// TLS ALPN, else the preface.
    Auto,
    /// HTTP/1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
}

/// Where routes come from.
#[derive(Debug, Clone)]
pub enum RouteSource {
    /// In the filter.
    Inline(Arc<RouteConfiguration>),
    /// RDS over ADS.
    Rds {
        /// Resource name.
        name: Arc<str>,
        /// `None` waits for ever.
        initial_fetch_timeout: Option<Duration>,
    },
}

/// An HTTP filter of the chain.
#[derive(Debug, Clone)]
pub struct HttpFilter {
    /// Name in the chain: per-route config is looked up by it.
    pub name: Arc<str>,
    /// `disabled`: it stays in the chain, and a route may switch it on.
    pub disabled: bool,
    /// What it is.
    pub config: HttpFilterConfig,
}

/// `envoy.extensions.filters.http.router.v3.Router`.
#[derive(Debug, Clone)]
pub struct Router {
    /// `suppress_envoy_headers`.
    pub suppress_envoy_headers: bool,
    /// `dynamic_stats`, default true.
    pub dynamic_stats: bool,
    /// `suppress_grpc_request_failure_code_stats`.
    pub suppress_grpc_codes: bool,
    /// `reject_connect_request_early_data`: a client that says something before its tunnel is open is refused.
    pub reject_early_data: bool,
    /// `start_child_span`: attempts have spans, as where tracing says so.
    pub starts_child_span: bool,
    /// `strict_check_headers`: requests in which one of these makes no sense are refused.
    pub strict_headers: Vec<StrictHeader>,
    /// `respect_expected_rq_timeout`: the caller's proxy says how long it waits.
    pub respect_expected_timeout: bool,
    /// `upstream_http_filters` before the codec, for clusters without any.
    pub upstream_filters: Vec<HttpFilter>,
    /// `upstream_log`: a line for each attempt.
    pub upstream_log: Vec<AccessLog>,
    /// `upstream_log_options.flush_upstream_log_on_upstream_stream`: and one when it has its stream.
    pub upstream_log_at_stream: bool,
    /// `upstream_log_options.upstream_log_flush_interval`: and one each time this is over.
    pub upstream_log_interval: Option<Duration>,
}

/// A request header that the router may be strict about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrictHeader {
    /// `x-envoy-upstream-rq-timeout-ms`.
    Timeout,
    /// `x-envoy-upstream-rq-per-try-timeout-ms`.
    PerTryTimeout,
    /// `x-envoy-max-retries`.
    MaxRetries,
    /// `x-envoy-retry-on`.
    RetryOn,
    /// `x-envoy-retry-grpc-on`.
    RetryGrpcOn,
}

/// `server_header_transformation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerHeader {
    /// Always ours.
    Overwrite,
    /// Ours if the upstream sent none.
    AppendIfAbsent,
    /// The upstream's.
    PassThrough,
}

/// `forward_client_cert_details`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardClientCert {
    /// Remove.
    Sanitize,
    /// Keep on mTLS connections, else remove.
    ForwardOnly,
    /// Append on mTLS connections, else remove.
    AppendForward,
    /// Replace on mTLS connections, else remove.
    SanitizeSet,
    /// Keep always.
    AlwaysForwardOnly,
}

/// `set_current_client_cert_details`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientCertDetails {
    /// `Subject=`.
    pub subject: bool,
    /// `Cert=`.
    pub cert: bool,
    /// `Chain=`.
    pub chain: bool,
    /// `DNS=`.
    pub dns: bool,
    /// `URI=`.
    pub uri: bool,
    /// `Issuer=`.
    pub issuer: bool,
    /// `format`: JSON, where what came is not text.
    pub json: bool,
}

/// `path_with_escaped_slashes_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscapedSlashes {
    /// As they are.
    Keep,
    /// 400.
    Reject,
    /// 307 to the unescaped path.
    UnescapeAndRedirect,
    /// Unescape.
    UnescapeAndForward,
}

/// Port stripping of `:authority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripHostPort {
    /// Keep.
    Keep,
    /// Strip when it is the listener's.
    Matching,
    /// Strip.
    Any,
}

/// `headers_with_underscores_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Underscores {
    /// Pass.
    Allow,
    /// 400.
    RejectRequest,
    /// Drop the header.
    DropHeader,
}

/// HTTP/1 settings (`Http1ProtocolOptions`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http1Settings {
    /// `allow_absolute_url`, default true.
    pub allow_absolute_url: bool,
    /// `accept_http_10`.
    pub accept_http10: bool,
    /// `enable_trailers`.
    pub trailers: bool,
    /// `header_key_format`.
    pub header_case: HeaderCase,
    /// `allow_chunked_length`.
    pub allow_chunked_length: bool,
    /// `allow_custom_methods`: any token is a method.
    pub custom_methods: bool,
}

/// `header_key_format`: how names of headers are spelt over HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderCase {
    /// In lower case.
    #[default]
    Lower,
    /// `proper_case_words`: `Content-Type`.
    Proper,
    /// `preserve_case`: as they came, wherever the message goes.
    Preserve {
        /// `forward_reason_phrase`: what the server says beside its status, too.
        reason: bool,
        /// `formatter_type_on_envoy_headers`: what is added here has proper case.
        own_proper: bool,
    },
}

impl Default for Http1Settings {
    fn default() -> Self {
        Self {
            allow_absolute_url: true,
            accept_http10: false,
            trailers: false,
            header_case: HeaderCase::Lower,
            allow_chunked_length: false,
            custom_methods: false,
        }
    }
}
