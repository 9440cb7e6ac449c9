//! Plain configurations of a connection manager and of filters that look at bodies, for properties of them: see [`super`]. Unit tests use
//! some of them, too.

use std::sync::Arc;
use std::time::Duration;

use config::filters::HttpFilterConfig;
use config::filters::compression::*;
use config::filters::grpc_http1_bridge::GrpcHttp1Bridge;
use config::filters::grpc_stats::{GrpcStats, Methods};
use config::filters::grpc_web::GrpcWeb;
use config::filters::header_mutation::{HeaderMutation, Mutations};
use config::filters::istio_stats::{IstioStats, Reporter};
use config::filters::json_to_metadata::{JsonToMetadata, Kind, Pair, Rule, Rules};
use config::filters::match_delegate::{DelegateAction, MatchDelegate};
use config::filters::{buffer::Buffer, compressor, decompressor};
use config::hcm::*;
use config::match_tree::{Condition, Input, Matcher, OnMatch, Predicate, Rules as Tree};
use config::matcher::StringMatcher;
use config::route::Upgrade;

/// As istiod configures an outbound listener, tracing left out.
pub fn manager() -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: "test".into(),
        codec: CodecType::Auto,
        routes: RouteSource::Rds { name: "test".into(), initial_fetch_timeout: None },
        filters: Vec::new(),
        router: Router {
            suppress_envoy_headers: false,
            dynamic_stats: true,
            suppress_grpc_codes: false,
            reject_early_data: false,
            starts_child_span: false,
            strict_headers: Vec::new(),
            respect_expected_timeout: false,
            upstream_log: Vec::new(),
            upstream_log_at_stream: false,
            upstream_log_interval: None,
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
        client_cert_matcher: None,
        proxy_100_continue: true,
        normalize_path: true,
        merge_slashes: false,
        escaped_slashes: EscapedSlashes::Keep,
        strip_host_port: StripHostPort::Keep,
        strip_trailing_host_dot: false,
        append_x_forwarded_port: false,
        append_local_overload: false,
        tells_connection: true,
        upgrade_filters: Vec::new(),
        upgrades: vec![Upgrade { kind: "websocket".into(), enabled: true }],
        http1: Http1Settings::default(),
        default_host: None,
        ignored_upgrades: None,
        keeps_after_400: false,
        http2: config::cluster::Http2Settings::default(),
        idle_timeout: Some(Duration::from_secs(3600)),
        max_connection_duration: None,
        max_requests_per_connection: None,
        max_headers_count: 100,
        max_request_headers: 60 * 1024,
        underscores: Underscores::Allow,
        stream_idle_timeout: None,
        stream_flush_timeout: None,
        max_stream_duration: None,
        request_timeout: None,
        request_headers_timeout: None,
        drain_timeout: Duration::from_secs(5),
        delayed_close_timeout: Some(Duration::from_secs(1)),
        via: None,
        tracing: None,
        reject_fragment: false.into(),
        access_log: Vec::new(),
        early_log: Default::default(),
        local_replies: None,
        proxy_status: None,
        scheme: SchemeHeader::Keep,
        user_agent: None,
        forward_proto: None,
        original_ip: Vec::new(),
        early_headers: Vec::new(),
        duration_jitter: 0.0,
        drain_jitter: 0.0,
        safe_max_duration: false,
    }
}

/// A library of that encoding.
pub fn packer(encoding: &str) -> Compression {
    let library = match encoding {
        "gzip" => {
            CompressorLibrary::Gzip { level: None, strategy: GzipStrategy::Default, memory_level: 5, window_bits: 12 }
        }
        "br" => CompressorLibrary::Brotli {
            quality: 1,
            mode: BrotliMode::Generic,
            window_bits: 16,
            input_block_bits: 16,
            disable_literal_context_modeling: false,
        },
        _ => CompressorLibrary::Zstd { level: 1, checksum: true, strategy: None, dictionary: None },
    };
    Compression { name: "x".into(), library, chunk_size: Some(4096) }
}

/// What reads it.
pub fn unpacker(encoding: &str) -> Decompression {
    let library = match encoding {
        "gzip" => DecompressorLibrary::Gzip { window_bits: 15, max_inflate_ratio: 1032 },
        "br" => DecompressorLibrary::Brotli { disable_ring_buffer_reallocation: false },
        _ => DecompressorLibrary::Zstd { dictionaries: Vec::new() },
    };
    Decompression { name: "x".into(), library, chunk_size: Some(4096) }
}

