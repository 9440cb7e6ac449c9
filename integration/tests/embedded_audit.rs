//! The audit trail of a running proxy, at the log level that agents set.

use std::collections::BTreeSet;

use outrigger_integration::control_plane::resources::types;
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh};
use serde_json::json;

/// Lines of the trail that hold this text.
fn trail(mesh: &EmbeddedMesh, text: &str) -> Vec<String> {
    let lines = mesh.details.lines().into_iter().filter(|line| line.error).map(|line| line.text);
    lines.filter(|line| line.contains("\tinfo\tenvoy audit ") && line.contains(text)).collect()
}

async fn told(mesh: &EmbeddedMesh, text: &str) -> String {
    let last = async || trail(mesh, text).pop();
    mesh.details.wait_until(text, last).await
}

#[tokio::test]
async fn the_trail_tells_what_took_effect_at_the_level_of_agents() {
    let mesh = EmbeddedMesh::start().await;
    assert_eq!(mesh.get("/").await.status, 200);
    let first = told(&mesh, "secret 'default' version").await;
    assert!(first.contains("certificate serial ") && first.contains(" names [spiffe://cluster.local/"), "{first}");
    assert!(told(&mesh, "secret 'ROOTCA' version").await.contains("1 roots, 0 revocation lists, sha256 "));
    let in_force = told(&mesh, "policy is in force: transport_sockets.tls.v3.DownstreamTlsContext").await;
    assert!(in_force.contains("listener '"), "{in_force}");
    // A renewed certificate has another serial number, and is one more line.
    mesh.control_plane.rotate_certificates();
    let renewed = async || {
        let serials: BTreeSet<String> = trail(&mesh, "secret 'default' version")
            .iter()
            .filter_map(|line| line.split("serial ").nth(1)?.split(' ').next().map(str::to_owned))
            .collect();
        (serials.len() == 2).then_some(())
    };
    mesh.details.wait_until("two serial numbers", renewed).await;
    mesh.control_plane.add_root();
    told(&mesh, "2 roots, 0 revocation lists").await;
    // Policy that comes and goes with a filter.
    let rbac = json!({
        "name": "rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
            "stat_prefix": "a",
            "rules": {"action": "DENY", "policies": {"nobody": {
                "permissions": [{"not_rule": {"any": true}}], "principals": [{"any": true}]
            }}}
        }
    });
    let name = format!("{}_{}", mesh.ingress.ip(), mesh.ingress.port());
    mesh.control_plane.edit(DETAILS, move |set| {
        for chain in set.edit(types::LISTENER, &name)["filter_chains"].as_array_mut().expect("chains") {
            chain["filters"].as_array_mut().expect("filters").insert(0, rbac.clone());
        }
    });
    assert!(told(&mesh, "policy has changed: ").await.contains("filters.network.rbac.v3.RBAC 'rbac' x"));
    mesh.control_plane.clear_edits();
    let gone = async || {
        let last = trail(&mesh, "policy has changed: ").pop()?;
        let (after, before) = last.split_once("; before: ")?;
        (!after.contains("rbac") && before.contains("rbac")).then_some(())
    };
    mesh.details.wait_until("the policy is gone", gone).await;
    let text = mesh.details.log();
    assert!(!text.contains("PRIVATE KEY"), "{text}");
}
