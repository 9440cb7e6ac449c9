//! Addresses that nothing else uses.
//!
//! Called by the harness. A port that is found free can be taken by another process before it is used; so they are
//! taken outside of the range from which the kernel gives ports to clients, at random places, and on loopback addresses
//! of this process's own where the address is free to choose.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
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
        if let Ok(listener) = TcpListener::bind((address, port)) {
            return listener.local_addr().expect("it is bound");
        }
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
