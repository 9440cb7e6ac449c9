//! Bootstrap files as pilot-agent writes them, for a workload of the embedded mesh.
//!
//! Called by the harness and the demo before a proxy starts. Same keys, names and order of sections as the agent's
//! template; only ports and addresses differ, so that many proxies fit on one host.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::model::Workload;

/// Where the proxy finds ADS, below its working directory.
pub const XDS_SOCKET: &str = "etc/istio/proxy/XDS";
/// Where the proxy finds SDS, below its working directory.
pub const SDS_SOCKET: &str = "var/run/secrets/workload-spiffe-uds/socket";
/// Where the agent puts the file, below the working directory.
pub const FILE: &str = "etc/istio/proxy/envoy-rev.json";

/// The addresses that an agent fixes and that tests must choose.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// 127.0.0.1:15000 in production.
    pub admin: SocketAddr,
    /// 127.0.0.1:15020, the agent's own port.
    pub agent: SocketAddr,
    /// 0.0.0.0:15090.
    pub prometheus: SocketAddr,
    /// 0.0.0.0:15021.
    pub status: SocketAddr,
}

/// Which of the two ADS protocols the proxy is told to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdsProtocol {
    /// `DELTA_GRPC`, Istio's default.
    Delta,
    /// `GRPC`.
    StateOfTheWorld,
}

/// Writes a workload's file into its root folder; gives its path below it.
pub fn write(root: &Path, bootstrap: &Value) -> PathBuf {
    let path = root.join(FILE);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the root folder is ours");
    let text = serde_json::to_string_pretty(bootstrap).expect("JSON prints");
    std::fs::write(&path, text).expect("the root folder is ours");
    PathBuf::from(FILE)
}

/// A workload's file.
pub fn document(workload: &Workload, addresses: &Addresses, protocol: AdsProtocol) -> Value {
    let api_type = match protocol {
        AdsProtocol::Delta => "DELTA_GRPC",
        AdsProtocol::StateOfTheWorld => "GRPC",
    };
    let over_ads = json!({ "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" });
    json!({
        "application_log_config": {
            "log_format": { "text_format": "%Y-%m-%dT%T.%fZ\t%l\tenvoy %n %g:%#\t%v\tthread=%t" }
        },
        "node": node(workload),
        "layered_runtime": {
            "layers": [
                {
                    "name": "global config",
                    "static_layer": {
                        "envoy.deprecated_features:envoy.config.listener.v3.Listener.hidden_envoy_deprecated_use_original_dst": true,
                        "envoy.reloadable_features.coalesce_lb_rebuilds_on_batch_update": false,
                        "envoy.reloadable_features.fixed_heap_use_allocated": true,
                        "envoy.reloadable_features.http_reject_path_with_fragment": false,
                        "re2.max_program_size.error_level": "32768"
                    }
                },
                { "name": "admin", "admin_layer": {} }
            ]
        },
        "bootstrap_extensions": [{
            "name": "envoy.bootstrap.internal_listener",
            "typed_config": {
                "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
                "type_url": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
                "value": { "buffer_size_kb": 64 }
            }
        }],
        "stats_config": stats_config(),
        "admin": {
            "access_log": [{
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": "/dev/null"
                }
            }],
            "profile_path": "/var/lib/istio/data/envoy.prof",
            "address": {
                "socket_address": { "address": addresses.admin.ip(), "port_value": addresses.admin.port() }
            }
        },
        "dynamic_resources": {
            "lds_config": over_ads,
            "cds_config": over_ads,
            "ads_config": {
                "api_type": api_type,
                "set_node_on_first_message_only": true,
                "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds-grpc" } }]
            }
        },
        "static_resources": {
            "clusters": [
                tcp_cluster("prometheus_stats", addresses.admin),
                tcp_cluster("agent", addresses.agent),
                grpc_cluster("sds-grpc", SDS_SOCKET),
                xds_cluster()
            ],
            "listeners": [
                http_listener(addresses.prometheus, 15090, "stats", "/stats/prometheus", "prometheus_stats", true),
                http_listener(addresses.status, 15021, "agent", "/healthz/ready", "agent", false)
            ]
        },
        "overload_manager": {
            "resource_monitors": [{
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": 2_147_483_647
                }
            }]
        },
        "deferred_stat_options": { "enable_deferred_creation_stats": true }
    })
}

