//! What a listener, and everything below it, is compiled with. The control thread fills it; `listener`, `tcp` and `http` take from it
//! while they compile. Must never be kept: what is needed later is cloned out of it.

use std::sync::Arc;

use crate::discoveries::Discoveries;
use crate::drain;
use crate::logs::Destinations;
use crate::stats::Stats;
use crate::tls::Secrets;

/// What a listener, and everything below it, is compiled with.
#[derive(Clone, Copy)]
pub struct CompileDeps<'a> {
    /// Secrets for TLS contexts.
    pub secrets: &'a Arc<Secrets>,
    /// Where statistics are registered.
    pub stats: &'a Arc<Stats>,
    /// Access log files.
    pub log_sinks: &'a dyn Destinations,
    /// Filters' configs that are discovered.
    pub discoveries: &'a Discoveries,
    /// How the process drains.
    pub drain: drain::Settings,
}
