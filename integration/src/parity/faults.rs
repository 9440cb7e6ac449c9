//! What a client sees where the place that its request goes to fails: a part for each fault, with the answer and the line in the log. Called by
//! the `faults_parity` tests, in a network namespace of their own ([`namespace`]), in which packets can be lost.

pub mod namespace;
mod places;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::started::{Failure, Started, page};
use super::{address, merge};
use crate::embedded::ports;
use places::{Place, Trust};

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(5);
/// Ends the lines of a fault.
const FORMAT: &str = "%REQ(:AUTHORITY)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
                      %UPSTREAM_TRANSPORT_FAILURE_REASON%\n";

/// Plays all faults with one program.
///
/// # Errors
/// What could not be done.
pub async fn play(program: &Path) -> Result<String, Failure> {
    let trust = Trust::new();
    let places = places::all(&trust).await?;
    let folder = tempfile::tempdir()?;
    let (admin, listener) = (ports::free(Ipv4Addr::LOCALHOST.into()), ports::free(Ipv4Addr::LOCALHOST.into()));
    let log = folder.path().join("log");
    let bootstrap = bootstrap(&places, &trust, [admin, listener], &log);
    let program = program.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let proxy = Started::working(&program, folder, &bootstrap, admin)?;
        let mut text = String::new();
        for place in &places {
            let heard = ask(place, listener, admin)?;
            let line = line(&log, place.name)?;
            text += &format!("# {}\n{heard}\n{line}\n\n", place.what);
        }
        drop(proxy);
        Ok::<_, Failure>(text)
    });
    asked.await?
}

/// What a client hears that asks once, or twice where the place fails in between.
fn ask(place: &Place, listener: SocketAddr, admin: SocketAddr) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(listener)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", place.name);
    stream.write_all(request.as_bytes())?;
    let heard = hear(&mut stream)?;
    let Some(between) = &place.between else { return Ok(heard) };
    between(admin)?;
    stream.write_all(request.as_bytes())?;
    Ok(format!("{heard}; then {}", hear(&mut stream)?))
}

/// Hears one answer: its status, its body, and how it ended if not well.
fn hear(stream: &mut TcpStream) -> Result<String, Failure> {
    let (mut heard, mut room) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(told) = complete(&heard) {
            return Ok(told);
        }
        let end = match stream.read(&mut room) {
            Ok(0) => "the end",
            Ok(count) => {
                heard.extend_from_slice(&room[..count]);
                continue;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => "a reset",
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8_lossy(&heard);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).unwrap_or("nothing");
        return Ok(format!("{status} {body:?} and {end}"));
    }
}

/// An answer that is all there.
fn complete(heard: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(heard);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let value = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let length: usize = value.parse().ok()?;
    (body.len() == length).then(|| format!("{} {body:?}", head.split(' ').nth(1).unwrap_or_default()))
}

/// The last line of the log that tells of a place, without its name.
fn line(log: &Path, name: &str) -> Result<String, Failure> {
    let wanted = if name.starts_with("twice") { 2 } else { 1 };
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines: Vec<&str> = whole.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect();
        if lines.len() >= wanted {
            return Ok(without_whose(lines[lines.len() - 1]));
        }
        if began.elapsed() > DEADLINE {
            return Err(format!("the log says nothing of {name}").into());
        }
        std::thread::sleep(POLL);
    }
}

/// Ours tells besides whose certificate is out of date, and since when (`known.md`).
fn without_whose(line: &str) -> String {
    let mut text = line.to_owned();
    while let Some(begins) = text.find("_(spiffe://") {
        let ends = text[begins..].find(')').map_or(text.len(), |ends| begins + ends + 1);
        text.replace_range(begins..ends, "");
    }
    text
}

/// Waits until the connections of a cluster are gone.
fn until_idle(admin: SocketAddr, cluster: &str) -> Result<(), Failure> {
    let (wanted, began) = (format!("cluster.{cluster}.upstream_cx_active: 0"), Instant::now());
    while !page(admin, "/stats")?.lines().any(|line| line.trim_end() == wanted) {
        if began.elapsed() > DEADLINE {
            return Err(format!("there is no {wanted:?}").into());
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn bootstrap(places: &[Place], trust: &Trust, [admin, listener]: [SocketAddr; 2], log: &Path) -> Value {
    let hosts: Vec<Value> = places
        .iter()
        .map(|place| {
            json!({ "name": place.name, "domains": [place.name],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": place.name, "timeout": "1s" } }] })
        })
        .collect();
    let clusters: Vec<Value> = places.iter().map(|place| cluster(place, trust)).collect();
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "faults",
        "route_config": { "virtual_hosts": hosts },
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
        "access_log": [{ "name": "log", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log.display().to_string(),
            "log_format": { "text_format_source": { "inline_string": FORMAT } } } }]
    });
    json!({
        "admin": { "address": address(admin) },
        "static_resources": {
            "listeners": [{ "name": "in", "address": address(listener),
                "filter_chains": [{ "filters": [{ "name": "manager", "typed_config": manager }] }] }],
            "clusters": clusters
        }
    })
}

fn cluster(place: &Place, trust: &Trust) -> Value {
    let mut cluster = json!({ "name": place.name, "connect_timeout": "0.5s" });
    if let Some(at) = place.at {
        let endpoints = json!([{ "lb_endpoints": [{ "endpoint": { "address": address(at) } }] }]);
        cluster["load_assignment"] = json!({ "cluster_name": place.name, "endpoints": endpoints });
    }
    if place.is_tls {
        cluster["transport_socket"] = trust.socket();
    }
    merge(&mut cluster, &place.more);
    cluster
}
