//! Duties of a process towards the machine: signals, children (as PID 1), file limit, and how many CPUs it may use.
//! `main` and the control thread call it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, WaitOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::IpVersion;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// SIGTERM or SIGINT: end. The text names the signal.
    Stop(&'static str),
    /// SIGUSR1: open log files again.
    ReopenLogs,
}

/// Handlers for all signals that mean something. SIGPIPE is ignored by Rust's runtime already.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    user1: Signal,
    hangup: Signal,
    child: Option<Signal>,
}

impl Signals {
    /// Installs the handlers. Needs a tokio runtime with I/O.
    pub fn install() -> io::Result<Signals> {
        // Orphans of the container become children of PID 1; any other process has no child that it did not start itself.
        let child = std::process::id() == 1;
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            user1: signal(SignalKind::user_defined1())?,
            hangup: signal(SignalKind::hangup())?,
            child: child.then(|| signal(SignalKind::child())).transpose()?,
        };
        if child {
            // Whoever ended before, under a shell that became this process, is not told of again.
            reap();
        }
        Ok(signals)
    }

    /// The next request. Reaps children and swallows SIGHUP meanwhile. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Request {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Request::Stop("SIGTERM"),
                _ = self.interrupt.recv() => return Request::Stop("SIGINT"),
                _ = self.user1.recv() => return Request::ReopenLogs,
                _ = self.hangup.recv() => tracing::warn!("SIGHUP is ignored"),
                _ = received(&mut self.child) => reap(),
            }
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Takes note of every child that ended, so that none stays a zombie.
fn reap() {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        tracing::debug!("child {} ended: {status:?}", Pid::as_raw(Some(pid)));
    }
}

/// Raises the soft limit of open files to the hard one. Gives the limit that holds now; `None` = unlimited.
pub fn raise_file_limit() -> Option<u64> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!("the limit of open files stays {:?}: {error}", limit.current);
            limit.current
        }
    }
}

/// `--enable-core-dump`: lets a crash leave a core file.
pub fn enable_core_dump() {
    let limit = rustix::process::getrlimit(Resource::Core);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(Resource::Core, raised) {
        tracing::warn!("core dumps stay off: {error}");
    }
}

/// Without that flag none is left, whatever the limits and wherever the system would send it: private keys are in it. The memory of the
/// process is then for root alone to look at, too.
pub fn forbid_core_dump() {
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!("core dumps stay as the system has them: {error}");
    }
}

/// Worker threads when `--concurrency` does not say: the cores that this process may run on, or the CPU quota rounded up where that is less.
pub fn default_concurrency() -> usize {
    let cores = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count() as usize).max(1);
    match cpu_quota(Path::new("/")) {
        Some(quota) => cores.min(quota.ceil().max(1.0) as usize),
        None => cores,
    }
}

/// This host's address, as services that are called see it in `x-forwarded-for`: the first one of an interface that is not loopback, or
/// that of loopback where there is none. `None` when the system does not say.
pub fn local_address(version: IpVersion) -> Option<IpAddr> {
    let addresses = if_addrs::get_if_addrs().ok()?;
    let wanted = |address: &IpAddr| !address.is_loopback() && address.is_ipv6() == (version == IpVersion::V6);
    let loopback = match version {
        IpVersion::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpVersion::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    Some(addresses.iter().map(if_addrs::Interface::ip).find(wanted).unwrap_or(loopback))
}

/// The CPUs that the control group grants, e.g. 0.25; `None` without a limit. `root` is `/` but in tests.
pub fn cpu_quota(root: &Path) -> Option<f64> {
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mount = root.join("sys/fs/cgroup");
    let mut quotas = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if controllers.is_empty() {
            ancestors(path).for_each(|path| quotas.extend(quota_v2(&mount.join(path))));
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            for controller in [controllers, "cpu"] {
                ancestors(path).for_each(|path| quotas.extend(quota_v1(&mount.join(controller).join(path))));
            }
        }
    }
    // A limit of any ancestor binds.
    quotas.into_iter().reduce(f64::min)
}

/// Memory that this process's control group uses, and its limit; `None` where the system does not say. `root` is `/` but in tests.
pub fn group_memory(root: &Path) -> Option<(u64, Option<u64>)> {
    let read = |name: &str| std::fs::read_to_string(root.join("sys/fs/cgroup").join(name)).ok();
    let number = |text: String| text.trim().parse::<u64>().ok();
    let versions = [["memory.current", "memory.max"], ["memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes"]];
    versions.into_iter().find_map(|[used, limit]| Some((number(read(used)?)?, read(limit).and_then(number))))
}

/// The group and all above it, relative to the mount. Inside a container the path may not exist; the mount's top then is our group.
fn ancestors(path: &str) -> impl Iterator<Item = &Path> {
    Path::new(path.trim_start_matches('/')).ancestors()
}

/// `cpu.max`: `max 100000` or `25000 100000`.
fn quota_v2(group: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(group.join("cpu.max")).ok()?;
    let mut words = text.split_whitespace();
    let (quota, period): (f64, f64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

/// `cpu.cfs_quota_us` (-1: none) and `cpu.cfs_period_us`.
fn quota_v1(group: &Path) -> Option<f64> {
    let read = |name: &str| std::fs::read_to_string(group.join(name)).ok()?.trim().parse::<f64>().ok();
    let (quota, period) = (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests;
