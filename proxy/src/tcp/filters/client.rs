//! The client of a connection that waits in a filter: whether it goes meanwhile. Nobody reads the stream then; only reading tells. Called by
//! `run` and `first`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

use super::run::Closed;
use crate::failure::ResponseFlags;
use crate::transport::Stream;

/// Octets that are read at a time.
const PIECE: usize = 4 * 1024;
/// Octets that are read while a filter waits.
const MOST: usize = 64 * 1024;
/// Between two looks at a client of whom nothing more is read.
const LOOK: Duration = Duration::from_secs(1);

/// What is known of the client.
pub(super) struct Client {
    /// That it says no more is nothing to close for.
    half_open: bool,
    /// It says no more.
    has_ended: bool,
    look: Option<Pin<Box<Sleep>>>,
}

impl Client {
    pub fn new(half_open: bool) -> Client {
        Client { half_open, has_ended: false, look: None }
    }

    /// Whether the stream was read to its end.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Reads a piece to the end of `octets`; at the end of the stream there is none.
    pub fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        octets: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        let mut space = [0; PIECE];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(stream).poll_read(cx, &mut piece))?;
        self.has_ended = piece.filled().is_empty();
        octets.extend_from_slice(piece.filled());
        Poll::Ready(Ok(()))
    }

    /// Ready when it has gone, with what reading then says. What it says meanwhile is added to `octets`, within limits.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>, stream: &mut Stream, octets: &mut BytesMut) -> Poll<io::Error> {
        while !self.has_ended && octets.len() < MOST {
            if let Err(error) = ready!(self.poll_piece(cx, stream, octets)) {
                return Poll::Ready(error);
            }
            if self.has_ended && !self.half_open {
                return Poll::Ready(gone());
            }
        }
        loop {
            let look = self.look.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK)));
            ready!(look.as_mut().poll(cx));
            self.look = None;
            let has_gone = if self.half_open { stream.is_reset() } else { stream.has_peer_left() };
            if has_gone {
                return Poll::Ready(gone());
            }
        }
    }
}

fn gone() -> io::Error {
    Closed { flags: ResponseFlags::NONE, by_client: true }.into()
}
