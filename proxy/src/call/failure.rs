//! Why a call has no answer, in words for the operator of the called service. Made here alone; callers print it and decide by their
//! failure mode, or pass on the status that Envoy would have given them.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{ConnectFailure, ConnectFailureKind, PickFailure};
use crate::failure::ResponseFlags;
use crate::wire::codec::StreamError;
use crate::wire::grpc::{self, frames::Malformed};

/// A call without an answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the call to cluster '{cluster}' failed: {why}")]
pub struct CallFailure {
    /// The cluster that was called.
    pub cluster: Arc<str>,
    /// Why.
    pub why: Why,
}

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Why {
    /// The cluster is not there.
    #[error("no cluster of that name is known (or not yet); correct the name, or make the service known to the mesh")]
    NoCluster,
    /// None of its endpoints takes requests.
    #[error("{0}")]
    NoHost(PickFailure),
    /// No connection.
    #[error("no connection: {0}")]
    Connect(ConnectFailure),
    /// The connection or the stream ended; the flag tells whether the answer had begun.
    #[error("{}: {}", if *.1 { "the answer broke off" } else { "no answer" }, .0)]
    Ended(StreamError, bool),
    /// It took too long; the flag tells whether the answer had begun.
    #[error("{} within {:?}", if *.1 { "the answer did not end" } else { "no answer" }, .0)]
    Timeout(Duration, bool),
    /// A gRPC status other than OK.
    #[error("the service answered gRPC status {} ({}){}{}", .0, grpc::name_of(*.0), if .1.is_empty() { "" } else { ": " }, .1)]
    Status(u8, Box<str>),
    /// An HTTP status where gRPC would say 200.
    #[error("the service answered HTTP status {0} in place of gRPC's 200; is that the port of a gRPC service?")]
    HttpStatus(u16),
    /// What came are no messages that are taken.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// A message is incomplete.
    #[error("the answer ended within a message")]
    HalfMessage,
    /// Status OK and no message.
    #[error("the service answered OK without a message")]
    NoMessage,
    /// The stream ended without trailers.
    #[error("the answer ended without a gRPC status")]
    NoStatus,
    /// More octets than the caller takes.
    #[error("the answer is longer than the {0} octets that are taken")]
    TooLong(usize),
    /// It was used after its end.
    #[error("the stream has ended")]
    Over,
}

impl CallFailure {
    pub(super) fn new(cluster: &Arc<str>, why: impl Into<Why>) -> CallFailure {
        CallFailure { cluster: cluster.clone(), why: why.into() }
    }

    /// The gRPC status that Envoy's client gives its callers for it.
    pub fn grpc_status(&self) -> u8 {
        match &self.why {
            Why::NoCluster | Why::NoHost(_) | Why::Connect(_) | Why::Ended(_, false) => grpc::UNAVAILABLE,
            Why::Timeout(_, false) => grpc::DEADLINE_EXCEEDED,
            Why::Status(status, _) => *status,
            Why::HttpStatus(status) => grpc::status_of(*status),
            Why::Malformed(Malformed::TooLong { .. }) | Why::TooLong(_) => grpc::RESOURCE_EXHAUSTED,
            Why::NoStatus => grpc::UNKNOWN,
            Why::Malformed(_) | Why::HalfMessage | Why::NoMessage | Why::Over => grpc::INTERNAL,
            Why::Ended(_, true) | Why::Timeout(_, true) => grpc::INTERNAL,
        }
    }

    /// The status that Envoy's client of HTTP gives its callers for it.
    pub fn http_status(&self) -> u16 {
        self.counted_as().unwrap_or(503)
    }

    /// Likewise, the flags.
    pub fn flags(&self) -> ResponseFlags {
        match &self.why {
            Why::NoCluster => ResponseFlags::NO_CLUSTER_FOUND,
            Why::NoHost(failure) => failure.flags(),
            Why::Connect(failure) => failure.flags(),
            Why::Timeout(..) => ResponseFlags::UPSTREAM_REQUEST_TIMEOUT,
            Why::Ended(..) => ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
            _ => ResponseFlags::NONE,
        }
    }

    /// The status that clusters count for it, where nothing was answered: what Envoy's router would have replied.
    pub(super) fn counted_as(&self) -> Option<u16> {
        match &self.why {
            Why::NoHost(_) | Why::Connect(_) => Some(503),
            Why::Ended(StreamError::Protocol { .. }, false) => Some(502),
            Why::Ended(_, false) => Some(503),
            Why::Timeout(_, false) => Some(504),
            _ => None,
        }
    }

    /// Whether a circuit breaker turned it away.
    pub fn is_overflow(&self) -> bool {
        matches!(&self.why, Why::Connect(failure) if failure.kind == ConnectFailureKind::Overflow)
    }
}
