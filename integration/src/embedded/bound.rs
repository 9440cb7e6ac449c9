//! What a process listens on, from `/proc`: no privileges are needed for one's own processes.
//!
//! Called by the demo and by tests. Linux only, as the proxy is.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Every IPv4 address on which a process has a listening TCP socket.
///
/// # Errors
/// If the process has ended.
pub fn listening(process: u32) -> std::io::Result<BTreeSet<SocketAddr>> {
    let mut inodes = HashSet::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/fd"))? {
        // A descriptor may be closed between the listing and the look.
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        if let Some(inode) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
            inodes.insert(inode.to_owned());
        }
    }
    let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp"))?;
    Ok(table.lines().skip(1).filter_map(|line| listener(line, &inodes)).collect())
}

/// One line: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`, addresses as hex of the
/// machine's byte order.
fn listener(line: &str, inodes: &HashSet<String>) -> Option<SocketAddr> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    if *state != "0A" || !inodes.contains(*inode) {
        return None;
    }
    let (host, port) = address.split_once(':')?;
    let host = u32::from_str_radix(host, 16).ok()?.to_ne_bytes();
    Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(host)), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests;
