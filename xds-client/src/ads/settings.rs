//! What an ADS client is told once, at its start.
//!
//! Filled in by the proxy from the bootstrap. Must never hold anything that the protocol changes.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;

use crate::{BackoffSettings, Endpoint};

/// Gives the gRPC metadata (`authorization`, `clusterid`, …) of a new stream; asked for every stream, for a token may
/// have been renewed. It runs on the runtime's thread and should not take long.
pub type MetadataProvider = Arc<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

/// Where the control plane is and how to speak with it.
#[derive(Clone)]
pub struct AdsSettings {
    /// The server.
    pub endpoint: Endpoint,
    /// `DELTA_GRPC`, or else `GRPC` (state of the world).
    pub delta: bool,
    /// Sent as it stands in the bootstrap.
    pub node: Node,
    /// `ApiConfigSource.set_node_on_first_message_only`; otherwise every request carries the node.
    pub set_node_on_first_message_only: bool,
    /// How long one connection attempt may take; the cluster's `connect_timeout`.
    pub connect_timeout: Duration,
    /// Metadata of each new stream.
    pub metadata: Option<MetadataProvider>,
    /// Waits between two attempts.
    pub backoff: BackoffSettings,
    /// Largest message that is taken, in octets.
    pub largest_message: usize,
}

impl AdsSettings {
    /// Delta over this endpoint, and otherwise what the agent's bootstrap asks for.
    pub fn new(endpoint: Endpoint, node: Node) -> Self {
        Self {
            endpoint,
            delta: true,
            node,
            set_node_on_first_message_only: true,
            connect_timeout: Duration::from_secs(1),
            metadata: None,
            backoff: BackoffSettings::default(),
            largest_message: LARGEST_MESSAGE,
        }
    }
}

/// Fifty times what 5 000 clusters need. More would let a broken server end us.
const LARGEST_MESSAGE: usize = 256 * 1024 * 1024;

impl std::fmt::Debug for AdsSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdsSettings")
            .field("endpoint", &self.endpoint)
            .field("delta", &self.delta)
            .field("node", &self.node.id)
            .finish_non_exhaustive()
    }
}
