//! Starts Envoy or Outrigger with one static bootstrap (an HTTP/1 listener, one cluster, an access log of codes, details and flags) and
//! sends it raw bytes.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::upstream::Upstream;
use crate::embedded::ports;

/// A running proxy; dropping it ends the process.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    /// Holds the bootstrap and the log.
    folder: tempfile::TempDir,
    read_up_to: usize,
}

/// How long anything may take before the test is given up.
const DEADLINE: Duration = Duration::from_secs(20);

impl Proxy {
    /// Starts a program that understands Envoy's arguments.
    ///
    /// # Errors
    /// When it does not listen in time; its standard error is in the text.
    pub fn start(program: &Path, upstream: &Upstream) -> Result<Proxy, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let address = ports::free(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let log = folder.path().join("access.log");
        let file = folder.path().join("bootstrap.yaml");
        let errors = folder.path().join("stderr");
        let write = || -> std::io::Result<Child> {
            std::fs::write(&file, bootstrap(address, upstream.address, &log))?;
            Command::new(program)
                .arg("-c")
                .arg(&file)
                .args(["--concurrency", "1", "-l", "error", "--disable-hot-restart", "--file-flush-interval-msec", "5"])
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(&errors)?)
                .spawn()
        };
        let child = write().map_err(|error| format!("{}: {error}", program.display()))?;
        let mut proxy = Proxy { child, address, log, folder, read_up_to: 0 };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if started.elapsed() > DEADLINE || proxy.child.try_wait().is_ok_and(|status| status.is_some()) {
                let said = std::fs::read_to_string(proxy.folder.path().join("stderr")).unwrap_or_default();
                return Err(format!("{} does not listen: {said}", program.display()));
            }
            std::thread::sleep(POLL);
        }
        Ok(proxy)
    }

    /// Sends bytes and waits for `answers` status lines (or the end of the connection); with `end` the sender's direction is closed
    /// after the bytes. Then it closes and waits for `lines` lines in the access log. Gives what came back and those lines.
    ///
    /// # Errors
    /// When the log has not so many lines in time: the text has what there is.
    pub fn ask(&mut self, ask: &Ask<'_>) -> Result<(Vec<u8>, Vec<String>), String> {
        let told = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(self.address).map_err(told)?;
        stream.set_read_timeout(Some(DEADLINE)).map_err(told)?;
        // The proxy may refuse and close before it has read all.
        let _ = stream.write_all(ask.bytes);
        if ask.end {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut seen = Vec::new();
        let mut piece = [0; 64 * 1024];
        // To the end of the connection when the client has ended its side; not at all when no answer will come.
        while ask.end || (ask.answers > 0 && !ask.done(&seen)) {
            match stream.read(&mut piece) {
                Ok(count @ 1..) => seen.extend_from_slice(&piece[..count]),
                _ => break,
            }
        }
        drop(stream);
        let lines = self.lines(ask.lines)?;
        Ok((seen, lines))
    }

    fn lines(&mut self, count: usize) -> Result<Vec<String>, String> {
        let started = Instant::now();
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let whole = log.rfind('\n').map_or(0, |end| end + 1).max(self.read_up_to);
            let lines: Vec<_> = log[self.read_up_to..whole].lines().map(str::to_owned).collect();
            if lines.len() >= count {
                self.read_up_to = whole;
                return Ok(lines);
            }
            if started.elapsed() > DEADLINE {
                self.read_up_to = whole;
                return Err(format!("the access log has only {lines:?}"));
            }
            std::thread::sleep(POLL);
        }
    }
}

/// What to send, and when enough has come back.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Close the sending direction after them.
    pub end: bool,
    /// Final status lines to wait for.
    pub answers: usize,
    /// Lines in the access log to wait for.
    pub lines: usize,
    /// The last bytes of the last answer, when they are known.
    pub until: &'a [u8],
}

impl Ask<'_> {
    fn done(&self, seen: &[u8]) -> bool {
        let text = String::from_utf8_lossy(seen);
        let finals = text.match_indices("HTTP/1.").filter(|(at, _)| !text[*at..].starts_with("HTTP/1.1 10")).count();
        let switched = text.contains("HTTP/1.1 101 ");
        (finals >= self.answers || switched) && text.contains("\r\n\r\n") && seen.ends_with(self.until)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Between two looks at something that is awaited.
const POLL: Duration = Duration::from_millis(5);

fn bootstrap(listener: SocketAddr, upstream: SocketAddr, log: &Path) -> String {
    include_str!("bootstrap.yaml")
        .replace("LISTENER_PORT", &listener.port().to_string())
        .replace("UPSTREAM_PORT", &upstream.port().to_string())
        .replace("ACCESS_LOG", &log.display().to_string())
}
