//! PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt), from bytes that may end anywhere. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use config::tlvs::{self, Passed};

use super::Progress;

/// The longest header that is taken: the fixed part of version 2, addresses, and type-length-values of up to 64 KiB.
pub(in crate::listener) const LARGEST: usize = 16 + 65535;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_PREFIX: &[u8] = b"PROXY ";
/// With its CRLF (proxy-protocol.txt, 2.1).
const V1_LONGEST: usize = 107;

/// A header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::listener) struct Header {
    /// Octets of it.
    pub length: usize,
    /// Source and destination; `None`: the connection's own are right (`LOCAL`, `UNKNOWN`).
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// Where type-length-values begin, which go to its end.
    pub tlvs: usize,
}

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::listener) enum Bad {
    /// The bytes are something else.
    #[error("the connection does not begin with a PROXY header")]
    NoHeader,
    /// It begins like one.
    #[error("malformed PROXY header: {0}")]
    Malformed(&'static str),
}

/// Reads as far as it can.
pub(in crate::listener) fn parse(bytes: &[u8]) -> Result<Progress<Header>, Bad> {
    if begins(bytes, SIGNATURE) {
        return version2(bytes);
    }
    if begins(bytes, V1_PREFIX) {
        return version1(bytes);
    }
    Err(Bad::NoHeader)
}

/// Whether the bytes are a beginning of `what`, or `what` a beginning of them.
fn begins(bytes: &[u8], what: &[u8]) -> bool {
    let length = bytes.len().min(what.len());
    bytes[..length] == what[..length]
}

fn version1(bytes: &[u8]) -> Result<Progress<Header>, Bad> {
    let Some(end) = bytes.windows(2).take(V1_LONGEST - 1).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < V1_LONGEST { Ok(Progress::More) } else { Err(Bad::Malformed("no end of line")) };
    };
    let line = std::str::from_utf8(&bytes[V1_PREFIX.len()..end]).map_err(|_| Bad::Malformed("not ASCII"))?;
    let mut words = line.split(' ');
    let family = words.next().unwrap_or_default();
    let addresses = match family {
        "UNKNOWN" => None,
        "TCP4" | "TCP6" => {
            let mut word = || words.next().ok_or(Bad::Malformed("too few words"));
            let (source, destination) = (address(word()?, family)?, address(word()?, family)?);
            let (source_port, destination_port) = (port(word()?)?, port(word()?)?);
            if words.next().is_some() {
                return Err(Bad::Malformed("too many words"));
            }
            Some((SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port)))
        }
        _ => return Err(Bad::Malformed("unknown family")),
    };
    Ok(Progress::Done(Header { length: end + 2, addresses, tlvs: end + 2 }))
}

fn address(word: &str, family: &str) -> Result<IpAddr, Bad> {
    match word.parse::<IpAddr>() {
        Ok(address) if address.is_ipv4() == (family == "TCP4") => Ok(address),
        _ => Err(Bad::Malformed("not an address of its family")),
    }
}

fn port(word: &str) -> Result<u16, Bad> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| digits).ok_or(Bad::Malformed("not a port"))
}

fn version2(bytes: &[u8]) -> Result<Progress<Header>, Bad> {
    let Some(&[version_command, family, high, low]) = bytes.get(12..16).and_then(|part| part.first_chunk::<4>()) else {
        return Ok(Progress::More);
    };
    if version_command >> 4 != 2 {
        return Err(Bad::Malformed("unknown version"));
    }
    let length = 16 + usize::from(u16::from_be_bytes([high, low]));
    let Some(body) = bytes.get(16..length) else { return Ok(Progress::More) };
    let (addresses, taken) = match (version_command & 15, family) {
        // As in Envoy nothing is kept of what a connection says of which nobody else has to know.
        (0, _) => (None, body.len()),
        // UDP is as good as TCP here; AF_UNSPEC and AF_UNIX say nothing that can be used.
        (1, 0x11 | 0x12) => (Some(read_v4(body).ok_or(Bad::Malformed("too short for IPv4"))?), 12),
        (1, 0x21 | 0x22) => (Some(read_v6(body).ok_or(Bad::Malformed("too short for IPv6"))?), 36),
        (1, _) => (None, body.len()),
        _ => return Err(Bad::Malformed("unknown command")),
    };
    Ok(Progress::Done(Header { length, addresses, tlvs: 16 + taken }))
}

/// What upstreams may be told of the entries. Nobody looks at those that go no further.
pub(in crate::listener) fn passed(entries: &[u8], passes: &Passed) -> Result<Arc<[u8]>, Bad> {
    if *passes == Passed::Nothing {
        return Ok(Arc::default());
    }
    let kept = tlvs::those(entries, |kind| passes.has(kind)).ok_or(Bad::Malformed("its TLVs are cut"))?;
    Ok(kept.into())
}

fn read_v4(body: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let body: &[u8; 12] = body.first_chunk()?;
    let ip = |at: usize| IpAddr::from(Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]));
    let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    Some((SocketAddr::new(ip(0), port(8)), SocketAddr::new(ip(4), port(10))))
}

fn read_v6(body: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, rest) = body.split_first_chunk::<16>()?;
    let (destination, ports) = rest.split_first_chunk::<16>()?;
    let ports: &[u8; 4] = ports.first_chunk()?;
    Some((
        SocketAddr::new(Ipv6Addr::from(*source).into(), u16::from_be_bytes([ports[0], ports[1]])),
        SocketAddr::new(Ipv6Addr::from(*destination).into(), u16::from_be_bytes([ports[2], ports[3]])),
    ))
}

#[cfg(test)]
mod tests;
