//! Hostile octets of HTTP/1 through a running proxy, many connections at once: what each client hears, what the log says of it and what is
//! forwarded, as one text a case. The proxy ends each connection itself, by its timers, so that nobody has to guess when it is over. Called
//! by the `hostile_parity` tests.

mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::started::{Failure, Started};
use super::{address, merge};
use crate::embedded::ports;
use upstream::Upstream;

/// What one client sends, and to which of the listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// One of [`LISTENERS`].
    pub listener: usize,
    /// The octets; with `slowly` each piece by itself.
    pub pieces: Vec<Vec<u8>>,
    /// Pieces come one after the other.
    pub slowly: bool,
}

impl Case {
    /// How many octets.
    pub fn length(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }
}

/// How many listeners there are: as the manager's defaults are, one that allows what may be allowed, one that forbids what may be forbidden.
pub const LISTENERS: usize = 3;

const DEADLINE: Duration = Duration::from_secs(20);
/// Longer than any timer of the proxy.
const PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(5);

/// A running proxy.
#[derive(Debug)]
pub struct Player {
    _process: Started,
    listeners: Vec<SocketAddr>,
    upstream: Upstream,
    log: PathBuf,
    /// Octets of the log that have been read.
    read: usize,
    played: usize,
}

impl Player {
    /// Starts a program that understands Envoy's arguments.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(program: &Path) -> Result<Player, Failure> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        let upstream = Upstream::start().await?;
        let local = || ports::free(Ipv4Addr::LOCALHOST.into());
        let (admin, listeners) = (local(), (0..LISTENERS).map(|_| local()).collect::<Vec<_>>());
        let bootstrap = bootstrap(admin, &listeners, upstream.address, &log);
        let process = Started::working(program, folder, &bootstrap, admin)?;
        Ok(Player { _process: process, listeners, upstream, log, read: 0, played: 0 })
    }

    /// Plays all cases at once.
    ///
    /// # Errors
    /// What could not be done; that a proxy keeps a connection open is none.
    pub async fn play(&mut self, cases: &[Case]) -> Result<Vec<String>, Failure> {
        let talks = cases.iter().map(|case| talk(self.listeners[case.listener], case.clone()));
        let talks = futures_util::future::join_all(talks.map(tokio::spawn)).await;
        // The sockets are kept until here, so that no port is used twice.
        let talks = talks.into_iter().map(|talk| talk?).collect::<Result<Vec<_>, Failure>>()?;
        let lines = self.lines().await?;
        let mut forwarded = self.upstream.take();
        let tell = |(_, key, heard): &(TcpStream, u32, String)| {
            let mut text = format!("client {heard}\n");
            for line in &lines {
                if let Some(line) = line.strip_prefix(&format!("{key:06} ")) {
                    text += &format!("log {line}\n");
                }
            }
            for request in forwarded.remove(key).unwrap_or_default() {
                text += &format!("upstream {request}\n");
            }
            text
        };
        Ok(talks.iter().map(tell).collect())
    }

    /// The lines of the log that belong to what has been played: those before that of a last request.
    async fn lines(&mut self) -> Result<Vec<String>, Failure> {
        self.played += 1;
        let last = format!("/last-{}.", self.played);
        let mut stream = TcpStream::connect(self.listeners[0]).await?;
        let request = format!("GET {last} HTTP/1.1\r\nHost: last\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_end(&mut Vec::new()).await?;
        let began = Instant::now();
        loop {
            let log = std::fs::read(&self.log).unwrap_or_default();
            let new = String::from_utf8_lossy(&log[self.read.min(log.len())..]).into_owned();
            if new.ends_with('\n') && new.contains(&last) {
                self.read = log.len();
                // Its own port may be that of a case at another listener.
                return Ok(new.lines().filter(|line| !line.contains(&last)).map(str::to_owned).collect());
            }
            if began.elapsed() > DEADLINE {
                return Err(format!("the log does not say {last}").into());
            }
            sleep(POLL).await;
        }
    }
}

