//! Which filter chain takes a connection. Envoy's fixed order: destination port, destination address, server name, transport protocol,
//! application protocol, direct source address, source type, source address, source port. The order of the configuration plays no part,
//! and once a level has matched its most specific entry there is no way back to a less specific one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use config::listener::{FilterChain, FilterChainMatch, SourceType};
use config::{At, Rejection};
use ipnet::IpNet;

/// What is known of a connection when its chain is chosen.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    /// Where the client connected to; `None` for Unix sockets.
    pub local: Option<SocketAddr>,
    /// The client, after PROXY protocol; `None` for Unix sockets.
    pub remote: Option<SocketAddr>,
    /// The directly connected peer.
    pub direct_remote: Option<SocketAddr>,
    /// SNI, lower case; empty when there is none.
    pub server_name: &'a [u8],
    /// `tls` or `raw_buffer`.
    pub transport_protocol: &'static str,
    /// What the client offers, in its order.
    pub application_protocols: &'a [Arc<[u8]>],
}

/// The chains of a listener as a tree, one level a criterion.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    ports: HashMap<u16, Prefixes<ServerNames>>,
}

type ServerNames = HashMap<Arc<str>, TransportProtocols>;
type TransportProtocols = HashMap<Arc<str>, ApplicationProtocols>;
type ApplicationProtocols = HashMap<Arc<[u8]>, Prefixes<SourceTypes>>;

/// Source addresses and ports for each source type.
#[derive(Debug, Default)]
struct SourceTypes {
    any: Prefixes<SourcePorts>,
    local: Prefixes<SourcePorts>,
    external: Prefixes<SourcePorts>,
}

/// Chain by source port; 0 is any.
type SourcePorts = HashMap<u16, usize>;

impl Matcher {
    /// The tree of these chains; a match is the index of its chain.
    ///
    /// # Errors
    /// Two chains match the same connections.
    pub fn new(chains: &[Arc<FilterChain>], at: &At<'_>) -> Result<Matcher, Rejection> {
        let mut matcher = Matcher::default();
        for (index, chain) in chains.iter().enumerate() {
            if let Some(twin) = chains[..index].iter().find(|other| other.matches == chain.matches) {
                return Err(at.index(index).field("filter_chain_match").reject(format!(
                    "filter chain '{}' has the same matching rules defined as '{}'",
                    chain.name, twin.name
                )));
            }
            matcher.add(&chain.matches, index).map_err(|Overlap| {
                at.index(index)
                    .field("filter_chain_match")
                    .reject("multiple filter chains with overlapping matching rules are defined")
            })?;
        }
        Ok(matcher)
    }

    fn add(&mut self, matches: &FilterChainMatch, index: usize) -> Result<(), Overlap> {
        let prefixes = self.ports.entry(matches.destination_port.unwrap_or(0)).or_default();
        prefixes.each_mut(&matches.prefix_ranges, |names| {
            for name in or_any(&matches.server_names, "") {
                // `*.example.com` is filed as `.example.com`, so that the search strips labels.
                let name = name.strip_prefix('*').map_or_else(|| name.clone(), Arc::from);
                let transports = names.entry(name).or_default();
                let protocols = transports.entry(matches.transport_protocol.clone()).or_default();
                for protocol in or_any(&matches.application_protocols, "") {
                    let direct = protocols.entry(Arc::from(protocol.as_bytes())).or_default();
                    direct.each_mut(&matches.direct_source_prefix_ranges, |types| add_source(types, matches, index))?;
                }
            }
            Ok(())
        })
    }

    /// The chain for a connection.
    pub fn find(&self, facts: &Facts<'_>) -> Option<usize> {
        let exact = facts.local.and_then(|local| self.ports.get(&local.port()));
        let names = exact.or_else(|| self.ports.get(&0))?.find(ip(facts.local))?;
        let transports = find_server_name(names, facts.server_name)?;
        let protocols = transports.get(facts.transport_protocol).or_else(|| transports.get(""))?;
        let offered = facts.application_protocols.iter().find_map(|protocol| protocols.get(protocol));
        let types = offered.or_else(|| protocols.get(&b""[..]))?.find(ip(facts.direct_remote))?;
        let ports = types.choose(facts)?.find(ip(facts.remote))?;
        let source_port = facts.remote.map_or(0, |remote| remote.port());
        ports.get(&source_port).or_else(|| ports.get(&0)).copied()
    }
}

