//! Layers of the runtime that a control plane sends: the start waits for them, routes follow them, and a bad one is refused by name.

use std::sync::LazyLock;

use outrigger_integration::control_plane::ControlPlane;
use outrigger_integration::control_plane::bootstrap::AdsProtocol;
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::control_plane::seen::{Seen, What};
use outrigger_integration::embedded::sidecar::{AGENT_FLAGS, Launch};
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh, Options, RATINGS};
use serde_json::{Value, json};

const LAYERS: &str = r#"{"layered_runtime": {"layers": [
    {"name": "below", "static_layer": {"live": {"share": 100}}},
    {"name": "sent", "rtds_layer": {"name": "the-runtime", "rtds_config": {
        "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}}}]}}"#;

fn options(protocol: AdsProtocol, before: impl FnOnce(&ControlPlane) + 'static) -> Options {
    static FLAGS: LazyLock<Vec<&str>> = LazyLock::new(|| [AGENT_FLAGS, &["--config-yaml", LAYERS]].concat());
    let launch = Launch { flags: &FLAGS, ..Launch::default() };
    Options { launch, protocol, before: Box::new(before), ..Options::default() }
}

/// Sends both of them this.
fn send(control_plane: &ControlPlane, layer: &Value) {
    for workload in [RATINGS, DETAILS] {
        let layer = layer.clone();
        control_plane.edit(workload, move |set| {
            set.put(types::RUNTIME, "the-runtime", json!({ "name": "the-runtime", "layer": layer }));
        });
    }
}

fn of(workload: &'static str, type_url: &'static str) -> impl Fn(&Seen) -> bool {
    move |seen: &Seen| seen.workload == workload && seen.type_url == type_url
}

/// A table whose first route takes a share of requests.
fn with_share(control_plane: &ControlPlane, table: &str) {
    let table = table.to_owned();
    control_plane.edit(RATINGS, move |set| {
        let hosts = set.edit(types::ROUTE, &table)["virtual_hosts"].as_array_mut().expect("hosts");
        let host =
            hosts.iter_mut().find(|host| host["name"] == "details.bookinfo.svc.cluster.local:9080").expect("one");
        let share = json!({ "runtime_key": "live.share", "default_value": { "numerator": 0 } });
        let route =
            json!({ "match": { "prefix": "/", "runtime_fraction": share }, "direct_response": { "status": 418 } });
        host["routes"].as_array_mut().expect("routes").insert(0, route);
    });
}

async fn follows(protocol: AdsProtocol) {
    let options = options(protocol, |control_plane| send(control_plane, &json!({ "live": { "share": 0 } })));
    let table = options.addresses.egress.port().to_string();
    let mesh = EmbeddedMesh::start_with(options).await;
    with_share(&mesh.control_plane, &table);
    let has = async |status: u16| (mesh.get("/").await.status == status).then_some(());
    // The layer that is sent wins over the one below.
    let shown = async || mesh.ratings.admin("/config_dump").await.text().contains("live.share").then_some(());
    mesh.ratings.wait_until("showing the new route", shown).await;
    assert_eq!(mesh.get("/").await.status, 200);
    send(&mesh.control_plane, &json!({ "live": { "share": 100 } }));
    mesh.ratings.wait_until("taking all requests", async || has(418).await).await;
    send(&mesh.control_plane, &json!({ "live": { "share": { "numerator": 0, "denominator": "MILLION" } } }));
    mesh.ratings.wait_until("taking none", async || has(200).await).await;
    // What is no value is refused by name, and the one before stays.
    send(&mesh.control_plane, &json!({ "live": { "share": ["all"] } }));
    let refused = |seen: &Seen| of(RATINGS, types::RUNTIME)(seen) && matches!(seen.what, What::Nack(_));
    let What::Nack(reason) = mesh.control_plane.wait_for(refused).await.what else { unreachable!("it was asked for") };
    assert!(reason.contains("the-runtime") && reason.contains("live.share"), "{reason}");
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn routes_follow_what_is_sent() {
    follows(AdsProtocol::Delta).await;
}

#[tokio::test]
async fn routes_follow_what_is_sent_as_the_state_of_the_world() {
    follows(AdsProtocol::StateOfTheWorld).await;
}

#[tokio::test]
async fn the_start_waits_for_it_and_asks_for_nothing_else() {
    let withhold = |control_plane: &ControlPlane| {
        control_plane.edit(RATINGS, |set| set.withhold(types::RUNTIME));
        control_plane.edit(DETAILS, |set| set.withhold(types::RUNTIME));
    };
    let mesh = EmbeddedMesh::launch(options(AdsProtocol::Delta, withhold)).await;
    mesh.control_plane.wait_for(of(RATINGS, types::RUNTIME)).await;
    let asked =
        || mesh.control_plane.seen().iter().filter(|seen| seen.workload == RATINGS).cloned().collect::<Vec<_>>();
    let unready = async || (mesh.ratings.admin("/ready").await.status == 503).then_some(());
    mesh.ratings.wait_until("not ready", unready).await;
    assert!(asked().iter().all(|seen| seen.type_url == types::RUNTIME), "{:?}", asked());
    mesh.control_plane.clear_edits();
    send(&mesh.control_plane, &json!({ "live": { "share": 0 } }));
    mesh.ratings.wait_ready().await;
    assert!(asked().iter().any(|seen| seen.type_url == types::CLUSTER));
    let runtime = mesh.ratings.admin("/runtime").await.text();
    let runtime: Value = serde_json::from_str(&runtime).expect("JSON");
    assert_eq!(runtime["entries"]["live.share"]["final_value"], "0");
}
