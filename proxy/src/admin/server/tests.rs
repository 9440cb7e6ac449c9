//! Tests of `server`.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// It serves until the test's process ends.
fn started() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let router = Router::new().fallback(async || "said");
        tokio::task::LocalSet::new().block_on(&runtime, serve(Socket::Tcp(socket), router, None))
    });
    address
}

async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

const GET: &str = "GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn who_opens_many_connections_keeps_nobody_else_out() {
    let address = started();
    let mut silent = Vec::new();
    for _ in 0..2 * MOST {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /half").await.unwrap();
        silent.push(stream);
    }
    assert!(ask(address, GET).await.ends_with("said"));
    // The oldest has been let go, and the newest waits.
    let mut end = [0; 1];
    assert_eq!(silent[0].read(&mut end).await.unwrap_or(0), 0);
    let newest = silent.last_mut().unwrap();
    newest.write_all(b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    newest.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("said"), "{text}");
}

#[tokio::test]
async fn enormous_heads_are_refused() {
    let address = started();
    let long = format!("GET /?{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(2 * LARGEST_HEAD));
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may be answered, and closed, before all is written.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut answer = [0; 12];
    let read = stream.read(&mut answer).await.unwrap_or(0);
    assert!(read == 0 || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    assert!(ask(address, GET).await.ends_with("said"));
}

#[tokio::test(start_paused = true)]
async fn half_a_head_has_its_time() {
    tokio::task::LocalSet::new().run_until(half_a_head()).await;
}

async fn half_a_head() {
    let (ours, theirs) = tokio::io::duplex(64);
    let open = Open::default();
    open.add(theirs, &Router::new().fallback(async || "said"), None);
    let (mut read, mut write) = tokio::io::split(ours);
    write.write_all(b"GET /half").await.unwrap();
    let mut rest = Vec::new();
    // Time passes by itself where nothing else can happen.
    read.read_to_end(&mut rest).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).contains("said"), "{rest:?}");
}
