//! Tells HTTP/2 with prior knowledge from HTTP/1 by the client's first bytes, for `codec_type: AUTO` on plaintext and where TLS
//! negotiated no protocol. Called by the connection's task before it chooses a codec. It consumes nothing.

use std::io;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;

use super::message::Protocol;
use crate::transport::Stream;

/// How an HTTP/2 connection begins (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until the bytes tell the protocol and gives the stream back with all of them. A client that closes first, or that says
/// something else than the preface, speaks HTTP/1. Waits as long as the client does: time limits are the caller's.
pub async fn sniff(mut stream: Stream) -> io::Result<(Protocol, Stream)> {
    let mut seen = BytesMut::new();
    loop {
        match verdict(&seen) {
            Some(protocol) => return Ok((protocol, stream.unread(seen.freeze()))),
            None => {
                seen.reserve(READ);
                if stream.read_buf(&mut seen).await? == 0 {
                    return Ok((Protocol::Http11, stream.unread(seen.freeze())));
                }
            }
        }
    }
}

/// What the first bytes tell; `None` when they could still become either.
pub fn verdict(seen: &[u8]) -> Option<Protocol> {
    let length = seen.len().min(PREFACE.len());
    if seen[..length] != PREFACE[..length] {
        return Some(Protocol::Http11);
    }
    (length == PREFACE.len()).then_some(Protocol::Http2)
}

const READ: usize = 1024;

#[cfg(test)]
mod tests;
