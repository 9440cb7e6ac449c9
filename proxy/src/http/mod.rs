//! HTTP: codecs (`h1`, `h2`) behind one pair of traits, and the exchange that sees only those.

pub mod codec;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod h1;
pub mod h2;
pub mod headers;
pub mod message;
pub mod mutate;
pub mod route;
pub mod sniff;

mod attempt;
mod connection;
mod context;
mod date;
mod deadlines;
mod exchange;
mod filters;
mod forwarded;
mod grpc;
mod hash;
mod local_reply;
mod manager;
mod normalize;
mod reason;
mod record;
mod redirect;
mod refusal;
mod relay;
mod request_id;
mod respond;
mod retry;
mod rewrite;
mod stats;
mod stop;
#[cfg(test)]
mod testing;
mod timeouts;
mod upgrade;
mod upload;
mod upstreams;
mod xfcc;

pub use connection::serve;
pub use manager::ConnectionManager;

/// The tables of measured answers in `integration/parity` have one reader for both crates.
#[cfg(test)]
#[path = "../../../integration/src/parity/table.rs"]
mod parity_table;
