//! A client and a service that make the proxy do the same thing for each request: each waits until the proxy has nothing left to do
//! before it sends. So how fast the machine is, and what else it does, changes no count.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

const REQUEST: &[u8] =
    b"GET /details/0 HTTP/1.1\r\nhost: details.bookinfo:9080\r\nuser-agent: load\r\naccept: */*\r\n\r\n";
const BODY: usize = 1024;

/// The processes that are watched.
#[derive(Debug, Clone)]
pub struct Watched(Vec<u32>);

impl Watched {
    /// These.
    pub fn new(pids: &[u32]) -> Watched {
        Watched(pids.to_vec())
    }

    /// Waits until all their threads sleep.
    pub fn idle(&self) -> io::Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        let mut quiet = 0;
        // What was sent a moment ago may wake a thread a moment later: it is looked at more than once.
        while quiet < 4 {
            quiet = if self.0.iter().any(|pid| is_busy(*pid)) { 0 } else { quiet + 1 };
            if Instant::now() > until {
                return Err(io::Error::other("the proxy does not come to rest"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

fn is_busy(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok()).any(|stat| {
        // After the name, which may have spaces and brackets in it.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, Some('R' | 'D'))
    })
}

/// Answers each request with 1 KiB, once the proxy waits for it. Ends with the process.
pub fn serve(listener: TcpListener, watched: std::sync::mpsc::Receiver<Watched>) {
    std::thread::spawn(move || {
        let Ok(watched) = watched.recv() else { return };
        for stream in listener.incoming().flatten() {
            let watched = watched.clone();
            std::thread::spawn(move || answer_all(stream, &watched));
        }
    });
}

fn answer_all(mut stream: TcpStream, watched: &Watched) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut response =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {BODY}\r\n\r\n").into_bytes();
    response.resize(response.len() + BODY, b'x');
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let count = read(&mut stream, &mut buffer[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            watched.idle()?;
            stream.write_all(&response)?;
        }
    }
}

/// Sends requests over one connection, one after the other.
pub fn ask(target: SocketAddr, requests: u32, watched: &Watched) -> io::Result<()> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut buffer = [0; 4096];
    for _ in 0..requests {
        watched.idle()?;
        stream.write_all(REQUEST)?;
        read_answer(&mut stream, &mut buffer)?;
    }
    watched.idle()
}

fn read_answer(stream: &mut TcpStream, buffer: &mut [u8; 4096]) -> io::Result<()> {
    let mut filled = 0;
    loop {
        let count = read(stream, &mut buffer[filled..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        let answer = &buffer[..filled];
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&answer[..end]).into_owned()));
        }
        if filled == end + 4 + BODY {
            return Ok(());
        }
    }
}

/// Whatever wakes the thread meanwhile is no news.
fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