fn add_source(types: &mut SourceTypes, matches: &FilterChainMatch, index: usize) -> Result<(), Overlap> {
    let sources = match matches.source_type {
        SourceType::Any => &mut types.any,
        SourceType::SameIpOrLoopback => &mut types.local,
        SourceType::External => &mut types.external,
    };
    sources.each_mut(&matches.source_prefix_ranges, |ports| {
        for port in or_any(&matches.source_ports, 0u16) {
            if ports.insert(port, index).is_some() {
                return Err(Overlap);
            }
        }
        Ok(())
    })
}

impl SourceTypes {
    fn choose(&self, facts: &Facts<'_>) -> Option<&Prefixes<SourcePorts>> {
        let typed = !self.local.is_empty() || !self.external.is_empty();
        let specific = match typed && is_same_ip_or_loopback(facts) {
            true => &self.local,
            false => &self.external,
        };
        [specific, &self.any].into_iter().find(|sources| !sources.is_empty())
    }
}

/// A Unix socket's peer is on this host.
fn is_same_ip_or_loopback(facts: &Facts<'_>) -> bool {
    match (facts.remote, facts.local) {
        (Some(remote), _) if remote.ip().to_canonical().is_loopback() => true,
        (Some(remote), Some(local)) => remote.ip().to_canonical() == local.ip().to_canonical(),
        (None, _) => true,
        (Some(_), None) => false,
    }
}

fn find_server_name<'a>(names: &'a ServerNames, name: &[u8]) -> Option<&'a TransportProtocols> {
    // Names of chains are text, and so is what of a name can be one of them.
    let of = |name: &[u8]| std::str::from_utf8(name).ok().and_then(|name| names.get(name));
    let suffixes = memchr::memchr_iter(b'.', name).filter(|at| *at > 0 && at + 1 < name.len());
    of(name).or_else(|| suffixes.map(|at| &name[at..]).find_map(of)).or_else(|| names.get(""))
}

/// Two chains end in the same leaf.
struct Overlap;

/// A list, or the one value that stands for any.
fn or_any<T: Clone, A: Into<T>>(list: &[T], any: A) -> Vec<T> {
    if list.is_empty() { vec![any.into()] } else { list.to_vec() }
}

/// Entries by address prefix, the longest first; the entry of no prefix matches everything and comes last.
#[derive(Debug)]
struct Prefixes<T> {
    entries: Vec<(Option<IpNet>, T)>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Prefixes { entries: Vec::new() }
    }
}

impl<T: Default> Prefixes<T> {
    fn each_mut(
        &mut self,
        ranges: &[IpNet],
        mut act: impl FnMut(&mut T) -> Result<(), Overlap>,
    ) -> Result<(), Overlap> {
        if ranges.is_empty() {
            return act(self.entry(None));
        }
        ranges.iter().try_for_each(|range| act(self.entry(Some(range.trunc()))))
    }

    fn entry(&mut self, range: Option<IpNet>) -> &mut T {
        let length = |range: &Option<IpNet>| range.map_or(-1, |range| i32::from(range.prefix_len()));
        let at = match self.entries.iter().position(|(known, _)| *known == range) {
            Some(at) => at,
            None => {
                let at = self.entries.partition_point(|(known, _)| length(known) >= length(&range));
                self.entries.insert(at, (range, T::default()));
                at
            }
        };
        &mut self.entries[at].1
    }
}

impl<T> Prefixes<T> {
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn find(&self, address: IpAddr) -> Option<&T> {
        self.entries
            .iter()
            .find(|(range, _)| range.is_none_or(|range| range.contains(&address)))
            .map(|(_, entry)| entry)
    }
}

/// Unix sockets stand outside of every prefix but those that match all.
fn ip(address: Option<SocketAddr>) -> IpAddr {
    address.map_or(Ipv4Addr::BROADCAST.into(), |address| address.ip().to_canonical())
}

#[cfg(test)]
mod tests;
