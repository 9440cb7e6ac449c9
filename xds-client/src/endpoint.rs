//! Where a gRPC control plane is, and HTTP/2 over the connections that the proxy makes to it.
//!
//! Called by the ADS and SDS tasks, for every attempt anew. Must never know what a connection runs over: addresses, TLS
//! and whatever else the configuration says about a server are the proxy's matter, as for every cluster.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Uri};
use tower::service_fn;

/// A byte stream to a server.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A connection that is being made, or why there is none.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Box<dyn Connection>, String>> + Send>>;

/// Makes a new connection at each call.
pub type Connector = Arc<dyn Fn() -> Connecting + Send + Sync>;

/// A gRPC server.
#[derive(Clone)]
pub struct Endpoint {
    name: Arc<str>,
    origin: Uri,
    connector: Connector,
    http2: Http2,
}

/// HTTP/2 towards a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2 {
    /// Pings, where the configuration asks for them: a gRPC server in Go ends connections that are pinged more often than
    /// every five minutes, unless it is told otherwise.
    pub keepalive: Option<Keepalive>,
    /// Octets that a stream may send ahead.
    pub stream_window: u32,
    /// Octets that all streams together may send ahead.
    pub connection_window: u32,
}

impl Default for Http2 {
    /// No pings, and windows so that a push of several megabytes does not wait for a round trip every 64 KiB.
    fn default() -> Self {
        const WINDOW: u32 = 1024 * 1024;
        Self { keepalive: None, stream_window: WINDOW, connection_window: WINDOW }
    }
}

/// HTTP/2 pings that find a dead server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Time between two pings.
    pub interval: Duration,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
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

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.name)
    }
}

impl Endpoint {
    /// A server that `connector` reaches. `name` stands for it in messages; `origin` is what requests say of it: scheme and
    /// authority.
    pub fn new(name: impl Into<Arc<str>>, origin: Uri, connector: Connector, http2: Http2) -> Self {
        Self { name: name.into(), origin, connector, http2 }
    }

    /// A server on a Unix socket, without anything around HTTP/2.
    pub fn uds(path: impl Into<PathBuf>) -> Self {
        let path: PathBuf = path.into();
        let name = format!("unix:{}", path.display());
        let connector: Connector = Arc::new(move || {
            let path = path.clone();
            Box::pin(async move {
                let stream = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
                Ok(Box::new(stream) as Box<dyn Connection>)
            })
        });
        Self::new(name, Uri::from_static("http://localhost"), connector, Http2::default())
    }

    /// Its settings.
    pub fn http2(&self) -> Http2 {
        self.http2
    }

    /// The same, with other settings.
    #[must_use]
    pub fn with_http2(self, http2: Http2) -> Self {
        Self { http2, ..self }
    }

    /// A new connection, ready for use.
    pub(crate) async fn connect(&self, timeout: Duration) -> Result<Channel, ConnectError> {
        let transport = self.transport();
        let connecting = transport.connect_with_connector(self.service());
        match tokio::time::timeout(timeout, connecting).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(ConnectError::Failed { endpoint: self.to_string(), reason: chain(&error) }),
            Err(_) => Err(ConnectError::TimedOut { endpoint: self.to_string(), timeout }),
        }
    }

    fn transport(&self) -> tonic::transport::Endpoint {
        // The connector does not look at the address.
        let endpoint = tonic::transport::Endpoint::from_static("http://localhost")
            .origin(self.origin.clone())
            .initial_stream_window_size(self.http2.stream_window)
            .initial_connection_window_size(self.http2.connection_window);
        match self.http2.keepalive {
            Some(keepalive) => endpoint
                .http2_keep_alive_interval(keepalive.interval)
                .keep_alive_timeout(keepalive.timeout)
                .keep_alive_while_idle(true),
            None => endpoint,
        }
    }

    fn service(
        &self,
    ) -> impl tower::Service<
        Uri,
        Response = TokioIo<Box<dyn Connection>>,
        Error = std::io::Error,
        Future = impl Future<Output = std::io::Result<TokioIo<Box<dyn Connection>>>> + Send,
    > + Send
    + 'static {
        let connector = self.connector.clone();
        service_fn(move |_| {
            let connecting = connector();
            async move { connecting.await.map(TokioIo::new).map_err(std::io::Error::other) }
        })
    }
}

/// One connection for many streams; it connects when a stream wants it, and again after it broke.
#[derive(Debug, Default)]
pub(crate) struct SharedChannel {
    channel: Mutex<Option<Channel>>,
}

impl SharedChannel {
    pub(crate) fn get(&self, endpoint: &Endpoint, timeout: Duration) -> Channel {
        let mut slot = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let connect = || endpoint.transport().connect_timeout(timeout).connect_with_connector_lazy(endpoint.service());
        slot.get_or_insert_with(connect).clone()
    }
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

#[cfg(test)]
mod tests;
