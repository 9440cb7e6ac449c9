//! A TCP application that sends back what it gets, and greets first if told to (a server that speaks first, as databases do),
//! and the client for it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::report;

/// Serves `listen` for ever; `greeting` is sent as soon as a client is there.
pub async fn serve(name: String, listen: SocketAddr, greeting: Option<String>) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        let (name, greeting) = (name.clone(), greeting.clone());
        tokio::spawn(async move {
            let echoed = echo(stream, greeting.as_deref()).await;
            let (bytes, error) = match echoed {
                Ok(bytes) => (Some(bytes), None),
                Err(error) => (None, Some(error.to_string())),
            };
            report(&json!({"app": name, "peer": peer.to_string(), "bytes": bytes, "error": error}));
        });
    }
}

/// Sends `words` and the end, and returns all that comes back until the other side's end, for at most 10 s.
pub async fn talk(target: SocketAddr, words: &str) -> std::io::Result<String> {
    let conversation = async {
        let mut stream = TcpStream::connect(target).await?;
        stream.write_all(words.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(10), conversation).await?
}

async fn echo(mut stream: TcpStream, greeting: Option<&str>) -> std::io::Result<u64> {
    if let Some(greeting) = greeting {
        stream.write_all(greeting.as_bytes()).await?;
    }
    let mut buffer = vec![0; 16 * 1024];
    let mut total = 0;
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            stream.shutdown().await?;
            return Ok(total);
        }
        stream.write_all(&buffer[..length]).await?;
        total += length as u64;
    }
}
