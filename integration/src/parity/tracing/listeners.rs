//! The listeners of [`super`]: directions, tracers, routes.

use serde_json::{Value, json};

/// Each span is sent at once.
pub(super) fn runtime() -> Value {
    json!({ "tracing.opentelemetry.min_flush_spans": 1, "tracing.zipkin.min_flush_spans": 1 })
}

const TRACERS: &str = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.";

fn over_http() -> Value {
    json!({ "http_uri": { "uri": "http://collector.example/v1/traces?x=1", "cluster": "collector", "timeout": "5s" },
        "request_headers_to_add": [{ "header": { "key": "x-added", "value": "%ENVIRONMENT(OUTRIGGER_NO_SUCH)%yes" } }] })
}

fn opentelemetry(fields: &Value) -> Value {
    let mut config = json!({ "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": "svc", "http_service": over_http() });
    for (name, value) in fields.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    json!({ "name": "envoy.tracers.opentelemetry", "typed_config": config })
}

fn zipkin(fields: &Value) -> Value {
    let mut config = json!({ "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
        "collector_endpoint_version": "HTTP_JSON", "collector_cluster": "collector", "collector_endpoint": "/api/v2/spans" });
    for (name, value) in fields.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    json!({ "name": "envoy.tracers.zipkin", "typed_config": config })
}

fn sampler(name: &str, mut fields: Value) -> Value {
    fields["@type"] = json!(format!("{TRACERS}samplers.v3.{name}"));
    json!({ "name": name, "typed_config": fields })
}

