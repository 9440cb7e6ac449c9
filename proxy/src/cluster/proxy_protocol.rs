//! The PROXY protocol header that a connection to an upstream begins with (haproxy's proxy-protocol.txt, sections 2.1 and 2.2).

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use config::tlvs::{self, Passed};

/// Why a connection is not made whose entries are too long: it must not be taken for one that says less.
pub const TOO_LONG: &str = "TLVs do not fit a header of the PROXY protocol";

/// The header. `proxied` is the source and destination of the proxied connection; without it the header says that there is none. `added` follows
/// the addresses in version 2.
pub fn header(version: u8, proxied: Option<(SocketAddr, SocketAddr)>, added: &[u8]) -> Vec<u8> {
    if version == 1 { text(proxied) } else { binary(proxied, added) }
}

/// What the second version says beside the addresses: an endpoint's own entries, those of its cluster of other types, and of the client's those that
/// are to be passed on, and whose types neither has. `None` where that is too long.
pub fn told<'a>(endpoint: &'a [u8], cluster: &'a [u8], client: &[u8], passes: &Passed) -> Option<Cow<'a, [u8]>> {
    let nothing_else = client.is_empty() || *passes == Passed::Nothing;
    if endpoint.is_empty() && nothing_else {
        return Some(Cow::Borrowed(cluster));
    }
    let mut all = endpoint.to_vec();
    all.extend(tlvs::those(cluster, |kind| !tlvs::have(endpoint, kind))?);
    if !nothing_else {
        let passed = tlvs::those(client, |kind| passes.has(kind) && !tlvs::have(&all, kind))?;
        all.extend(passed);
    }
    (all.len() <= tlvs::MOST).then_some(Cow::Owned(all))
}

fn text(proxied: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let Some((source, destination)) = proxied else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let (source, destination) = one_family(source, destination);
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {} {} {}\r\n", source.ip(), destination.ip(), source.port(), destination.port())
        .into_bytes()
}

fn binary(proxied: Option<(SocketAddr, SocketAddr)>, added: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let Some((source, destination)) = proxied else {
        // Version 2, command LOCAL, family UNSPEC, nothing follows.
        header.extend_from_slice(&[0x20, 0x00, 0x00, 0x00]);
        return header;
    };
    match one_family(source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            header.extend_from_slice(&[0x21, 0x11]);
            header.extend_from_slice(&length(12, added));
            header.extend_from_slice(&source.ip().octets());
            header.extend_from_slice(&destination.ip().octets());
        }
        (source, destination) => {
            header.extend_from_slice(&[0x21, 0x21]);
            header.extend_from_slice(&length(36, added));
            header.extend_from_slice(&octets(source.ip()));
            header.extend_from_slice(&octets(destination.ip()));
        }
    }
    header.extend_from_slice(&source.port().to_be_bytes());
    header.extend_from_slice(&destination.port().to_be_bytes());
    header.extend_from_slice(added);
    header
}

/// Whoever puts them together has seen to it that they fit.
fn length(addresses: u16, added: &[u8]) -> [u8; 2] {
    u16::try_from(added.len()).unwrap_or(0).saturating_add(addresses).to_be_bytes()
}

/// Both as IPv4 where both are (also mapped ones), else both as IPv6.
fn one_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (source, destination) = (plain(source), plain(destination));
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let wide = |address: SocketAddr| SocketAddr::new(octets(address.ip()).into(), address.port());
    (wide(source), wide(destination))
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

#[cfg(test)]
mod tests;
