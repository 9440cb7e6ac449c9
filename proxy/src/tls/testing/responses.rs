//! OCSP responses for tests, octet by octet. Nobody has signed them: who answers a handshake does not look at that.

use super::Leaf;
use crate::tls::x509;

/// What a response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Good,
    Revoked,
    Unknown,
    /// Good, twice.
    Several,
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match content.len() {
        short @ ..0x80 => vec![short as u8],
        long @ ..0x100 => vec![0x81, long as u8],
        longer => vec![0x82, (longer >> 8) as u8, longer as u8],
    };
    [&[tag], &length[..], &content].concat()
}

/// The serial number of a chain's first certificate, hexadecimal.
pub fn serial_of(leaf: &Leaf) -> String {
    let Ok(chain) = x509::chain(leaf.chain.as_bytes()) else { panic!("a good chain") };
    chain[0].serial()
}

/// A response for a serial number.
pub fn ocsp_response(serial: &str, status: Status, next_update: Option<&str>) -> Vec<u8> {
    let padded = if serial.len().is_multiple_of(2) { serial.to_owned() } else { format!("0{serial}") };
    let octets: Vec<u8> = (0..padded.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&padded[at..at + 2], 16).expect("hexadecimal"))
        .collect();
    // A number without a sign.
    let octets = if octets[0] >= 0x80 { [&[0], &octets[..]].concat() } else { octets };
    let sha1 = tlv(0x30, &[&tlv(6, &[&[0x2b, 0x0e, 3, 2, 0x1a]])]);
    let id = tlv(0x30, &[&sha1, &tlv(4, &[&[1; 20]]), &tlv(4, &[&[2; 20]]), &tlv(2, &[&octets])]);
    let this = tlv(0x18, &[b"20200101000000Z"]);
    let next = next_update.map(|next| tlv(0xa0, &[&tlv(0x18, &[next.as_bytes()])])).unwrap_or_default();
    let status_octets = match status {
        Status::Good | Status::Several => tlv(0x80, &[]),
        Status::Revoked => tlv(0xa1, &[&this]),
        Status::Unknown => tlv(0x82, &[]),
    };
    let single = tlv(0x30, &[&id, &status_octets, &this, &next]);
    let singles = if status == Status::Several { [&single[..], &single].concat() } else { single };
    let responder = tlv(0xa2, &[&tlv(4, &[&[3; 20]])]);
    let data = tlv(0x30, &[&responder, &this, &tlv(0x30, &[&singles])]);
    let algorithm = tlv(0x30, &[&tlv(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
    let basic = tlv(0x30, &[&data, &algorithm, &tlv(3, &[&[0, 1, 2, 3]])]);
    let body = tlv(0x30, &[&tlv(6, &[&[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1]]), &tlv(4, &[&basic])]);
    tlv(0x30, &[&tlv(0x0a, &[&[0]]), &tlv(0xa0, &[&body])])
}
