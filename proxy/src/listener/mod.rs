//! Listeners: from an accepted socket to the network filter that owns the connection. Listener filters, filter-chain match, TLS.
//! The control thread compiles and binds; workers run [`accept::accept_loop`]. Nothing here knows where configuration came from.

pub mod accept;
mod accepted;
pub mod bind;
mod chain;
mod compiled;
mod connection;
mod discovered;
mod filters;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod limit;
mod matching;
mod stats;

#[cfg(test)]
mod tests;

pub use chain::{FilterChain, Terminal};
pub use compiled::{Before, Listener};
