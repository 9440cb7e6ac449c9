//! Clients that everybody has, through two sidecars with mutual TLS between them: gRPC in each of its kinds (tonic on both ends), a web socket
//! (node), server-sent events and plain requests (curl). Nobody waits for time: each side goes on when it has heard the other.
#![allow(clippy::unwrap_used, reason = "helpers of a test: what they cannot do fails it")]

mod grpc;

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outrigger_integration::control_plane::model::Protocol;
use outrigger_integration::embedded::app::{Raw, read_head};
use outrigger_integration::embedded::{DETAILS, EmbeddedMesh};
use outrigger_integration::skip::or_skip;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::Notify;

const HOST: &str = "details.bookinfo.svc.cluster.local:9080";

/// A mesh in which this application is behind the sidecar of details.
async fn mesh(protocol: Protocol, application: SocketAddr) -> EmbeddedMesh {
    EmbeddedMesh::start_changed(move |mesh| {
        mesh.service_mut("details").ports.iter_mut().for_each(|port| port.protocol = protocol);
        for ingress in &mut mesh.find_mut(DETAILS).ingress {
            (ingress.protocol, ingress.target) = (protocol, application);
        }
    })
    .await
}

/// The sidecar of details has served somebody over mutual TLS: its log has the server name that sidecars ask for.
async fn was_mutual(mesh: &EmbeddedMesh) {
    mesh.details.wait_access_log("outbound_.9080_._.details.bookinfo.svc.cluster.local").await;
}

#[tokio::test]
async fn curl_hears_events_as_they_happen() {
    let found = Command::new("curl").arg("--version").output().await.map_err(|error| format!("no curl: {error}"));
    if or_skip("curl_hears_events_as_they_happen", found).is_none() {
        return;
    }
    let next = Arc::new(Notify::new());
    let happens = next.clone();
    let app = Raw::start(move |mut stream| {
        let happens = happens.clone();
        async move {
            read_head(&mut stream).await;
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let _ = stream.write_all(head).await;
            for number in 0..3 {
                let event = format!("data: {number}\n\n");
                let _ = stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await;
                happens.notified().await;
            }
            let _ = stream.write_all(b"0\r\n\r\n").await;
        }
    })
    .await;
    let mesh = mesh(Protocol::Http, app.address()).await;
    let mut curl = Command::new("curl")
        .args(["--silent", "--no-buffer", "--max-time", "60", "--header", &format!("host: {HOST}")])
        .arg(format!("http://{}/events", mesh.egress))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    for number in 0..3 {
        // Each is here before the next has happened.
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(&*format!("data: {number}")));
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(""));
        next.notify_one();
    }
    assert_eq!(lines.next_line().await.unwrap(), None);
    assert!(curl.wait().await.unwrap().success());
    was_mutual(&mesh).await;
}

/// Serves one web socket: each message comes back turned round, and so does the closing.
async fn web_socket(mut stream: TcpStream) {
    let head = read_head(&mut stream).await;
    let key = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("sec-websocket-key: ").map(|_| line));
    let key = key.and_then(|line| line.split_once(": ")).map_or("", |(_, key)| key).trim();
    let accept = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, accept.as_bytes()));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    loop {
        // RFC 6455 section 5.2; a client's frames are masked.
        let mut start = [0; 2];
        if stream.read_exact(&mut start).await.is_err() {
            return;
        }
        let mut length = usize::from(start[1] & 0x7f);
        if length == 126 {
            let mut long = [0; 2];
            stream.read_exact(&mut long).await.unwrap();
            length = usize::from(u16::from_be_bytes(long));
        }
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).await.unwrap();
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await.unwrap();
        message.iter_mut().zip(mask.iter().cycle()).for_each(|(octet, mask)| *octet ^= mask);
        let is_closing = start[0] & 0x0f == 8;
        if !is_closing {
            message.reverse();
        }
        let mut frame = vec![start[0]];
        match u8::try_from(length) {
            Ok(short @ ..126) => frame.push(short),
            _ => {
                frame.push(126);
                frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        frame.extend_from_slice(&message);
        let _ = stream.write_all(&frame).await;
        if is_closing {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

const NODE: &str = r#"
const [url, address] = process.argv.slice(1);
// Its alias, as /etc/hosts would have it.
require("dns").lookup = (name, options, done) =>
  options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4);
const socket = new WebSocket(url);
const long = "x".repeat(9000) + "y";
let heard = 0;
socket.onopen = () => socket.send("hello");
socket.onmessage = (event) => {
  heard += 1;
  if (heard === 1) { console.log(event.data); socket.send(long); }
  else { console.log(event.data.length + event.data[0]); socket.close(1000, "enough"); }
};
socket.onclose = (event) => { console.log(event.code); };
socket.onerror = () => { console.log("error"); };
"#;

#[tokio::test]
async fn a_web_socket_of_node_is_carried() {
    let node = async |script: &str, arguments: [&str; 2]| {
        let mut command = Command::new("node");
        command.args(["--experimental-websocket", "--eval", script]).args(arguments).kill_on_drop(true);
        command.output().await.map_err(|error| format!("no node: {error}"))
    };
    let found = node("console.log(typeof WebSocket)", ["", ""]).await.and_then(|output| {
        let knows = output.stdout.starts_with(b"function");
        if knows { Ok(()) } else { Err("this node has no web sockets".to_owned()) }
    });
    if or_skip("a_web_socket_of_node_is_carried", found).is_none() {
        return;
    }
    let app = Raw::start(web_socket).await;
    let mesh = mesh(Protocol::Http, app.address()).await;
    let url = format!("ws://details.bookinfo.svc.cluster.local:{}/socket", mesh.egress.port());
    let heard = node(NODE, [&url, &mesh.egress.ip().to_string()]).await.unwrap();
    let text = String::from_utf8_lossy(&heard.stdout).into_owned();
    assert_eq!(text, "olleh\n9001y\n1000\n", "{}", String::from_utf8_lossy(&heard.stderr));
    was_mutual(&mesh).await;
}
