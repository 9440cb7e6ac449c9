//! CONNECT-UDP (RFC 9298): where a request for a tunnel of UDP wants to go, its path says. Called by `exchange`; the tunnel itself is an
//! upgrade like others, which goes on to who ends it.

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::percent_decode;

use crate::wire::authority::is_authority;

/// The name of the upgrade.
pub(super) const KIND: &[u8] = b"connect-udp";

/// `host:port` of `/.well-known/masque/udp/HOST/PORT/`.
pub(super) fn target(path: &[u8]) -> Option<Bytes> {
    let mut parts = path.strip_prefix(b"/.well-known/masque/udp/")?.split(|octet| *octet == b'/');
    let (host, port) = (parts.next()?, parts.next()?);
    let ends = parts.next().is_some_and(<[u8]>::is_empty) && parts.next().is_none();
    if host.is_empty() || port.is_empty() || !ends {
        return None;
    }
    let [host, port] = [host, port].map(|part| Cow::from(percent_decode(part)));
    // Zones of IPv6 are not for others (section 3).
    if host.contains(&b'%') {
        return None;
    }
    let host = if host.contains(&b':') { [&b"["[..], &host, b"]"].concat() } else { host.into_owned() };
    let target = [&host[..], b":", &port].concat();
    is_authority(&target).then(|| target.into())
}

#[cfg(test)]
mod tests;
