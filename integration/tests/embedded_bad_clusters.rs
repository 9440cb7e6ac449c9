//! What a control plane may get wrong about clusters and their endpoints: what cannot be meant is refused by the resource's name and the
//! field's, alone, and the next push goes through; what can be is served.

use std::net::SocketAddr;

use outrigger_integration::control_plane::model::{Protocol, Service};
use outrigger_integration::control_plane::resources::{ResourceSet, types};
use outrigger_integration::control_plane::seen::{Seen, What};
use outrigger_integration::embedded::app::App;
use outrigger_integration::embedded::client::Request;
use outrigger_integration::embedded::{EmbeddedMesh, RATINGS, ports};
use serde_json::{Value, json};

const LARGEST: u32 = u32::MAX;

fn endpoint(at: SocketAddr, weight: u32) -> Value {
    let address = json!({ "socket_address": { "address": at.ip(), "port_value": at.port() } });
    json!({ "endpoint": { "address": address }, "load_balancing_weight": weight })
}

/// The name that the app's cluster has in the embedded mesh.
fn cluster(service: &str) -> String {
    format!("outbound|8080||{service}.bookinfo.svc.cluster.local")
}

fn assignment(service: &str, localities: Value) -> Value {
    json!({ "cluster_name": cluster(service), "endpoints": localities })
}

/// A mesh with a service of one endpoint.
async fn mesh_with(service: &str, at: SocketAddr) -> EmbeddedMesh {
    let mesh = EmbeddedMesh::start().await;
    let service = Service::new(service).port(8080, Protocol::Http).plain_endpoint(8080, at);
    mesh.control_plane.change(|mesh| mesh.services.push(service));
    mesh
}

async fn wait_status(mesh: &EmbeddedMesh, host: &str, status: u16) {
    let ask = async || {
        let reply = Request::get("/").host(host).try_send(mesh.egress).await.ok()?;
        (reply.status == status).then_some(())
    };
    mesh.ratings.wait_until(&format!("answering {status} for {host}"), ask).await;
}

/// Pushes what is refused, and then something good.
async fn refused(kind: &'static str, name: String, json: Value, field: &str) {
    let (app, next) = (App::start("app").await, App::start("next").await);
    let mesh = mesh_with("app", app.address()).await;
    wait_status(&mesh, "app", 200).await;
    let wanted = name.clone();
    mesh.control_plane.edit(RATINGS, move |set: &mut ResourceSet| set.put(kind, &name, json.clone()));
    let is_nack = |seen: &Seen| seen.type_url == kind && seen.workload == RATINGS && matches!(seen.what, What::Nack(_));
    let What::Nack(reason) = mesh.control_plane.wait_for(is_nack).await.what else { unreachable!("it was asked for") };
    assert!(reason.contains(&wanted) && reason.contains(field), "{reason}");
    let service = Service::new("next").port(8080, Protocol::Http).plain_endpoint(8080, next.address());
    mesh.control_plane.change(|mesh| mesh.services.push(service));
    wait_status(&mesh, "next", 200).await;
    wait_status(&mesh, "app", 200).await;
}

#[tokio::test]
async fn a_ring_that_is_larger_than_it_may_be() {
    let ring = json!({ "minimum_ring_size": 100, "maximum_ring_size": 10 });
    let json = json!({ "name": "bad", "lb_policy": "RING_HASH", "ring_hash_lb_config": ring });
    refused(types::CLUSTER, "bad".into(), json, "ring_hash_lb_config").await;
}

#[tokio::test]
async fn an_endpoint_of_weight_zero() {
    let at = SocketAddr::from(([127, 0, 0, 1], 1));
    let json = assignment("app", json!([{ "lb_endpoints": [endpoint(at, 0)] }]));
    refused(types::ENDPOINT, cluster("app"), json, "endpoints[0].lb_endpoints[0].load_balancing_weight").await;
}

