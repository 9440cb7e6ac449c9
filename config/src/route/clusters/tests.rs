//! Tests of `clusters`: Envoy 1.40 judged each of these tables and tracers the same, in a bootstrap with the cluster `c` alone.

use serde_json::{Value, json};

use crate::descriptors::Descriptors;
use crate::options::Options;

fn encoded(type_name: &str, value: &Value) -> Vec<u8> {
    crate::json::encode(&mut Descriptors::new(), type_name, value, true).expect("it is of that type")
}

fn with_action(action: Value) -> Value {
    let mut route = json!({"match": {"prefix": "/"}});
    route.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
    json!({"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [route]}]})
}

fn merged(mut table: Value, more: Value) -> Value {
    table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    table
}

fn over_rds(table: &Value) -> Result<(), String> {
    let bytes = encoded("envoy.config.route.v3.RouteConfiguration", table);
    let table = super::super::decode(&bytes, &Options::default()).expect("a table");
    table.leads_to_where_asked(&|name| name == "c").map_err(|rejection| rejection.to_string())
}

fn inline(table: &Value) -> Result<(), String> {
    judged(&listener(table))
}

fn listener(table: &Value) -> Value {
    let router = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s", "http_filters": [{"name": "router", "typed_config": router}], "route_config": table
    });
    let echo = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"});
    json!({
        "name": "l", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "e", "typed_config": echo}]}],
        "default_filter_chain": {"filters": [{"name": "h", "typed_config": manager}]}
    })
}

fn judged(listener: &Value) -> Result<(), String> {
    let bytes = encoded("envoy.config.listener.v3.Listener", listener);
    let listener = crate::listener::decode(&bytes, &Options::default()).expect("a listener");
    listener.leads_to(&|name| name == "c").map_err(|rejection| rejection.to_string())
}

#[test]
fn a_table_that_leads_nowhere_is_refused_where_it_is_looked_at() {
    let to = |cluster: &str| with_action(json!({"route": {"cluster": cluster}}));
    assert_eq!(inline(&to("c")), Ok(()));
    let refusal = inline(&to("x")).unwrap_err();
    let path = "default_filter_chain.filters[0].typed_config.route_config.virtual_hosts[0].routes[0].route.cluster: ";
    assert!(refusal.starts_with(&format!("{path}route: unknown cluster 'x'; ")), "{refusal}");
    assert_eq!(inline(&merged(to("x"), json!({"validate_clusters": false}))), Ok(()));
    assert!(inline(&merged(to("x"), json!({"validate_clusters": true}))).is_err());
    assert_eq!(over_rds(&to("x")), Ok(()));
    assert_eq!(over_rds(&merged(to("x"), json!({"validate_clusters": false}))), Ok(()));
    let refusal = over_rds(&merged(to("x"), json!({"validate_clusters": true}))).unwrap_err();
    assert!(refusal.starts_with("virtual_hosts[0].routes[0].route.cluster: route: unknown cluster 'x'"), "{refusal}");
}

#[test]
fn weighted_clusters_and_mirrors_of_every_level_count() {
    let mirror = || json!([{"cluster": "c"}, {"cluster": "x"}]);
    let forward = with_action(json!({"route": {"cluster": "c"}}));
    let answer = with_action(json!({"direct_response": {"status": 200}}));
    let weighted = |clusters: Value| with_action(json!({"route": {"weighted_clusters": {"clusters": clusters}}}));
    let mut of_host = forward.clone();
    of_host["virtual_hosts"][0]["request_mirror_policies"] = mirror();
    let weight = |name: &str, weight: u32| json!({"name": name, "weight": weight});
    for (table, refusal) in [
        (
            weighted(json!([weight("c", 1), weight("x", 0)])),
            "virtual_hosts[0].routes[0].route.weighted_clusters.clusters[1].name: route: unknown weighted cluster 'x'",
        ),
        (
            with_action(json!({"route": {"cluster": "c", "request_mirror_policies": mirror()}})),
            "virtual_hosts[0].routes[0].route.request_mirror_policies[1].cluster: route: unknown shadow cluster 'x'",
        ),
        (of_host.clone(), "virtual_hosts[0].request_mirror_policies[1].cluster: route: unknown shadow cluster 'x'"),
        (
            merged(forward, json!({"request_mirror_policies": mirror()})),
            "request_mirror_policies[1].cluster: route: unknown shadow cluster 'x'",
        ),
        (
            merged(answer, json!({"request_mirror_policies": mirror()})),
            "request_mirror_policies[1].cluster: route: unknown shadow cluster 'x'",
        ),
    ] {
        let found = inline(&table).unwrap_err();
        assert!(found.contains(&format!("route_config.{refusal}; ")), "{found}");
        assert_eq!(inline(&merged(table, json!({"validate_clusters": false}))), Ok(()));
    }
    // Nothing is sent to mirrors of a host without routes, and where a header leads nobody knows.
    of_host["virtual_hosts"][0]["routes"] = json!([]);
    assert_eq!(inline(&of_host), Ok(()));
    assert_eq!(inline(&with_action(json!({"route": {"cluster_header": "x"}}))), Ok(()));
}

