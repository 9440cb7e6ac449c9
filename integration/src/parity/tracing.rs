//! Tracing as the real Envoy and Outrigger do it, from one bootstrap: the spans that a collector gets of each case, field by field, and what
//! the application is told of them, as one text. Called by the `tracing_parity` test.
//!
//! [`listeners`] are the configuration, [`cases`] what is said to it, [`others`] the collector and the application, [`otlp`] and [`zipkin`] read what the former got.
//! Must never depend on time: spans of a case are told in the order in which they began, and numbers are given to ids in that order.

pub mod cases;
mod listeners;
mod others;
mod otlp;
mod zipkin;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::cases::Case;
use self::others::Others;
use crate::embedded::ports;
use crate::parity::started::{Started, page};

pub use crate::parity::started::Failure;

/// A span as a collector got it, whatever its format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// Hexadecimal, like the other ids.
    pub trace: String,
    /// Its own.
    pub id: String,
    /// Empty: none.
    pub parent: String,
    /// When it began, in the collector's own unit.
    pub start: u64,
    /// Name, kind, state, status and the like.
    pub head: String,
    /// Tags and events, a line each.
    pub lines: Vec<String>,
}

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(5);

/// Plays all cases with one program.
///
/// # Errors
/// What could not be done.
pub async fn play(program: &Path) -> Result<String, Failure> {
    let others = Others::start().await?;
    let proxy = Proxy::start(program, &others).await?;
    let mut text = String::new();
    for case in cases::all() {
        let got = proxy.say(&case, &others).await.map_err(|error| format!("{}: {error}", case.name))?;
        let spans = others.spans(case.spans).await.map_err(|error| format!("{}: {error}", case.name))?;
        let names = Names::of(&spans);
        let _ = writeln!(text, "# {}\n< {}", case.name, names.told(&got));
        for request in others.requests() {
            let _ = writeln!(text, "> {}", names.told(&request));
        }
        for span in &spans {
            let parent = if span.parent.is_empty() { "-" } else { &span.parent };
            let told = names.told(&format!("{} {} of {parent} in {}", span.head, span.id, span.trace));
            let _ = writeln!(text, "{told}");
            let mut lines: Vec<_> = span.lines.iter().map(|line| names.told(line)).collect();
            lines.sort();
            for line in lines {
                let _ = writeln!(text, "  {line}");
            }
        }
        text.push('\n');
    }
    let reports: std::collections::BTreeSet<String> = others.reports().into_iter().collect();
    for line in reports {
        let _ = writeln!(text, "report {line}");
    }
    for line in proxy.statistics()? {
        let _ = writeln!(text, "{line}");
    }
    Ok(text)
}

/// What stands in the text for ids that are others each time.
struct Names(Vec<(String, String)>);

impl Names {
    fn of(spans: &[Span]) -> Names {
        let mut names: Vec<(String, String)> = Vec::new();
        let mut name = |id: &str, kind: &str| {
            let number = names.iter().filter(|(_, name)| name.starts_with(kind)).count() + 1;
            if !cases::IDS.contains(&id) && names.iter().all(|(known, _)| *known != id) {
                names.push((id.to_owned(), format!("{kind}{number}")));
            }
        };
        for span in spans {
            name(&span.trace, "trace");
            name(&span.id, "span");
        }
        Names(names)
    }

    fn told(&self, text: &str) -> String {
        hidden(&self.0.iter().fold(text.to_owned(), |text, (id, name)| text.replace(id, name)))
    }
}

