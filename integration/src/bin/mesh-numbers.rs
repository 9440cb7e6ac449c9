//! `outrigger-mesh-numbers`: how soon each proxy is ready under a real agent and what memory it takes, also with a mute name server.
//!
//! A table for people and for `benches/RESULTS.md`, never a test: it asserts nothing.

use std::time::Duration;

use outrigger_integration::lab::istiod::Settings;
use outrigger_integration::lab::net::{Resolver, address};
use outrigger_integration::lab::tools::Tools;
use outrigger_integration::lab::workload::{Proxy, Workload, WorkloadSpec, start_app};
use outrigger_integration::lab::{Lab, Result};
use proxy::cli::say;

const BOOKINFO: &str = include_str!("../../objects/bookinfo.yaml");
const BY_NAME: &str = include_str!("../../objects/by-name.yaml");

/// Stock Envoy with a mute name server needs more than 13 s.
const PATIENCE: Duration = Duration::from_secs(90);

/// The last octet of the name server that never answers.
const MUTE: u8 = 53;

fn main() -> Result<()> {
    let app = std::env::current_exe()?.with_file_name("outrigger-lab-app");
    let tools = Tools::find(&app)?;
    say(format_args!("{:<28} {:>12} {:>18} {:>10}", "", "ready", "ready, mute DNS", "PSS"));
    for (name, settings, proxy) in [
        ("Outrigger, istiod's defaults", Settings::defaults(), Proxy::Outrigger),
        ("Outrigger, stock filters", Settings::stock_envoy(), Proxy::Outrigger),
        ("Envoy, stock filters", Settings::stock_envoy(), Proxy::Envoy),
    ] {
        let lab = Lab::start(tools.clone(), settings)?;
        lab.apply(BOOKINFO)?;
        let plain = start(&lab, "plain", 2, proxy.clone(), Resolver::Refuses)?;
        plain.admin("/config_dump")?;
        let memory = memory_kib(plain.proxy_id()?)?;
        let server = lab.host("mute", MUTE)?;
        let listen = format!("{}:53", address(MUTE));
        let _mute = start_app(&app, &server, lab.folder(), "mute-dns", &["mute-dns", &listen])?;
        lab.apply(BY_NAME)?;
        let mute = start(&lab, "mute-dns-client", 3, proxy, Resolver::At(MUTE))?;
        let (ready, ready_mute) = (time_to_ready(&plain)?, time_to_ready(&mute)?);
        say(format_args!("{name:<28} {ready:>9.0} ms {ready_mute:>15.0} ms {:>6.1} MB", memory as f64 / 1024.0));
    }
    Ok(())
}

fn start(lab: &Lab, name: &str, last: u8, proxy: Proxy, resolver: Resolver) -> Result<Workload> {
    let mut spec = WorkloadSpec::new("ratings", last, BOOKINFO, proxy);
    spec.name = name.to_owned();
    spec.resolver = resolver;
    let mut workload = lab.workload(spec)?;
    workload.wait_ready(PATIENCE)?;
    Ok(workload)
}

/// Milliseconds from the agent's start of the proxy until the agent found it ready, by the agent's own log.
fn time_to_ready(workload: &Workload) -> Result<f64> {
    let log = workload.proxy_output()?;
    let at = |words: &str| -> Result<f64> {
        let line =
            log.lines().find(|line| line.contains(words)).ok_or_else(|| format!("the agent never said {words}"))?;
        seconds_of_day(line).ok_or_else(|| format!("no time in {line}").into())
    };
    Ok((at("Envoy proxy is ready")? - at("Envoy command:")?).rem_euclid(86_400.0) * 1000.0)
}

/// Of a line that starts like `2026-11-21T10:02:22.135493Z`.
fn seconds_of_day(line: &str) -> Option<f64> {
    let time = line.split_once('T')?.1.split_once('Z')?.0;
    time.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))
}

/// The proportional set size of a process.
fn memory_kib(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
