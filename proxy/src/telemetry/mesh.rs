//! Istio's metrics: which labels a request or a connection has, and who counts it. Filters of `http` and `tcp` gather what is known
//! ([`Parties`]) and report it to a [`Reporter`]; that one looks up the label set by a key that costs no formatting, and makes it when
//! it is new. Nothing here knows of a stream.

use crate::tls::info::TlsInfo;

mod cache;
mod labels;
mod parties;
mod reporter;
mod said;
mod service;
mod shape;

pub use parties::{Outcome, Parties, Protocol, Role};
pub use reporter::{Amounts, Connection, Reporter};
pub use service::{Goes, Service, service_of};

/// The first names of both certificates: the peer's, then our own.
pub fn principals(tls: Option<&TlsInfo>) -> (&str, &str) {
    let Some(tls) = tls else { return ("", "") };
    let peer = tls.peer.as_ref().and_then(|peer| peer.uri_sans.first());
    (peer.map_or("", |name| &**name.text()), tls.local_uri_sans.first().map_or("", |name| name))
}

/// What a label says that nobody knows.
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests;
