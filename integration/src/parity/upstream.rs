//! An upstream that writes down every complete request, byte for byte, and answers with raw bytes. One thread a connection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The upstream; it lives as long as the test's process.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Vec<u8>>,
    answer: Vec<u8>,
    close: bool,
}

impl Upstream {
    /// Starts listening.
    pub fn start() -> std::io::Result<Upstream> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let upstream = Upstream { address, state: state.clone() };
        upstream.answer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                thread::spawn(move || serve(stream, &state));
            }
        });
        Ok(upstream)
    }

    /// What every request is answered with from now on, and whether the connection is closed then.
    pub fn answer(&self, bytes: &[u8], close: bool) {
        let mut state = self.state.lock().expect("no holder panics");
        state.answer = bytes.to_vec();
        state.close = close;
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state.lock().expect("no holder panics").requests)
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut seen = Vec::new();
    let mut piece = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        seen.extend_from_slice(&piece[..count]);
        while let Some(length) = complete(&seen) {
            let (answer, close) = {
                let mut state = state.lock().expect("no holder panics");
                state.requests.push(seen.drain(..length).collect());
                (state.answer.clone(), state.close)
            };
            if stream.write_all(&answer).is_err() {
                return;
            }
            if close {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}

/// The length of the request at the start, when all of it is there. The proxy in front has made it well-formed.
fn complete(bytes: &[u8]) -> Option<usize> {
    let find = |what: &[u8], from: usize| bytes[from..].windows(what.len()).position(|window| window == what);
    let body = find(b"\r\n\r\n", 0)? + 4;
    let head = String::from_utf8_lossy(&bytes[..body]).to_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        return Some(body + find(b"0\r\n\r\n", body)? + 5);
    }
    let length = head.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let end = body.checked_add(length.and_then(|length| length.parse().ok()).unwrap_or(0))?;
    (bytes.len() >= end).then_some(end)
}
