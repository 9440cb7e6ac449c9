//! Access logs over the network as the real Envoy and Outrigger send them, from one bootstrap: the entries that services get of each case,
//! field by field, as one text. Called by the `logs_parity` test.
//!
//! [`listeners`] are the configuration, [`cases`] what is said to it, [`services`] those who take entries, and the application, [`told`]
//! reads what they got. Must never depend on time: of moments and addresses it is told that they are there.

pub mod cases;
mod listeners;
mod services;
mod told;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::cases::{Case, Until};
use self::services::Services;
use crate::embedded::ports;
use crate::parity::address;
use crate::parity::started::{Started, page};
use crate::parity::tracing::cluster;

pub use crate::parity::started::Failure;

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(5);

/// Plays all cases with one program.
///
/// # Errors
/// What could not be done.
pub async fn play(program: &Path) -> Result<String, Failure> {
    let services = Services::start().await?;
    let proxy = Proxy::start(program, &services).await?;
    let names = proxy.names(&services);
    let mut text = String::new();
    for case in cases::all() {
        let named = |error| format!("{}: {error}", case.name);
        let got = proxy.say(&case).await.map_err(named)?;
        let entries = services.entries(case.entries).await.map_err(named)?;
        let _ = writeln!(text, "# {}\n< {got}", case.name);
        for entry in &entries {
            let _ = writeln!(text, "{}", told::entry(entry, &names));
        }
        text.push('\n');
    }
    for call in services.calls() {
        let _ = writeln!(text, "call {call}");
    }
    for line in proxy.statistics()? {
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

/// A running proxy.
struct Proxy {
    _process: Started,
    ports: BTreeMap<&'static str, SocketAddr>,
    admin: SocketAddr,
}

impl Proxy {
    async fn start(program: &Path, services: &Services) -> Result<Proxy, Failure> {
        let folder = tempfile::tempdir()?;
        let local = || ports::free(Ipv4Addr::LOCALHOST.into());
        let (admin, mut ports) = (local(), BTreeMap::new());
        let mut all = Vec::new();
        for (name, filter) in listeners::all() {
            let at = local();
            ports.insert(name, at);
            all.push(json!({ "name": name, "address": address(at),
                "filter_chains": [{ "name": "the-chain", "filters": [{ "name": "filter", "typed_config": filter }] }] }));
        }
        let dead = local();
        let clusters = [
            cluster("app", services.app, false),
            cluster("echo", services.echo, false),
            cluster("dead", dead, false),
            cluster("collector", services.collector, false),
            cluster("grpc-collector", services.collector, true),
        ];
        let bootstrap = json!({
            "node": { "id": "the-node", "cluster": "the-cluster", "locality": { "zone": "the-zone" } },
            "admin": { "address": address(admin) },
            "static_resources": { "listeners": all, "clusters": clusters }
        });
        let mut process = Started::launch(program, folder, &bootstrap.to_string())?;
        while !process.works(admin)? {
            tokio::time::sleep(POLL).await;
        }
        ports.insert("dead", dead);
        Ok(Proxy { ports, admin, _process: process })
    }

    /// What ports are called in the text.
    fn names(&self, services: &Services) -> BTreeMap<u64, String> {
        let known = self.ports.iter().map(|(name, at)| (u64::from(at.port()), (*name).to_owned()));
        let others = [("app", services.app), ("echo", services.echo)];
        known.chain(others.map(|(name, at)| (u64::from(at.port()), name.to_owned()))).collect()
    }

    /// Says it, and gives the first line of what comes back.
    async fn say(&self, case: &Case) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.ports[case.listener]).await?;
        stream.write_all(case.octets.as_bytes()).await?;
        let mut heard = Vec::new();
        match case.until {
            Until::End => {
                let end = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut heard)).await?;
                // A reset is an end, too.
                end.or_else(|error| if error.kind() == ErrorKind::ConnectionReset { Ok(0) } else { Err(error) })?;
            }
            Until::Heard(what) => {
                let mut chunk = [0; 4096];
                while !String::from_utf8_lossy(&heard).contains(what) {
                    let count = tokio::time::timeout(DEADLINE, stream.read(&mut chunk)).await??;
                    if count == 0 {
                        break;
                    }
                    heard.extend_from_slice(&chunk[..count]);
                }
            }
            Until::Passed(time) => tokio::time::sleep(time).await,
        }
        drop(stream);
        Ok(String::from_utf8_lossy(&heard).lines().next().unwrap_or_default().to_owned())
    }

    /// What was counted of the logs.
    fn statistics(&self) -> Result<Vec<String>, Failure> {
        let is_told = |line: &&str| {
            let differs = line.contains(".grpc_entries_") || line.contains(".grpc_access_log.logs_written");
            line.starts_with("access_logs.") && !differs
        };
        let text = page(self.admin, "/stats")?;
        let mut lines: Vec<_> = text.lines().filter(is_told).map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    }
}

/// A cluster as `grpc_service`.
fn grpc(cluster: &str) -> Value {
    json!({ "envoy_grpc": { "cluster_name": cluster } })
}
