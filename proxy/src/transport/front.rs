//! Octets that come before a stream's own, and are somebody else's: whoever they are for takes them off before the reader sees
//! anything. Called by [`Stream`] when it is read.

use std::fmt::Debug;
use std::io;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::ReadBuf;

use super::Stream;

/// Takes its own octets off the front of a stream. Streams change threads.
pub trait Front: Debug + Send {
    /// Takes what is its own off the octets that have come so far; `ended`: no more will. True when it has all that it wants: what is
    /// left of the octets is the reader's.
    fn take(&mut self, octets: &mut BytesMut, ended: bool) -> bool;
}

/// A front that waits for its octets.
#[derive(Debug)]
pub(super) struct Waiting {
    front: Box<dyn Front>,
    octets: BytesMut,
}

/// Octets that are read at a time.
const PIECE: usize = 4 * 1024;

impl Stream {
    /// The stream, whose first octets `front` takes.
    pub fn behind(mut self, front: Box<dyn Front>) -> Stream {
        self.front = Some(Box::new(Waiting { front, octets: BytesMut::new() }));
        self
    }

    /// Reads until the front has its octets; what is left of them comes first.
    pub(super) fn poll_front(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(mut waiting) = self.front.take() {
            let mut space = [0; PIECE];
            let mut piece = ReadBuf::new(&mut space);
            let Poll::Ready(read) = self.poll_read_uncounted(cx, &mut piece) else {
                self.front = Some(waiting);
                return Poll::Pending;
            };
            read?;
            let ended = piece.filled().is_empty();
            waiting.octets.extend_from_slice(piece.filled());
            if waiting.front.take(&mut waiting.octets, ended) || ended {
                self.put_back(waiting.octets.freeze());
            } else {
                self.front = Some(waiting);
            }
        }
        Poll::Ready(Ok(()))
    }
}
