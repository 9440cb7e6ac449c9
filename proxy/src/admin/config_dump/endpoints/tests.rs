//! Tests of `endpoints`.

use std::sync::Arc;

use config::endpoint::EndpointCheck;
use config::metadata::Metadata;
use serde_json::{Value, json};

use super::*;

const URL: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

fn place(region: &str) -> Locality {
    Locality { region: region.into(), ..Locality::default() }
}

fn host(port: u16, priority: u32, region: &str) -> AssignedHost {
    AssignedHost {
        address: Address::Socket(([10, 0, 0, 1], port).into()),
        additional: Box::default(),
        hostname: "".into(),
        health: HealthStatus::Healthy,
        weight: 1,
        priority,
        locality: place(region),
        locality_weight: None,
        metadata: None,
        check: None,
    }
}

fn shown(assignment: &Assignment, local: &str) -> Value {
    let body = encoded("service", assignment, &place(local), || "shed".to_owned());
    let tree = crate::admin::config_dump::message_tree(URL, &body).unwrap();
    serde_json::to_value(&tree).unwrap()
}

#[test]
fn all_that_is_told_of_an_endpoint() {
    let checked = EndpointCheck { port: Some(77), hostname: Some("check".into()), ..EndpointCheck::default() };
    let host = AssignedHost {
        additional: Box::new(["[::1]:80".parse().unwrap()]),
        hostname: "name".into(),
        health: HealthStatus::Unhealthy,
        weight: 4,
        locality_weight: Some(9),
        metadata: Some(Arc::new(Metadata::from([("envoy.lb", json!({ "canary": true }))]))),
        check: Some(Arc::new(checked)),
        ..host(80, 0, "a")
    };
    let assignment = Assignment { overprovisioning: 150, drops: 50_000, hosts: vec![host] };
    let socket = |address: &str, port: u16| json!({ "socket_address": { "address": address, "port_value": port } });
    assert_eq!(
        shown(&assignment, ""),
        json!({
            "cluster_name": "service",
            "endpoints": [{
                "locality": { "region": "a" },
                "lb_endpoints": [{
                    "endpoint": {
                        "address": socket("10.0.0.1", 80),
                        "health_check_config": { "port_value": 77, "hostname": "check" },
                        "hostname": "name",
                        "additional_addresses": [{ "address": socket("::1", 80) }],
                    },
                    "health_status": "UNHEALTHY",
                    "metadata": { "filter_metadata": { "envoy.lb": { "canary": true } } },
                    "load_balancing_weight": 4,
                }],
                "load_balancing_weight": 9,
            }],
            "policy": {
                "drop_overloads": [
                    { "category": "shed", "drop_percentage": { "numerator": 50_000, "denominator": "MILLION" } },
                ],
                "overprovisioning_factor": 150,
            },
        })
    );
}

#[test]
fn by_priority_and_our_own_locality_first() {
    let hosts = vec![host(1, 1, "a"), host(2, 0, "b"), host(3, 0, "c"), host(4, 0, "a"), host(5, 0, "c")];
    let told = shown(&Assignment { overprovisioning: 140, drops: 0, hosts }, "c");
    let groups: Vec<(u64, &str, usize)> = told["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let priority = group["priority"].as_u64().unwrap_or(0);
            let members = group["lb_endpoints"].as_array().map_or(0, Vec::len);
            (priority, group["locality"]["region"].as_str().unwrap(), members)
        })
        .collect();
    assert_eq!(groups, [(0, "c", 2), (0, "a", 1), (0, "b", 1), (1, "a", 1)]);
    assert_eq!(told["policy"], json!({ "overprovisioning_factor": 140 }));
}

#[test]
fn a_check_elsewhere_shows_its_port_and_a_check_at_the_same_place_none() {
    let with = |check| {
        let host = AssignedHost { check: Some(Arc::new(check)), ..host(80, 0, "") };
        let told = shown(&Assignment { overprovisioning: 140, drops: 0, hosts: vec![host] }, "");
        told["endpoints"][0]["lb_endpoints"][0]["endpoint"]["health_check_config"].clone()
    };
    let at = |address: &str| Some(Address::Socket(address.parse().unwrap()));
    assert_eq!(
        with(EndpointCheck { address: at("10.0.0.2:80"), ..EndpointCheck::default() }),
        json!({ "port_value": 80 })
    );
    assert_eq!(with(EndpointCheck { port: Some(80), ..EndpointCheck::default() }), json!({}));
    assert_eq!(with(EndpointCheck { disabled: true, ..EndpointCheck::default() }), json!({}));
}
