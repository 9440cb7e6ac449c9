//! A client that sends requests, one after another on each of some connections, until told to end; then it says how they went.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

use super::report;

/// How many failures are told in words; all are counted.
const TOLD: usize = 10;

/// What all connections did together.
#[derive(Default)]
struct Tally {
    good: u64,
    failures: u64,
    words: Vec<String>,
}

/// Sends `GET PATH` with this `Host` until SIGTERM, then reports `{"good", "failures", "words"}`. Every other status is a failure.
pub async fn run(
    target: SocketAddr,
    host: String,
    path: String,
    connections: usize,
    status: u16,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let end = Arc::new(AtomicBool::new(false));
    let client = |_| tokio::spawn(drive(target, host.clone(), path.clone(), status, end.clone()));
    let clients: Vec<_> = (0..connections).map(client).collect();
    terminate.recv().await;
    end.store(true, Ordering::Relaxed);
    let mut total = Tally::default();
    for client in clients {
        let tally = client.await.map_err(std::io::Error::other)?;
        total.good += tally.good;
        total.failures += tally.failures;
        total.words.extend(tally.words);
    }
    total.words.truncate(TOLD);
    report(&json!({"good": total.good, "failures": total.failures, "words": total.words}));
    Ok(())
}

async fn drive(target: SocketAddr, host: String, path: String, wanted: u16, end: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    while !end.load(Ordering::Relaxed) {
        if let Err(error) = drive_connection(target, &host, &path, wanted, &end, &mut tally).await {
            tally.failures += 1;
            tally.words.push(error.to_string());
        }
    }
    tally
}

/// Sends requests on one connection until the end or until the other side closes it between two requests.
async fn drive_connection(
    target: SocketAddr,
    host: &str,
    path: &str,
    wanted: u16,
    end: &AtomicBool,
    tally: &mut Tally,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(target).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    while !end.load(Ordering::Relaxed) && sender.ready().await.is_ok() {
        let request = Request::get(path).header("host", host).body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status.as_u16() == wanted {
            tally.good += 1;
        } else {
            tally.failures += 1;
            tally.words.push(format!("{status}: {}", String::from_utf8_lossy(&body)));
        }
    }
    Ok(())
}
