//! Tests of `control_plane`.

use config::UnknownFields;
use config::bootstrap::{Bootstrap, Source};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::*;
use crate::tls::testing::Authority;

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

fn servers(clusters: Value) -> (GrpcServers, Bootstrap) {
    let bootstrap = bootstrap(clusters);
    let (secrets, resolver) = (Secrets::new(), Resolver::system());
    (GrpcServers::new(&bootstrap, &secrets, &resolver).unwrap(), bootstrap)
}

fn ads(clusters: Value) -> Result<AdsSettings, String> {
    let (servers, bootstrap) = servers(clusters);
    servers.settings(bootstrap.ads.as_ref().unwrap())
}

/// How messages call the server.
fn reached(cluster: Value) -> String {
    ads(json!([cluster])).unwrap_or_else(|reason| panic!("{reason}")).endpoint.to_string()
}

#[test]
fn a_server_is_reached_where_its_static_cluster_says() {
    let pipe = cluster("xds-grpc", json!({"pipe": {"path": "./etc/istio/proxy/XDS"}}));
    assert_eq!(reached(pipe), "cluster 'xds-grpc' (unix:./etc/istio/proxy/XDS)");
    let plain = cluster("xds-grpc", at("127.0.0.1"));
    assert_eq!(reached(plain), "cluster 'xds-grpc' (127.0.0.1:15012)");
    let mut named = cluster("xds-grpc", at("istiod.istio-system.svc"));
    named["type"] = json!("STRICT_DNS");
    assert_eq!(reached(named), "cluster 'xds-grpc' (istiod.istio-system.svc:15012)");
}

#[test]
fn a_cluster_that_cannot_carry_the_stream_is_named_with_what_is_wrong() {
    let eds = json!({"name": "xds-grpc", "type": "EDS", "eds_cluster_config": {"eds_config": {"ads": {}}}});
    let unreadable =
        with_tls(cluster("xds-grpc", at("127.0.0.1")), &json!({"trusted_ca": {"filename": "/nowhere/ca"}}));
    let empty = json!({"name": "xds-grpc", "type": "STATIC"});
    for (cluster, what) in [(eds, "type: "), (empty, "load_assignment: "), (unreadable, "/nowhere/ca")] {
        let reason = ads(json!([cluster])).expect_err("no server");
        assert!(reason.starts_with("cluster 'xds-grpc': ") && reason.contains(what), "{reason}");
    }
}

#[test]
fn the_stream_says_who_we_are_and_does_what_cluster_and_source_say() {
    let mut wanted = cluster("xds-grpc", at("127.0.0.1"));
    let settings = ads(json!([wanted])).unwrap();
    assert!(settings.delta);
    assert_eq!(
        (&*settings.node.id, &*settings.node.user_agent_name),
        ("n", "another"),
        "as the bootstrap has it, completed"
    );
    assert_eq!(settings.connect_timeout.as_secs(), 7);
    assert_eq!(settings.endpoint.http2(), Http2::default());
    assert_eq!(settings.endpoint.http2().keepalive, None, "nobody asked for pings");
    wanted["typed_extension_protocol_options"] = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {
            "connection_keepalive": {"interval": "30s", "timeout": "5s"}, "initial_stream_window_size": 65536
        }}
    }});
    let http2 = ads(json!([wanted])).unwrap().endpoint.http2();
    let (interval, timeout) = (Duration::from_secs(30), Duration::from_secs(5));
    assert_eq!((http2.keepalive, http2.stream_window), (Some(Keepalive { interval, timeout }), 65536));
}

fn with_tls(mut cluster: Value, validation: &Value) -> Value {
    cluster["transport_socket"] = tls(validation);
    cluster
}

fn tls(validation: &Value) -> Value {
    json!({"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"validation_context": validation}
    }})
}

/// The first octets of a stream that carries a token, up to this many.
async fn first_octets(change: impl FnOnce(&mut Value), count: usize) -> Vec<u8> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = json!({"socket_address": {
        "address": "127.0.0.1", "port_value": listener.local_addr().unwrap().port()
    }});
    let mut one = cluster("xds-grpc", address);
    change(&mut one);
    let (servers, bootstrap) = servers(json!([one]));
    let mut server = bootstrap.ads.unwrap();
    server.metadata = vec![("authorization".into(), "Bearer of-great-value".into())];
    let (handle, _events) = xds_client::AdsClient::spawn(servers.settings(&server).unwrap());
    handle.subscribe(xds_client::type_url::CLUSTER, xds_client::Subscription::Wildcard);
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut octets = vec![0; count];
    socket.read_exact(&mut octets).await.unwrap();
    octets
}

#[tokio::test]
async fn wherever_tls_is_configured_nothing_is_said_before_it() {
    let roots = json!({"trusted_ca": {"inline_string": Authority::new("mesh").root}});
    let client_hello = [22, 3, 1];
    assert_eq!(first_octets(|one| one["transport_socket"] = tls(&roots), 3).await, client_hello);
    let matched = |one: &mut Value| {
        one["transport_socket_matches"] = json!([{"name": "tls", "match": {}, "transport_socket": tls(&roots)}]);
    };
    assert_eq!(first_octets(matched, 3).await, client_hello);
    let wrapped = |one: &mut Value| {
        one["transport_socket"] = json!({"name": "proxy", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
            "config": {"version": "V1"}, "transport_socket": tls(&roots)
        }});
    };
    assert_eq!(first_octets(wrapped, 18).await, [&b"PROXY UNKNOWN\r\n"[..], &client_hello].concat());
    let plain = first_octets(|_| {}, 3).await;
    assert_eq!(plain, *b"PRI", "HTTP/2 itself");
}
