//! Addresses that nothing else uses.
//!
//! Called by the harness. A port that is found free is given to another process, which binds it only later; so they are
//! taken outside of the range from which the kernel gives ports to clients, and each number is given once, to one test of
//! one process on this machine, for as long as that process lives.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{self, UnixListener};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::control_plane::bootstrap::Addresses;

/// The addresses that a sidecar's bootstrap names.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Admin, agent, prometheus and status.
    pub bootstrap: Addresses,
}

impl Ports {
    /// Free ones.
    pub fn free() -> Self {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            bootstrap: Addresses { admin: free(local), agent: free(local), prometheus: free(any), status: free(any) },
        }
    }
}

/// A loopback address of this process's own, a new one with each call.
pub fn loopback() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    let byte = |value: u32| u8::try_from(value % 250 + 2).expect("it is less than 252");
    IpAddr::V4(Ipv4Addr::new(127, byte(process / 250), byte(process), byte(count)))
}

/// A free port on an address.
pub fn free(address: IpAddr) -> SocketAddr {
    loop {
        let port = 10_000 + u16::try_from(random() % 20_000).expect("it is less than 20 000");
        if reserve(port)
            && let Ok(listener) = TcpListener::bind((address, port))
        {
            return listener.local_addr().expect("it is bound");
        }
    }
}

/// Takes the number for this process, by a name that the kernel lets one process have and forgets with it. On any address: a
/// port of all addresses collides with that of each.
fn reserve(port: u16) -> bool {
    static RESERVED: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let name = net::SocketAddr::from_abstract_name(format!("outrigger-tests-port-{port}")).expect("it is short");
    let Ok(reserved) = UnixListener::bind_addr(&name) else { return false };
    RESERVED.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(reserved);
    true
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;
