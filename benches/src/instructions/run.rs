//! Runs a scenario under callgrind twice, with few requests and with more: what the difference cost, divided by the difference.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::callgrind::Profile;
use super::scenario::Scenario;
use super::stages;
use super::traffic::{self, Watched};
use crate::load::certs::Certs;

/// Requests of the two runs. By the end of the shorter one all that is made once has been made.
const REQUESTS: [u32; 2] = [100, 500];

/// What one request costs in one proxy.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// Instructions within the connection's task.
    pub served: f64,
    /// All instructions of the worker, by stage.
    pub stages: BTreeMap<&'static str, f64>,
    /// Calls for memory.
    pub allocations: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: f64 = self.stages.values().sum();
        let Cost { served, allocations, .. } = self;
        writeln!(
            out,
            "{served:.0} instructions a request ({all:.0} with the runtime), {allocations:.1} calls for memory"
        )?;
        let mut stages: Vec<_> = self.stages.iter().collect();
        stages.sort_by(|one, other| other.1.total_cmp(one.1));
        stages.iter().try_for_each(|(stage, cost)| writeln!(out, "  {cost:>8.0}  {stage}"))
    }
}

/// Whether valgrind is here.
pub fn is_there() -> bool {
    let status = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Counts: one cost a proxy, that of the client's side first.
pub fn run(scenario: Scenario, program: &Path, certs: &Certs, folder: &Path) -> io::Result<Vec<Cost>> {
    let [few, more] = REQUESTS;
    // Side by side, for each waits more than it works.
    let (before, after) = thread::scope(|scope| {
        let before = scope.spawn(|| profiles(scenario, program, certs, folder, few));
        let after = profiles(scenario, program, certs, folder, more);
        (before.join().unwrap_or_else(|_| Err(io::Error::other("the shorter run panicked"))), after)
    });
    let (before, after) = (before?, after?);
    let requests = f64::from(more - few);
    Ok(before.iter().zip(&after).rev().map(|(before, after)| difference(before, after, requests)).collect())
}

fn difference(before: &Profile, after: &Profile, requests: f64) -> Cost {
    let each = |before: u64, after: u64| (after as f64 - before as f64) / requests;
    let mut cost = Cost {
        served: each(before.served, after.served),
        allocations: each(before.allocations, after.allocations),
        ..Cost::default()
    };
    for (sign, profile) in [(1.0, after), (-1.0, before)] {
        for (place, instructions) in &profile.places {
            *cost.stages.entry(stages::of(place)).or_default() += sign * *instructions as f64 / requests;
        }
    }
    cost
}

/// The workers of the scenario's proxies, the last hop first.
fn profiles(
    scenario: Scenario,
    program: &Path,
    certs: &Certs,
    folder: &Path,
    requests: u32,
) -> io::Result<Vec<Profile>> {
    let service = TcpListener::bind("127.0.0.1:0")?;
    let mut upstream = service.local_addr()?;
    let (sender, watched) = std::sync::mpsc::channel();
    traffic::serve(service, watched);
    let mut all = Vec::new();
    for (index, hop) in scenario.hops().iter().enumerate() {
        let folder = folder.join(format!("{}-{requests}-{index}", scenario.name()));
        fs::create_dir_all(&folder)?;
        let bootstrap = scenario.bootstrap(hop, upstream, certs, &folder).to_string();
        let started = Started::new(program, &bootstrap, folder)?;
        upstream = started.address;
        all.push(started);
    }
    let pids: Vec<u32> = all.iter().map(|started| started.child.id()).collect();
    let watched = Watched::new(&pids);
    sender.send(watched.clone()).map_err(io::Error::other)?;
    traffic::ask(upstream, requests, &watched)?;
    all.into_iter().map(Started::end).collect()
}

struct Started {
    child: Child,
    folder: PathBuf,
    /// Where it listens.
    address: SocketAddr,
}

impl Started {
    fn new(program: &Path, bootstrap: &str, folder: PathBuf) -> io::Result<Started> {
        let (config, admin) = (folder.join("bootstrap.json"), folder.join("admin"));
        fs::write(&config, bootstrap)?;
        let log = fs::File::create(folder.join("output.log"))?;
        // One address space for all runs: where memory lies decides how it is copied.
        let mut command = Command::new("setarch");
        command.arg("-R").arg("valgrind").arg("--tool=callgrind").arg("--separate-threads=yes");
        command.arg(format!("--callgrind-out-file={}", folder.join("callgrind").display()));
        command.arg(program).arg("-c").arg(&config).arg("--admin-address-path").arg(&admin);
        command.args(["--concurrency", "1", "-l", "warning", "--disable-hot-restart"]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut started = Started { child: command.spawn()?, folder, address };
        started.address = started.await_address(&admin)?;
        Ok(started)
    }

    fn await_address(&mut self, admin: &Path) -> io::Result<SocketAddr> {
        let until = Instant::now() + Duration::from_secs(300);
        while Instant::now() < until && self.child.try_wait()?.is_none() {
            if let Some(address) = listener(admin) {
                return Ok(address);
            }
            thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(self.folder.join("output.log")).unwrap_or_default();
        Err(io::Error::other(format!("it does not listen; its output: {log}")))
    }

    /// Ends it, and reads what its worker did.
    fn end(mut self) -> io::Result<Profile> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let until = Instant::now() + Duration::from_secs(120);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                return Err(io::Error::other("it does not end when it is told to"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        let mut threads = Vec::new();
        for file in fs::read_dir(&self.folder)?.flatten() {
            if file.file_name().to_string_lossy().starts_with("callgrind-") {
                threads.push(Profile::parse(&fs::read_to_string(file.path())?));
            }
        }
        // The control thread has no part in requests, and more of everything else.
        threads
            .into_iter()
            .find(|profile| profile.served > 0)
            .ok_or_else(|| io::Error::other("callgrind tells of no thread that has served requests"))
    }
}

/// What the admin interface says of the only listener, once it is there.
fn listener(admin: &Path) -> Option<SocketAddr> {
    let mut stream = TcpStream::connect(fs::read_to_string(admin).ok()?).ok()?;
    stream.write_all(b"GET /listeners HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().find_map(|line| line.strip_prefix("bench::"))?.parse().ok()
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
