//! Addresses, whole and in parts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use config::access_log::AddressPart;

use super::{Written, digits, number, some};
use crate::telemetry::stream_info::StreamInfo;

/// An address, or a part of it.
pub fn write(address: Option<SocketAddr>, part: AddressPart, out: &mut Vec<u8>) -> Written {
    let Some(address) = address else { return Written::Absent };
    if part == AddressPart::Port {
        return number(address.port().into(), out);
    }
    if let AddressPart::Masked(bits) = part {
        return masked(address.ip(), bits, out);
    }
    match address {
        SocketAddr::V4(address) => version4(*address.ip(), out),
        SocketAddr::V6(address) => {
            use std::io::Write;
            // A vector takes all that is written to it.
            let _ = match part {
                AddressPart::Whole => write!(out, "[{}]", address.ip()),
                _ => write!(out, "{}", address.ip()),
            };
        }
    }
    if part == AddressPart::Whole {
        out.push(b':');
        digits(out, address.port().into(), 1);
    }
    Written::Text
}

/// The text of each octet with a point behind it, and how long that is.
static OCTETS: [([u8; 4], u8); 256] = octets();

const fn octets() -> [([u8; 4], u8); 256] {
    let mut table = [([b'.'; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let digits = [b'0' + (octet / 100) as u8, b'0' + (octet / 10 % 10) as u8, b'0' + (octet % 10) as u8];
        let skipped = if octet >= 100 {
            0
        } else if octet >= 10 {
            1
        } else {
            2
        };
        let mut at = skipped;
        while at < 3 {
            table[octet].0[at - skipped] = digits[at];
            at += 1;
        }
        table[octet].1 = 4 - skipped as u8;
        octet += 1;
    }
    table
}

/// Every line of a log has some of them: no formatting, and one copy.
fn version4(address: Ipv4Addr, out: &mut Vec<u8>) {
    let mut text = [0; 16];
    let mut end = 0;
    for octet in address.octets() {
        let (piece, length) = OCTETS[usize::from(octet)];
        text[end..end + 4].copy_from_slice(&piece);
        end += usize::from(length);
    }
    out.extend_from_slice(&text[..end - 1]);
}

/// `10.1.0.0/16`; more bits than an address has are all of them.
fn masked(address: IpAddr, bits: u8, out: &mut Vec<u8>) -> Written {
    use std::io::Write;
    // A vector takes all that is written to it.
    let _ = match address {
        IpAddr::V4(address) => {
            let bits = u32::from(bits).min(32);
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            write!(out, "{}/{bits}", Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let bits = u32::from(bits).min(128);
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            write!(out, "{}/{bits}", Ipv6Addr::from(u128::from(address) & mask))
        }
    };
    Written::Text
}

/// The address of the upstream connection.
pub fn upstream_remote(info: &StreamInfo, part: AddressPart, out: &mut Vec<u8>) -> Written {
    let connected = info.upstream_connection.is_some();
    let Some(host) = info.upstream_host.as_deref().filter(|_| connected) else { return Written::Absent };
    match (part, host.parse::<SocketAddr>()) {
        (AddressPart::Whole, _) => some(Some(host), out),
        (part, Ok(parsed)) => write(Some(parsed), part, out),
        // A Unix socket has no port.
        (AddressPart::WithoutPort | AddressPart::Masked(_), Err(_)) => some(Some(host), out),
        (AddressPart::Port, Err(_)) => Written::Absent,
    }
}

#[cfg(test)]
mod tests;
