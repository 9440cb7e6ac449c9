//! Addresses as configuration names them (`envoy.config.core.v3.Address`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Where something listens or is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port.
    Socket(SocketAddr),
    /// A DNS name and port (endpoints of STRICT_DNS and LOGICAL_DNS clusters).
    Name {
        /// The name, as given.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
    /// A Unix domain socket. A leading `@` means the abstract name space.
    Pipe(PathBuf),
    /// An internal listener of Envoy's. Accepted, never connected to.
    Internal {
        /// `server_listener_name`.
        listener: Arc<str>,
        /// `endpoint_id`.
        endpoint_id: Arc<str>,
    },
}

pub(crate) mod decode;
