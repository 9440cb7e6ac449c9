//! Access logs of the admin interface (`Admin.access_log`, `access_log_path`), as the real Envoy writes them: `parity/admin_log.txt` is what it does
//! (`UPDATE_GOLDENS=1` writes that anew).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use outrigger_integration::embedded::ports;
use outrigger_integration::parity::golden;
use outrigger_integration::parity::started::{Failure, Started};
use serde_json::{Value, json};

const FORMAT: &str = "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% in=%BYTES_RECEIVED% \
    out=%BYTES_SENT% host=%REQ(:AUTHORITY)% scheme=%REQ(:SCHEME)% proto=%REQ(X-FORWARDED-PROTO)% agent=%REQ(USER-AGENT)% \
    id=%REQ(X-REQUEST-ID)% type=%RESP(CONTENT-TYPE)% server=%RESP(SERVER)% to=%UPSTREAM_HOST% cluster=%UPSTREAM_CLUSTER% \
    route=%ROUTE_NAME% kind=%ACCESS_LOG_TYPE% connection=%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%\n";

/// Requests on one connection, and what their bodies are.
const ASKED: &[(&str, &str)] = &[
    ("GET /ready", ""),
    ("HEAD /ready", ""),
    ("GET /ready?x=1", ""),
    ("POST /healthcheck/ok", "twelve bytes"),
    ("GET /healthcheck/fail", ""),
    ("GET /hot_restart_version", ""),
];

fn file(path: &Path, format: Option<&str>) -> Value {
    let mut config = json!({
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path,
    });
    if let Some(format) = format {
        config["log_format"] = json!({ "text_format_source": { "inline_string": format } });
    }
    json!({ "name": "file", "typed_config": config })
}

async fn played(program: &Path) -> Result<String, Failure> {
    let admin = ports::free(ports::loopback());
    let folder = tempfile::tempdir()?;
    let [all, refused, plain] = ["all", "refused", "plain"].map(|name| folder.path().join(name));
    let mut of_refused = file(&refused, Some("%RESPONSE_CODE% %REQ(:PATH)%\n"));
    of_refused["filter"] = json!({ "status_code_filter": {
        "comparison": { "op": "GE", "value": { "default_value": 400, "runtime_key": "none" } } } });
    let bootstrap = json!({
        "admin": {
            "address": { "socket_address": { "address": admin.ip().to_string(), "port_value": admin.port() } },
            "access_log": [file(&all, Some(FORMAT)), of_refused],
            "access_log_path": plain,
        },
        "node": { "id": "one", "cluster": "c" },
    });
    let started = Started::working(program, folder, &bootstrap, admin)?;
    for (asked, body) in ASKED {
        ask(admin, asked, body)?;
    }
    let text =
        format!("{}\n{}\n{}", lines(&all)?, lines(&refused)?, lines(&plain)?.lines().map(shape).collect::<String>());
    drop(started);
    Ok(text.replace(&admin.to_string(), "ADMIN"))
}

fn ask(admin: SocketAddr, asked: &str, body: &str) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    let head = format!("{asked} HTTP/1.1\r\nhost: admin\r\nuser-agent: me\r\nx-request-id: 7\r\nconnection: close\r\n");
    stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Those of our requests, once the last one is there; whoever started the program has asked things, too.
fn lines(file: &Path) -> Result<String, Failure> {
    let last = if file.ends_with("refused") { "/healthcheck/fail" } else { "/hot_restart_version" };
    for _ in 0..4000 {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if text.ends_with('\n') && text.contains(last) {
            let ours = text.lines().filter(|line| !line.contains("/stats"));
            return Ok(ours.map(|line| format!("{line}\n")).collect());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(format!("no line of {last} in {}", file.display()).into())
}

/// Envoy's own format without the moment, the duration and the address of this host.
fn shape(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').skip(1).collect();
    for place in [7, 9] {
        if let Some(word) = words.get_mut(place) {
            *word = "?";
        }
    }
    words.join(" ") + "\n"
}

#[tokio::test]
async fn envoy_writes_what_is_recorded() {
    golden::of_envoy("admin_log.txt", played).await;
}

#[tokio::test]
async fn the_same_is_written_here() {
    golden::of_outrigger("admin_log.txt", played).await;
}
