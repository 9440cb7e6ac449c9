//! HTTP and network filters, access logs and tracing: what istiod puts into every listener.
//!
//! Called by listeners and clusters. Must never hold anything that depends on one service.

use serde_json::{Value, json};

use super::super::model::{Mesh, Workload};
use super::tls::ads;

/// Which way a connection manager faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound,
    Outbound,
}

/// Istio's default access log line.
const LINE: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" \
%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \
\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% \
%ROUTE_NAME%\n";

/// The access log to standard output, if the mesh has one.
pub(super) fn access_log(mesh: &Mesh) -> Value {
    if mesh.access_log { json!([stdout_log()]) } else { json!([]) }
}

/// A listener's own log: only for connections that match no chain.
pub(super) fn listener_access_log(mesh: &Mesh) -> Value {
    if !mesh.access_log {
        return json!([]);
    }
    let mut log = stdout_log();
    log["filter"] = json!({ "response_flag_filter": { "flags": ["NR"] } });
    json!([log])
}

fn stdout_log() -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/stdout",
            "log_format": { "text_format_source": { "inline_string": LINE } }
        }
    })
}

/// The metadata exchange of connections; also a filter of every outbound cluster.
pub(super) fn tcp_metadata_exchange(mesh: &Mesh) -> Option<Value> {
    let filter = json!({
        "name": "istio.metadata_exchange",
        "typed_config": {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange",
            "value": { "enable_discovery": true, "protocol": "istio-peer-exchange" }
        }
    });
    mesh.istio_filters.then_some(filter)
}

/// Istio's metrics, if the mesh has them.
pub(super) fn stats(mesh: &Mesh, direction: Direction) -> Option<Value> {
    if !mesh.metrics || !mesh.istio_filters {
        return None;
    }
    let mut config = json!({ "@type": "type.googleapis.com/stats.PluginConfig" });
    if direction == Direction::Inbound {
        config["disable_host_header_fallback"] = json!(true);
    }
    Some(json!({ "name": "istio.stats", "typed_config": config }))
}

/// A TCP proxy filter.
pub(super) fn tcp_proxy(mesh: &Mesh, cluster: &str) -> Value {
    json!({
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": cluster,
            "cluster": cluster,
            "access_log": access_log(mesh)
        }
    })
}

/// A connection manager with inline routes.
pub(super) fn inbound_http(mesh: &Mesh, workload: &Workload, listener: &str, routes: Value) -> Value {
    let mut manager = connection_manager(mesh, workload, Direction::Inbound, format!("inbound_{listener};"));
    let config = &mut manager["typed_config"];
    config["route_config"] = routes;
    config["server_name"] = json!("istio-envoy");
    config["forward_client_cert_details"] = json!("APPEND_FORWARD");
    config["set_current_client_cert_details"] = json!({ "subject": true, "dns": true, "uri": true });
    manager
}

/// A connection manager with routes from RDS.
pub(super) fn outbound_http(mesh: &Mesh, workload: &Workload, listener: &str, table: &str) -> Value {
    let mut manager = connection_manager(mesh, workload, Direction::Outbound, format!("outbound_{listener};"));
    manager["typed_config"]["rds"] = json!({ "config_source": ads(), "route_config_name": table });
    manager
}

fn connection_manager(mesh: &Mesh, workload: &Workload, direction: Direction, stat_prefix: String) -> Value {
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": stat_prefix,
            "http_filters": http_filters(mesh, direction),
            "tracing": tracing(workload),
            "stream_idle_timeout": "0s",
            "access_log": access_log(mesh),
            "use_remote_address": false,
            "proxy_100_continue": true,
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "normalize_path": true,
            "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
            "request_id_extension": {
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                    "use_request_id_for_trace_sampling": true
                }
            }
        }
    })
}

fn http_filters(mesh: &Mesh, direction: Direction) -> Value {
    let exchange = match direction {
        Direction::Inbound => json!({
            "downstream_discovery": [{ "istio_headers": {} }, { "workload_discovery": {} }],
            "downstream_propagation": [{ "istio_headers": {} }]
        }),
        Direction::Outbound => json!({
            "upstream_discovery": [{ "istio_headers": {} }, { "workload_discovery": {} }],
            "upstream_propagation": [{ "istio_headers": {} }]
        }),
    };
    let exchange = json!({
        "name": "istio.metadata_exchange",
        "typed_config": {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/io.istio.http.peer_metadata.Config",
            "value": exchange
        }
    });
    let mut filters = Vec::new();
    filters.extend(mesh.istio_filters.then_some(exchange));
    filters.push(json!({
        "name": "envoy.filters.http.grpc_stats",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
            "emit_filter_state": true,
            "stats_for_all_methods": false
        }
    }));
    if direction == Direction::Outbound && mesh.istio_filters {
        filters.push(alpn());
    }
    filters.extend([plain("fault", "fault.v3.HTTPFault"), plain("cors", "cors.v3.Cors")]);
    filters.extend(stats(mesh, direction));
    filters.push(plain("router", "router.v3.Router"));
    json!(filters)
}

fn plain(name: &str, message: &str) -> Value {
    json!({
        "name": format!("envoy.filters.http.{name}"),
        "typed_config": { "@type": format!("type.googleapis.com/envoy.extensions.filters.http.{message}") }
    })
}

fn alpn() -> Value {
    json!({
        "name": "istio.alpn",
        "typed_config": {
            "@type": "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
            "alpn_override": [
                { "alpn_override": ["istio-http/1.0", "istio", "http/1.0"] },
                { "upstream_protocol": "HTTP11", "alpn_override": ["istio-http/1.1", "istio", "http/1.1"] },
                { "upstream_protocol": "HTTP2", "alpn_override": ["istio-h2", "istio", "h2"] }
            ]
        }
    })
}

/// Present although no tracer is configured: then it only decides a bit of the request id.
fn tracing(workload: &Workload) -> Value {
    let literal = |tag: &str, value: &str| json!({ "tag": tag, "literal": { "value": value } });
    let dry_run = |policy: &str, result: &str, key: &str| {
        json!({
            "tag": format!("istio.authorization.dry_run.{policy}_policy.{result}"),
            "metadata": {
                "kind": { "request": {} },
                "metadata_key": {
                    "key": "envoy.filters.http.rbac",
                    "path": [{ "key": format!("istio_dry_run_{policy}_shadow_{key}") }]
                }
            }
        })
    };
    json!({
        "client_sampling": { "value": 100 },
        "random_sampling": { "value": 1 },
        "overall_sampling": { "value": 100 },
        "custom_tags": [
            dry_run("allow", "name", "effective_policy_id"),
            dry_run("allow", "result", "engine_result"),
            dry_run("deny", "name", "effective_policy_id"),
            dry_run("deny", "result", "engine_result"),
            literal("istio.canonical_revision", "latest"),
            literal("istio.canonical_service", &workload.app),
            literal("istio.cluster_id", "Kubernetes"),
            literal("istio.mesh_id", "unknown"),
            literal("istio.namespace", &workload.namespace)
        ]
    })
}
