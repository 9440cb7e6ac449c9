//! Certificates that live for seconds, replaced again and again while requests run whose upstream connections are ever new.

use std::time::Duration;

use outrigger_integration::lab::workload::{Workload, WorkloadSpec, saw, start_app};
use outrigger_integration::lab::{Result, wait};
use serde_json::Value;

use super::world::{READY, SHOWS, World, expect};

const OBJECTS: &str = include_str!("../../objects/rotor.yaml");

/// A certificate's life; the agent replaces it at half of that.
const SECRET_TTL: &str = "20s";

/// How many certificates each side must have gone through.
const ROTATIONS: usize = 2;

pub fn certificates_rotate_under_load(world: &mut World) -> Result<()> {
    world.lab.apply(super::world::BOOKINFO)?;
    world.lab.apply(OBJECTS)?;
    let mut caller = start(world, "rotor-caller", 6, world.pair.client.clone())?;
    let mut answerer = start(world, "rotor", 7, world.server_proxy())?;
    answerer.start_app("http", &["http", "rotor", "127.0.0.1:9080"])?;
    caller.wait_ready(READY)?;
    answerer.wait_ready(READY)?;
    let host = "rotor.bookinfo.svc.cluster.local:9080";
    wait::until_true("rotor to answer", SHOWS, || {
        let url = "http://127.0.0.2:9080/first";
        let reply = outrigger_integration::lab::curl::curl(&caller.host, &["--header", &format!("host: {host}"), url])?;
        Ok(reply.status == 200)
    })?;
    let program = world.lab.tools().path("app")?.to_owned();
    let arguments = ["load", "127.0.0.2:9080", host, "/load"];
    let mut load = start_app(&program, &caller.host, world.lab.folder(), "rotor-load", &arguments)?;
    wait_for_rotations(&[&caller, &answerer])?;
    load.terminate()?;
    let tally = saw(&load)?.pop().ok_or("the load said nothing")?;
    expect(tally["failures"] == 0 && tally["good"].as_u64() > Some(100), || format!("under rotation: {tally}"))
}

fn start(
    world: &World,
    group: &str,
    address: u8,
    proxy: outrigger_integration::lab::workload::Proxy,
) -> Result<Workload> {
    let mut spec = WorkloadSpec::new(group, address, OBJECTS, proxy);
    spec.environment.push(("SECRET_TTL".to_owned(), SECRET_TTL.to_owned()));
    world.lab.workload(spec)
}

/// Until each proxy has shown enough different certificates on its admin port.
fn wait_for_rotations(workloads: &[&Workload]) -> Result<()> {
    let mut serials = vec![Vec::new(); workloads.len()];
    wait::until_true("the certificates to rotate", Duration::from_secs(60), || {
        for (workload, serials) in workloads.iter().zip(&mut serials) {
            let serial = serial(workload)?;
            if !serials.contains(&serial) {
                serials.push(serial);
            }
        }
        Ok(serials.iter().all(|serials| serials.len() > ROTATIONS))
    })
}

/// The serial number of the certificate that the proxy holds at the moment.
fn serial(workload: &Workload) -> Result<String> {
    let reply = workload.admin("/certs")?.expect_status(200)?;
    let certificates: Value = serde_json::from_str(&reply.body)?;
    let chains = certificates["certificates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut serials = chains.iter().filter_map(|chain| chain["cert_chain"][0]["serial_number"].as_str());
    Ok(serials.next().ok_or_else(|| format!("no certificate chain in {certificates}"))?.to_owned())
}
