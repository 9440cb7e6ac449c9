//! A small HTTP/1.1 client that shows what came, without following, retrying or pooling anything.
//!
//! Called by tests and the demo. Every request has a connection of its own unless [`Connection`] is used.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::control_plane::seen::DEADLINE;

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// In the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

/// Why no reply came.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Request {
    /// `GET TARGET`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Any method; the target is sent as it stands.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// With a `host` header.
    pub fn host(self, host: &str) -> Self {
        self.header("host", host)
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on a connection of its own.
    ///
    /// # Panics
    /// If no reply comes.
    pub async fn send(self, address: SocketAddr) -> Reply {
        let shown = format!("{} {} to {address}", self.method, self.target);
        match self.try_send(address).await {
            Ok(reply) => reply,
            Err(error) => panic!("{shown}: {error}"),
        }
    }

    /// Sends it on a connection of its own.
    pub async fn try_send(self, address: SocketAddr) -> Result<Reply, Failure> {
        Connection::open(address).await?.send(self).await
    }
}

/// A connection for many requests, one after another.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = tokio::time::timeout(DEADLINE, TcpStream::connect(address)).await??;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and reads the whole reply.
    pub async fn send(&mut self, request: Request) -> Result<Reply, Failure> {
        let mut built = http::Request::builder().method(request.method.as_str()).uri(request.target);
        for (name, value) in &request.headers {
            built = built.header(name, value);
        }
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(built.body(Full::new(request.body))?).await?;
            let (head, body) = response.into_parts();
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Ok::<_, Failure>(Reply { status: head.status.as_u16(), headers, body: body.collect().await?.to_bytes() })
        };
        tokio::time::timeout(DEADLINE, exchange).await?
    }
}

impl Reply {
    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends bytes on a connection of its own, and gives everything until the other side closes.
///
/// # Panics
/// If the other side neither answers nor closes before the deadline.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        // It may have closed before it took everything.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    match tokio::time::timeout(DEADLINE, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => panic!("{address}: {error}"),
        Err(_) => panic!("{address} neither closed nor ended its answer to {:?}", String::from_utf8_lossy(bytes)),
    }
}
