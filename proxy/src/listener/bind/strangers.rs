//! Whether another process listens on an address where sockets of ours are too: a shared bind would not tell. Called by [`super::open`],
//! on the control thread; reads `/proc`, and knows nothing where there is none.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, SocketAddr};

/// `TCP_LISTEN` as the kernel prints it.
const LISTENING: &str = "0A";

/// Whether a socket that is not this process's own listens on exactly this address.
pub fn listen_on(address: SocketAddr) -> bool {
    let table = if address.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    let Ok(table) = fs::read_to_string(table) else { return false };
    let address = printed(address);
    let listening: Vec<&str> = listeners(&table, &address).collect();
    if listening.is_empty() {
        return false;
    }
    let own = own_sockets();
    listening.into_iter().any(|inode| !own.contains(inode))
}

/// The inodes of the sockets that listen on an address, in the kernel's notation.
fn listeners<'a>(table: &'a str, address: &'a str) -> impl Iterator<Item = &'a str> {
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, _remote, state) = (fields.next()?, fields.next()?, fields.next()?);
        // The fields before it: queues, timer, retransmissions, user, timeout.
        let inode = fields.nth(5)?;
        (local.eq_ignore_ascii_case(address) && state == LISTENING).then_some(inode)
    })
}

/// Groups of four octets in the host's order, as the kernel prints them.
fn printed(address: SocketAddr) -> String {
    let octets: Vec<u8> = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    let words: String = words.map(|word| format!("{word:08X}")).collect();
    format!("{words}:{:04X}", address.port())
}

/// The inodes of this process's sockets.
fn own_sockets() -> HashSet<String> {
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else { return HashSet::new() };
    let target = |entry: fs::DirEntry| fs::read_link(entry.path()).ok()?.into_os_string().into_string().ok();
    let inode = |target: String| Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    descriptors.flatten().filter_map(target).filter_map(inode).collect()
}

#[cfg(test)]
mod tests;