/// Name, direction and connection manager of each.
pub(super) fn all() -> Vec<(&'static str, &'static str, Value)> {
    let otel = || opentelemetry(&json!({}));
    let sampled = |sampler: Value, random: f64| {
        json!({ "provider": opentelemetry(&json!({ "sampler": sampler })), "spawn_upstream_span": true,
            "random_sampling": { "value": random } })
    };
    let ratio = |percent: u32| {
        sampler("TraceIdRatioBasedSamplerConfig", json!({ "sampling_percentage": { "numerator": percent } }))
    };
    let istio = json!({ "trace_id_128bit": true, "shared_span_context": false,
        "trace_context_option": "USE_B3_WITH_W3C_PROPAGATION", "collector_cluster": "", "collector_endpoint": "",
        "collector_service": { "http_uri": { "uri": "http://zipkin.example:9411/api/v2/spans?x=1", "cluster": "collector",
            "timeout": "5s" }, "request_headers_to_add": [{ "header": { "key": "x-added", "value": "yes" } }] } });
    let mut hung = json!({ "http_service": over_http() });
    hung["http_service"]["http_uri"]["cluster"] = json!("hole");
    let detectors = json!([{ "name": "static", "typed_config": {
        "@type": format!("{TRACERS}resource_detectors.v3.StaticConfigResourceDetectorConfig"),
        "attributes": { "a": "1", "service.name": "detected" } } }]);
    let grpc = json!({ "http_service": null, "grpc_service": { "envoy_grpc": { "cluster_name": "grpc-collector" } },
        "resource_detectors": detectors });
    vec![
        ("inbound", "INBOUND", manager("inbound", json!({ "provider": otel() }), json!({}))),
        ("outbound", "OUTBOUND", manager("outbound", json!({ "provider": otel() }), json!({}))),
        (
            "verbose",
            "OUTBOUND",
            manager(
                "verbose",
                json!({ "provider": otel(), "spawn_upstream_span": true, "verbose": true, "max_path_tag_length": 12,
                    "custom_tags": tags() }),
                json!({}),
            ),
        ),
        ("grpc", "INBOUND", manager("grpc", json!({ "provider": opentelemetry(&grpc) }), json!({}))),
        (
            "never",
            "INBOUND",
            manager("never", json!({ "provider": otel(), "random_sampling": { "value": 0 } }), json!({})),
        ),
        (
            "overall",
            "INBOUND",
            manager("overall", json!({ "provider": otel(), "overall_sampling": { "value": 0 } }), json!({})),
        ),
        (
            "quiet",
            "INBOUND",
            manager("quiet", json!({ "provider": otel(), "no_context_propagation": true }), json!({})),
        ),
        ("hung", "INBOUND", manager("hung", json!({ "provider": opentelemetry(&hung) }), json!({}))),
        ("nobody", "INBOUND", manager("nobody", json!({}), json!({}))),
        (
            "named",
            "OUTBOUND",
            manager(
                "named",
                json!({ "provider": otel(), "spawn_upstream_span": true, "operation": "%REQ(:method)% %RESPONSE_CODE%",
                    "upstream_operation": "to %REQ(:path)%" }),
                json!({}),
            ),
        ),
        (
            "unpacked",
            "INBOUND",
            manager(
                "unpacked",
                json!({ "provider": otel(), "random_sampling": { "value": 0 } }),
                json!({ "request_id_extension": { "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                    "use_request_id_for_trace_sampling": false } } }),
            ),
        ),
        (
            "always",
            "INBOUND",
            manager("always", sampled(sampler("AlwaysOnSamplerConfig", json!({})), 100.0), json!({})),
        ),
        (
            "attempts",
            "INBOUND",
            manager("attempts", sampled(sampler("AlwaysOnSamplerConfig", json!({})), 0.0), json!({})),
        ),
        ("half", "INBOUND", manager("half", sampled(ratio(50), 100.0), json!({}))),
        (
            "parent",
            "INBOUND",
            manager(
                "parent",
                sampled(sampler("ParentBasedSamplerConfig", json!({ "wrapped_sampler": ratio(0) })), 100.0),
                json!({}),
            ),
        ),
        (
            "first",
            "OUTBOUND",
            manager(
                "first",
                json!({ "provider": otel(), "spawn_upstream_span": true }),
                json!({ "cluster": "second" }),
            ),
        ),
        ("b3", "INBOUND", manager("b3", json!({ "provider": zipkin(&json!({})) }), json!({}))),
        ("b3-out", "OUTBOUND", manager("b3-out", json!({ "provider": zipkin(&json!({})) }), json!({}))),
        ("b3-istio", "INBOUND", manager("b3-istio", json!({ "provider": zipkin(&istio), "verbose": true }), json!({}))),
        (
            "b3-attempts",
            "OUTBOUND",
            manager("b3-attempts", json!({ "provider": zipkin(&istio), "spawn_upstream_span": true }), json!({})),
        ),
        (
            "b3-split",
            "OUTBOUND",
            manager("b3-split", json!({ "provider": zipkin(&json!({ "split_spans_for_request": true })) }), json!({})),
        ),
        (
            "b3-never",
            "INBOUND",
            manager(
                "b3-never",
                json!({ "provider": zipkin(&json!({ "trace_id_128bit": true, "timestamp_trace_ids": true })),
                    "random_sampling": { "value": 0 } }),
                json!({}),
            ),
        ),
        (
            "asked",
            "INBOUND",
            manager("asked", json!({ "provider": otel() }), json!({ "filters": asking("/200/asked") })),
        ),
        (
            "refused",
            "INBOUND",
            manager("refused", json!({ "provider": otel() }), json!({ "filters": asking("/404/asked") })),
        ),
        (
            "b3-asked",
            "OUTBOUND",
            manager("b3-asked", json!({ "provider": zipkin(&json!({})) }), json!({ "filters": asking("/200/asked") })),
        ),
        (
            "child",
            "OUTBOUND",
            manager("child", json!({ "provider": otel() }), json!({ "router": { "start_child_span": true } })),
        ),
        (
            "b3-child",
            "OUTBOUND",
            manager(
                "b3-child",
                json!({ "provider": zipkin(&istio) }),
                json!({ "router": { "start_child_span": true } }),
            ),
        ),
        (
            "second",
            "INBOUND",
            manager("second", json!({ "provider": otel(), "spawn_upstream_span": true }), json!({ "no_retry": true })),
        ),
    ]
}

/// Filters that ask services: one that answers so, and two that nobody reaches.
fn asking(path: &str) -> Value {
    let dead = json!({ "envoy_grpc": { "cluster_name": "dead" }, "timeout": "5s" });
    let uri = json!({ "uri": "http://authz.example/", "cluster": "app", "timeout": "5s" });
    let of = |name: &str, kind: &str, mut config: Value| {
        config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
        json!({ "name": name, "typed_config": config })
    };
    json!([
        of("by-http", "ext_authz.v3.ExtAuthz", json!({ "http_service": { "server_uri": uri, "path_override": path } })),
        of("by-grpc", "ext_authz.v3.ExtAuthz", json!({ "grpc_service": dead, "failure_mode_allow": true })),
        of(
            "limit",
            "ratelimit.v3.RateLimit",
            json!({ "domain": "d",
            "rate_limit_service": { "grpc_service": dead, "transport_api_version": "V3" } })
        )
    ])
}

fn tags() -> Value {
    let metadata = |tag: &str, kind: &str, key: &str, path: &[&str]| {
        let path: Vec<_> = path.iter().map(|key| json!({ "key": key })).collect();
        json!({ "tag": tag, "metadata": { "kind": { kind: {} }, "metadata_key": { "key": key, "path": path },
            "default_value": "none" } })
    };
    json!([
        { "tag": "t-literal", "literal": { "value": "L" } },
        { "tag": "t-variable", "environment": { "name": "OUTRIGGER_NO_SUCH", "default_value": "default" } },
        { "tag": "t-no-variable", "environment": { "name": "OUTRIGGER_NO_SUCH" } },
        { "tag": "t-header", "request_header": { "name": "X-Header", "default_value": "none" } },
        { "tag": "t-path", "request_header": { "name": ":path" } },
        { "tag": "t-no-header", "request_header": { "name": "x-absent" } },
        metadata("t-request", "request", "m", &["a"]),
        metadata("t-text", "route", "m", &["text"]),
        metadata("t-list", "route", "m", &["list"]),
        metadata("t-number", "route", "m", &["number"]),
        metadata("t-bool", "route", "m", &["bool"]),
        metadata("t-object", "route", "m", &["object"]),
        metadata("t-inner", "route", "m", &["object", "x"]),
        metadata("t-null", "route", "m", &["null"]),
        metadata("t-host", "host", "labels", &["who"]),
        metadata("t-cluster", "cluster", "labels", &["who"]),
        { "tag": "t-format", "value": "%REQ(:method)%-%REQ(x-absent)%-%RESPONSE_CODE%-%UPSTREAM_CLUSTER%" },
        { "tag": "t-no-format", "value": "%REQ(x-absent)%" },
        { "tag": "t-both", "literal": { "value": "manager" } },
        { "tag": "t-both", "literal": { "value": "again" } },
        { "tag": "http.method", "literal": { "value": "mine" } }
    ])
}

fn manager(name: &str, tracing: Value, more: Value) -> Value {
    let cluster = more["cluster"].as_str().unwrap_or("app");
    let metadata = json!({ "filter_metadata": { "m": { "text": "T", "list": [1, "x", { "z": null }], "number": 3.5,
        "bool": true, "object": { "x": 7 }, "null": null } } });
    let retry = json!({ "retry_on": "5xx", "num_retries": 1, "retry_back_off": { "base_interval": "0.01s" } });
    let mut app = json!({ "cluster": cluster });
    if more["no_retry"] != true {
        app["retry_policy"] = retry.clone();
    }
    let filters = more["filters"].as_array().cloned().unwrap_or_default();
    if !filters.is_empty() {
        app["rate_limits"] = json!([{ "actions": [{ "generic_key": { "descriptor_value": "x" } }] }]);
    }
    let zero = json!({ "numerator": 0 });
    let half = json!({ "numerator": 50 });
    let routes = json!([
        { "match": { "prefix": "/200/never" }, "route": { "cluster": "app" }, "tracing": { "random_sampling": zero } },
        { "match": { "prefix": "/200/half" }, "route": { "cluster": "app" }, "tracing": { "random_sampling": half } },
        { "match": { "prefix": "/200/tags" }, "route": { "cluster": "app" }, "metadata": metadata, "tracing": {
            "custom_tags": [{ "tag": "t-both", "literal": { "value": "route" } }, { "tag": "t-route", "literal": { "value": "R" } }] } },
        { "match": { "prefix": "/200/named" }, "route": { "cluster": "app" }, "decorator": { "operation": "route's" },
            "tracing": { "operation": "op %REQ(:path)% %RESPONSE_CODE%", "upstream_operation": "up %RESPONSE_CODE%" } },
        { "match": { "prefix": "/200/operation" }, "route": { "cluster": "app" }, "decorator": { "operation": "route's" } },
        { "match": { "prefix": "/200/alone" }, "route": { "cluster": "app" },
            "decorator": { "operation": "route's", "propagate": false } },
        { "match": { "prefix": "/decorated" }, "route": { "cluster": "app" }, "decorator": { "operation": "route's" } },
        { "match": { "prefix": "/direct" }, "direct_response": { "status": 200, "body": { "inline_string": "x" } } },
        { "match": { "prefix": "/redirect" }, "redirect": { "path_redirect": "/x" } },
        { "match": { "prefix": "/rewritten/" }, "route": { "cluster": "app", "prefix_rewrite": "/200/",
            "host_rewrite_literal": "other.example" } },
        { "match": { "prefix": "/dead" }, "route": { "cluster": "dead", "retry_policy": retry } },
        { "match": { "prefix": "/lost" }, "route": { "cluster_header": "x-cluster" } },
        { "match": { "prefix": "/never/soon" }, "route": { "cluster": "app", "timeout": "0.1s" } },
        { "match": { "prefix": "/never/try" }, "route": { "cluster": "app", "timeout": "5s", "retry_policy": {
            "retry_on": "5xx", "num_retries": 1, "per_try_timeout": "0.1s", "retry_back_off": { "base_interval": "0.01s" } } } },
        { "match": { "prefix": "/away" }, "route": { "cluster": "app", "internal_redirect_policy": {} } },
        { "match": { "prefix": "/" }, "route": app, "metadata": metadata }
    ]);
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "tracing": tracing,
        "internal_address_config": { "cidr_ranges": [{ "address_prefix": "10.0.0.0", "prefix_len": 8 }] },
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] }
    });
    for (field, value) in more["router"].as_object().into_iter().flatten() {
        manager["http_filters"][0]["typed_config"][field] = value.clone();
    }
    if let Some(router) = manager["http_filters"].as_array_mut() {
        router.splice(0..0, filters);
    }
    if let Some(extension) = more.get("request_id_extension") {
        manager["request_id_extension"] = extension.clone();
    }
    manager
}