fn node(workload: &Workload) -> Value {
    let (app, namespace, address) = (&workload.app, &workload.namespace, workload.address);
    let labels = json!({
        "app": app,
        "class": "vm",
        "service.istio.io/canonical-name": app,
        "service.istio.io/canonical-revision": "latest"
    });
    json!({
        "id": format!("sidecar~{address}~{}.{namespace}~{namespace}.svc.cluster.local", workload.name),
        "cluster": format!("{app}.{namespace}"),
        "locality": {},
        "metadata": {
            "AUTO_REGISTER_GROUP": app,
            "CLUSTER_ID": "Kubernetes",
            "DNS_CAPTURE": "false",
            "ENVOY_PROMETHEUS_PORT": 15090,
            "ENVOY_SKIP_DEPRECATED_LOGS": "true",
            "ENVOY_STATUS_PORT": 15021,
            "INSTANCE_IPS": address.to_string(),
            "INTERCEPTION_MODE": "NONE",
            "ISTIO_VERSION": "unknown",
            "LABELS": labels,
            "MESH_ID": "",
            "METADATA_DISCOVERY": "false",
            "NAME": workload.name,
            "NAMESPACE": namespace,
            "NETWORK": "",
            "PILOT_SAN": ["istiod.istio-system.svc"],
            "PROXY_CONFIG": {
                "binaryPath": "/usr/local/bin/envoy",
                "concurrency": 1,
                "configPath": "./etc/istio/proxy",
                "controlPlaneAuthPolicy": "MUTUAL_TLS",
                "discoveryAddress": "istiod.istio-system.svc:15012",
                "drainDuration": "45s",
                "proxyAdminPort": 15000,
                "serviceCluster": "istio-proxy",
                "statNameLength": 189,
                "statusPort": 15020,
                "terminationDrainDuration": "5s",
                "tracing": {}
            },
            "SERVICE_ACCOUNT": workload.service_account,
            "STATIC_LABELS": labels,
            "WORKLOAD_IDENTITY_SOCKET_FILE": "socket",
            "WORKLOAD_NAME": app,
            "app": app,
            "class": "vm",
            "service.istio.io/canonical-name": app,
            "service.istio.io/canonical-revision": "latest"
        }
    })
}

fn stats_config() -> Value {
    let tag = |name: &str, regex: &str| json!({ "tag_name": name, "regex": regex });
    json!({
        "use_all_default_tags": false,
        "stats_tags": [
            tag("cluster_name", "^cluster(\\.(.+);)"),
            tag("http_conn_manager_prefix", "^http\\.(((?:[_.[:digit:]\\w]*|[_\\[\\]aAbBcCdDeEfF[:digit:]\\w\\:]*));\\.)"),
            tag("thread_name", "^server(\\.(.+))\\.watchdog"),
            tag("tcp_prefix", "^tcp\\.((.*?)\\.)\\w+?$"),
            tag("response_code", "_rq(_(\\d{3}))$"),
            tag("response_code_class", "_rq(_(\\dxx))$"),
            tag("http_conn_manager_listener_prefix", "^listener(?=\\.).*?\\.http\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)"),
            tag("listener_address", "^listener\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)"),
            tag("mongo_prefix", "^mongo\\.(.+?)\\.(collection|cmd|cx_|op_|delays_|decoding_)(.*?)$"),
            tag("cache", "(cache\\.(.+?)\\.)"),
            tag("component", "(component\\.(.+?)\\.)"),
            tag("tag", "(tag\\.(.+?);\\.)"),
            tag("wasm_filter", "(wasm_filter\\.(.+?)\\.)"),
            tag("authz_enforce_result", "rbac(\\.(allowed|denied))"),
            tag("authz_dry_run_action", "(\\.istio_dry_run_(allow|deny)_)"),
            tag("authz_dry_run_result", "(\\.shadow_(allowed|denied))")
        ],
        "stats_matcher": {
            "inclusion_list": {
                "patterns": [
                    { "prefix": "reporter=" },
                    { "prefix": "cluster_manager" },
                    { "prefix": "listener_manager" },
                    { "prefix": "server" },
                    { "prefix": "cluster.xds-grpc" },
                    { "prefix": "wasm" },
                    { "suffix": "rbac.allowed" },
                    { "suffix": "rbac.denied" },
                    { "suffix": "shadow_allowed" },
                    { "suffix": "shadow_denied" },
                    { "safe_regex": { "regex": "vhost\\..*\\.route\\..*" } },
                    { "prefix": "component" },
                    { "prefix": "istio" }
                ]
            }
        }
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "protocol": "TCP", "address": address.ip(), "port_value": address.port() } })
}

