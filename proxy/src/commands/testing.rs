//! What a small sidecar's admin interface says, for tests of the commands.

use serde_json::{Value, json};

use super::dump::Dump;

const ADMIN: &str = "type.googleapis.com/envoy.admin.v3.";
const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const TCP_PROXY: &str = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const UPSTREAM_TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/// Where each listener is bound.
pub const BOUND: [(&str, &str, u16); 3] =
    [("127.0.0.2_9080", "127.0.0.2", 9080), ("127.0.0.2_3306", "127.0.0.2", 3306), ("10.0.0.1_8443", "10.0.0.1", 8443)];

/// Two services behind an HTTP listener, one behind a TCP listener, an inbound listener, and one that was refused.
pub fn dump() -> Dump {
    let bound = BOUND.map(|(name, address, port)| {
        json!({ "name": name, "local_address": { "socket_address": { "address": address, "port_value": port } } })
    });
    Dump {
        configs: vec![listeners(), clusters(), endpoints(), scoped_routes(), routes(), secrets()],
        clusters: statuses(),
        listeners: json!({ "listener_statuses": bound }),
    }
}

fn listener(index: usize, direction: &str, filters: Value) -> Value {
    let (name, address, port) = BOUND[index];
    let listener = json!({
        "name": name, "traffic_direction": direction,
        "address": { "socket_address": { "address": address, "port_value": port } },
        "filter_chains": [{ "filters": filters }],
    });
    json!({ "name": name, "active_state": { "listener": listener } })
}

fn manager(table: Value) -> Value {
    let mut config = json!({ "@type": MANAGER, "http_filters": [
        { "name": "authz", "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC" } },
    ] });
    config.as_object_mut().unwrap().extend(table.as_object().unwrap().clone());
    json!([{ "name": "http", "typed_config": config }])
}

fn tcp(cluster: &str) -> Value {
    json!([{ "name": "tcp", "typed_config": { "@type": TCP_PROXY, "cluster": cluster } }])
}

