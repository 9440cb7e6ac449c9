//! `http_11_proxy`: a tunnel through a proxy of HTTP/1.1 to where an endpoint is, for transports with TLS. Called by [`super::dress`]. What the
//! proxy says is bounded; of what the tunnel carries nothing is read.

use std::io;
use std::net::SocketAddr;

use bytes::{BufMut as _, BytesMut};
use config::address::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Goal, system_text};
use crate::cluster::identity::print;
use crate::cluster::{ConnectFailure, ConnectFailureKind};
use crate::telemetry::lines::take_line;
use crate::transport::Stream;
use crate::wire::authority::is_authority;

/// As long as an answer may be, as with Envoy.
const LONGEST: usize = 2000;
/// What a head ends with.
const END: &[u8] = b"\r\n\r\n";
/// Fields that an answer of that length may have.
const FIELDS: usize = 64;

/// Asks the proxy for a tunnel, and waits until it stands.
///
/// # Errors
/// It does not stand.
pub(super) async fn open(stream: &mut Stream, goal: &Goal<'_>, proxy: SocketAddr) -> Result<(), ConnectFailure> {
    let asked = authority(goal);
    let answer = match ask(stream, &asked).await {
        Ok(head) => match status(&head) {
            Some(200) => return Ok(()),
            Some(status) => format!("the answer is {status}"),
            None => "the answer is no head of HTTP/1.1".to_owned(),
        },
        Err(error) => system_text(&error),
    };
    if let Some(left_out) = take_line() {
        let asked = asked.escape_default().to_string();
        let next = "see whether that proxy allows CONNECT to it, and what its log says";
        tracing::warn!(%proxy, asked, left_out, "there is no tunnel by http_11_proxy: {answer}; {next}");
    }
    // Logs of access say no more of it, as with Envoy.
    Err(ConnectFailure::new(ConnectFailureKind::Remote))
}

/// Where the tunnel is to lead: the endpoint's host name, or else its address.
fn authority(goal: &Goal<'_>) -> String {
    match goal.address {
        Address::Socket(address) if !goal.hostname.is_empty() => format!("{}:{}", goal.hostname, address.port()),
        address => print(address).to_string(),
    }
}

/// The head of the answer. What follows it is for others, and put back.
async fn ask(stream: &mut Stream, asked: &str) -> io::Result<BytesMut> {
    // A name may be what a client has asked for.
    if !is_authority(asked.as_bytes()) {
        return Err(io::Error::other("that is no host"));
    }
    stream.write_all(format!("CONNECT {asked} HTTP/1.1\r\nHost: {asked}\r\n\r\n").as_bytes()).await?;
    stream.flush().await?;
    let mut head = BytesMut::with_capacity(LONGEST);
    loop {
        if let Some(end) = memchr::memmem::find(&head, END) {
            stream.put_back(head.split_off(end + END.len()).freeze());
            return Ok(head);
        }
        let room = LONGEST - head.len();
        if room == 0 {
            return Err(io::Error::other(format!("the head of the answer is longer than {LONGEST} octets")));
        }
        if stream.read_buf(&mut (&mut head).limit(room)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn status(head: &[u8]) -> Option<u16> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(head).is_ok_and(|parsed| parsed.is_complete());
    response.code.filter(|_| parsed)
}

#[cfg(test)]
mod tests;
