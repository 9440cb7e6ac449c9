//! Tests of `control_plane`.

use std::path::PathBuf;

use config::bootstrap::{Bootstrap, Source};
use config::{Options, UnknownFields};
use serde_json::{Value, json};
use xds_client::{Endpoint, Pem};

use super::GrpcServers;

fn bootstrap(clusters: Value) -> Bootstrap {
    let document = json!({
        "node": {"id": "n", "cluster": "c", "user_agent_name": "another"},
        "static_resources": {"clusters": clusters},
        "dynamic_resources": {
            "ads_config": {"api_type": "DELTA_GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]},
            "cds_config": {"ads": {}}
        }
    });
    let text = document.to_string();
    let source = Source { name: "test", text: &text, is_json: true };
    config::bootstrap::load(&[source], UnknownFields::Reject).unwrap_or_else(|error| panic!("{error}"))
}

fn cluster(name: &str, address: Value) -> Value {
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "7s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
    })
}

fn at(host: &str) -> Value {
    json!({"socket_address": {"address": host, "port_value": 15012}})
}

fn with_tls(mut cluster: Value, common: Value, sni: &str) -> Value {
    cluster["transport_socket"] = json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": sni, "common_tls_context": common
    }});
    cluster
}

fn reached(cluster: Value) -> Option<Endpoint> {
    let servers = GrpcServers::new(&bootstrap(json!([cluster])), &Options::default()).unwrap();
    let server = servers.servers.get("xds-grpc")?;
    Some(server.endpoint.clone())
}

#[test]
fn a_server_is_reached_where_its_static_cluster_says() {
    let pipe = cluster("xds-grpc", json!({"pipe": {"path": "./etc/istio/proxy/XDS"}}));
    assert_eq!(reached(pipe), Some(Endpoint::Uds(PathBuf::from("./etc/istio/proxy/XDS"))));
    let plain = cluster("xds-grpc", at("127.0.0.1"));
    assert_eq!(reached(plain), Some(Endpoint::Tcp { host: "127.0.0.1".into(), port: 15012 }));
    let mut named = cluster("xds-grpc", at("istiod.istio-system.svc"));
    named["type"] = json!("STRICT_DNS");
    assert_eq!(reached(named), Some(Endpoint::Tcp { host: "istiod.istio-system.svc".into(), port: 15012 }));
}

#[test]
fn tls_needs_roots_and_takes_the_name_that_is_asked_for() {
    let roots = json!({"validation_context": {"trusted_ca": {"filename": "/etc/roots.pem"}}});
    for (sni, server_name) in [("istiod.example", "istiod.example"), ("", "127.0.0.1")] {
        let made = reached(with_tls(cluster("xds-grpc", at("127.0.0.1")), roots.clone(), sni));
        let Some(Endpoint::Tls { host, port, tls }) = made else { panic!("{made:?}") };
        assert_eq!((&*host, port, &*tls.server_name), ("127.0.0.1", 15012, server_name));
        assert_eq!(tls.roots, Pem::File("/etc/roots.pem".into()));
    }
    // Without roots nobody would be checked: no such server.
    assert_eq!(reached(with_tls(cluster("xds-grpc", at("127.0.0.1")), json!({}), "a")), None);
}

#[test]
fn a_cluster_without_an_address_of_its_own_is_no_server() {
    let eds = json!({"name": "xds-grpc", "type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}}});
    assert_eq!(reached(eds), None);
    assert_eq!(reached(json!({"name": "xds-grpc", "type": "STATIC"})), None);
    let bootstrap = bootstrap(json!([{"name": "xds-grpc", "type": "STATIC"}, cluster("other", at("127.0.0.1"))]));
    let servers = GrpcServers::new(&bootstrap, &Options::default()).unwrap();
    let reason = servers.ads(bootstrap.ads.as_ref().unwrap()).expect_err("it has no address");
    assert!(reason.contains("'xds-grpc'") && reason.contains("static_resources.clusters"), "{reason}");
    assert!(servers.sds("sds-grpc").is_none() && servers.sds("other").is_some());
}

#[test]
fn the_stream_says_who_we_are_and_waits_as_the_cluster_says() {
    let bootstrap = bootstrap(json!([cluster("xds-grpc", at("127.0.0.1"))]));
    let servers = GrpcServers::new(&bootstrap, &Options::default()).unwrap();
    let settings = servers.ads(bootstrap.ads.as_ref().unwrap()).unwrap();
    assert!(settings.delta);
    assert_eq!((&*settings.node.id, &*settings.node.user_agent_name), ("n", "outrigger"));
    assert_eq!(settings.connect_timeout.as_secs(), 7);
}
