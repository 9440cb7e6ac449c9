//! One measurement: a contender does one piece of work for some seconds, and its CPU time is divided by what it got done.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::certs::Certs;
use super::configs::{self, Hop, Protocol};
use super::contender::{Kind, Programs};
use super::process::Process;
use super::traffic::{self, Counted};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// One plain HTTP/1.1 hop.
    Http1,
    /// The same with istiod's filters and an access log.
    Http1Mesh,
    /// The first with three RBAC filters that let everybody pass.
    Http1Rbac,
    /// Two proxies with mTLS over HTTP/1.1 between.
    MtlsHttp1,
    /// Two proxies with mTLS over HTTP/2 between.
    MtlsHttp2,
    /// One plain TCP hop.
    Tcp,
    /// Two proxies with mTLS over TCP between.
    MtlsTcp,
    /// Full mutual handshakes against one proxy.
    Handshake,
}

impl Scenario {
    /// All, in the order of the report.
    pub const ALL: [Scenario; 8] = [
        Scenario::Http1,
        Scenario::Http1Mesh,
        Scenario::Http1Rbac,
        Scenario::MtlsHttp1,
        Scenario::MtlsHttp2,
        Scenario::Tcp,
        Scenario::MtlsTcp,
        Scenario::Handshake,
    ];

    /// As given on the command line and printed.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Http1 => "http1",
            Scenario::Http1Mesh => "http1-mesh",
            Scenario::Http1Rbac => "http1-rbac",
            Scenario::MtlsHttp1 => "mtls-h1",
            Scenario::MtlsHttp2 => "mtls-h2",
            Scenario::Tcp => "tcp",
            Scenario::MtlsTcp => "mtls-tcp",
            Scenario::Handshake => "handshake",
        }
    }

    /// What one unit of work is.
    pub fn unit(self) -> &'static str {
        match self {
            Scenario::Tcp | Scenario::MtlsTcp => "CPU s per GB",
            Scenario::Handshake => "CPU µs per handshake",
            _ => "CPU µs per request",
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Scenario::Tcp | Scenario::MtlsTcp => Protocol::Tcp,
            Scenario::MtlsHttp2 => Protocol::Http2,
            _ => Protocol::Http1,
        }
    }

    fn is_pair(self) -> bool {
        matches!(self, Scenario::MtlsHttp1 | Scenario::MtlsHttp2 | Scenario::MtlsTcp)
    }
}

/// How long and how wide.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Warm-up before the clock starts.
    pub warm_up: Duration,
    /// Measured time.
    pub time: Duration,
    /// Client connections.
    pub connections: usize,
    /// CPU of the proxies; the caller is pinned to another.
    pub proxy_cpu: usize,
}

/// The outcome.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// In [`Scenario::unit`].
    pub cpu_per_unit: f64,
    /// Units a second, for context only.
    pub rate: f64,
    /// Requests that failed.
    pub failed: u64,
}

/// Runs one measurement; `None` when the contender cannot do this work.
pub async fn run(
    scenario: Scenario,
    kind: Kind,
    programs: &Programs,
    certs: &Certs,
    folder: &Path,
    load: Load,
) -> io::Result<Option<Measured>> {
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let backend_address = backend.local_addr()?;
    let served = match scenario.protocol() {
        Protocol::Tcp => tokio::spawn(traffic::sink_backend(backend)),
        _ => tokio::spawn(traffic::http_backend(backend, 1024)),
    };
    let outcome = measure(scenario, kind, programs, certs, folder, load, backend_address).await;
    served.abort();
    outcome
}

async fn measure(
    scenario: Scenario,
    kind: Kind,
    programs: &Programs,
    certs: &Certs,
    folder: &Path,
    load: Load,
    backend: SocketAddr,
) -> io::Result<Option<Measured>> {
    let mut processes = Vec::new();
    let mut target = backend;
    for (index, hop) in hops(scenario, backend)?.into_iter().enumerate() {
        let folder = folder.join(format!("{}-{}-{index}", scenario.name(), kind.name()));
        std::fs::create_dir_all(&folder)?;
        let Some(config) = configs::write(kind, &hop, certs, &folder)? else { return Ok(None) };
        let argv = programs.argv(kind, &config);
        let mut process = Process::start(kind.name(), &argv, load.proxy_cpu, &folder.join("output.log"))?;
        await_port(hop.listen, &mut process, &folder).await?;
        processes.push(process);
        target = hop.listen;
    }
    drive(scenario, target, certs, load.connections, load.warm_up).await?;
    let before: Duration = processes.iter().map(Process::cpu).sum();
    let began = Instant::now();
    let counted = drive(scenario, target, certs, load.connections, load.time).await?;
    let elapsed = began.elapsed();
    let cpu = processes.iter().map(Process::cpu).sum::<Duration>() - before;
    if counted.done == 0 {
        return Err(io::Error::other(format!("{}: nothing got through in {}", kind.name(), scenario.name())));
    }
    let done = counted.done as f64;
    let cpu_per_unit = match scenario.protocol() {
        Protocol::Tcp => cpu.as_secs_f64() / (done * 1048576.0 / 1e9),
        _ => cpu.as_secs_f64() * 1e6 / done,
    };
    Ok(Some(Measured { cpu_per_unit, rate: done / elapsed.as_secs_f64(), failed: counted.failed }))
}

