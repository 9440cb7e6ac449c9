//! Whether a client asks for an OCSP response, before the library reads its first message: the library does not tell. Called by the
//! server's side, where certificates have responses; what was read is put back. It judges nothing: what is no ClientHello asks for nothing.

use std::io;

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;

use crate::transport::Stream;

/// Longer ones ask for nothing; the library ends them.
const LONGEST: usize = 64 * 1024;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const STATUS_REQUEST: u16 = 5;

/// Reads as much as is needed, and puts it back.
///
/// # Errors
/// The connection's.
pub(in crate::tls) async fn asks_for_response(stream: &mut Stream) -> io::Result<bool> {
    let mut read = BytesMut::new();
    let asks = loop {
        match look(&read) {
            Seen::All(asks) => break asks,
            Seen::Part if read.len() > LONGEST => break false,
            Seen::Part => {}
        }
        if stream.read_buf(&mut read).await? == 0 {
            break false;
        }
    };
    stream.put_back(read.freeze());
    Ok(asks)
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Part,
    All(bool),
}

/// A ClientHello, in however many records.
fn look(mut octets: &[u8]) -> Seen {
    let mut message = Vec::new();
    loop {
        match octets.first() {
            None => return Seen::Part,
            Some(&HANDSHAKE) => {}
            Some(_) => return Seen::All(false),
        }
        let Some(length) = octets.get(3..5) else { return Seen::Part };
        let end = 5 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        message.extend_from_slice(&octets[5.min(octets.len())..end.min(octets.len())]);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) || end == 5 {
            return Seen::All(false);
        }
        if let [_, a, b, c, body @ ..] = &message[..]
            && let Some(body) = body.get(..usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c))
        {
            return Seen::All(asks(body).unwrap_or(false));
        }
        if octets.len() < end {
            return Seen::Part;
        }
        octets = &octets[end..];
    }
}

fn asks(mut body: &[u8]) -> Option<bool> {
    // Version and random.
    take(&mut body, 34)?;
    for width in [1, 2, 1] {
        list(&mut body, width)?;
    }
    let mut extensions = list(&mut body, 2)?;
    while !extensions.is_empty() {
        let kind = take(&mut extensions, 2)?;
        list(&mut extensions, 2)?;
        if kind == STATUS_REQUEST.to_be_bytes() {
            return Some(true);
        }
    }
    Some(false)
}

fn take<'b>(from: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

/// What has its length before it, in so many octets.
fn list<'b>(from: &mut &'b [u8], width: usize) -> Option<&'b [u8]> {
    let length = take(from, width)?.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
    take(from, length)
}

#[cfg(test)]
mod tests;
