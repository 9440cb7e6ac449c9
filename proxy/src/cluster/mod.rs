//! Clusters: where requests go. Endpoints and their health, load balancing, connection pools, circuit breakers, DNS.
//!
//! `http` and `tcp` ask a [`WorkerCluster`] to pick a host and to lend a stream to it; the control thread makes a [`Cluster`] out of
//! configuration and assigns endpoints to it. Nothing here parses protobuf, and nothing per request takes a lock.
//!
//! What all workers share is in [`Cluster`]; what one worker owns (balancer cursors, pools, active-request counts) hangs off
//! [`WorkerClusters`] and is made when a cluster is first used there. An endpoint is the same as long as its address is: it keeps its
//! pools and counts when an assignment changes its weight, health or metadata.

mod alternative;
mod balance;
mod circuit_breaker;
mod connect;
mod connect_failure;
mod core;
mod destination;
mod dial;
pub mod dns;
mod endpoints;
mod grpc;
mod handshakes;
pub mod health;
mod host;
mod host_stats;
mod identity;
mod lease;
mod manager;
mod named;
mod names;
pub mod outlier;
mod pick;
mod pool;
mod proxy_protocol;
pub mod published;
mod quiet;
pub mod retry;
mod shared;
mod stats;
mod statuses;
#[cfg(test)]
pub(crate) mod testing;
mod transport;
mod worker;

pub use alternative::Alternative;
pub use connect::{Connecting, Connector};
pub use connect_failure::{ConnectFailure, ConnectFailureKind};
pub use destination::{Asks, DYNAMIC_HOST, DYNAMIC_PORT, Destination, address_in, default_port, dynamic_name};
pub use dial::Dialer;
pub use dns::{Cache as NameCache, Found, Load, Name as CachedName, Waits};
pub use endpoints::{Endpoint, Membership};
pub use grpc::{GrpcCounters, GrpcMethod, GrpcNaming};
pub use host::Host;
pub use lease::{HttpLease, HttpWant, RawStream, TcpLease, TcpWant, UpstreamStream};
pub use manager::WorkerClusters;
pub use named::NamedCounters;
pub use outlier::Outcome;
pub use pick::{OverrideHost, Pick, PickFailure, by_weight};
pub use pool::{Connected, Key, Speaks};
pub use proxy_protocol::TOO_LONG as TLVS_TOO_LONG;
pub use shared::{Cluster, stats_prefix};
pub use stats::{Beside, ClusterStats, Codes};
pub use worker::{RetryPermit, WorkerCluster};

/// What `http` has made of a cluster's own filters: clusters do not know what it is.
pub trait Attach: Send + Sync {
    /// The same, as the requests of one worker hold it.
    fn on_worker(self: std::sync::Arc<Self>) -> Attached;
}

/// What is attached to a cluster, on one worker.
pub type Attached = std::rc::Rc<dyn std::any::Any>;

/// `RoutingPriority`: which set of circuit-breaker limits a request counts against. Pools are apart too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Priority {
    /// `DEFAULT`.
    #[default]
    Default,
    /// `HIGH`.
    High,
}
