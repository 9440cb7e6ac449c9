//! The control plane goes and comes back; a name server that never answers keeps nobody waiting.

use std::path::Path;

use outrigger_integration::lab::curl::curl;
use outrigger_integration::lab::net::{Resolver, address};
use outrigger_integration::lab::workload::{Proxy, WorkloadSpec, start_app};
use outrigger_integration::lab::{Result, wait};

use super::world::{BOOKINFO, READY, SHOWS, World, expect};

const MOVED: &str = "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: details
  namespace: bookinfo
spec:
  hosts:
  - details.bookinfo.svc.cluster.local
  http:
  - match:
    - uri:
        prefix: /moved
    directResponse:
      status: 418
      body:
        string: short and stout
  - route:
    - destination:
        host: details.bookinfo.svc.cluster.local
";

const BY_NAME: &str = include_str!("../../objects/by-name.yaml");

/// The name server's place on the network.
const MUTE: u8 = 53;

pub fn istiod_stops_and_starts_again(world: &mut World) -> Result<()> {
    world.lab.stop_istiod()?;
    for _ in 0..5 {
        world.curl_details("/without-istiod")?.expect_status(200)?;
    }
    world.curl_details("/moved")?.expect_status(200)?;
    world.lab.start_istiod()?;
    world.lab.apply(MOVED)?;
    // The agent comes back to istiod in its own time: its backoff reaches tens of seconds.
    wait::until_true("the new route to answer", 3 * SHOWS, || {
        let reply = world.curl_details("/moved")?;
        Ok(reply.status == 418 && reply.body == "short and stout")
    })?;
    world.curl_details("/elsewhere")?.expect_status(200)?;
    world.lab.kube.delete(MOVED)?;
    wait::until_true("the old route to be back", SHOWS, || Ok(world.curl_details("/moved")?.status == 200))
}

/// As systemd or ECS stop it: the agent drains inbound listeners, which go on serving but close their connections, and then ends.
pub fn agent_drains_and_ends_on_sigterm(world: &mut World) -> Result<()> {
    let mut spec = WorkloadSpec::new("ratings", 8, BOOKINFO, world.server_proxy());
    spec.name = "leaving".to_owned();
    let mut workload = world.lab.workload(spec)?;
    workload.start_app("http", &["http", "leaving", "127.0.0.1:9080"])?;
    workload.wait_ready(READY)?;
    let url = format!("http://{}:9080/leaving", workload.host.address);
    let get = || curl(&world.outsider, &[&url]);
    expect(get()?.expect_status(200)?.header("connection").is_err(), || String::from("closed before it drains"))?;
    let proxy = workload.proxy_id()?;
    workload.agent().ask_to_end();
    wait::until_true("draining to show", SHOWS, || {
        let reply = get()?.expect_status(200)?;
        Ok(reply.header("connection").is_ok_and(|value| value == "close"))
    })?;
    workload.agent().wait_for_end()?;
    let gone = || Ok(!Path::new(&format!("/proc/{proxy}")).exists());
    wait::until_true("the proxy to be gone with its agent", SHOWS, gone)
}

/// A third workload with a cluster that needs DNS. Stock Envoy waits for the name (13 s and longer), so it is not held to this.
pub fn ready_although_dns_is_mute(world: &mut World) -> Result<()> {
    let program = world.lab.tools().path("app")?.to_owned();
    let server = world.lab.host("mute", MUTE)?;
    let listen = format!("{}:53", address(MUTE));
    let _mute = start_app(&program, &server, world.lab.folder(), "mute-dns", &["mute-dns", &listen])?;
    world.lab.apply(BY_NAME)?;
    let mut spec = WorkloadSpec::new("ratings", 5, BOOKINFO, Proxy::Outrigger);
    spec.name = "unnamed".to_owned();
    spec.resolver = Resolver::At(MUTE);
    let mut workload = world.lab.workload(spec)?;
    let ready = workload.wait_ready(READY);
    let clusters = workload.admin("/clusters")?.body;
    world.lab.kube.delete(BY_NAME)?;
    ready?;
    expect(clusters.contains("api.partner.example"), || format!("the cluster by name is there: {clusters}"))
}
