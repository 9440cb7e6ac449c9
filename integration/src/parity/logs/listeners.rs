//! The listeners of [`super`]: what is logged, and where to.

use serde_json::{Value, json};

use super::grpc;

const GRPC: &str = "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.";
const OTEL: &str = "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig";

/// Settings of a log service; each entry is a message.
fn common(name: &str) -> Value {
    json!({ "log_name": name, "grpc_service": grpc("grpc-collector"), "transport_api_version": "V3", "buffer_size_bytes": 0 })
}

fn http_log(name: &str, fields: Value, filter: Option<Value>) -> Value {
    let mut settings = common(name);
    for (field, value) in fields.as_object().into_iter().flatten() {
        settings[field] = value.clone();
    }
    let config = json!({ "@type": format!("{GRPC}HttpGrpcAccessLogConfig"), "common_config": settings,
        "additional_request_headers_to_log": ["X-A", "x-absent", ":path"],
        "additional_response_headers_to_log": ["x-resp", "content-type"],
        "additional_response_trailers_to_log": ["X-Trailer", "grpc-status"] });
    let mut log = json!({ "name": "log", "typed_config": config });
    if let Some(filter) = filter {
        log["filter"] = filter;
    }
    log
}

fn tcp_log(name: &str) -> Value {
    let config = json!({ "@type": format!("{GRPC}TcpGrpcAccessLogConfig"), "common_config": common(name) });
    json!({ "name": "log", "typed_config": config })
}

fn otel(fields: Value) -> Value {
    let mut config = json!({ "@type": OTEL });
    for (field, value) in fields.as_object().into_iter().flatten() {
        config[field] = value.clone();
    }
    json!({ "name": "log", "typed_config": config })
}

fn tags() -> Value {
    json!([{ "tag": "t-literal", "literal": { "value": "L" } },
        { "tag": "t-header", "request_header": { "name": "x-a", "default_value": "none" } },
        { "tag": "t-absent", "request_header": { "name": "x-absent" } },
        { "tag": "t-variable", "environment": { "name": "OUTRIGGER_NO_SUCH", "default_value": "default" } },
        { "tag": "t-metadata", "metadata": { "kind": { "request": {} }, "metadata_key": { "key": "ns", "path": [{ "key": "k" }] } } },
        { "tag": "t-format", "value": "%RESPONSE_CODE%-%REQ(x-absent)%" }])
}

/// Values of a record.
fn said(log: &str) -> Value {
    let text = |key: &str, format: &str| json!({ "key": key, "value": { "string_value": format } });
    json!({
        "body": { "string_value": "%REQ(:METHOD)% %RESPONSE_CODE% %REQ(x-absent)%" },
        "attributes": { "values": [text("log", log), text("path", "%REQ(:PATH)%"), text("kind", "%ACCESS_LOG_TYPE%"),
            { "key": "map", "value": { "kvlist_value": { "values": [text("in", "%PROTOCOL%")] } } },
            { "key": "list", "value": { "array_value": { "values": [{ "string_value": "%ROUTE_NAME%" }, { "string_value": "x" }] } } }] }
    })
}

fn with(mut one: Value, other: Value) -> Value {
    for (field, value) in other.as_object().into_iter().flatten() {
        one[field] = value.clone();
    }
    one
}

fn manager(name: &str, logs: Value, more: Value) -> Value {
    let retry = json!({ "retry_on": "5xx", "num_retries": 1, "retry_back_off": { "base_interval": "0.01s" } });
    let routes = json!([
        { "match": { "prefix": "/direct" }, "name": "direct", "direct_response": { "status": 200, "body": { "inline_string": "x" } } },
        { "match": { "prefix": "/none" }, "route": { "cluster_header": "x-cluster" } },
        { "match": { "prefix": "/dead" }, "name": "dead", "route": { "cluster": "dead" } },
        { "match": { "prefix": "/never" }, "route": { "cluster": "app", "timeout": "0.1s" } },
        { "match": { "prefix": "/long" }, "route": { "cluster": "app", "timeout": "0s", "prefix_rewrite": "/never" } },
        { "match": { "prefix": "/once" }, "route": { "cluster": "app", "retry_policy": retry } },
        { "match": { "prefix": "/rewritten" }, "name": "rewritten", "route": { "cluster": "app", "prefix_rewrite": "/200" } },
        { "match": { "prefix": "/up" }, "name": "up", "route": { "cluster": "app", "upgrade_configs": [{ "upgrade_type": "websocket" }] } },
        { "match": { "prefix": "/", "headers": [{ "name": "x-nowhere", "present_match": true, "invert_match": true }] },
            "name": "rest", "route": { "cluster": "app" } }
    ]);
    let metadata = json!({ "name": "metadata", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
        "metadata": [{ "metadata_namespace": "ns", "value": { "k": "v", "n": 3, "l": [true, null] } }] } });
    let state = json!({ "name": "state", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
        "on_request_headers": [{ "object_key": "the-key", "factory_key": "envoy.string",
            "format_string": { "text_format_source": { "inline_string": "S%REQ(x-a)%" } } }] } });
    let router = json!({ "name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", "suppress_envoy_headers": true } });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "access_log": logs,
        "http_filters": [metadata, state, router],
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] }
    });
    with(manager, more)
}

