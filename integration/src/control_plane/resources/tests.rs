//! What the generator makes, next to what a real istiod sent.

use std::net::SocketAddr;

use serde_json::json;

use super::super::json;
use super::super::model::{Protocol, Service, Workload};
use super::*;
use crate::recordings::Recording;

/// The mesh of the recording `bookinfo`, as far as the model goes.
fn bookinfo() -> Mesh {
    let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let egress = [127, 0, 0, 2].into();
    let mesh = Mesh { metrics: false, istio_filters: true, ..Mesh::new() };
    mesh.service(Service::new("ratings").port(9080, Protocol::Http))
        .service(Service::new("details").port(9080, Protocol::Http))
        .workload(
            Workload::new("ratings", [10, 77, 0, 2].into()).ingress(9080, Protocol::Http, 9080, local(9080)).egress(
                egress,
                9080,
                Protocol::Http,
            ),
        )
        .workload(Workload::new("details", [10, 77, 0, 3].into()).ingress(9080, Protocol::Http, 9080, local(9080)))
}

fn recorded(recording: &str, kind: &str, type_url: &str, name: &str) -> Value {
    let resources = Recording::named(recording).resources(kind).unwrap();
    let names: Vec<_> = resources.iter().map(|resource| resource.name.clone()).collect();
    let found = resources.into_iter().find(|resource| resource.name == name);
    let found = found.unwrap_or_else(|| panic!("{name} is not among {names:?}"));
    json::decode(type_url, &found.resource.unwrap().value)
}

fn generated(mesh: &Mesh, type_url: &str, name: &str) -> Value {
    let set = ResourceSet::of(mesh, mesh.find("ratings-vm"));
    let Some(Body::Json(own)) = set.answer(type_url, name) else { panic!("{name} is not generated") };
    // There and back, so that defaults and the spelling of numbers are alike.
    json::decode(type_url, &json::encode(type_url, &own))
}

/// Paths at which two values differ.
pub(in crate::control_plane) fn differences(path: &str, own: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (own, theirs) {
        (Value::Object(own), Value::Object(theirs)) => {
            let keys: std::collections::BTreeSet<_> = own.keys().chain(theirs.keys()).collect();
            for key in keys {
                let null = Value::Null;
                let (own, theirs) = (own.get(key).unwrap_or(&null), theirs.get(key).unwrap_or(&null));
                differences(&format!("{path}.{key}"), own, theirs, found);
            }
        }
        (Value::Array(own), Value::Array(theirs)) if own.len() == theirs.len() => {
            for (index, (own, theirs)) in own.iter().zip(theirs).enumerate() {
                differences(&format!("{path}[{index}]"), own, theirs, found);
            }
        }
        _ if own == theirs => {}
        _ => found.push(format!("{path}: {own} here, {theirs} from istiod")),
    }
}

fn assert_alike(kind: &str, type_url: &str, name: &str, known: &[&str]) {
    assert_recorded("bookinfo", &bookinfo(), kind, type_url, name, known);
}

fn assert_recorded(recording: &str, mesh: &Mesh, kind: &str, type_url: &str, name: &str, known: &[&str]) {
    let mut found = Vec::new();
    let (own, theirs) = (generated(mesh, type_url, name), recorded(recording, kind, type_url, name));
    differences("", &own, &theirs, &mut found);
    found.retain(|difference| !known.iter().any(|known| difference.starts_with(known)));
    assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
}

#[test]
fn clusters_are_istiods() {
    assert_alike("cds", types::CLUSTER, "outbound|9080||details.bookinfo.svc.cluster.local", &[]);
    assert_alike("cds", types::CLUSTER, "inbound|9080||", &[]);
    assert_alike("cds", types::CLUSTER, "BlackHoleCluster", &[]);
    assert_alike("cds", types::CLUSTER, "PassthroughCluster", &[]);
    assert_alike("cds", types::CLUSTER, "InboundPassthroughCluster", &[]);
}

#[test]
fn listeners_are_istiods() {
    assert_alike("lds", types::LISTENER, "127.0.0.2_9080", &[]);
    assert_alike("lds", types::LISTENER, "10.77.0.2_9080", &[]);
}

#[test]
fn routes_are_istiods() {
    // The recorded services have addresses of their cluster, which are domains too.
    let addresses = [".virtual_hosts[0].domains", ".virtual_hosts[1].domains"];
    assert_alike("rds", types::ROUTE, "9080", &addresses);
}

#[test]
fn endpoints_are_istiods() {
    assert_alike("eds", types::ENDPOINT, "outbound|9080||details.bookinfo.svc.cluster.local", &[]);
}

#[test]
fn names_without_a_resource_are_answered_as_istiod_does() {
    let mesh = bookinfo();
    let set = ResourceSet::of(&mesh, mesh.find("ratings-vm"));
    let Some(Body::Json(table)) = set.answer(types::ROUTE, "1234") else { panic!("an empty table is expected") };
    assert_eq!(table["virtual_hosts"], json!([]));
    assert!(set.answer(types::ENDPOINT, "outbound|1||nobody").is_some());
    assert!(set.answer(types::CLUSTER, "nothing").is_none());
}

#[test]
fn resources_for_a_stock_envoy_are_istiods_too() {
    let mesh = Mesh { istio_filters: false, ..bookinfo() };
    let alike = |kind, type_url, name| assert_recorded("bookinfo-stock-envoy", &mesh, kind, type_url, name, &[]);
    alike("cds", types::CLUSTER, "outbound|9080||details.bookinfo.svc.cluster.local");
    alike("cds", types::CLUSTER, "PassthroughCluster");
    alike("lds", types::LISTENER, "127.0.0.2_9080");
    alike("lds", types::LISTENER, "10.77.0.2_9080");
}

#[test]
fn a_tcp_service_is_istiods() {
    let mut mesh = bookinfo().service(Service::new("ledger").port(7070, Protocol::Tcp));
    let ratings = mesh.find("ratings-vm").clone();
    let target = SocketAddr::from(([127, 0, 0, 1], 7070));
    *mesh.find_mut("ratings-vm") =
        ratings.ingress(7070, Protocol::Tcp, 7070, target).egress([127, 0, 0, 2].into(), 7070, Protocol::Tcp);
    let alike = |kind, type_url, name| assert_recorded("tcp-and-tls", &mesh, kind, type_url, name, &[]);
    alike("lds", types::LISTENER, "127.0.0.2_7070");
    alike("lds", types::LISTENER, "10.77.0.2_7070");
    alike("cds", types::CLUSTER, "inbound|7070||");
}