/// Without ids of requests (the digit stays that carries the decision), ids that no span has, and addresses.
fn hidden(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        if let Some(id) = rest.get(..36).filter(|id| is_request_id(id)) {
            out.push_str(&format!("ID/{}", &id[14..15]));
            rest = &rest[36..];
        } else if let Some(port) = rest.strip_prefix("127.0.0.1:") {
            out.push_str("PEER");
            rest = port.trim_start_matches(|letter: char| letter.is_ascii_digit());
        } else if first.is_ascii_alphanumeric() {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let is_id = matches!(end, 16 | 32) && word.bytes().all(|octet| octet.is_ascii_hexdigit());
            out.push_str(if is_id && !cases::IDS.contains(&word) { "NEW" } else { word });
            rest = after;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn is_request_id(text: &str) -> bool {
    let fits = |(place, octet): (usize, u8)| {
        if matches!(place, 8 | 13 | 18 | 23) { octet == b'-' } else { octet.is_ascii_hexdigit() }
    };
    text.bytes().enumerate().all(fits)
}

/// A running proxy.
struct Proxy {
    _process: Started,
    ports: BTreeMap<&'static str, SocketAddr>,
    admin: SocketAddr,
}

impl Proxy {
    async fn start(program: &Path, others: &Others) -> Result<Proxy, Failure> {
        let folder = tempfile::tempdir()?;
        let local = || ports::free(Ipv4Addr::LOCALHOST.into());
        let (admin, mut ports) = (local(), BTreeMap::new());
        let mut listeners = Vec::new();
        for (name, direction, manager) in listeners::all() {
            let at = local();
            ports.insert(name, at);
            listeners.push(json!({ "name": name, "traffic_direction": direction, "address": address(at),
                "filter_chains": [{ "filters": [{ "name": "manager", "typed_config": manager }] }] }));
        }
        let clusters = [
            cluster("app", others.app, false),
            cluster("second", ports["second"], false),
            cluster("dead", local(), false),
            cluster("collector", others.collector, false),
            cluster("hole", others.hole.local_addr()?, false),
            cluster("grpc-collector", others.collector, true),
        ];
        let bootstrap = json!({
            "node": { "id": "the-node", "cluster": "the-cluster", "locality": { "zone": "the-zone" } },
            "admin": { "address": address(admin) },
            "layered_runtime": { "layers": [{ "name": "static", "static_layer": listeners::runtime() }] },
            "static_resources": { "listeners": listeners, "clusters": clusters }
        });
        let mut process = Started::launch(program, folder, &bootstrap.to_string())?;
        while !process.works(admin)? {
            tokio::time::sleep(POLL).await;
        }
        Ok(Proxy { ports, admin, _process: process })
    }

    /// Asks, and gives the status and what the response says of tracing.
    async fn say(&self, case: &Case, others: &Others) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.ports[case.listener]).await?;
        let mut request = format!("{} HTTP/1.1\r\nhost: svc.example\r\nconnection: close\r\n", case.line);
        for (name, value) in &case.headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).await?;
        if case.leaves {
            others.is_asked().await?;
            return Ok(String::from("left"));
        }
        let mut heard = Vec::new();
        tokio::time::timeout(DEADLINE, stream.read_to_end(&mut heard)).await??;
        let shown = String::from_utf8_lossy(&heard);
        let mut lines = shown.lines();
        let status = lines.next().unwrap_or_default().to_owned();
        let told = lines.filter(|line| line.starts_with("x-envoy-decorator") || line.starts_with("x-request-id"));
        Ok(told.fold(status, |all, line| format!("{all} {line}")))
    }

    /// What was decided, and what was sent.
    fn statistics(&self) -> Result<Vec<String>, Failure> {
        let text = page(self.admin, "/stats")?;
        // How many spans come together is a matter of time.
        let by_time = |line: &str| line.contains("timer_flushed") || line.contains("reports_sent");
        let is_meant = |line: &&str| line.contains("tracing.") && !by_time(line) && !line.ends_with(": 0");
        let mut lines: Vec<_> = text.lines().filter(is_meant).map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    }
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

fn cluster(name: &str, endpoint: SocketAddr, http2: bool) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let protocol = if http2 { "http2_protocol_options" } else { "http_protocol_options" };
    let labels = json!({ "filter_metadata": { "labels": { "who": "host" } } });
    json!({ "name": name, "connect_timeout": "5s", "alt_stat_name": format!("{name}-seen"),
        "metadata": { "filter_metadata": { "labels": { "who": "cluster" } } },
        "typed_extension_protocol_options": { options: {
            "@type": format!("type.googleapis.com/{options}"), "explicit_http_config": { protocol: {} } } },
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [{
            "endpoint": { "address": address(endpoint) }, "metadata": labels }] }] } })
}
