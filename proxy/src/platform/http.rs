//! Questions to a service on this machine or the link: plain HTTP/1.0, one a connection, each with an end that it does not pass.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A service and what its paths begin with.
#[derive(Debug)]
pub(super) struct Service<'a> {
    host: &'a str,
    address: SocketAddr,
    path: &'a str,
}

/// One question: those that answer at all do so at once.
const PATIENCE: Duration = Duration::from_millis(150);
/// Octets of an answer.
const MOST: u64 = 64 * 1024;

impl<'a> Service<'a> {
    /// At `http://ADDRESS[:PORT][/PATH]`. Names are not looked up: that may take as long as it likes.
    pub fn at(uri: &'a str) -> Option<Service<'a>> {
        let rest = uri.strip_prefix("http://")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let address = host.parse::<SocketAddr>().ok();
        let bare = || host.trim_matches(['[', ']']).parse().ok().map(|ip| SocketAddr::new(ip, 80));
        Some(Service { host, address: address.or_else(bare)?, path: path.trim_end_matches('/') })
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)], until: Instant) -> Option<Vec<u8>> {
        self.ask("GET", path, headers, until)
    }

    pub fn put(&self, path: &str, headers: &[(&str, &str)], until: Instant) -> Option<Vec<u8>> {
        self.ask("PUT", path, headers, until)
    }

    /// The body of an answer of 200.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], until: Instant) -> Option<Vec<u8>> {
        let until = until.min(Instant::now() + PATIENCE);
        let left = || until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        let mut stream = TcpStream::connect_timeout(&self.address, left()?).ok()?;
        let mut head = format!("{method} {}{path} HTTP/1.0\r\nhost: {}\r\ncontent-length: 0\r\n", self.path, self.host);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.set_write_timeout(Some(left()?)).ok()?;
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            stream.set_read_timeout(Some(left()?)).ok()?;
            match stream.read(&mut chunk).ok()? {
                0 => break,
                count => answer.extend_from_slice(&chunk[..count]),
            }
            if answer.len() as u64 > MOST {
                return None;
            }
            if is_whole(&answer) {
                break;
            }
        }
        let (head, body) = split(&answer)?;
        let status = head.split(|octet| *octet == b' ').nth(1)?;
        (status == b"200").then(|| body.to_vec())
    }
}

fn split(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = answer.windows(4).position(|octets| octets == b"\r\n\r\n")?;
    Some((&answer[..end], &answer[end + 4..]))
}

/// The body is as long as the head says.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = split(answer) else { return false };
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse::<usize>().ok()).is_some_and(|length| body.len() >= length)
}
