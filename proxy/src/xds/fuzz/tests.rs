//! The property with seeds and some thousand mutations of them.

use serde_json::{Value, json};

use super::super::testing::{bytes, static_cluster, tcp_listener};
use super::*;
use crate::testing::{mutate, run};

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

const WORDS: &[&[u8]] = &[
    b"\x0a\x01c",
    b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x12\x00",
    b"\x12\x7f",
    b"\x1a\x02\x08\x01",
    b"\x0b",
    b"\x0c",
    b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
    b"type.googleapis.com/udpa.type.v1.TypedStruct",
    b"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    b"(a*)*",
    b"\xff",
    b"\0",
];

fn words(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    mutate(random, seeds, WORDS)
}

fn manager() -> Value {
    let rbac = json!({"name": "r", "typed_config": {
        "@type": format!("{EXTENSIONS}.filters.http.rbac.v3.RBAC"),
        "rules": {"policies": {"p": {
            "permissions": [{"header": {"name": "a", "string_match": {"safe_regex": {"regex": "a|b"}}}}],
            "principals": [{"authenticated": {"principal_name": {"prefix": "spiffe://"}}}],
        }}},
    }});
    let router =
        json!({"name": "router", "typed_config": {"@type": format!("{EXTENSIONS}.filters.http.router.v3.Router")}});
    json!({"name": "m", "typed_config": {
        "@type": format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "m",
        "route_config": table(),
        "http_filters": [rbac, router],
    }})
}

fn table() -> Value {
    json!({"name": "t", "virtual_hosts": [{"name": "v", "domains": ["*.example"], "routes": [
        {"match": {"safe_regex": {"regex": "/a.*"}}, "route": {"cluster": "c", "timeout": "1.5s", "retry_policy": {"retry_on": "5xx"}}},
        {"match": {"prefix": "/"}, "direct_response": {"status": 404}},
    ]}]})
}

fn typed(kind: &str, mut resource: Value) -> Value {
    resource["@type"] = format!("type.googleapis.com/{kind}").into();
    resource
}

#[test]
fn mutated_resources() {
    let mut listener = tcp_listener("l", "c");
    listener["filter_chains"][0]["filters"] = json!([manager()]);
    let assignment = json!({"cluster_name": "c", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 1}}}}]}]});
    let discovered = json!({"name": "e", "typed_config": manager()["typed_config"]["http_filters"][0]["typed_config"]});
    let resources = [
        (0, listener),
        (0, tcp_listener("l", "c")),
        (1, static_cluster("c", 1)),
        (2, typed("envoy.config.route.v3.RouteConfiguration", table())),
        (3, typed("envoy.config.endpoint.v3.ClusterLoadAssignment", assignment)),
        (5, typed("envoy.config.core.v3.TypedExtensionConfig", discovered)),
    ];
    let seeds = resources.map(|(kind, resource)| [&[kind][..], &bytes(&resource)].concat());
    run(resource, words, &seeds, 31, 6_000);
    // Of the kind that they are.
    for seed in seeds {
        assert!(seed.len() > 10);
    }
}
