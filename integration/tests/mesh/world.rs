//! The stage that all tests of a pair share: `ratings` with the client's proxy, `details` with the server's, and an outsider.

use std::time::Duration;

use outrigger_integration::lab::curl::{Reply, curl};
use outrigger_integration::lab::net::Host;
use outrigger_integration::lab::tools::Tools;
use outrigger_integration::lab::workload::{Proxy, Workload, WorkloadSpec};
use outrigger_integration::lab::{Lab, Result};

use super::Pair;

/// The objects that are there from the start.
pub const BOOKINFO: &str = include_str!("../../objects/bookinfo.yaml");

/// Where the client's host is.
pub const RATINGS: u8 = 2;
/// Where the server's host is.
pub const DETAILS: u8 = 3;
/// Where a host without a sidecar is.
pub const OUTSIDER: u8 = 9;

/// How long anything that istiod must push may take to show.
pub const SHOWS: Duration = Duration::from_secs(20);
/// How long a workload may take from the agent's start until it is ready, on a machine that does other things too.
pub const READY: Duration = Duration::from_secs(40);

/// The shared stage. Workloads end before the lab: fields are dropped in order.
pub struct World {
    pub pair: Pair,
    pub ratings: Workload,
    pub details: Workload,
    /// On the same network, outside the mesh.
    pub outsider: Host,
    pub lab: Lab,
}

impl World {
    /// Starts the lab and both workloads with their applications, and waits until both are ready.
    pub fn start(tools: Tools, pair: &Pair) -> Result<Self> {
        let lab = Lab::start(tools, pair.settings.clone())?;
        lab.apply(BOOKINFO)?;
        let ratings = start_workload(&lab, "ratings", RATINGS, &pair.client);
        let details = start_workload(&lab, "details", DETAILS, &pair.server);
        let (mut ratings, mut details) = (told(ratings, &lab)?, told(details, &lab)?);
        for workload in [&mut ratings, &mut details] {
            told(workload.wait_ready(READY), &lab)?;
        }
        let outsider = lab.host("outsider", OUTSIDER)?;
        let world = Self { pair: pair.clone(), ratings, details, outsider, lab };
        told(world.wait_until_details_answer(), &world.lab)?;
        Ok(world)
    }

    /// `curl` on the client's host.
    pub fn curl(&self, arguments: &[&str]) -> Result<Reply> {
        curl(&self.ratings.host, arguments)
    }

    /// `curl` to `http://details.bookinfo:9080` as the quickstart does it: a name that means 127.0.0.2.
    pub fn curl_details(&self, path: &str) -> Result<Reply> {
        self.curl(&["--resolve", "details.bookinfo:9080:127.0.0.2", &format!("http://details.bookinfo:9080{path}")])
    }

    /// The proxy that a further workload on the server's side should use.
    pub fn server_proxy(&self) -> Proxy {
        self.pair.server.clone()
    }

    /// Both are ready before istiod has told one of the other's address.
    fn wait_until_details_answer(&self) -> Result<()> {
        outrigger_integration::lab::wait::until_true("details to be reachable from ratings", SHOWS, || {
            self.curl_details("/first")?.expect_status(200).map(|_| true)
        })
    }
}

fn start_workload(lab: &Lab, group: &str, address: u8, proxy: &Proxy) -> Result<Workload> {
    let mut workload = lab.workload(WorkloadSpec::new(group, address, BOOKINFO, proxy.clone()))?;
    workload.start_app("http", &["http", group, "127.0.0.1:9080"])?;
    Ok(workload)
}

/// Follows a script of `say=TEXT` and `hear=TEXT` on a TCP connection from the client's host, ends its own direction, and returns all
/// that came until the other side ended too.
pub fn talk(world: &World, target: &str, script: &[&str]) -> Result<String> {
    let program = world.lab.tools().path("app")?;
    let output = world.ratings.host.command(program).args(["talk", target]).args(script).output()?;
    expect(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Adds the logs to an error while the lab still has them.
fn told<T>(result: Result<T>, lab: &Lab) -> Result<T> {
    result.map_err(|error| format!("{error}\n{}", lab.log_tails(25)).into())
}

/// An error with both sides unless they are equal: tests here return errors, so that the logs are shown with them.
pub fn expect_equal<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: expected {wanted:?}, found {found:?}").into())
}

/// An error that says `what` unless `condition` holds.
pub fn expect(condition: bool, what: impl FnOnce() -> String) -> Result<()> {
    if condition { Ok(()) } else { Err(what().into()) }
}
