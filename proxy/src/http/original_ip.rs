//! `original_ip_detection_extensions`: whom a request came from by what it says itself, where such is believed. Called by `forwarded`;
//! changes nothing.

use std::net::IpAddr;

use config::hcm;
use ipnet::IpNet;

use super::forwarded::{last_forwarded, parse_address};
use crate::wire::headers::{Headers, Name};

/// One way to find out.
#[derive(Debug)]
pub(super) enum OriginalIp {
    Header { name: Name, trusted: bool, reject: Option<u16> },
    Forwarded { hops: u32, proxies: Option<Box<[IpNet]>>, appends: bool },
}

/// What was found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Detected {
    /// The client; `None`: whoever is at the other end.
    pub address: Option<IpAddr>,
    /// It may be an internal one.
    pub trusted: bool,
    /// It is added to `x-forwarded-for` who is at the other end.
    pub appends: bool,
}

impl OriginalIp {
    pub(super) fn compile(config: &hcm::OriginalIp) -> OriginalIp {
        match config {
            hcm::OriginalIp::Header { name, trusted, reject } => {
                OriginalIp::Header { name: Name::new(name), trusted: *trusted, reject: *reject }
            }
            hcm::OriginalIp::Forwarded { hops, proxies, appends } => OriginalIp::Forwarded {
                hops: *hops,
                proxies: proxies.as_ref().map(|list| list.as_slice().into()),
                appends: *appends,
            },
        }
    }

    fn detect(&self, headers: &Headers, peer: IpAddr) -> Result<Detected, u16> {
        match self {
            OriginalIp::Header { name, trusted, reject } => {
                let address = headers.get(name).and_then(|value| parse_address(value));
                match (address, reject) {
                    (None, Some(status)) => Err(*status),
                    _ => Ok(Detected { address, trusted: *trusted, appends: false }),
                }
            }
            OriginalIp::Forwarded { hops, proxies, appends } => {
                let (address, single) = match proxies {
                    Some(proxies) => (behind(proxies, headers, peer), false),
                    None => last_forwarded(headers, *hops),
                };
                Ok(Detected { address, trusted: single, appends: *appends })
            }
        }
    }
}

/// Asks one after the other. An error is the status of a refusal.
pub(super) fn detect(ways: &[OriginalIp], headers: &Headers, peer: IpAddr) -> Result<Detected, u16> {
    let mut last = Detected::default();
    for way in ways {
        let found = way.detect(headers, peer)?;
        let appends = found.appends || last.appends;
        last = Detected { appends, ..found };
        if found.address.is_some() {
            return Ok(last);
        }
    }
    Ok(Detected { appends: last.appends, ..Detected::default() })
}

/// The last address of `x-forwarded-for` that is none of these proxies; the first one where all are. `None` for a peer that is none itself.
fn behind(proxies: &[IpNet], headers: &Headers, peer: IpAddr) -> Option<IpAddr> {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|range| range.contains(address));
    if !is_proxy(&peer) {
        return None;
    }
    let list = headers.get(&Name::X_FORWARDED_FOR)?;
    let mut first = None;
    for entry in list.rsplit(|octet| *octet == b',') {
        let address = parse_address(entry.trim_ascii())?;
        first = Some(address);
        if !is_proxy(&address) {
            break;
        }
    }
    first
}

#[cfg(test)]
mod tests;
