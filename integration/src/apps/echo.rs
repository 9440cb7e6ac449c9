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

/// Follows `script` (`say=TEXT` sends, `hear=TEXT` reads until all that came contains TEXT), sends the end, and returns all that came
/// until the other side's end. All of it may take 10 s.
pub async fn talk(target: SocketAddr, script: &[String]) -> std::io::Result<String> {
    let mut answer = Vec::new();
    let conversation = async {
        let mut stream = TcpStream::connect(target).await?;
        for line in script {
            match line.split_once('=') {
                Some(("say", text)) => stream.write_all(text.as_bytes()).await?,
                Some(("hear", text)) => hear(&mut stream, &mut answer, text).await?,
                _ => return Err(std::io::Error::other(format!("neither say= nor hear=: {line}"))),
            }
        }
        stream.shutdown().await?;
        stream.read_to_end(&mut answer).await
    };
    tokio::time::timeout(Duration::from_secs(10), conversation).await??;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn hear(stream: &mut TcpStream, answer: &mut Vec<u8>, text: &str) -> std::io::Result<()> {
    while !String::from_utf8_lossy(answer).contains(text) {
        if stream.read_buf(answer).await? == 0 {
            return Err(std::io::Error::other(format!("it ended before {text:?} came; it said {answer:?}")));
        }
    }
    Ok(())
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
