//! Where a gRPC control plane is, and how to reach it.
//!
//! Called by the ADS and SDS tasks, for every attempt anew: host names are resolved and files are read again. Must
//! never read a certificate for anything but this channel.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tower::service_fn;

/// A gRPC server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket; a relative path is relative to the process's working directory.
    Uds(PathBuf),
    /// Plaintext HTTP/2 over TCP.
    Tcp {
        /// Host name or IP address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// HTTP/2 over TLS.
    Tls {
        /// Host name or IP address.
        host: String,
        /// TCP port.
        port: u16,
        /// Whom to trust and who to be.
        tls: TlsSettings,
    },
}

/// TLS to a control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The roots to trust, PEM.
    pub roots: Pem,
    /// The name that the server's certificate must carry, also sent as SNI.
    pub server_name: String,
    /// A client certificate, if the server may ask for one.
    pub identity: Option<ClientIdentity>,
}

/// A client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The chain, leaf first, PEM.
    pub chain: Pem,
    /// The private key, PEM.
    pub key: Pem,
}

/// PEM text, or the file that holds it; the file is read for every new connection.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// The text itself.
    Inline(Vec<u8>),
    /// A file.
    File(PathBuf),
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // It may be a private key: never into a log.
            Self::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

impl Pem {
    fn read(&self) -> Result<Vec<u8>, ConnectError> {
        match self {
            Self::Inline(bytes) => Ok(bytes.clone()),
            Self::File(path) => std::fs::read(path).map_err(|source| ConnectError::File { path: path.clone(), source }),
        }
    }
}

/// HTTP/2 pings that find a dead server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Time between two pings, 30 s by default. Servers may end a connection that is pinged more often than every 15 s.
    pub interval: Duration,
    /// How long to wait for the answer, 10 s by default.
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) }
    }
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A certificate or key file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address or the TLS material makes no sense.
    #[error("{endpoint}: {reason}")]
    Unusable {
        /// The endpoint, printable.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Refused, unreachable, no such socket, TLS failed.
    #[error("cannot connect to {endpoint}: {reason}")]
    Failed {
        /// The endpoint, printable.
        endpoint: String,
        /// What happened.
        reason: String,
    },
    /// No connection within the time allowed.
    #[error("cannot connect to {endpoint} within {timeout:?}")]
    TimedOut {
        /// The endpoint, printable.
        endpoint: String,
        /// The time allowed.
        timeout: Duration,
    },
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uds(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Tls { host, port, .. } => write!(f, "{host}:{port} (TLS)"),
        }
    }
}

impl Endpoint {
    /// A new connection, ready for use.
    pub(crate) async fn connect(&self, timeout: Duration, keepalive: Keepalive) -> Result<Channel, ConnectError> {
        let endpoint = self.transport(keepalive)?;
        let connecting = async {
            match self {
                Self::Uds(path) => endpoint.connect_with_connector(unix_connector(path)).await,
                Self::Tcp { .. } | Self::Tls { .. } => endpoint.connect().await,
            }
        };
        match tokio::time::timeout(timeout, connecting).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(ConnectError::Failed { endpoint: self.to_string(), reason: chain(&error) }),
            Err(_) => Err(ConnectError::TimedOut { endpoint: self.to_string(), timeout }),
        }
    }

    fn transport(&self, keepalive: Keepalive) -> Result<tonic::transport::Endpoint, ConnectError> {
        // A Unix socket has no authority of its own; Envoy sends the cluster's name, agents ignore it.
        let uri = match self {
            Self::Uds(_) => "http://localhost".to_owned(),
            Self::Tcp { host, port } => format!("http://{}:{port}", bracketed(host)),
            Self::Tls { host, port, .. } => format!("https://{}:{port}", bracketed(host)),
        };
        let unusable = |reason: String| ConnectError::Unusable { endpoint: self.to_string(), reason };
        let mut endpoint = tonic::transport::Endpoint::from_shared(uri)
            .map_err(|error| unusable(chain(&error)))?
            .http2_keep_alive_interval(keepalive.interval)
            .keep_alive_timeout(keepalive.timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .tcp_nodelay(true);
        if let Self::Tls { tls, .. } = self {
            let mut config = ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(tls.roots.read()?))
                .domain_name(tls.server_name.clone());
            if let Some(identity) = &tls.identity {
                config = config.identity(Identity::from_pem(identity.chain.read()?, identity.key.read()?));
            }
            endpoint = endpoint.tls_config(config).map_err(|error| unusable(chain(&error)))?;
        }
        Ok(endpoint)
    }
}

/// One connection for many streams; it connects when a stream wants it, and again after it broke.
#[derive(Debug, Default)]
pub(crate) struct SharedChannel {
    channel: Mutex<Option<Channel>>,
}

impl SharedChannel {
    pub(crate) fn get(
        &self,
        endpoint: &Endpoint,
        timeout: Duration,
        keepalive: Keepalive,
    ) -> Result<Channel, ConnectError> {
        let mut slot = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = &*slot {
            return Ok(channel.clone());
        }
        let transport = endpoint.transport(keepalive)?.connect_timeout(timeout);
        let channel = match endpoint {
            Endpoint::Uds(path) => transport.connect_with_connector_lazy(unix_connector(path)),
            Endpoint::Tcp { .. } | Endpoint::Tls { .. } => transport.connect_lazy(),
        };
        Ok(slot.insert(channel).clone())
    }
}

fn unix_connector(
    path: &Path,
) -> impl tower::Service<
    tonic::transport::Uri,
    Response = TokioIo<UnixStream>,
    Error = std::io::Error,
    Future = impl Future<Output = std::io::Result<TokioIo<UnixStream>>> + Send,
> + Send
+ 'static {
    let path = path.to_owned();
    service_fn(move |_| {
        let path = path.clone();
        async move { Ok(TokioIo::new(UnixStream::connect(path).await?)) }
    })
}

fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// An error with its causes: tonic's own text is "transport error" and no more.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

/// HTTP/2 windows: a push of several megabytes should not wait for a round trip every 64 KiB.
const WINDOW: u32 = 1024 * 1024;

#[cfg(test)]
mod tests;
