//! Why a handshake failed, in the words that Envoy prints as transport failure reason. Born in `tls`, read by logs and retries.

use std::sync::Arc;

/// A failed handshake.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct HandshakeFailure {
    /// What `%UPSTREAM_TRANSPORT_FAILURE_REASON%` and `%DOWNSTREAM_TRANSPORT_FAILURE_REASON%` print.
    pub reason: Arc<str>,
    /// Which counter it belongs to.
    pub kind: FailureKind,
}

/// Kinds of failed handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The secrets of the context have not arrived.
    NotReady,
    /// The peer closed the connection, or the socket failed.
    Closed,
    /// A certificate was demanded and none came.
    NoCertificate,
    /// The peer's certificate is not trusted.
    Certificate,
    /// The peer's certificate is good and its names are not those demanded.
    SubjectAltName,
    /// Anything else: no common version or suite, an alert from the peer, garbage.
    Protocol,
}
