//! Services that filters ask, as the real Envoy and Outrigger ask them, from one bootstrap: authorizers over HTTP and for connections, rate
//! limits. What they were asked, what the client and the application got, the logs and the statistics, as one text.
//!
//! Called by the `asked_services_parity` test. [`cases`] are the listeners and what is said to them, [`service`] is who is asked. Must never
//! depend on the order of headers or on time.

pub mod cases;
pub mod service;
mod shadows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::cases::Case;
use self::service::Service;
use crate::embedded::ports;
use crate::parity::address;
use crate::parity::started::{Started, page};

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
    let (asked, app) = (Service::start().await?, Service::start().await?);
    let proxy = Proxy::start(program, asked.address, app.address).await?;
    let mut text = String::new();
    for case in cases::all() {
        asked.answers(case.answer.clone());
        let got = proxy.say(&case).await.map_err(|error| format!("{}: {error}", case.name))?;
        let questions = asked.take(case.questions).await;
        let _ = writeln!(text, "# {}", case.name);
        response(&mut text, &got);
        for question in questions {
            let _ = writeln!(text, "? {question}");
        }
        for seen in app.take(0).await {
            let _ = writeln!(text, "> {seen}");
        }
        let _ = writeln!(text, "log {}\n", proxy.line(case.listener).await?);
    }
    for line in proxy.statistics()? {
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

/// Headers that say when and by whom.
const CHANGING: [&str; 4] = ["date", "server", "x-envoy-upstream-service-time", "connection"];

/// Writes what the client got: an HTTP response line by line, its headers sorted; other octets as they are.
fn response(text: &mut String, got: &[u8]) {
    let shown = String::from_utf8_lossy(got);
    let Some((head, body)) = shown.split_once("\r\n\r\n") else {
        let _ = writeln!(text, "< {}", got.escape_ascii());
        return;
    };
    let mut lines: Vec<_> = head.lines().skip(1).collect();
    lines.retain(|line| !CHANGING.iter().any(|name| line.starts_with(&format!("{name}:"))));
    lines.sort_unstable();
    let _ = writeln!(text, "< {}", head.lines().next().unwrap_or_default());
    for line in lines {
        let _ = writeln!(text, "< {line}");
    }
    if !body.is_empty() {
        let _ = writeln!(text, "< body {}", body.escape_debug());
    }
}

/// A running proxy.
struct Proxy {
    process: Started,
    ports: BTreeMap<&'static str, SocketAddr>,
    admin: SocketAddr,
    /// Lines of each log that were given.
    read: std::sync::Mutex<BTreeMap<&'static str, usize>>,
}

impl Proxy {
    async fn start(program: &Path, asked: SocketAddr, app: SocketAddr) -> Result<Proxy, Failure> {
        let folder = tempfile::tempdir()?;
        let local = || ports::free(Ipv4Addr::LOCALHOST.into());
        let (admin, mut ports) = (local(), BTreeMap::new());
        let mut listeners = Vec::new();
        for (name, chain) in cases::listeners(&|name| log(folder.path(), name)) {
            let at = local();
            ports.insert(name, at);
            listeners.push(json!({ "name": name, "address": address(at), "filter_chains": [{ "filters": chain }] }));
        }
        let clusters = [cluster("app", app, false), cluster("asked", asked, true), cluster("asked-1", asked, false)];
        let bootstrap = json!({
            "node": { "id": "node", "cluster": "me", "metadata": { "LABELS": { "zone": "a", "number": 1 } } },
            "admin": { "address": address(admin) },
            "static_resources": { "listeners": listeners, "clusters": clusters }
        });
        let mut process = Started::launch(program, folder, &bootstrap.to_string())?;
        while !process.works(admin)? {
            tokio::time::sleep(POLL).await;
        }
        Ok(Proxy { process, ports, admin, read: Default::default() })
    }

    async fn say(&self, case: &Case) -> Result<Vec<u8>, Failure> {
        tokio::time::timeout(DEADLINE, async {
            let mut stream = TcpStream::connect(self.ports[case.listener]).await?;
            // One that is closed at once may not take all of it.
            let _ = stream.write_all(&case.says).await;
            if case.ends {
                let _ = stream.shutdown().await;
            }
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard).await;
            Ok(heard)
        })
        .await?
    }

    /// The next line of a listener's log.
    async fn line(&self, listener: &'static str) -> Result<String, Failure> {
        let (path, began) = (log(self.process.folder(), listener), Instant::now());
        let given = self.read.lock().map_err(|_| "poisoned")?.get(listener).copied().unwrap_or(0);
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if let Some(line) = whole.lines().nth(given) {
                self.read.lock().map_err(|_| "poisoned")?.insert(listener, given + 1);
                return Ok(line.to_owned());
            }
            if began.elapsed() > DEADLINE {
                return Err(format!("the log of {listener} has no line {}", given + 1).into());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Counters and gauges of authorizers and limits that are not zero.
    fn statistics(&self) -> Result<Vec<String>, Failure> {
        let text = page(self.admin, "/stats")?;
        let is_meant = |line: &&str| {
            let Some((name, value)) = line.split_once(": ") else { return false };
            let named = name.contains("ext_authz.")
                || name.contains("ratelimit.")
                || ["cluster.app.upstream_rq_429", "tcp.authorized.downstream_cx_rx_bytes_total"].contains(&name);
            named && value.parse::<u64>().is_ok_and(|value| value > 0)
        };
        let mut lines: Vec<_> = text.lines().filter(is_meant).map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    }
}

fn log(folder: &Path, name: &str) -> String {
    folder.join(format!("{name}.log")).display().to_string()
}

fn cluster(name: &str, endpoint: SocketAddr, http2: bool) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let protocol = if http2 { "http2_protocol_options" } else { "http_protocol_options" };
    json!({ "name": name, "connect_timeout": "5s",
        "typed_extension_protocol_options": { options: {
            "@type": format!("type.googleapis.com/{options}"), "explicit_http_config": { protocol: {} } } },
        "load_assignment": { "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(endpoint) } }] }] } })
}
