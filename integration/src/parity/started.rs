//! A program that understands Envoy's arguments, with one bootstrap in a folder of its own. Started by whoever plays something with the real
//! Envoy and with Outrigger. Must never outlive its owner.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Why something could not be played.
pub type Failure = Box<dyn Error + Send + Sync>;

/// How long it may take to begin, and to answer.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks at what does not announce itself.
const POLL: Duration = Duration::from_millis(5);

/// A running program; dropping it ends the process.
#[derive(Debug)]
pub struct Started {
    child: Child,
    began: Instant,
    folder: tempfile::TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Started {
    /// Starts it with one worker; whether it begins, and when, is the caller's to see.
    ///
    /// # Errors
    /// There is no such program, or the folder cannot be written.
    pub fn launch(program: &Path, folder: tempfile::TempDir, bootstrap: &str) -> Result<Started, Failure> {
        let file = folder.path().join("bootstrap.json");
        std::fs::write(&file, bootstrap)?;
        let child = Command::new(program)
            .arg("-c")
            .arg(&file)
            .args(["--concurrency", "1", "-l", "error", "--disable-hot-restart", "--file-flush-interval-msec", "5"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("stderr"))?)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        Ok(Started { child, began: Instant::now(), folder })
    }

    /// Starts it, and waits until its worker accepts. Whoever serves what it asks for in the meantime must do that on another thread, or
    /// wait as [`Started::works`] lets him.
    ///
    /// # Errors
    /// It ends, or does not begin in time: what it has said.
    pub fn working(
        program: &Path,
        folder: tempfile::TempDir,
        bootstrap: &Value,
        admin: SocketAddr,
    ) -> Result<Started, Failure> {
        let mut started = Started::launch(program, folder, &bootstrap.to_string())?;
        while !started.works(admin)? {
            std::thread::sleep(POLL);
        }
        Ok(started)
    }

    /// Whether its worker accepts.
    ///
    /// # Errors
    /// It has ended, or has had its time: what it has said.
    pub fn works(&mut self, admin: SocketAddr) -> Result<bool, Failure> {
        if page(admin, "/stats").is_ok_and(|text| text.contains("listener_manager.workers_started: 1")) {
            return Ok(true);
        }
        if self.began.elapsed() > DEADLINE || self.has_ended() {
            return Err(format!("it does not start: {}", self.said()).into());
        }
        Ok(false)
    }

    /// Where its bootstrap is, and what that names.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it is no more.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// What it has complained of.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder().join("stderr")).unwrap_or_default()
    }
}

/// A page of the admin interface.
///
/// # Errors
/// There is none, or not in time.
pub fn page(admin: SocketAddr, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let text = String::from_utf8_lossy(&all);
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no answer")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    if chunked { joined(body) } else { Ok(body.to_owned()) }
}

fn joined(mut chunks: &str) -> Result<String, Failure> {
    let mut all = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16)?;
        if size == 0 {
            break;
        }
        all += rest.get(..size).ok_or("a chunk is cut off")?;
        chunks = rest.get(size + 2..).unwrap_or_default();
    }
    Ok(all)
}
