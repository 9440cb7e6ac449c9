//! What the proxies are given to do: a fixed backend, closed-loop HTTP/1 clients, bulk TCP, and full TLS handshakes.
//!
//! Everything runs on one thread, pinned by the caller to the CPU that the proxies do not use. All loops are bounded by time.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// Serves `body_size` octets to every HTTP/1 request, until dropped with the runtime.
pub async fn http_backend(listener: TcpListener, body_size: usize) {
    let mut response =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {body_size}\r\n\r\n").into_bytes();
    response.resize(response.len() + body_size, b'x');
    let response: Arc<[u8]> = response.into();
    while let Ok((mut stream, _)) = listener.accept().await {
        let response = response.clone();
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let mut buffer = vec![0; 16 * 1024];
            let mut filled = 0;
            while let Ok(count) = stream.read(&mut buffer[filled..]).await {
                if count == 0 {
                    return;
                }
                filled += count;
                while let Some(end) = head_end(&buffer[..filled]) {
                    buffer.copy_within(end..filled, 0);
                    filled -= end;
                    if stream.write_all(&response).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// Reads and throws away what it is sent; answers one octet for each MiB, so that the sender knows it arrived.
pub async fn sink_backend(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = vec![0; 256 * 1024];
            let mut pending = 0usize;
            while let Ok(count) = stream.read(&mut buffer).await {
                if count == 0 {
                    return;
                }
                pending += count;
                while pending >= MIB {
                    pending -= MIB;
                    if stream.write_all(b"k").await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// Requests over `connections` kept-alive connections, each with one request at a time. Gives the number answered with 200 and
/// the number of failures.
pub async fn http_clients(target: SocketAddr, connections: usize, time: Duration) -> Counted {
    let until = Instant::now() + time;
    let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(http_client(target, until))).collect();
    gather(tasks).await
}

async fn http_client(target: SocketAddr, until: Instant) -> Counted {
    const REQUEST: &[u8] =
        b"GET /details/0 HTTP/1.1\r\nhost: details.bookinfo:9080\r\nuser-agent: load\r\naccept: */*\r\n\r\n";
    let mut counted = Counted::default();
    let mut buffer = vec![0; 32 * 1024];
    while Instant::now() < until {
        let Ok(mut stream) = TcpStream::connect(target).await else {
            counted.failed += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        while Instant::now() < until {
            let answered =
                stream.write_all(REQUEST).await.is_ok() && read_response(&mut stream, &mut buffer).await.is_ok();
            if !answered {
                counted.failed += 1;
                break;
            }
            counted.done += 1;
        }
    }
    counted
}

async fn read_response(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        let Some(end) = head_end(&buffer[..filled]) else { continue };
        let head = std::str::from_utf8(&buffer[..end]).unwrap_or_default();
        if !head.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(head.lines().next().unwrap_or_default().to_owned()));
        }
        let length = content_length(head).ok_or_else(|| io::Error::other("no content-length"))?;
        while filled < end + length {
            let count = stream.read(&mut buffer[filled..]).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += count;
        }
        return Ok(());
    }
}

fn content_length(head: &str) -> Option<usize> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

/// Sends bytes for a time over `connections` connections; counts MiB that arrived.
pub async fn bulk_clients(target: SocketAddr, connections: usize, time: Duration) -> Counted {
    let until = Instant::now() + time;
    let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(bulk_client(target, until))).collect();
    gather(tasks).await
}

async fn bulk_client(target: SocketAddr, until: Instant) -> Counted {
    let mut counted = Counted::default();
    let Ok(mut stream) = TcpStream::connect(target).await else {
        return Counted { done: 0, failed: 1 };
    };
    let chunk = vec![0x5a; MIB];
    let (mut reader, mut writer) = stream.split();
    let mut acknowledged = [0; 64];
    let mut sent = 0u64;
    while Instant::now() < until {
        if writer.write_all(&chunk).await.is_err() {
            counted.failed += 1;
            return counted;
        }
        sent += 1;
        // At most eight MiB are on their way.
        while sent > counted.done + 8 {
            match reader.read(&mut acknowledged).await {
                Ok(0) | Err(_) => {
                    counted.failed += 1;
                    return counted;
                }
                Ok(count) => counted.done += count as u64,
            }
        }
    }
    while counted.done < sent {
        match reader.read(&mut acknowledged).await {
            Ok(0) | Err(_) => {
                counted.failed += 1;
                return counted;
            }
            Ok(count) => counted.done += count as u64,
        }
    }
    counted
}

/// Full mutual TLS 1.3 handshakes, one after the other on each of `parallel` tasks; counts those that succeeded.
pub async fn handshakes(
    target: SocketAddr,
    certs: &super::certs::Certs,
    parallel: usize,
    time: Duration,
) -> io::Result<Counted> {
    let connector = TlsConnector::from(Arc::new(client_config(&certs.ca, &certs.chain, &certs.key)?));
    let until = Instant::now() + time;
    let tasks: Vec<_> =
        (0..parallel).map(|_| tokio::spawn(handshake_client(target, connector.clone(), until))).collect();
    Ok(gather(tasks).await)
}

async fn handshake_client(target: SocketAddr, connector: TlsConnector, until: Instant) -> Counted {
    let mut counted = Counted::default();
    let Ok(name) = ServerName::try_from("bench") else { return counted };
    while Instant::now() < until {
        let finished = async {
            let stream = TcpStream::connect(target).await?;
            let mut stream = connector.connect(name.clone(), stream).await?;
            // The server has checked our certificate only when it answers something.
            stream.write_all(b"GET / HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").await?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await
        };
        match finished.await {
            Ok(_) => counted.done += 1,
            Err(_) => counted.failed += 1,
        }
    }
    counted
}

fn client_config(ca: &Path, chain: &Path, key: &Path) -> io::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(io::Error::other)? {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(chain).map_err(io::Error::other)?.collect();
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.map_err(io::Error::other)?, key)
        .map_err(io::Error::other)?;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// How often something succeeded and failed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    /// Successes.
    pub done: u64,
    /// Failures.
    pub failed: u64,
}

async fn gather(tasks: Vec<tokio::task::JoinHandle<Counted>>) -> Counted {
    let mut total = Counted::default();
    for task in tasks {
        if let Ok(counted) = task.await {
            total.done += counted.done;
            total.failed += counted.failed;
        }
    }
    total
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4)
}

const MIB: usize = 1024 * 1024;
