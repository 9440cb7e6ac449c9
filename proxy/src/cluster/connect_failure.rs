//! Why no stream to a host could be had: Envoy's flag, its words for logs and bodies, and whether a retry is safe. Born in the pools.

use std::sync::Arc;

use crate::failure::ResponseFlags;
use crate::tls::FailureKind;

/// A stream that could not be had. Nothing of the request was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", .kind.reset_reason(), if .transport_reason.is_some() { ": " } else { "" }, .transport_reason.as_deref().unwrap_or(""))]
pub struct ConnectFailure {
    /// What happened.
    pub kind: ConnectFailureKind,
    /// `%UPSTREAM_TRANSPORT_FAILURE_REASON%` with its spaces, e.g. `delayed connect error: Connection refused`.
    pub transport_reason: Option<Arc<str>>,
    /// The TLS handshake failed, and how.
    pub handshake: Option<FailureKind>,
    /// Whether logs name the host: not when the request was turned away before it had a connection there.
    pub names_host: bool,
}

/// Kinds of connect failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectFailureKind {
    /// A circuit breaker is open: `UO`.
    Overflow,
    /// The connection was not made within `connect_timeout`: `UF`.
    Timeout,
    /// Our side could not even try (address family, bind address, descriptors): `UF`.
    Local,
    /// The host refused, reset, or failed the handshake: `UF`.
    Remote,
}

impl ConnectFailure {
    /// A failure without a transport's reason.
    pub fn new(kind: ConnectFailureKind) -> ConnectFailure {
        ConnectFailure {
            kind,
            transport_reason: None,
            handshake: None,
            names_host: kind != ConnectFailureKind::Overflow,
        }
    }

    /// A failure with the transport's reason.
    pub fn because(kind: ConnectFailureKind, reason: impl Into<Arc<str>>) -> ConnectFailure {
        ConnectFailure { transport_reason: Some(reason.into()), ..ConnectFailure::new(kind) }
    }

    /// Envoy's response flag.
    pub fn flags(&self) -> ResponseFlags {
        match self.kind {
            ConnectFailureKind::Overflow => ResponseFlags::UPSTREAM_OVERFLOW,
            ConnectFailureKind::Timeout | ConnectFailureKind::Local | ConnectFailureKind::Remote => {
                ResponseFlags::UPSTREAM_CONNECTION_FAILURE
            }
        }
    }

    /// Whether `connect-failure` (and what includes it) retries it.
    pub fn is_connect_failure(&self) -> bool {
        self.kind != ConnectFailureKind::Overflow
    }

    /// Whether the cluster's source address could not be bound.
    pub fn is_bind_failure(&self) -> bool {
        self.transport_reason.as_deref().is_some_and(|reason| reason.starts_with("failed to bind"))
    }

    /// Envoy's reset reason, as its local reply body prints it: `remote connection failure`, ….
    pub fn reset_reason(&self) -> &'static str {
        self.kind.reset_reason()
    }
}

impl ConnectFailureKind {
    /// Envoy's words (`Http::Utility::resetReasonToString`).
    pub fn reset_reason(self) -> &'static str {
        match self {
            ConnectFailureKind::Overflow => "overflow",
            ConnectFailureKind::Timeout => "connection timeout",
            ConnectFailureKind::Local => "local connection failure",
            ConnectFailureKind::Remote => "remote connection failure",
        }
    }
}
