//! The application of dialogues: HTTP/1, every connection one request, and it says nothing unless a step says so. Used by [`super::play`].

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc};
use tokio::task::JoinSet;

use super::h1::Reader;
use super::{Ear, Heard, Part};
use crate::parity::http::Failure;
use crate::parity::http::scenario::Message;

/// A running application. Ends when dropped.
#[derive(Debug)]
pub struct Talker {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// In the order in which their heads were waited for.
    requests: Mutex<Vec<Conversation>>,
    fresh: Mutex<std::collections::VecDeque<Conversation>>,
    came: Notify,
}

/// One request of the proxy.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// What the proxy says.
    pub ear: Ear,
    to: Arc<AsyncMutex<Option<tokio::net::tcp::OwnedWriteHalf>>>,
    /// Dropped: the connection is closed.
    stays: Arc<Mutex<Option<mpsc::Sender<()>>>>,
    chunked: Arc<Mutex<bool>>,
}

impl Talker {
    /// Starts one.
    ///
    /// # Errors
    /// There is no loopback port.
    pub async fn start() -> Result<Talker, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::<Shared>::default();
        let of_task = shared.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, &of_task));
            }
        });
        Ok(Talker { address, shared, _serving: serving })
    }

    /// Closes what is left of the dialogue before.
    pub(super) fn forget(&self) {
        self.shared.requests.lock().expect("nothing panics while it holds this").clear();
        self.shared.fresh.lock().expect("nothing panics while it holds this").clear();
    }

    /// The next request of the proxy.
    pub(super) async fn request(&self) -> Result<Conversation, Failure> {
        let waiting = async {
            loop {
                let told = self.shared.came.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                if let Some(one) = self.shared.fresh.lock().expect("nothing panics while it holds this").pop_front() {
                    return one;
                }
                told.await;
            }
        };
        let one = tokio::time::timeout(super::DEADLINE, waiting).await.map_err(|_| "no connection comes")?;
        self.shared.requests.lock().expect("nothing panics while it holds this").push(one.clone());
        Ok(one)
    }

    /// The newest request, or else the first one that comes.
    pub(super) async fn current(&self) -> Result<Conversation, Failure> {
        match self.newest() {
            Ok(one) => Ok(one),
            Err(_) => self.request().await,
        }
    }

    pub(super) fn newest(&self) -> Result<Conversation, Failure> {
        let requests = self.shared.requests.lock().expect("nothing panics while it holds this");
        Ok(requests.last().cloned().ok_or("the application has not heard a head yet")?)
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        let requests = self.shared.requests.lock().expect("nothing panics while it holds this");
        requests.iter().map(|one| one.ear.heard()).collect()
    }
}

/// Listens to one connection until either side ends it.
fn converse(stream: TcpStream, shared: &Shared) -> impl Future<Output = ()> + Send + 'static {
    let (from, to) = stream.into_split();
    let (stays, mut gone) = mpsc::channel(1);
    let one = Conversation {
        ear: Ear::default(),
        to: Arc::new(AsyncMutex::new(Some(to))),
        stays: Arc::new(Mutex::new(Some(stays))),
        chunked: Arc::default(),
    };
    let ear = one.ear.clone();
    shared.fresh.lock().expect("nothing panics while it holds this").push_back(one);
    shared.came.notify_waiters();
    async move {
        tokio::select! {
            () = listen(from, &ear) => {}
            _ = gone.recv() => {}
        }
    }
}

async fn listen(mut from: OwnedReadHalf, ear: &Ear) {
    let (mut reader, mut room) = (Reader::default(), vec![0; 16 * 1024]);
    loop {
        let count = from.read(&mut room).await.unwrap_or(0);
        match reader.read((count > 0).then(|| &room[..count])) {
            Ok(parts) => parts.into_iter().for_each(|part| ear.hear(part)),
            Err(_) => ear.hear(Part::End(false)),
        }
        if count == 0 {
            return;
        }
    }
}

impl Conversation {
    async fn say(&self, octets: &[u8]) -> Result<(), Failure> {
        let mut to = self.to.lock().await;
        Ok(to.as_mut().ok_or("the application has left")?.write_all(octets).await?)
    }

    pub(super) async fn informational(&self, status: &str) -> Result<(), Failure> {
        let status: u16 = status.parse()?;
        self.say(format!("HTTP/1.1 {status} Informational\r\nx-early: 1\r\n\r\n").as_bytes()).await
    }

    pub(super) async fn head(&self, status: u16, answer: &Message) -> Result<(), Failure> {
        let (text, chunked) = head(&format!("HTTP/1.1 {status} Status"), answer, !matches!(status, 204 | 304));
        *self.chunked.lock().expect("nothing panics while it holds this") = chunked;
        self.say(text.as_bytes()).await
    }

    pub(super) async fn data(&self, piece: &[u8]) -> Result<(), Failure> {
        let chunked = *self.chunked.lock().expect("nothing panics while it holds this");
        self.say(&data(piece, chunked)).await
    }

    pub(super) async fn end(&self, trailers: &[(String, String)]) -> Result<(), Failure> {
        let chunked = *self.chunked.lock().expect("nothing panics while it holds this");
        self.say(end(trailers, chunked).as_bytes()).await
    }

    pub(super) fn leave(&self) {
        if let Ok(mut to) = self.to.try_lock() {
            *to = None;
        }
        *self.stays.lock().expect("nothing panics while it holds this") = None;
    }
}

/// A head of HTTP/1, and whether its body is chunked.
pub(super) fn head(line: &str, message: &Message, may_have_body: bool) -> (String, bool) {
    let mut text = format!("{line}\r\n");
    for (name, value) in &message.headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let has_length = message.headers.iter().any(|(name, _)| name == "content-length");
    let chunked = may_have_body && !has_length;
    if chunked {
        text.push_str("transfer-encoding: chunked\r\n");
    }
    text.push_str("\r\n");
    (text, chunked)
}

pub(super) fn data(piece: &[u8], chunked: bool) -> Vec<u8> {
    if !chunked {
        return piece.to_vec();
    }
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

pub(super) fn end(trailers: &[(String, String)], chunked: bool) -> String {
    if !chunked {
        return String::new();
    }
    let lines: String = trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("0\r\n{lines}\r\n")
}
