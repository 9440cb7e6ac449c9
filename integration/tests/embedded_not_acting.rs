//! What a configuration asks for and does not get is said: in the log at warning, once a kind; by `--mode validate`; by an admin page.

use std::process::Command;

use outrigger_integration::control_plane::bootstrap::{self, AdsProtocol};
use outrigger_integration::control_plane::model::Workload;
use outrigger_integration::control_plane::resources::types;
use outrigger_integration::control_plane::seen::{Seen, What};
use outrigger_integration::embedded::ports::Ports;
use outrigger_integration::embedded::sidecar::{Launch, Sidecar};
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh, binary};
use serde_json::json;

/// A field that does nothing, in a listener; what is said of it.
const FAST_OPEN: &str = "Listener.tcp_fast_open_queue_length is not acting: TCP fast open is off";
/// The same in a cluster.
const REPORTS: &str = "Cluster.track_timeout_budgets is not acting: no timeout budget histograms are made";

#[tokio::test]
async fn validation_lists_it_and_the_start_warns_of_it_once() {
    let (root, ports) = (tempfile::tempdir().unwrap(), Ports::free());
    let workload = Workload::new("ratings", [127, 0, 0, 1].into());
    let mut document = bootstrap::document(&workload, &ports.bootstrap, AdsProtocol::Delta);
    for listener in document["static_resources"]["listeners"].as_array_mut().unwrap() {
        listener["tcp_fast_open_queue_length"] = json!(7);
    }
    let file = bootstrap::write(root.path(), &document);
    let mut command = Command::new(binary::build().unwrap());
    let output = command.args(["--mode", "validate", "-c"]).arg(root.path().join(&file)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(FAST_OPEN)).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("not acting: "), "{said}");
    assert!(lines[0].contains("tcp_fast_open_queue_length: ") && lines[0].ends_with("(and 1 more)"), "{said}");
    assert!(said.ends_with("OK\n"), "{said}");

    let sidecar = Sidecar::spawn("ratings", root, ports, &file, Launch::default());
    let warning = sidecar.wait_line(|line| line.error && line.text.contains(FAST_OPEN)).await;
    assert!(warning.text.contains("\twarning\t"), "{}", warning.text);
    let page = sidecar
        .wait_until("answering", async || {
            let request = outrigger_integration::embedded::client::Request::get("/config_not_acting").host("x");
            request.try_send(sidecar.ports().bootstrap.admin).await.ok()
        })
        .await;
    let page = page.text();
    assert_eq!(page.lines().filter(|line| line.contains(FAST_OPEN)).count(), 1, "{page}");
}

#[tokio::test]
async fn a_push_warns_once_a_kind_and_the_page_grows() {
    let mesh = EmbeddedMesh::start().await;
    let before = mesh.details.admin("/config_not_acting").await.text();
    assert!(!before.contains(REPORTS), "{before}");
    for (first, count) in [(0, 3), (3, 5)] {
        let seen = mesh.control_plane.seen().len();
        mesh.control_plane.edit(DETAILS, move |resources| {
            for index in first..count {
                let name = format!("inert-{index}");
                resources.put(types::CLUSTER, &name, json!({ "name": name, "track_timeout_budgets": true }));
            }
        });
        let ack = |seen: &Seen| seen.workload == DETAILS && seen.type_url == types::CLUSTER && seen.what == What::Ack;
        mesh.control_plane.wait_for_after(seen, ack).await;
    }
    let line = mesh.details.wait_line(|line| line.error && line.text.contains(REPORTS)).await;
    assert!(line.text.contains("\twarning\t") && line.text.contains("(and 2 more)"), "{}", line.text);
    let page = mesh.details.admin("/config_not_acting").await.text();
    assert_eq!(page.lines().filter(|line| line.contains(REPORTS)).count(), 1, "{page}");
    // The log is written in order: what a second warning would be has been.
    mesh.details.admin_post("/logging?config=debug").await;
    let log = mesh.details.log();
    assert_eq!(log.lines().filter(|line| line.contains(REPORTS)).count(), 1, "{log}");
}
