//! A network namespace of the test's own, without root: the test is started once more in it. What is sent to [`LOST`] is lost there, and so is what
//! is sent to [`MOVES`] once that address is taken away. Called by the `faults_parity` tests.

use std::net::Ipv4Addr;
use std::process::Command;

use crate::parity::started::Failure;

/// Nobody is there, and nobody says so.
pub const LOST: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// An address that can be taken away.
pub const MOVES: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);

const INSIDE: &str = "OUTRIGGER_FAULTS_INSIDE";
/// A pair of devices of which one swallows what it gets.
const SETUP: &str = "set -e
ip link set lo up
ip link add v0 type veth peer name v1
ip link set v1 up
ip addr add 10.99.0.1/24 dev v0
ip link set v0 up
ip neigh add 10.99.0.2 lladdr 02:00:00:00:00:02 dev v0
ip route add 10.99.1.0/24 via 10.99.0.2 dev v0
ip addr add 10.99.1.1/32 dev lo";

/// Whether this is the test within.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Whether there can be such namespaces on this machine.
///
/// # Errors
/// Why not.
pub fn check() -> Result<(), String> {
    let output = Command::new("unshare").args(["-rn", "sh", "-c", SETUP]).output();
    let output = output.map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("no network namespaces here: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Runs a test of this program in a namespace.
///
/// # Errors
/// It fails.
pub fn run_inside(test: &str) -> Result<(), Failure> {
    let own = std::env::current_exe()?;
    let script = format!("{SETUP}\nexec \"$0\" --exact \"$1\" --nocapture");
    let status =
        Command::new("unshare").args(["-rn", "sh", "-c", &script]).arg(own).arg(test).env(INSIDE, "1").status()?;
    if status.success() { Ok(()) } else { Err(format!("{test} ended with {status} in its namespace").into()) }
}

/// Takes [`MOVES`] away: who is connected to it hears no more.
///
/// # Errors
/// It is not there.
pub(super) fn take_away() -> Result<(), Failure> {
    ip("del")
}

/// Brings it back, where it was taken away before.
///
/// # Errors
/// It is there.
pub(super) fn bring_back() -> Result<(), Failure> {
    ip("replace")
}

fn ip(verb: &str) -> Result<(), Failure> {
    let status = Command::new("ip").args(["addr", verb, &format!("{MOVES}/32"), "dev", "lo"]).status()?;
    if status.success() { Ok(()) } else { Err(format!("ip addr {verb} ended with {status}").into()) }
}
