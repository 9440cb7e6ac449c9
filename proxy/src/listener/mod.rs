//! Listeners: from an accepted socket to the network filter that owns the connection. Listener filters, filter-chain match, TLS.
//! The control thread compiles and binds; workers run [`accept::accept_loop`]. Nothing here knows where configuration came from.

pub mod accept;
pub mod bind;
mod chain;
mod compiled;
mod connection;
mod filters;
pub mod limit;
mod matching;
mod stats;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use chain::{FilterChain, Terminal};
pub use compiled::Listener;

use crate::http::route::RouteSlots;
use crate::telemetry::access_log::Sinks;
use crate::telemetry::stats::Stats;
use crate::tls::Secrets;

/// What a listener, and everything below it, is compiled with.
#[derive(Clone, Copy)]
pub struct CompileDeps<'a> {
    /// Secrets for TLS contexts.
    pub secrets: &'a Arc<Secrets>,
    /// Slots of RDS names.
    pub routes: &'a dyn RouteSlots,
    /// Where statistics are registered.
    pub stats: &'a Arc<Stats>,
    /// Access log files.
    pub log_sinks: &'a Sinks,
}
