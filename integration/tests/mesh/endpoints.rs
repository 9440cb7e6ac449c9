//! Who is in the mesh: a workload registers itself, an endpoint comes and goes.

use outrigger_integration::lab::process::Process;
use outrigger_integration::lab::workload::{saw, start_app};
use outrigger_integration::lab::{Result, wait};

use super::world::{SHOWS, World, expect, expect_equal};

const ENTRIES: &str = "/apis/networking.istio.io/v1/namespaces/bookinfo/workloadentries";

pub fn auto_registration(world: &mut World) -> Result<()> {
    for (group, workload) in [("ratings", &world.ratings), ("details", &world.details)] {
        let address = workload.host.address.to_string();
        let entry = world.lab.kube.get(&format!("{ENTRIES}/{group}-{address}"))?;
        expect_equal("address", entry["spec"]["address"].as_str(), Some(address.as_str()))?;
        expect_equal("label", entry["spec"]["labels"]["app"].as_str(), Some(group))?;
        let account = format!("bookinfo-{group}");
        expect_equal("account", entry["spec"]["serviceAccount"].as_str(), Some(account.as_str()))?;
    }
    Ok(())
}

/// A second `details` without a sidecar joins by a `WorkloadEntry`, takes its share, and leaves again.
pub fn endpoint_added_and_removed(world: &mut World) -> Result<()> {
    let host = world.lab.host("extra", 4)?;
    let program = world.lab.tools().path("app")?.to_owned();
    let listen = format!("{}:9080", host.address);
    let app = start_app(&program, &host, world.lab.folder(), "extra-http", &["http", "extra", &listen])?;
    let entry = format!(
        "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  name: extra\n  namespace: bookinfo\n\
         spec:\n  address: {}\n  labels:\n    app: details\n",
        host.address
    );
    world.lab.apply(&entry)?;
    wait::until_true("the added endpoint to get a request", SHOWS, || {
        world.curl_details("/added")?;
        Ok(!saw(&app)?.is_empty())
    })?;
    world.lab.kube.delete(&entry)?;
    wait::until_true("the removed endpoint to be gone from the proxy", SHOWS, || {
        let clusters = world.ratings.admin("/clusters")?.expect_status(200)?;
        Ok(!clusters.body.contains(&listen))
    })?;
    expect_no_more_requests(world, &app)
}

fn expect_no_more_requests(world: &World, app: &Process) -> Result<()> {
    let before = saw(app)?.len();
    for _ in 0..10 {
        world.curl_details("/removed")?.expect_status(200)?;
    }
    let after = saw(app)?.len();
    expect(before == after, || format!("the removed endpoint got {} more requests", after - before))
}
