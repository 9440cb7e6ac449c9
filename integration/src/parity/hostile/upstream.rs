//! A server that writes down each complete request by what stands for the client that it came from (`x-port`), with its body in one piece. Used
//! by [`super::Player`] alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Requests = BTreeMap<u32, Vec<String>>;

/// The server; it ends with the runtime.
#[derive(Debug)]
pub(super) struct Upstream {
    pub address: SocketAddr,
    requests: Arc<Mutex<Requests>>,
}

impl Upstream {
    /// Starts it.
    pub async fn start() -> std::io::Result<Upstream> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, requests) = (listener.local_addr()?, Arc::default());
        let told: Arc<Mutex<Requests>> = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, told.clone()));
            }
        });
        Ok(Upstream { address, requests })
    }

    /// What has come since the last time.
    pub fn take(&self) -> Requests {
        std::mem::take(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(mut stream: TcpStream, requests: Arc<Mutex<Requests>>) {
    let mut seen = Vec::new();
    loop {
        while let Some((length, request)) = complete(&seen) {
            seen.drain(..length);
            let answer: &[u8] = match &request.text[..] {
                text if text.starts_with("HEAD ") => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
                _ => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            };
            {
                let mut told = requests.lock().unwrap_or_else(PoisonError::into_inner);
                told.entry(request.port).or_default().push(request.text);
            }
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
        match stream.read_buf(&mut seen).await {
            Ok(1..) => {}
            _ => return,
        }
    }
}

struct Request {
    port: u32,
    text: String,
}

/// The request at the front, when all of it is there, and its length. The proxy has made it well-formed.
fn complete(octets: &[u8]) -> Option<(usize, Request)> {
    let mut at = 0;
    let mut lines = Vec::new();
    loop {
        let line = line(octets, &mut at)?;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let value = |name: &[u8]| lines.iter().find_map(|line| line.strip_prefix(name));
    let mut body = Vec::new();
    let mut trailers = Vec::new();
    if value(b"transfer-encoding: ").is_some() {
        loop {
            let size = String::from_utf8_lossy(line(octets, &mut at)?).into_owned();
            let size = usize::from_str_radix(&size, 16).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(octets.get(at..at.checked_add(size)?)?);
            at += size + 2;
        }
        loop {
            match line(octets, &mut at)? {
                b"" => break,
                trailer => trailers.push(trailer),
            }
        }
    } else if let Some(length) = value(b"content-length: ") {
        let length: usize = String::from_utf8_lossy(length).parse().ok()?;
        body.extend_from_slice(octets.get(at..at.checked_add(length)?)?);
        at += length;
    }
    let port = value(b"x-port: ").and_then(|port| String::from_utf8_lossy(port).parse().ok()).unwrap_or(0);
    let head: Vec<String> = lines
        .iter()
        .filter(|line| !line.starts_with(b"x-port: "))
        .map(|line| line.escape_ascii().to_string())
        .collect();
    let trailers: Vec<String> = trailers.iter().map(|line| line.escape_ascii().to_string()).collect();
    let text = format!("{} | {} | {}", head.join(" / "), body.escape_ascii(), trailers.join(" / "));
    Some((at, Request { port, text: text.trim_end_matches([' ', '|']).to_owned() }))
}

fn line<'o>(octets: &'o [u8], at: &mut usize) -> Option<&'o [u8]> {
    let rest = octets.get(*at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}