#[tokio::test]
async fn localities_of_four_gibi_together() {
    let at = SocketAddr::from(([127, 0, 0, 1], 1));
    let locality = |zone: &str| json!({ "locality": { "zone": zone }, "load_balancing_weight": LARGEST, "lb_endpoints": [endpoint(at, 1)] });
    let json = assignment("app", json!([locality("a"), locality("b")]));
    refused(types::ENDPOINT, cluster("app"), json, "endpoints[1].load_balancing_weight").await;
}

#[tokio::test]
async fn a_priority_that_there_is_not() {
    let at = SocketAddr::from(([127, 0, 0, 1], 1));
    let json = assignment("app", json!([{ "priority": 129, "lb_endpoints": [endpoint(at, 1)] }]));
    refused(types::ENDPOINT, cluster("app"), json, "endpoints[0].priority").await;
}

/// Pushes endpoints that are odd, and asks for an answer of one of them that the first endpoint is not.
async fn served(localities: impl Fn(SocketAddr) -> Value) {
    let (app, odd) = (App::start("app").await, App::start("odd").await);
    let mesh = mesh_with("app", app.address()).await;
    wait_status(&mesh, "app", 200).await;
    let json = assignment("app", localities(odd.address()));
    mesh.control_plane
        .edit(RATINGS, move |set: &mut ResourceSet| set.put(types::ENDPOINT, &cluster("app"), json.clone()));
    let ask = async || Request::get("/").host("app").send(mesh.egress).await.text().contains("odd").then_some(());
    mesh.ratings.wait_until("asking the odd endpoint", ask).await;
    for _ in 0..10 {
        assert_eq!(Request::get("/").host("app").send(mesh.egress).await.status, 200);
    }
}

#[tokio::test]
async fn one_address_twice() {
    served(|odd| json!([{ "lb_endpoints": [endpoint(odd, 1), endpoint(odd, 3)] }])).await;
}

#[tokio::test]
async fn endpoints_of_four_gibi_together() {
    // The other one refuses connections, and is tried like any other.
    let refuses = ports::free(ports::loopback());
    served(|odd| json!([{ "lb_endpoints": [endpoint(odd, LARGEST), endpoint(refuses, LARGEST)] }])).await;
}

#[tokio::test]
async fn a_gap_between_priorities() {
    served(|odd| json!([{ "priority": 3, "lb_endpoints": [endpoint(odd, 1)] }])).await;
}

/// Documentation's own: no machine has a route there.
#[tokio::test]
async fn an_address_that_is_not_routed_is_left_for_one_that_is() {
    let unrouted = "[2001:db8::1]:80".parse::<SocketAddr>().expect("an address");
    served(|odd| json!([{ "lb_endpoints": [endpoint(unrouted, 1), endpoint(odd, 1)] }])).await;
}

#[tokio::test]
async fn endpoints_of_a_cluster_that_nobody_knows() {
    let app = App::start("app").await;
    let mesh = mesh_with("app", app.address()).await;
    let at = ports::free(ports::loopback());
    let json = assignment("stranger", json!([{ "lb_endpoints": [endpoint(at, 1)] }]));
    mesh.control_plane
        .edit(RATINGS, move |set: &mut ResourceSet| set.put(types::ENDPOINT, &cluster("stranger"), json.clone()));
    wait_status(&mesh, "app", 200).await;
    assert!(!mesh.ratings.admin("/clusters").await.text().contains("stranger"));
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_the_matter_of_its_own_cluster() {
    let app = App::start("app").await;
    let mesh = mesh_with("app", app.address()).await;
    let address = json!({ "socket_address": { "address": "nobody.invalid", "port_value": 80 } });
    let load = json!({ "cluster_name": "unresolved", "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }] });
    let json = json!({ "name": "unresolved", "type": "STRICT_DNS", "load_assignment": load });
    mesh.control_plane.edit(RATINGS, move |set: &mut ResourceSet| set.put(types::CLUSTER, "unresolved", json.clone()));
    let there = async || mesh.ratings.admin("/clusters").await.text().contains("unresolved::").then_some(());
    mesh.ratings.wait_until("showing the cluster", there).await;
    wait_status(&mesh, "app", 200).await;
}
