//! The same of connections: random policies of the network filter, each with clients of its own, who are told apart by the port that they
//! come from. What is compared: whether they are served, why not, what metadata has, and each policy's counters.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::proxy::{ADDRESS, DEADLINE, Identities, Proxy, context, filter, log, state};
use super::request::{PEERS, PLAIN};
use super::{Failure, Place, Random, Told, policy};
use crate::parity::address;

/// The first port that a client comes from.
const FIRST: usize = 10_000;

const FORMAT: &str = "%DOWNSTREAM_REMOTE_PORT% %RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% \
    shadow=%DYNAMIC_METADATA(envoy.filters.network.rbac)% hint=%DYNAMIC_METADATA(envoy.common:access_log_hint)%\n";

/// Policies, and which of the clients of [`PLAIN`] and then of [`PEERS`] come to which.
#[derive(Debug, Clone)]
pub struct Batch {
    /// `RBAC` of the network filter.
    pub policies: Vec<Value>,
    /// Each with its policy.
    pub clients: Vec<(usize, usize)>,
}

impl Batch {
    /// So many policies, and for each so many clients.
    pub fn random(seed: u64, policies: usize, clients: usize) -> Batch {
        let mut random = Random::new(seed);
        let policies: Vec<_> = (0..policies).map(|_| policy::rbac(Place::Connections, &mut random)).collect();
        let clients = (0..policies.len() * clients)
            .map(|number| (number % policies.len(), random.below(PLAIN.len() + PEERS.len())))
            .collect();
        Batch { policies, clients }
    }
}

/// What two proxies make of the same batch, where they differ: at most `most` differences.
///
/// # Errors
/// A proxy does not start or answer.
pub fn compare(envoy: &Path, outrigger: &Path, batch: &Batch, most: usize) -> Result<Vec<String>, Failure> {
    let theirs = play(envoy, batch).map_err(|error| format!("Envoy: {error}"))?;
    let ours = play(outrigger, batch).map_err(|error| format!("Outrigger: {error}"))?;
    let mut differences = Vec::new();
    for (index, (policy, client)) in batch.clients.iter().enumerate() {
        let (theirs, ours) = (&theirs.lines[index], &ours.lines[index]);
        if theirs != ours {
            let policy = &batch.policies[*policy];
            differences.push(format!("policy    {policy}\nclient    {client}\nEnvoy     {theirs}\nOutrigger {ours}\n"));
        }
    }
    for line in theirs.statistics.iter().filter(|line| !ours.statistics.contains(line)) {
        differences.push(format!("Envoy counts {line}\n"));
    }
    for line in ours.statistics.iter().filter(|line| !theirs.statistics.contains(line)) {
        differences.push(format!("Outrigger counts {line}\n"));
    }
    differences.truncate(most);
    Ok(differences)
}

fn play(program: &Path, batch: &Batch) -> Result<Told, Failure> {
    let proxy = Proxy::begin(program, |addresses, folder| bootstrap(batch, addresses, folder))?;
    let mut heard = Vec::new();
    for (index, (_, client)) in batch.clients.iter().enumerate() {
        heard.push(ask(&proxy, FIRST + index, *client).map_err(|error| format!("client {client}: {error}"))?);
    }
    let counted = |is_tls| batch.clients.iter().filter(|(_, client)| (*client >= PLAIN.len()) == is_tls).count();
    let mut lines = proxy.lines("plain", counted(false))?;
    lines.extend(proxy.lines("tls", counted(true))?);
    // Each begins with its port; they end in any order.
    lines.sort();
    let lines = heard.into_iter().zip(lines).map(|(heard, line)| format!("{heard} {line}")).collect();
    let statistics = proxy.admin("/stats?usedonly")?;
    let mut statistics: Vec<_> = statistics
        .lines()
        .filter(|line| line.starts_with("tcp_") && line.contains("rbac."))
        .map(str::to_owned)
        .collect();
    statistics.sort();
    Ok(Told { lines, statistics })
}

/// Says something and hears whether it is echoed.
fn ask(proxy: &Proxy, port: usize, client: usize) -> Result<&'static str, Failure> {
    let peer = client.checked_sub(PLAIN.len());
    let mut socket = TcpStream::connect(if peer.is_some() { proxy.tls } else { proxy.plain })?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_nodelay(true)?;
    let (from, to, to_port) = PLAIN[client % PLAIN.len()];
    let family = if from.contains(':') { "TCP6" } else { "TCP4" };
    socket.write_all(format!("PROXY {family} {from} {to} {port} {to_port}\r\n").as_bytes())?;
    match peer {
        None => Ok(echoes(socket)),
        Some(peer) => {
            let config = Identities::get()?.client(peer)?;
            let session = rustls::ClientConnection::new(Arc::new(config), "app.example".try_into()?)?;
            Ok(echoes(rustls::StreamOwned::new(session, socket)))
        }
    }
}

fn echoes(mut stream: impl Read + Write) -> &'static str {
    let said = stream.write_all(b"x").and_then(|()| stream.flush());
    match said.and_then(|()| stream.read_exact(&mut [0])) {
        Ok(()) => "served",
        Err(_) => "closed",
    }
}

fn bootstrap(batch: &Batch, [plain, tls, admin]: [SocketAddr; 3], folder: &Path) -> Value {
    let chain = |(index, policy): (usize, &Value)| {
        let mut policy = policy.clone();
        policy["stat_prefix"] = json!(format!("tcp_{index}."));
        let ports: Vec<_> =
            (0..batch.clients.len()).filter(|at| batch.clients[*at].0 == index).map(|at| FIRST + at).collect();
        let set = json!({ "on_new_connection": [
            state("state", "envoy.string", "a"), state("where", ADDRESS, "%DOWNSTREAM_REMOTE_ADDRESS%"),
        ] });
        json!({ "name": format!("c{index}"), "filter_chain_match": { "source_ports": ports }, "filters": [
            filter("state", "filters.network.set_filter_state.v3.Config", set),
            filter("rbac", "filters.network.rbac.v3.RBAC", policy),
            filter("echo", "filters.network.echo.v3.Echo", json!({})),
        ] })
    };
    let listener = |name: &str, at: SocketAddr, is_tls: bool| {
        let mut chains: Vec<_> = batch.policies.iter().enumerate().map(chain).collect();
        if is_tls {
            for chain in &mut chains {
                chain["transport_socket"] = json!({ "name": "tls", "typed_config": context() });
            }
        }
        let written = json!({
            "path": log(folder, name).display().to_string(),
            "log_format": { "text_format_source": { "inline_string": FORMAT } },
        });
        json!({
            "name": name, "address": address(at), "filter_chains": chains,
            "listener_filters": [filter("proxy", "filters.listener.proxy_protocol.v3.ProxyProtocol", json!({}))],
            "access_log": [filter("log", "access_loggers.file.v3.FileAccessLog", written)],
        })
    };
    json!({
        "admin": { "address": address(admin) },
        "static_resources": { "listeners": [listener("plain", plain, false), listener("tls", tls, true)] }
    })
}
