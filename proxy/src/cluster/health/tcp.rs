//! `tcp_health_check`: a connection, and what is said over it. Called by [`super::ask`].

use std::io;

use bytes::Bytes;
use config::cluster::TcpCheck;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::state::{Failure, Found, Kind};
use crate::cluster::proxy_protocol;
use crate::transport::Stream;

/// Says what is to be said and waits for what is to come. The caller gives up in time.
pub async fn talk(check: &TcpCheck, stream: &mut Stream) -> Found {
    match exchange(check, stream).await {
        Ok(()) => Found::Well { degraded: false },
        Err(_) => Found::Ill(Failure::of(Kind::Network)),
    }
}

async fn exchange(check: &TcpCheck, stream: &mut Stream) -> io::Result<()> {
    let mut said = Vec::new();
    if let Some(version) = check.proxy_protocol {
        // Nobody is proxied: version 1 tells of the check's own connection.
        let own = stream.tcp_socket().filter(|_| version == 1);
        let own = own.and_then(|socket| Some((socket.local_addr().ok()?, socket.peer_addr().ok()?)));
        said.extend_from_slice(&proxy_protocol::header(version, own, &[]));
    }
    said.extend_from_slice(&check.send);
    // As in Envoy: where nothing is to come, the connection alone is looked at.
    if check.receive.is_empty() {
        return Ok(());
    }
    stream.write_all(&said).await?;
    stream.flush().await?;
    let mut received = Vec::new();
    let mut buffer = [0; 1024];
    while !holds(&check.receive, &received) {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        received.extend_from_slice(&buffer[..count]);
        if received.len() > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(())
}

/// Whether the parts are there, one after the other, with whatever between them.
pub fn holds(parts: &[Bytes], mut octets: &[u8]) -> bool {
    parts.iter().all(|part| match memchr::memmem::find(octets, part) {
        Some(at) => {
            octets = &octets[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Octets that may come before what is waited for.
const LONGEST: usize = 1 << 20;