#[test]
fn a_collector_of_zipkin_is_there_or_the_listener_is_refused() {
    let with = |typed_config: Value| {
        let table = json!({});
        let mut listener = listener(&table);
        listener["default_filter_chain"]["filters"][0]["typed_config"]["tracing"] =
            json!({"provider": {"name": "t", "typed_config": typed_config}});
        judged(&listener)
    };
    let zipkin = |name: &str| {
        with(json!({"@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig", "collector_cluster": name,
            "collector_endpoint": "/api/v2/spans", "collector_endpoint_version": "HTTP_JSON"}))
    };
    assert_eq!(zipkin("c"), Ok(()));
    let refusal = zipkin("x").unwrap_err();
    let path = "default_filter_chain.filters[0].typed_config.tracing.provider.typed_config.collector_cluster: ";
    assert!(refusal.starts_with(&format!("{path}envoy.tracers.zipkin: unknown cluster 'x'; ")), "{refusal}");
    let later = with(json!({"@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "grpc_service": {"envoy_grpc": {"cluster_name": "x"}}}));
    assert_eq!(later, Ok(()), "it may come yet");
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    let mut table = with_action(json!({"route": {"cluster": "x", "request_mirror_policies": [{"cluster": "z"}]}}));
    let again = with_action(
        json!({"route": {"weighted_clusters": {"clusters": [{"name": "c", "weight": 1}, {"name": "y", "weight": 1}]}}}),
    );
    let more = again["virtual_hosts"][0]["routes"][0].clone();
    table["virtual_hosts"][0]["routes"].as_array_mut().unwrap().push(more);
    let bytes = encoded("envoy.config.listener.v3.Listener", &listener(&table));
    let listener = crate::listener::decode(&bytes, &Options::default()).expect("a listener");
    let faults: Vec<String> = listener.leads_nowhere(&|name| name == "c").iter().map(ToString::to_string).collect();
    let named: Vec<&str> = faults.iter().map(|fault| fault.split('\'').nth(1).unwrap()).collect();
    assert_eq!(named, ["x", "z", "y"], "{faults:?}");
}

#[test]
fn tables_are_looked_at_in_the_bytes_of_a_listener_that_is_refused() {
    let mut table = with_action(json!({"route": {"cluster": "x", "timeout": "-1s"}}));
    let again = with_action(json!({"route": {"weighted_clusters": {"clusters": [{"name": "c"}, {"name": "y"}]}}}));
    table["virtual_hosts"][0]["routes"].as_array_mut().unwrap().push(again["virtual_hosts"][0]["routes"][0].clone());
    let listener = |table: &Value| encoded("envoy.config.listener.v3.Listener", &listener(table));
    let named = |bytes: &[u8]| -> Vec<String> {
        super::in_bytes::leads_nowhere(bytes, &|name| name == "c").iter().map(ToString::to_string).collect()
    };
    let faults = named(&listener(&table));
    let path = "default_filter_chain.filters[0].typed_config.route_config.virtual_hosts[0].routes";
    assert!(faults[0].starts_with(&format!("{path}[0].route.cluster: route: unknown cluster 'x'; ")), "{faults:?}");
    assert!(
        faults[1].starts_with(&format!("{path}[1].route.weighted_clusters.clusters[1].name: route: unknown weighted")),
        "{faults:?}"
    );
    assert_eq!(faults.len(), 2);
    assert!(named(&listener(&merged(table, json!({"validate_clusters": false})))).is_empty());
    assert!(named(b"no listener").is_empty());
}
