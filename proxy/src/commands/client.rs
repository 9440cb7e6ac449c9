//! Asks the admin interface of a running proxy, over TCP or a Unix socket. Every answer is waited for and bounded.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::Cannot;

/// An admin interface.
pub struct Client {
    place: Place,
    timeout: Duration,
}

enum Place {
    Tcp(String),
    Unix(PathBuf),
}

/// What was answered.
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Body.
    pub body: Bytes,
}

/// A dump of thousands of clusters has some ten million octets.
const LONGEST: usize = 1 << 30;
/// Of answers that may be long.
const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    /// `HOST:PORT`, `:PORT`, `http://HOST:PORT`, `unix:PATH` or a path.
    pub fn new(address: &str) -> Client {
        let bare = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
        let place = match address.strip_prefix("unix:") {
            Some(path) => Place::Unix(path.trim_start_matches("//").into()),
            None if address.starts_with(['/', '.']) => Place::Unix(address.into()),
            None if bare.starts_with(':') => Place::Tcp(format!("127.0.0.1{bare}")),
            None => Place::Tcp(bare.to_owned()),
        };
        Client { place, timeout: PATIENCE }
    }

    /// The same, with another limit for each question.
    pub fn within(self, timeout: Duration) -> Client {
        Client { timeout, ..self }
    }

    /// For messages.
    pub fn printed(&self) -> String {
        match &self.place {
            Place::Tcp(address) => address.clone(),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// What a path answers.
    ///
    /// # Errors
    /// Nobody is there, or there is no answer in time.
    pub fn get(&self, path: &str) -> Result<Answer, Cannot> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime can be started: {error}"))?;
        let asked = async { tokio::time::timeout(self.timeout, self.ask(path)).await };
        let answer = runtime.block_on(asked).unwrap_or_else(|_| Err(format!("no answer in {:?}", self.timeout)));
        answer.map_err(|reason| {
            format!(
                "the admin interface at {} does not answer: {reason}; is the proxy running, and is this its address (--admin)?",
                self.printed()
            )
        })
    }

    /// The text of an answer that must be 200.
    ///
    /// # Errors
    /// The same, or another status.
    pub fn text(&self, path: &str) -> Result<String, Cannot> {
        let answer = self.get(path)?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        match answer.status {
            200 => Ok(text),
            403 if is_not_allowed(&text) => Err(self.not_allowed(path)),
            status => {
                let first: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
                Err(format!("{} answers {status} to {path}: {first}; is this the admin interface?", self.printed()))
            }
        }
    }

    /// Why a path is not answered that `allow_paths` leaves out.
    pub fn not_allowed(&self, path: &str) -> Cannot {
        format!(
            "the admin interface at {} does not allow {path}: let admin.allow_paths of the proxy's bootstrap match it, the query included",
            self.printed()
        )
    }

    /// The same of JSON.
    ///
    /// # Errors
    /// The same, or it is none.
    pub fn json(&self, path: &str) -> Result<serde_json::Value, Cannot> {
        let text = self.text(path)?;
        serde_json::from_str(&text).map_err(|error| {
            format!("what {} answers to {path} is no JSON: {error}; is this the admin interface?", self.printed())
        })
    }

    async fn ask(&self, path: &str) -> Result<Answer, String> {
        match &self.place {
            Place::Tcp(address) => {
                let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
                exchange(stream, path).await
            }
            Place::Unix(file) => {
                let stream = UnixStream::connect(file).await.map_err(|error| error.to_string())?;
                exchange(stream, path).await
            }
        }
    }
}

/// Whether that is how an admin interface answers what its `allow_paths` leave out.
pub fn is_not_allowed(text: &str) -> bool {
    text.starts_with("request to path ") && text.trim_end().ends_with(" not allowed")
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> Result<Answer, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = http::Request::get(path).header("host", "localhost").header("connection", "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST).collect().await.map_err(|error| error.to_string())?;
        Ok(Answer { status, body: body.to_bytes() })
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // It may end with its last octets already read.
        _ended = &mut connection => answer.await,
    }
}
