//! Listeners' own access logs beside the real Envoy: what they tell of connections with requests and of others, of those that break the
//! protocol, and of those that the end of the process cuts off. `UPDATE_GOLDENS=1` writes what Envoy logs
//! (`integration/parity/listener_logs.txt`).

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use outrigger_integration::embedded::ports;
use outrigger_integration::parity::golden;
use outrigger_integration::parity::started::{Failure, Started};
use serde_json::{Value, json};

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
const FORMAT: &str = "%BYTES_RECEIVED% %BYTES_SENT% %PROTOCOL% wire %DOWNSTREAM_WIRE_BYTES_RECEIVED% \
                      %DOWNSTREAM_WIRE_BYTES_SENT% %RESPONSE_FLAGS% %RESPONSE_CODE% %FILTER_CHAIN_NAME% %ACCESS_LOG_TYPE%\n";

fn place(at: SocketAddr) -> Value {
    json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } })
}

/// A server that says what it hears.
fn echo() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let Ok(mut back) = stream.try_clone() else { return };
                let mut stream = stream;
                let _over = std::io::copy(&mut stream, &mut back);
            });
        }
    });
    Ok(address)
}

fn bootstrap(log: &Path, [admin, http, tcp]: [SocketAddr; 3], echo: SocketAddr) -> Value {
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "direct_response": { "status": 200, "body": { "inline_string": "hello" } } },
        ] }] },
        "http_filters": [{ "name": "router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        } }],
    });
    let proxy = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp", "cluster": "echo",
    });
    let log = json!([{ "name": "log", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": log.display().to_string(), "log_format": { "text_format_source": { "inline_string": FORMAT } },
    } }]);
    let listener = |name: &str, at: SocketAddr, filter: Value| {
        json!({ "name": name, "address": place(at), "access_log": log,
            "filter_chains": [{ "name": name, "filters": [{ "name": "last", "typed_config": filter }] }] })
    };
    json!({
        "admin": { "address": place(admin) },
        "static_resources": {
            "listeners": [listener("http", http, manager), listener("tcp", tcp, proxy)],
            "clusters": [{ "name": "echo", "type": "STATIC", "load_assignment": { "cluster_name": "echo",
                "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": place(echo) } }] }] } }],
        },
    })
}

/// Says something and hears so many octets, at least.
fn say(at: SocketAddr, said: &str, heard: usize) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(said.as_bytes())?;
    hear(&mut stream, heard)?;
    Ok(stream)
}

fn hear(stream: &mut TcpStream, most: usize) -> Result<(), Failure> {
    let mut left = most;
    while left > 0 {
        let count = stream.read(&mut [0; 4096])?;
        if count == 0 {
            return Err("it closes".into());
        }
        left = left.saturating_sub(count);
    }
    Ok(())
}

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
/// What its answer is at least.
const ANSWER: usize = 100;

async fn played(program: &Path) -> Result<String, Failure> {
    let at = [(); 3].map(|()| ports::free(ports::loopback()));
    let [admin, http, tcp] = at;
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log");
    let mut proxy = Started::working(program, tempfile::tempdir()?, &bootstrap(&log, at, echo()?), admin)?;
    let mut text = String::new();
    let mut seen = 0;
    for (name, at, said, heard) in [
        ("nothing", http, String::new(), 0),
        ("a request", http, REQUEST.to_owned(), ANSWER),
        ("the last request", http, REQUEST.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n"), ANSWER),
        ("no request", http, "nonsense\r\n\r\n".to_owned(), 50),
        ("half a head", http, "GET / HTT".to_owned(), 0),
        ("octets", tcp, "hello".to_owned(), 5),
    ] {
        drop(say(at, &said, heard)?);
        let lines = until(&log, seen + 1).await?;
        writeln!(text, "# {name}\n{}\n", lines[seen..].join("\n"))?;
        seen = lines.len();
    }
    // Read apart, for where both are read at once Envoy knows of no protocol.
    let mut behind = say(http, REQUEST, ANSWER)?;
    behind.write_all(b"nonsense\r\n\r\n")?;
    hear(&mut behind, ANSWER)?;
    drop(behind);
    let lines = until(&log, seen + 1).await?;
    writeln!(text, "# a request, and what is none\n{}\n", lines[seen..].join("\n"))?;
    seen = lines.len();
    let mut open = vec![say(http, REQUEST, ANSWER)?, say(tcp, "hello", 5)?];
    // It is accepted before the one that is answered.
    open.push(TcpStream::connect(http)?);
    open.push(say(http, REQUEST, ANSWER)?);
    let mut asked = TcpStream::connect(admin)?;
    asked.write_all(b"POST /quitquitquit HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\n\r\n")?;
    let began = Instant::now();
    while !proxy.has_ended() {
        if began.elapsed() > DEADLINE {
            return Err("it does not end".into());
        }
        tokio::time::sleep(POLL).await;
    }
    let mut lines = until(&log, seen).await?.split_off(seen);
    lines.sort();
    writeln!(text, "# cut off by the end of the process\n{}", lines.join("\n"))?;
    Ok(text)
}

/// All lines, once there are so many.
async fn until(log: &Path, many: usize) -> Result<Vec<String>, Failure> {
    let began = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= many && (text.is_empty() || text.ends_with('\n')) {
            return Ok(lines);
        }
        if began.elapsed() > DEADLINE {
            return Err(format!("{many} lines do not come: {text}").into());
        }
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn envoy_logs_what_is_recorded() {
    golden::of_envoy("listener_logs.txt", played).await;
}

#[tokio::test]
async fn the_same_is_logged_here() {
    golden::of_outrigger("listener_logs.txt", played).await;
}