/// The hops, last first, so that each can be started after the one that it sends to.
fn hops(scenario: Scenario, backend: SocketAddr) -> io::Result<Vec<Hop>> {
    let server = Hop {
        listen: free_port()?,
        listen_tls: scenario.is_pair() || scenario == Scenario::Handshake,
        upstream: backend,
        upstream_tls: false,
        protocol: if scenario == Scenario::MtlsHttp2 { Protocol::Http1 } else { scenario.protocol() },
        mesh_filters: scenario == Scenario::Http1Mesh,
        policies: scenario == Scenario::Http1Rbac,
        admin: free_port()?,
    };
    if !scenario.is_pair() {
        return Ok(vec![server]);
    }
    let client = Hop {
        listen: free_port()?,
        listen_tls: false,
        upstream: server.listen,
        upstream_tls: true,
        protocol: scenario.protocol(),
        mesh_filters: false,
        policies: false,
        admin: free_port()?,
    };
    Ok(vec![server, client])
}

async fn drive(
    scenario: Scenario,
    target: SocketAddr,
    certs: &Certs,
    connections: usize,
    time: Duration,
) -> io::Result<Counted> {
    match scenario {
        Scenario::Tcp | Scenario::MtlsTcp => Ok(traffic::bulk_clients(target, 4, time).await),
        Scenario::Handshake => traffic::handshakes(target, certs, 8, time).await,
        _ => Ok(traffic::http_clients(target, connections, time).await),
    }
}

/// A port that was free a moment ago; proxies bind it themselves.
pub fn free_port() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Waits until the proxy accepts.
pub async fn await_port(address: SocketAddr, process: &mut Process, folder: &Path) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if TcpStream::connect(address).await.is_ok() {
            return Ok(());
        }
        if process.has_ended() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let log = std::fs::read_to_string(folder.join("output.log")).unwrap_or_default();
    Err(io::Error::other(format!("{} did not listen on {address}; its output: {log}", process.name)))
}

/// Asks the admin for a path; gives the body.
pub async fn admin_get(admin: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(admin).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Memory and time to ready with many clusters.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// From start until admin's `/ready` says LIVE.
    pub ready: Duration,
    /// Proportional set size a second later, KiB.
    pub pss_kib: u64,
    /// The same after one config_dump, KiB.
    pub pss_after_dump_kib: u64,
}

/// Starts a contender with `clusters` more clusters and looks at it.
pub async fn stand(
    kind: Kind,
    clusters: usize,
    programs: &Programs,
    certs: &Certs,
    folder: &Path,
    cpu: usize,
) -> io::Result<Standing> {
    let mut hop = hops(Scenario::Http1, free_port()?)?.remove(0);
    hop.mesh_filters = true;
    let folder = folder.join(format!("stand-{}-{clusters}", kind.name()));
    std::fs::create_dir_all(&folder)?;
    let config = configs::many_clusters(clusters, &hop, certs, &folder)?;
    let began = Instant::now();
    let mut process = Process::start(kind.name(), &programs.argv(kind, &config), cpu, &folder.join("output.log"))?;
    loop {
        if let Ok(answer) = admin_get(hop.admin, "/ready").await
            && answer.contains("LIVE")
        {
            break;
        }
        if process.has_ended() || began.elapsed() > Duration::from_secs(60) {
            let log = std::fs::read_to_string(folder.join("output.log")).unwrap_or_default();
            return Err(io::Error::other(format!("{} never became ready; its output: {log}", kind.name())));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ready = began.elapsed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pss_kib = process.pss_kib();
    let dump = admin_get(hop.admin, "/config_dump").await?;
    if !dump.contains("configs") {
        return Err(io::Error::other(format!("{}: config_dump has no configs", kind.name())));
    }
    drop(dump);
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(Standing { ready, pss_kib, pss_after_dump_kib: process.pss_kib() })
}