/// What stands for a client in logs and headers: the number of its listener before its port, for two listeners may know one port.
fn key(listener: usize, port: u16) -> u32 {
    u32::try_from(listener).unwrap_or(u32::MAX / 100_000) * 100_000 + u32::from(port)
}

/// Sends, and hears until the end. Gives the socket, its key, and what it heard.
async fn talk(at: SocketAddr, case: Case) -> Result<(TcpStream, u32, String), Failure> {
    let mut stream = TcpStream::connect(at).await?;
    let key = key(case.listener, stream.local_addr()?.port());
    stream.set_nodelay(true)?;
    // The proxy may refuse and close before it has read all.
    if case.slowly {
        for piece in &case.pieces {
            let _ = stream.write_all(piece).await;
            sleep(Duration::from_millis(2)).await;
        }
    } else {
        let _ = stream.write_all(&case.pieces.concat()).await;
    }
    let mut heard = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.is_ok();
    let heard = heard.split_inclusive(|octet| *octet == b'\n');
    let kept: Vec<u8> = heard.filter(|line| !line.starts_with(b"date: ")).flatten().copied().collect();
    let end = if ended { "" } else { " and is not told the end" };
    Ok((stream, key, format!("{}{end}", kept.escape_ascii())))
}

fn bootstrap(admin: SocketAddr, listeners: &[SocketAddr], upstream: SocketAddr, log: &Path) -> Value {
    let managers = [
        json!({}),
        json!({
            "http_protocol_options": { "accept_http_10": true, "default_host_for_http_10": "ten", "enable_trailers": true,
                "allow_chunked_length": true, "override_stream_error_on_invalid_http_message": true,
                "allow_custom_methods": true },
            "merge_slashes": true, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD", "strip_any_host_port": true
        }),
        json!({
            "common_http_protocol_options": { "idle_timeout": "0.4s", "headers_with_underscores_action": "REJECT_REQUEST",
                "max_headers_count": 8 },
            "max_request_headers_kb": 1, "normalize_path": true, "path_with_escaped_slashes_action": "REJECT_REQUEST",
            "proxy_100_continue": true
        }),
    ];
    let listeners: Vec<Value> = listeners
        .iter()
        .zip(managers)
        .enumerate()
        .map(|(number, (at, more))| listener(number, *at, more, log))
        .collect();
    let endpoint = json!({ "endpoint": { "address": address(upstream) } });
    json!({
        "admin": { "address": address(admin) },
        "static_resources": {
            "listeners": listeners,
            "clusters": [{ "name": "upstream", "connect_timeout": "5s",
                "load_assignment": { "cluster_name": "upstream", "endpoints": [{ "lb_endpoints": [endpoint] }] } }]
        },
        "layered_runtime": { "layers": [{ "name": "static", "static_layer": {
            "envoy.reloadable_features.http_reject_path_with_fragment": false } }] }
    })
}

fn listener(number: usize, at: SocketAddr, more: Value, log: &Path) -> Value {
    // Ports of clients have five digits.
    let client = format!("{number}%DOWNSTREAM_REMOTE_PORT%");
    let format =
        "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(:PATH)%";
    let format = format!("{client} {format}\n");
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": format!("hostile{number}"),
        "codec_type": "HTTP1",
        "generate_request_id": false,
        "request_headers_timeout": "0.4s",
        "stream_idle_timeout": "0.4s",
        "delayed_close_timeout": "0.1s",
        "drain_timeout": "0.1s",
        "common_http_protocol_options": { "idle_timeout": "0.4s" },
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "access_log": [{ "name": "log", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log.display().to_string(),
            "log_format": { "text_format_source": { "inline_string": format } } } }],
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", "suppress_envoy_headers": true } }],
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"],
            "request_headers_to_add": [{ "header": { "key": "x-port", "value": client },
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" }],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } }] }] }
    });
    merge(&mut manager, &more);
    json!({ "name": format!("hostile{number}"), "address": address(at),
        "filter_chains": [{ "filters": [{ "name": "manager", "typed_config": manager }] }] })
}
