//! DNS clusters: names are looked up on the control thread, again and again; the cluster serves what was last answered.
//!
//! No cluster waits for an answer: until the first one it is empty (`UH`), and it alone. Only callers of dynamic forward proxies wait ([`Cache`]). [`refresh`] runs one cluster's names for
//! the cluster's life; [`Resolver`] is shared by all clusters.

mod cache;
mod names;
mod refresh;
mod resolver;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use config::address::Address;
use config::endpoint::LoadAssignment;

pub use cache::{Cache, Found, Load, Name, Reached, Waits, key, split};
pub use names::{Known, Names};
pub use refresh::refresh;
pub use resolver::{Answer, LookupFailure, Resolver};

/// What each name resolved to last.
pub type Answers = HashMap<Arc<str>, Vec<IpAddr>>;

/// An assignment whose names have given way to their addresses. Each address inherits weight, locality and metadata of its name.
pub fn resolved(assignment: &LoadAssignment, answers: &Answers) -> LoadAssignment {
    let mut resolved = assignment.clone();
    for group in &mut resolved.localities {
        let named = std::mem::take(&mut group.endpoints);
        for endpoint in named {
            let Address::Name { host, port } = &endpoint.address else {
                group.endpoints.push(endpoint);
                continue;
            };
            for address in addresses(host, *port, answers) {
                let mut reached = endpoint.clone();
                reached.address = Address::Socket(address);
                if reached.hostname.is_empty() {
                    reached.hostname = Arc::clone(host);
                }
                group.endpoints.push(reached);
            }
        }
    }
    resolved
}

/// Where a name is reached; a literal address stands for itself.
pub fn addresses(host: &str, port: u16, answers: &Answers) -> Vec<SocketAddr> {
    if let Some(address) = literal(host) {
        return vec![SocketAddr::new(address, port)];
    }
    let found = answers.get(host).into_iter().flatten();
    found.map(|address| SocketAddr::new(*address, port)).collect()
}

/// The names of an assignment that need DNS, each once.
pub fn names(assignment: &LoadAssignment) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for endpoint in assignment.localities.iter().flat_map(|group| &group.endpoints) {
        if let Address::Name { host, .. } = &endpoint.address
            && literal(host).is_none()
            && !names.contains(host)
        {
            names.push(Arc::clone(host));
        }
    }
    names
}

/// The address that a host name is, if it is one.
pub fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests;
