//! The block that a configuration implies: names of outbound listeners that have an address of this host to themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::commands::dump::{Dump, State, items, text};
use crate::commands::explain::chain::{self, End};
use crate::commands::explain::host_of;
use crate::commands::explain::route::without_port;
use crate::commands::explain::table;

/// First line of the block.
pub const BEGIN: &str = "# BEGIN outrigger: written by 'outrigger hosts', changed by it alone";
/// Its last line.
pub const END: &str = "# END outrigger";
/// Names on a line: resolvers read no more than some.
const MOST: usize = 8;

/// The block, and names that two addresses claim.
pub struct Block {
    /// With both marks; empty where there is no name.
    pub text: String,
    /// A sentence each.
    pub conflicts: Vec<String>,
}

/// What the running configuration implies.
pub fn of(dump: &Dump) -> Block {
    let mut claimed: BTreeMap<String, IpAddr> = BTreeMap::new();
    let mut groups: Vec<(IpAddr, Vec<String>)> = Vec::new();
    let mut conflicts = BTreeSet::new();
    for (address, names) in groups_of(dump) {
        let mut own = Vec::new();
        for name in names {
            match claimed.get(&name) {
                None => {
                    claimed.insert(name.clone(), address);
                    own.push(name);
                }
                Some(other) if *other == address => {}
                Some(other) => {
                    conflicts.insert(format!("{name} is served on {other} and on {address}; it gets the first"));
                }
            }
        }
        if !own.is_empty() {
            groups.push((address, own));
        }
    }
    groups.sort();
    let mut text = String::new();
    for (address, names) in &groups {
        names.chunks(MOST).for_each(|names| text.push_str(&format!("{address}\t{}\n", names.join(" "))));
    }
    let text = if text.is_empty() { text } else { format!("{BEGIN}\n{text}{END}\n") };
    Block { text, conflicts: conflicts.into_iter().collect() }
}

/// Addresses with the names of one virtual host, or of one TCP chain.
fn groups_of(dump: &Dump) -> Vec<(IpAddr, Vec<String>)> {
    let mut groups = Vec::new();
    for held in dump.listeners() {
        let direction = text(&held.body["traffic_direction"]);
        if held.state != State::Active || direction != "OUTBOUND" {
            continue;
        }
        let bound = dump.bound(held.name);
        let Some(address) = bound.iter().find_map(|address| address.parse::<SocketAddr>().ok()) else { continue };
        // Everybody's addresses are nobody's: a name there would be taken from all other programs.
        if !address.ip().is_loopback() || is_everybodys(address.ip()) {
            continue;
        }
        for one in items(&held.body["filter_chains"]).chain([&held.body["default_filter_chain"]]) {
            groups.extend(names_of(one, dump).into_iter().map(|names| (address.ip(), names)));
        }
    }
    groups
}

fn is_everybodys(address: IpAddr) -> bool {
    address == IpAddr::from([127, 0, 0, 1]) || address == IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
}

fn names_of(one: &Value, dump: &Dump) -> Vec<Vec<String>> {
    let mut groups =
        vec![items(&one["filter_chain_match"]["server_names"]).filter_map(|name| name_in(text(name))).collect()];
    match chain::end(one) {
        End::Http(manager) => {
            let hosts = table(manager, dump).into_iter().flat_map(|table| items(&table["virtual_hosts"]));
            groups
                .extend(hosts.map(|host| items(&host["domains"]).filter_map(|domain| name_in(text(domain))).collect()));
        }
        End::Tcp(clusters) => {
            groups.extend(clusters.iter().map(|(name, _)| name_in(host_of(name)).into_iter().collect()));
        }
        End::Other(_) => {}
    }
    groups
}

/// The name that a domain of a route table is; none where it is an address, holds a wildcard, or is no host name.
fn name_in(domain: &str) -> Option<String> {
    let host = without_port(domain).trim_end_matches('.').to_ascii_lowercase();
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && !host.starts_with(['-', '.']);
    (is_name && host != "localhost" && host.parse::<IpAddr>().is_err()).then_some(host)
}
