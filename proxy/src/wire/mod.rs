//! What HTTP looks like on the wire: heads, and the two codecs (`h1`, `h2`) behind one pair of traits (`codec`). Called by `http` for
//! its clients and by `cluster` for upstreams. Must never know a route, a cluster or a log.

pub mod authority;
pub mod codec;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod grpc;
pub mod h1;
pub mod h2;
pub mod headers;
pub mod message;
pub mod query;
pub mod sniff;
pub mod url;

/// The tables of measured answers in `integration/parity` have one reader for both crates.
#[cfg(test)]
#[path = "../../../integration/src/parity/table.rs"]
mod parity_table;
