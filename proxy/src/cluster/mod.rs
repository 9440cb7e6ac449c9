//! Clusters: where requests go. Endpoints and their health, load balancing, connection pools, circuit breakers, DNS.
//!
//! `http` and `tcp` ask a [`WorkerCluster`] to pick a host and to lend a stream to it; the control thread makes a [`Cluster`] out of
//! configuration and assigns endpoints to it. Nothing here parses protobuf, and nothing per request takes a lock.

mod connect_failure;
mod lease;
mod pick;
mod shared;
mod worker;

pub use connect_failure::{ConnectFailure, ConnectFailureKind};
pub use lease::{HttpLease, HttpWant, TcpLease, TcpWant, UpstreamStream};
pub use pick::{Pick, PickFailure};
pub use shared::Cluster;
pub use worker::{Host, RetryPermit, WorkerCluster, WorkerClusters};

/// `RoutingPriority`: which set of circuit-breaker limits a request counts against. Pools are apart too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Priority {
    /// `DEFAULT`.
    #[default]
    Default,
    /// `HIGH`.
    High,
}