/// Compresses requests; responses stay.
pub fn compressor(encoding: &str) -> HttpFilterConfig {
    let direction = |enabled: bool| compressor::Direction {
        enabled: enabled.into(),
        min_content_length: 1,
        content_types: vec![StringMatcher::Prefix { value: "".into(), ignore_case: false }],
    };
    HttpFilterConfig::Compressor(Arc::new(compressor::Compressor {
        library: packer(encoding),
        choose_first: false,
        request: Some(direction(true)),
        response: compressor::Response {
            common: direction(true),
            own_statistics: true,
            disable_on_etag: false,
            weaken_etag: false,
            remove_accept_encoding: false,
            uncompressible_statuses: Vec::new(),
            status_header: false,
        },
    }))
}

/// Decompresses both ways.
pub fn decompressor(encoding: &str) -> HttpFilterConfig {
    let direction = || decompressor::Direction { enabled: true.into(), ignore_no_transform: false };
    HttpFilterConfig::Decompressor(Arc::new(decompressor::Decompressor {
        library: unpacker(encoding),
        request: direction(),
        advertise: false,
        response: direction(),
    }))
}

/// Takes requests of 1 KiB.
pub fn buffer() -> HttpFilterConfig {
    HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: 1024 }))
}

/// gRPC-Web.
pub fn grpc_web() -> HttpFilterConfig {
    HttpFilterConfig::GrpcWeb(Arc::new(GrpcWeb {}))
}

/// gRPC of HTTP/1 clients.
pub fn bridge(upgrade_protobuf: bool) -> HttpFilterConfig {
    HttpFilterConfig::GrpcHttp1Bridge(Arc::new(GrpcHttp1Bridge { upgrade_protobuf, ignore_query: false }))
}

/// Counts messages.
pub fn grpc_stats() -> HttpFilterConfig {
    HttpFilterConfig::GrpcStats(Arc::new(GrpcStats {
        emit_filter_state: true,
        methods: Methods::None,
        upstream_stats: false,
        replace_dots: false,
    }))
}

/// Looks at trailers.
pub fn trailers() -> HttpFilterConfig {
    let remove = || vec![config::header_mutation::HeaderMutation::Remove("x".into())];
    let mutations = Mutations { request_trailers: remove(), response_trailers: remove(), ..Mutations::default() };
    HttpFilterConfig::HeaderMutation(Arc::new(HeaderMutation { mutations, most_specific_wins: false }))
}

/// Reads bodies both ways, whatever they are said to be, before their heads go on.
pub fn json() -> HttpFilterConfig {
    let pair =
        || Some(Pair { namespace: "ns".into(), key: "k".into(), value: None, kind: Kind::AsItIs, preserve: false });
    let rules = || Rules {
        rules: vec![Rule { path: vec!["a".into()], present: pair(), missing: None, error: None }],
        content_types: Vec::new(),
        empty_content_type: true,
        content_types_regex: Some(StringMatcher::Prefix { value: "".into(), ignore_case: false }),
    };
    HttpFilterConfig::JsonToMetadata(Arc::new(JsonToMetadata { request: Some(rules()), response: Some(rules()) }))
}

/// Istio's metrics, which count messages.
pub fn istio_stats() -> HttpFilterConfig {
    HttpFilterConfig::IstioStats(Arc::new(IstioStats {
        reporter: Reporter::ByDirection,
        host_names_service: true,
        interval: Duration::from_secs(5),
        own: Arc::default(),
        version: "1".into(),
        changes: Vec::new(),
        definitions: Vec::new(),
        expressions: Vec::new(),
    }))
}

/// A filter behind a match tree that never skips it, and knows that with the trailers only.
pub fn delegated(filter: HttpFilterConfig) -> HttpFilterConfig {
    let never = Condition::Text(StringMatcher::Exact { value: "never".into(), ignore_case: false });
    let rule = (Predicate::Single(Input::ResponseTrailer("x".into()), never), OnMatch::Action(DelegateAction::Skip));
    let matcher = Some(Matcher { rules: Tree::List(vec![rule]), no_match: None });
    let delegate = MatchDelegate { name: "inner".into(), filter, matcher, deprecated: false };
    HttpFilterConfig::MatchDelegate(Arc::new(delegate))
}
