//! `--config-cache`: a proxy that starts while its control plane is away serves what was accepted before, says so, and lets go of it when
//! the control plane is back.

use outrigger_integration::control_plane::bootstrap::{self, AdsProtocol};
use outrigger_integration::control_plane::model::Workload;
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::ports::Ports;
use outrigger_integration::embedded::sidecar::{Launch, Sidecar};
use outrigger_integration::embedded::{EmbeddedMesh, Options, RATINGS};
use serde_json::json;

/// The agent's, and a folder within each proxy's working directory.
const FLAGS: &[&str] = &["--drain-time-s", "45", "--allow-unknown-static-fields", "--config-cache", "cache"];
const STALE: &str = "server.config_cache_stale";

#[tokio::test]
async fn what_was_accepted_serves_while_the_control_plane_is_away() {
    let launch = Launch { flags: FLAGS, ..Launch::default() };
    let mesh = EmbeddedMesh::start_with(Options { launch, ..Options::default() }).await;
    assert_eq!(mesh.get("/").await.status, 200);
    let kept = mesh.ratings.root().join("cache/resources");
    mesh.ratings.wait_until("keeping its configuration", async || kept.exists().then_some(())).await;
    let EmbeddedMesh { control_plane, ratings, details: _details, app: _app, egress, .. } = mesh;
    let content = std::fs::read(&kept).expect("it is there");
    let workload = Workload::new("ratings", [127, 0, 0, 1].into());
    drop(ratings);

    // Another process, as after a restart of the machine: its agent has certificates and no control plane.
    let (root, ports) = (tempfile::tempdir().expect("a folder"), Ports::free());
    std::fs::create_dir(root.path().join("cache")).expect("a folder");
    std::fs::write(root.path().join("cache/resources"), &content).expect("a file");
    let file = bootstrap::write(root.path(), &bootstrap::document(&workload, &ports.bootstrap, AdsProtocol::Delta));
    control_plane.serve(RATINGS, root.path());
    std::fs::remove_file(root.path().join(bootstrap::XDS_SOCKET)).expect("it is bound");
    let again = Sidecar::spawn(RATINGS, root, ports, &file, launch);
    again.wait_line(|line| line.error && line.text.contains("they are stale until it comes")).await;
    let ready = async || (again.admin("/ready").await.status == 200).then_some(());
    again.wait_until("ready without its control plane", ready).await;
    let get = outrigger_integration::embedded::client::Request::get("/").host("details.bookinfo:9080");
    // Its certificates come from the agent, as ever.
    let served = async || (get.clone().send(egress).await.status == 200).then_some(());
    again.wait_until("serving what it has kept", served).await;
    assert_eq!(again.stat(STALE).await, Some(1));
    assert_eq!(again.stat("cluster_manager.cds.update_success").await.unwrap_or(0), 0, "it came from nobody");
    assert!(again.admin("/ui").await.text().contains("The control plane is away"));

    control_plane.edit(RATINGS, |set| {
        set.put(types::CLUSTER, "new", json!({ "name": "new", "connect_timeout": "1s" }));
    });
    control_plane.stop().await;
    control_plane.restart();
    let fresh = async || (again.stat(STALE).await == Some(0)).then_some(());
    again.wait_until("served by its control plane", fresh).await;
    assert!(again.admin("/clusters").await.text().contains("new::added_via_api::true"));
    assert!(!again.admin("/ui").await.text().contains("The control plane is away"));
}