fn cluster(name: &str, connect_timeout: &str, address: Value) -> Value {
    json!({
        "name": name,
        "alt_stat_name": format!("{name};"),
        "type": "STATIC",
        "connect_timeout": connect_timeout,
        "lb_policy": "ROUND_ROBIN",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }]
        }
    })
}

fn tcp_cluster(name: &str, address: SocketAddr) -> Value {
    cluster(name, "0.250s", socket(address))
}

fn grpc_cluster(name: &str, path: &str) -> Value {
    let mut cluster = cluster(name, "1s", json!({ "pipe": { "path": format!("./{path}") } }));
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} }
        }
    });
    cluster
}

fn xds_cluster() -> Value {
    let mut cluster = grpc_cluster("xds-grpc", XDS_SOCKET);
    let threshold = |priority: &str| {
        json!({
            "priority": priority,
            "max_connections": 100_000,
            "max_pending_requests": 100_000,
            "max_requests": 100_000
        })
    };
    cluster["circuit_breakers"] = json!({ "thresholds": [threshold("DEFAULT"), threshold("HIGH")] });
    cluster["upstream_connection_options"] = json!({ "tcp_keepalive": { "keepalive_time": 300 } });
    cluster["max_requests_per_connection"] = json!(1);
    cluster
}

fn http_listener(
    address: SocketAddr,
    usual_port: u16,
    stat_prefix: &str,
    path: &str,
    cluster: &str,
    compressed: bool,
) -> Value {
    let mut filters = Vec::new();
    if compressed {
        filters.extend([
            compressor("brotli", "brotli.compressor.v3.Brotli"),
            compressor("zstd", "zstd.compressor.v3.Zstd"),
            compressor("gzip", "gzip.compressor.v3.Gzip"),
        ]);
    }
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" }
    }));
    json!({
        "name": format!("0.0.0.0_{usual_port}"),
        "address": socket(address),
        "ignore_global_conn_limit": true,
        "bypass_overload_manager": true,
        "filter_chains": [{
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "codec_type": "AUTO",
                    "stat_prefix": stat_prefix,
                    "route_config": {
                        "virtual_hosts": [{
                            "name": "backend",
                            "domains": ["*"],
                            "routes": [{ "match": { "prefix": path }, "route": { "cluster": cluster } }]
                        }]
                    },
                    "http_filters": filters
                }
            }]
        }]
    })
}

fn compressor(name: &str, library: &str) -> Value {
    json!({
        "name": format!("envoy.filters.http.compressor.{name}"),
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor",
            "compressor_library": {
                "name": format!("stats_{name}"),
                "typed_config": { "@type": format!("type.googleapis.com/envoy.extensions.compression.{library}") }
            },
            "response_direction_config": {
                "common_config": {
                    "content_type": [
                        "text/plain",
                        "application/vnd.google.protobuf",
                        "application/openmetrics-text",
                        "application/openmetrics-protobuf"
                    ]
                }
            }
        }
    })
}
