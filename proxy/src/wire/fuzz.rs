//! What must hold for any bytes a stranger sends. Called by the fuzz targets in `proxy/fuzz` and, with mutated seeds, by `tests` here;
//! not part of the binary. Each function takes bytes and panics when a property does not hold.

use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use super::h1::fuzz::{request as h1_request, response as h1_response};
pub use super::h2::fuzz::{client as h2_client, frames as h2_frames, hpack, server as h2_server};
use super::headers::{Headers, Name};
use crate::transport::{Io, Stream};

#[cfg(test)]
pub(crate) mod tests;

/// Header lists: every operation does what it does to a plain list of pairs.
pub fn headers(input: &[u8]) {
    let mut list = Headers::new();
    let mut model: Vec<(String, u8)> = Vec::new();
    for step in input.chunks_exact(3) {
        let text = match step[0] % 5 {
            0 => "accept".to_owned(),
            1 => "x-request-id".to_owned(),
            2 => "Set-Cookie".to_owned(),
            _ => format!("X-{}", step[0]),
        };
        let name = Name::new(&text);
        let lower = text.to_ascii_lowercase();
        match step[1] % 4 {
            0 => {
                list.append(name, vec![step[2]]);
                model.push((lower, step[2]));
            }
            1 => {
                list.set(name, vec![step[2]]);
                match model.iter().position(|(known, _)| *known == lower) {
                    Some(first) => {
                        model[first].1 = step[2];
                        let mut index = 0;
                        model.retain(|(known, _)| {
                            index += 1;
                            index <= first + 1 || *known != lower
                        });
                    }
                    None => model.push((lower, step[2])),
                }
            }
            2 => {
                let had = model.iter().any(|(known, _)| *known == lower);
                assert_eq!(list.remove(&name), had);
                model.retain(|(known, _)| *known != lower);
            }
            _ => {
                let first = model.iter().find(|(known, _)| *known == lower).map(|(_, value)| *value);
                assert_eq!(list.get(&name).map(|value| value[0]), first);
                assert_eq!(list.get_str(&lower).map(|value| value[0]), first);
            }
        }
    }
    let seen: Vec<_> = list.iter().map(|line| (line.name.as_str().to_owned(), line.value[0])).collect();
    assert_eq!(seen, model);
}

/// The other end of an in-memory stream, without a runtime.
pub(super) struct Peer(tokio::io::DuplexStream);

pub(super) fn memory() -> (Peer, Stream) {
    let (peer, ours) = tokio::io::duplex(1 << 18);
    (Peer(peer), Stream::new(Io::Memory(ours)))
}

impl Peer {
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = std::pin::Pin::new(&mut self.0).poll_write(&mut context, bytes);
    }

    pub(super) fn drain(&mut self) -> Vec<u8> {
        let mut context = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        let mut space = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match std::pin::Pin::new(&mut self.0).poll_read(&mut context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => all.extend_from_slice(buffer.filled()),
                _ => return all,
            }
        }
    }
}
