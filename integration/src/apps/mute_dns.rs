//! A name server that takes every question and answers none: the trap that keeps a careless proxy from ever being ready.

use std::net::SocketAddr;

use serde_json::json;
use tokio::net::UdpSocket;

use super::report;

/// Reads questions at `listen` for ever.
pub async fn serve(listen: SocketAddr) -> std::io::Result<()> {
    let socket = UdpSocket::bind(listen).await?;
    let mut buffer = [0; 512];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await?;
        report(&json!({"peer": peer.to_string(), "bytes": length}));
    }
}