fn tcp(name: &str, cluster: &str, logs: Value, more: Value) -> Value {
    let proxy = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": name, "cluster": cluster, "access_log": logs });
    with(proxy, more)
}

/// Name and filter of each.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let more = json!({ "custom_tags": tags(), "filter_state_objects_to_log": ["the-key", "absent"] });
    let early = json!({ "access_log_options": { "flush_access_log_on_new_request": true,
        "flush_log_on_tunnel_successfully_established": true } });
    let filters = json!({
        "grpc": { "grpc_status_filter": { "statuses": ["NOT_FOUND"] } },
        "not-grpc": { "grpc_status_filter": { "statuses": ["UNKNOWN", "UNAVAILABLE"], "exclude": true } },
        "start": { "log_type_filter": { "types": ["DownstreamStart"] } },
        "not-start": { "log_type_filter": { "types": ["DownstreamStart"], "exclude": true } },
        "metadata": { "metadata_filter": { "matcher": { "filter": "ns", "path": [{ "key": "k" }],
            "value": { "string_match": { "exact": "v" } }, "invert": true } } },
        "metadata-other": { "metadata_filter": { "matcher": { "filter": "ns", "path": [{ "key": "k" }],
            "value": { "string_match": { "exact": "w" } } } } },
        "metadata-absent": { "metadata_filter": { "matcher": { "filter": "ns", "path": [{ "key": "absent" }],
            "value": { "string_match": { "exact": "w" } } } } },
        "metadata-none": { "metadata_filter": { "match_if_key_not_found": false, "matcher": { "filter": "ns",
            "path": [{ "key": "absent" }], "value": { "string_match": { "exact": "w" } } } } },
        "share": { "runtime_filter": { "runtime_key": "a", "percent_sampled": { "numerator": 61 } } },
        "no-share": { "runtime_filter": { "runtime_key": "a", "percent_sampled": { "numerator": 60 } } },
        "nothing": { "runtime_filter": { "runtime_key": "a" } },
        "traceable": { "traceable_filter": {} }
    });
    let filtered: Vec<_> = filters
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, filter)| http_log(name, json!({}), Some(filter.clone())))
        .collect();
    let provider = json!({ "name": "t", "typed_config": { "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "http_service": { "http_uri": { "uri": "http://c/v1/traces", "cluster": "dead", "timeout": "1s" } } } });
    let http_service = json!({ "http_uri": { "uri": "http://collector.example/v1/logs", "cluster": "collector", "timeout": "5s" },
        "request_headers_to_add": [{ "header": { "key": "x-added", "value": "yes" } }] });
    let detectors = json!([{ "name": "static", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig",
        "attributes": { "detected": "1", "zone_name": "detected", "both": "detected" } } }]);
    let resource = json!({ "values": [{ "key": "both", "value": { "string_value": "configured" } },
        { "key": "number", "value": { "int_value": "3" } }] });
    let over_grpc = with(
        said("over-grpc"),
        json!({ "grpc_service": grpc("grpc-collector"), "log_name": "name", "stat_prefix": "mine",
        "buffer_size_bytes": 1, "custom_tags": tags(), "filter_state_objects_to_log": ["the-key", "absent"],
        "resource_detectors": detectors, "resource_attributes": resource }),
    );
    let over_http = with(
        said("over-http"),
        json!({ "http_service": http_service, "buffer_flush_interval": "0.02s",
        "disable_builtin_labels": true }),
    );
    let by_common = with(said("by-common"), json!({ "common_config": common("common-name") }));
    vec![
        ("http", manager("http", json!([http_log("http", more, None)]), json!({}))),
        ("tcp-of-http", manager("tcp-of-http", json!([tcp_log("tcp-of-http")]), json!({}))),
        ("early", manager("early", json!([http_log("early", json!({}), None)]), early.clone())),
        (
            "again",
            manager(
                "again",
                json!([http_log("again", json!({}), None)]),
                json!({ "access_log_options": { "access_log_flush_interval": "0.3s" } }),
            ),
        ),
        (
            "filters",
            manager(
                "filters",
                json!(filtered),
                with(early, json!({ "tracing": { "random_sampling": { "value": 0 }, "provider": provider } })),
            ),
        ),
        (
            "otel",
            manager(
                "otel",
                json!([otel(over_grpc), otel(over_http), otel(by_common)]),
                json!({ "tracing": { "provider": provider } }),
            ),
        ),
        ("tcp", tcp("tcp", "echo", json!([tcp_log("tcp")]), json!({}))),
        ("http-of-tcp", tcp("http-of-tcp", "echo", json!([http_log("http-of-tcp", json!({}), None)]), json!({}))),
        ("tcp-dead", tcp("tcp-dead", "dead", json!([tcp_log("tcp-dead")]), json!({}))),
        (
            "tcp-early",
            tcp(
                "tcp-early",
                "echo",
                json!([tcp_log("tcp-early")]),
                json!({ "access_log_options": {
            "flush_access_log_on_start": true, "flush_access_log_on_connected": true, "access_log_flush_interval": "0.3s" } }),
            ),
        ),
        (
            "tcp-early-dead",
            tcp(
                "tcp-early-dead",
                "dead",
                json!([tcp_log("tcp-early-dead")]),
                json!({ "access_log_options": {
            "flush_access_log_on_start": true, "flush_access_log_on_connected": true } }),
            ),
        ),
    ]
}
