//! Istio's metrics: which labels a request or a connection has, and who counts it. Filters of `http` and `tcp` gather what is known
//! ([`Parties`]) and report it to a [`Reporter`]; that one looks up the label set by a key that costs no formatting, and makes it when
//! it is new. Nothing here knows of a stream.

mod cache;
mod labels;
mod parties;
mod reporter;
mod said;
mod service;
mod shape;

pub use parties::{Outcome, Parties, Protocol, Role, with_parties};
pub use reporter::{Amounts, Connection, Reporter};
pub use service::{Goes, Service, service_of};

/// What a label says that nobody knows.
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests;
