//! `outrigger explain`: what would become of a request to a host, by what the running proxy has. Nothing is sent but questions to the
//! admin interface and, for the host's address, to the resolver of this machine.

pub mod chain;
mod cluster;
mod forwarded;
mod listener;
pub mod route;
mod steps;
pub mod tls;
mod upgrade;

use std::net::{IpAddr, ToSocketAddrs};

use serde_json::json;

use self::listener::Way;
pub use self::listener::{host_of, table};
use self::steps::Steps;
use super::client::Client;
use super::dump::Dump;
use super::{Cannot, Ended, paper};
use crate::cli::commands::{Explain, Output};
use crate::cli::{complain, say};

/// What is explained.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Host, lower case.
    pub host: String,
    /// Port, if one is named.
    pub port: Option<u16>,
    /// Where the host leads an application of this machine.
    pub addresses: Vec<IpAddr>,
    /// What the request names, where that is something else than where it goes to.
    pub authority: Option<String>,
}

/// Explains.
pub fn explain(asked: &Explain) -> Result<Ended, Cannot> {
    let (host, port, of_url) = match target(&asked.target) {
        Ok(target) => target,
        Err(reason) => {
            complain(format_args!("error: {reason}"));
            return Ok(Ended::Misused);
        }
    };
    let path = asked.path.clone().or(of_url);
    if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        complain("error: a path begins with /");
        return Ok(Ended::Misused);
    }
    let asked = &Explain { path, ..asked.clone() };
    let dump = Dump::of(&Client::new(&asked.admin.admin))?;
    let mut steps = Steps::default();
    let addresses = match asked.address {
        Some(address) => vec![address],
        None => resolved(&host),
    };
    let target = Target { host, port, addresses, authority: authority(asked) };
    let arrives = walk(&target, asked, &dump, &mut steps);
    match asked.output {
        Output::Json => say(json!({ "target": asked.target, "arrives": arrives, "steps": steps.json() })),
        Output::Text => say(steps.text(paper::has_colour()).trim_end()),
    }
    Ok(if arrives { Ended::Yes } else { Ended::No })
}

/// A host and perhaps a port and a path; of a URL what stands in it.
fn target(text: &str) -> Result<(String, Option<u16>, Option<String>), Cannot> {
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let (authority, path) =
        rest.find('/').map_or((rest, None), |slash| (&rest[..slash], Some(rest[slash..].to_owned())));
    let host = route::without_port(authority);
    let port = match &authority[host.len()..] {
        "" => match scheme {
            Some("https") => Some(443),
            Some("http") => Some(80),
            _ => None,
        },
        port => Some(port[1..].parse().map_err(|_| format!("{port} is no port; give HOST:PORT"))?),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() { Err(format!("'{text}' names no host; give HOST[:PORT]")) } else { Ok((host, port, path)) }
}

/// What the request says of its host by a header.
fn authority(asked: &Explain) -> Option<String> {
    let named = asked.header.iter().find(|(name, _)| matches!(&**name, "host" | ":authority"));
    named.map(|(_, value)| value.to_ascii_lowercase())
}

fn resolved(host: &str) -> Vec<IpAddr> {
    let found = (host, 0).to_socket_addrs().map(|all| all.map(|address| address.ip()).collect());
    let mut addresses: Vec<IpAddr> = found.unwrap_or_default();
    addresses.dedup();
    addresses
}

fn walk(target: &Target, asked: &Explain, dump: &Dump, steps: &mut Steps) -> bool {
    let (ways, elsewhere) = listener::ways(target, dump);
    if ways.is_empty() {
        name(target, None, steps);
        return listener::nothing(target, dump, &elsewhere, steps);
    }
    let several = ways.len() > 1;
    let mut arrives = false;
    for way in &ways {
        if several {
            let proxy = if way.is_proxy { ", for applications that use it as their http_proxy" } else { "" };
            steps.heading(format!("--- over {}{proxy}", way.address));
        }
        // Who names the proxy needs no address of the host.
        let is_reached = way.is_proxy || name(target, Some(way), steps);
        // One way that leads there is enough.
        arrives |= listener::tell(way, target, asked, dump, steps) && is_reached;
    }
    arrives
}

/// Whether the application's name for it leads to the proxy at all.
fn name(target: &Target, way: Option<&Way<'_>>, steps: &mut Steps) -> bool {
    let Target { host, addresses, .. } = target;
    let list = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let leads_here = way.is_none_or(|way| addresses.iter().any(|address| way.takes(address)));
    match (&addresses[..], way) {
        ([], _) => steps.wrong(
            "name",
            format!("{host} does not resolve on this machine; 'outrigger hosts --write' gives the mesh's names addresses of the proxy"),
        ),
        (_, Some(way)) if !leads_here => steps.wrong(
            "name",
            format!("{host} is {list} on this machine, and the proxy listens on {}: applications pass it by; see 'outrigger hosts'", way.address),
        ),
        _ => {
            steps.good("name", format!("{host} is {list} on this machine"));
            true
        }
    }
}

#[cfg(test)]
mod tests;