fn listeners() -> Value {
    let inline = json!({ "route_config": { "name": "inbound|8443||", "virtual_hosts": [{ "name": "in", "domains": ["*"],
        "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "inbound|8443||" } }] }] } });
    json!({ "@type": format!("{ADMIN}ListenersConfigDump"), "dynamic_listeners": [
        listener(0, "OUTBOUND", manager(json!({ "rds": { "route_config_name": "9080" } }))),
        listener(1, "OUTBOUND", tcp("outbound|3306||db.bookinfo.svc.cluster.local")),
        listener(2, "INBOUND", manager(inline)),
        { "name": "127.0.0.2_7000", "error_state": {
            "details": "address 127.0.0.2:7000 is taken by another process",
            "failed_configuration": { "name": "127.0.0.2_7000",
                "address": { "socket_address": { "address": "127.0.0.2", "port_value": 7000 } } },
        } },
    ] })
}

fn scoped_routes() -> Value {
    json!({ "@type": format!("{ADMIN}ScopedRoutesConfigDump") })
}

fn routes() -> Value {
    let host = |name: &str, routes: Value| {
        json!({
            "name": format!("{name}.bookinfo.svc.cluster.local:9080"), "routes": routes,
            "domains": [format!("{name}.bookinfo.svc.cluster.local"), name, format!("{name}.bookinfo"), "10.1.2.3"],
        })
    };
    let all = |name: &str| {
        json!([{ "name": "default", "match": { "prefix": "/" },
            "route": { "cluster": format!("outbound|9080||{name}.bookinfo.svc.cluster.local") } }])
    };
    let details = json!([
        { "name": "jason", "match": { "prefix": "/", "headers": [{ "name": "end-user", "string_match": { "exact": "jason" } }] },
          "direct_response": { "status": 418 } },
        { "name": "default", "match": { "prefix": "/" },
          "route": { "cluster": "outbound|9080||details.bookinfo.svc.cluster.local" } },
    ]);
    let table = json!({ "name": "9080", "ignore_port_in_host_matching": true, "virtual_hosts": [
        host("details", details), host("ratings", all("ratings")), host("gone", all("gone")),
        { "name": "allow_any", "domains": ["*"], "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "PassthroughCluster" } }] },
    ] });
    json!({ "@type": format!("{ADMIN}RoutesConfigDump"), "dynamic_route_configs": [{ "route_config": table }] })
}

fn clusters() -> Value {
    let tls = json!({ "typed_config": { "@type": UPSTREAM_TLS, "sni": "outbound_.9080_._.details", "common_tls_context": {
        "tls_certificate_sds_secret_configs": [{ "name": "default" }],
        "combined_validation_context": {
            "validation_context_sds_secret_config": { "name": "ROOTCA" },
            "default_validation_context": { "match_typed_subject_alt_names": [
                { "matcher": { "exact": "spiffe://cluster.local/ns/bookinfo/sa/details" } }] },
        },
    } } });
    let eds = |name: &str| {
        json!({ "cluster": { "name": name, "type": "EDS", "transport_socket_matches": [
            { "match": { "tlsMode": "istio" }, "transport_socket": tls }, { "match": {}, "transport_socket": { "name": "raw" } }] } })
    };
    json!({ "@type": format!("{ADMIN}ClustersConfigDump"),
        "static_clusters": [{ "cluster": { "name": "xds-grpc", "type": "STATIC" } }],
        "dynamic_active_clusters": [
            eds("outbound|9080||details.bookinfo.svc.cluster.local"),
            eds("outbound|9080||ratings.bookinfo.svc.cluster.local"),
            eds("outbound|3306||db.bookinfo.svc.cluster.local"),
            { "cluster": { "name": "inbound|8443||", "type": "STATIC" } },
            { "cluster": { "name": "PassthroughCluster", "type": "ORIGINAL_DST" } },
        ] })
}

fn endpoint(address: &str) -> Value {
    json!({ "socket_address": { "address": address, "port_value": 9080 } })
}

fn endpoints() -> Value {
    let labels = json!({ "filter_metadata": { "envoy.transport_socket_match": { "tlsMode": "istio" } } });
    let assignment = json!({ "cluster_name": "outbound|9080||details.bookinfo.svc.cluster.local", "endpoints": [
        { "lb_endpoints": [{ "endpoint": { "address": endpoint("10.0.0.8") }, "metadata": labels }] }] });
    json!({ "@type": format!("{ADMIN}EndpointsConfigDump"), "dynamic_endpoint_configs": [{ "endpoint_config": assignment }] })
}

fn statuses() -> Value {
    let host =
        |address: &str, health: Value| json!({ "address": endpoint(address), "health_status": health, "weight": 1 });
    json!({ "cluster_statuses": [
        { "name": "outbound|9080||details.bookinfo.svc.cluster.local", "host_statuses": [
            host("10.0.0.8", json!({ "eds_health_status": "HEALTHY" })),
            host("10.0.0.9", json!({ "eds_health_status": "HEALTHY", "failed_outlier_check": true })),
        ] },
        { "name": "outbound|9080||ratings.bookinfo.svc.cluster.local" },
        { "name": "outbound|3306||db.bookinfo.svc.cluster.local", "host_statuses": [
            host("10.0.0.7", json!({ "eds_health_status": "HEALTHY" }))] },
        { "name": "inbound|8443||", "host_statuses": [host("127.0.0.1", json!({}))] },
    ] })
}

fn secrets() -> Value {
    json!({ "@type": format!("{ADMIN}SecretsConfigDump"), "dynamic_active_secrets": [
        { "name": "default", "secret": { "name": "default", "tls_certificate": {} } },
        { "name": "ROOTCA", "secret": { "name": "ROOTCA", "validation_context": {} } },
    ] })
}
