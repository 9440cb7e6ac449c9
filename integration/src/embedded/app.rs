//! Applications inside the test's own process: HTTP that remembers what it saw, TCP that echoes.
//!
//! Started by the harness and by tests. Must never answer anything that depends on time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::serving::serve;

/// One request as the application saw it.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Arrived {
    /// A header's first value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// An HTTP/1 and h2c application on 127.0.0.1.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    _serving: JoinSet<()>,
}

impl App {
    /// Starts one on a free port. It answers 200 with JSON that names it; `/status/CODE` with that code.
    pub async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        Self::serve(name, listener)
    }

    /// Starts one on a listener.
    pub fn serve(name: &str, listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let arrived = Arc::<Mutex<Vec<Arrived>>>::default();
        let (name, record) = (name.to_owned(), arrived.clone());
        let mut serving = JoinSet::new();
        serve(&mut serving, listener, move |request| answer(name.clone(), record.clone(), request));
        Self { address, arrived, _serving: serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().expect("nothing panics while it holds the list").clone()
    }

    /// The newest request.
    ///
    /// # Panics
    /// If none came yet.
    pub fn last(&self) -> Arrived {
        self.arrived().pop().expect("a request reached the application")
    }
}

async fn answer(
    name: String,
    record: Arc<Mutex<Vec<Arrived>>>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    record.lock().expect("nothing panics while it holds the list").push(Arrived {
        method: head.method.to_string(),
        target: target.clone(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.clone(),
    });
    let status = head.uri.path().strip_prefix("/status/").and_then(|code| code.parse().ok()).unwrap_or(200);
    let text = json!({ "app": name, "path": target, "received": body.len() }).to_string() + "\n";
    let response = http::Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::new(text.into())).expect("the head is valid"))
}

/// A TCP application that sends back what it gets.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Echo {
    /// Starts one on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                    let _ = write.shutdown().await;
                });
            }
        });
        Self { address, _serving: serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A TCP application that a test writes itself, for what no library would do.
#[derive(Debug)]
pub struct Raw {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Raw {
    /// Starts one on a free port of 127.0.0.1; each connection is given to a call of `serve`.
    pub async fn start<F>(serve: impl Fn(tokio::net::TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
            }
        });
        Self { address, _serving: serving }
    }

    /// Starts one that reads a request's head and answers with these bytes, then closes.
    pub async fn answering(bytes: &'static [u8]) -> Self {
        Self::start(move |mut stream| async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        })
        .await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Reads until the empty line that ends a request's or a response's head, or the end of the stream.
pub async fn read_head(stream: &mut tokio::net::TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match tokio::io::AsyncReadExt::read(stream, &mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
