//! The endpoints of all scenarios: one socket on all addresses of the loopback network, which answers each request with the last number of the
//! address that it came to. Used by [`super::play`].

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Failure;

/// Running endpoints. They end when dropped.
#[derive(Debug)]
pub struct Hosts {
    /// Where each of them listens.
    pub port: u16,
    over: Arc<AtomicBool>,
}

impl Hosts {
    /// Starts them.
    ///
    /// # Errors
    /// There is no port.
    pub fn start() -> Result<Hosts, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = listener.local_addr()?.port();
        let over = Arc::<AtomicBool>::default();
        let ends = over.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::spawn(move || serve(&stream));
            }
        });
        Ok(Hosts { port, over })
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // One more connection, so that the flag is seen.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// The address of the endpoint of a number.
pub fn address(number: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 1, number], port))
}

fn serve(stream: &TcpStream) {
    let Ok(SocketAddr::V4(here)) = stream.local_addr() else { return };
    let answer = format!("HTTP/1.1 200 OK\r\nx-host: {}\r\ncontent-length: 0\r\n\r\n", here.ip().octets()[3]);
    let _ = stream.set_nodelay(true);
    let mut writer = stream;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
        if line.trim_end().is_empty() && writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
        line.clear();
    }
}
