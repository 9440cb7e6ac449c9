//! The read and the write buffer of one HTTP/1 connection. Their memory is lent by the worker while bytes are in flight and goes
//! back when the connection falls idle, so that an idle connection holds none. Called by `server` and `client` only.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use crate::transport::Stream;

/// Bytes read and not yet understood.
#[derive(Debug, Default)]
pub(in crate::wire) struct ReadBuffer {
    bytes: BytesMut,
    eof: bool,
    /// Octets that were ever read.
    filled: u64,
}

impl ReadBuffer {
    /// What was read, for the decoder to consume from the front.
    pub(in crate::wire) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Octets waiting.
    pub(in crate::wire) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Octets that were ever taken out.
    pub(in crate::wire) fn consumed(&self) -> u64 {
        self.filled - self.bytes.len() as u64
    }

    /// Whether the peer has ended its direction.
    pub(in crate::wire) fn eof(&self) -> bool {
        self.eof
    }

    /// Reads once. Ready with 0 at the end of the stream.
    pub(in crate::wire) fn poll_fill(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.eof {
            return Poll::Ready(Ok(0));
        }
        if stream.poll_readable(cx).is_pending() {
            self.release();
            return Poll::Pending;
        }
        self.make_room();
        let result = poll_read_buf(Pin::new(stream), cx, &mut self.bytes);
        match result {
            Poll::Ready(Ok(0)) => self.eof = true,
            Poll::Ready(Ok(count)) => self.filled += count as u64,
            _ => {}
        }
        if !matches!(result, Poll::Ready(Ok(1..))) {
            self.release();
        }
        result
    }

    /// Gives the memory back when nothing waits in it, or so little that it is copied: who waits may wait long.
    pub(in crate::wire) fn release(&mut self) {
        if self.bytes.is_empty() {
            if self.bytes.capacity() > 0 {
                give_back(std::mem::take(&mut self.bytes));
            }
        } else if self.bytes.len() <= LITTLE {
            self.keep_little();
        }
    }

    #[cold]
    fn keep_little(&mut self) {
        if self.bytes.capacity() > 2 * LITTLE {
            let little = BytesMut::from(&self.bytes[..]);
            give_back(std::mem::replace(&mut self.bytes, little));
        }
    }

    /// Takes all bytes out, e.g. when the connection stops being HTTP.
    pub(in crate::wire) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).freeze()
    }

    fn make_room(&mut self) {
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare >= BUFFER / 2 || self.bytes.try_reclaim(BUFFER / 2) {
            return;
        }
        if self.bytes.len() <= LITTLE {
            let little = std::mem::replace(&mut self.bytes, take());
            self.bytes.extend_from_slice(&little);
        } else {
            self.bytes.reserve(BUFFER);
        }
    }
}

/// Bytes to be written: text and small bodies copied together, larger pieces queued as they are.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    queue: VecDeque<Bytes>,
    queued: usize,
    flat: BytesMut,
    flushed: bool,
    /// Octets that were ever written.
    written: u64,
}

impl WriteBuffer {
    /// Where heads and chunk framing are written to.
    pub(super) fn text(&mut self) -> &mut BytesMut {
        self.flushed = false;
        if self.flat.capacity() == 0 {
            self.flat = take();
        }
        &mut self.flat
    }

    /// Adds a piece of a body.
    pub(super) fn push(&mut self, data: Bytes) {
        if data.len() <= COPY_LIMIT {
            self.text().extend_from_slice(&data);
            return;
        }
        self.flushed = false;
        if !self.flat.is_empty() {
            let text = self.flat.split().freeze();
            self.queued += text.len();
            self.queue.push_back(text);
        }
        self.queued += data.len();
        self.queue.push_back(data);
    }

    /// Octets waiting.
    pub(super) fn len(&self) -> usize {
        self.queued + self.flat.len()
    }

    /// Octets that were ever put in.
    pub(super) fn total(&self) -> u64 {
        self.written + self.len() as u64
    }

    /// Writes and flushes everything.
    pub(super) fn poll_drain(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.len() > 0 {
            ready!(self.poll_write(stream, cx))?;
        }
        if !self.flushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes until at most `limit` octets wait.
    pub(super) fn poll_below(
        &mut self,
        limit: usize,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.len() > limit {
            ready!(self.poll_write(stream, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Forgets what was not written.
    pub(super) fn discard(&mut self) {
        self.queue.clear();
        self.queued = 0;
        self.flat = BytesMut::new();
        self.flushed = true;
    }

    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = if self.queue.is_empty() {
            ready!(Pin::new(stream).poll_write(cx, &self.flat))?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let pieces = self.queue.iter().map(|piece| &piece[..]).chain([&self.flat[..]]);
            let count = slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count();
            ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..count]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.written += written as u64;
        self.consume(written);
        Poll::Ready(Ok(()))
    }

    fn consume(&mut self, mut written: usize) {
        while let Some(first) = self.queue.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.queued -= written;
                return;
            }
            written -= first.len();
            self.queued -= first.len();
            self.queue.pop_front();
        }
        self.flat.advance(written);
        if self.flat.is_empty() {
            give_back(std::mem::take(&mut self.flat));
            if self.queue.capacity() > SLICES {
                self.queue = VecDeque::new();
            }
        }
    }
}

/// Size of one lent buffer.
const BUFFER: usize = 16 * 1024;
/// What waits in a lent buffer and is no more than this keeps none.
const LITTLE: usize = 1024;
/// Body pieces up to this size are copied behind the head instead of being written from where they are.
const COPY_LIMIT: usize = 4 * 1024;
/// Pieces given to one `writev`.
const SLICES: usize = 16;
/// Buffers a worker keeps for its connections.
const KEPT: usize = 32;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

pub(in crate::wire) fn take() -> BytesMut {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(BUFFER))
}

/// Keeps the buffer for the next connection, unless something still refers to its memory or it has grown.
pub(in crate::wire) fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.try_reclaim(BUFFER) && buffer.capacity() <= 2 * BUFFER {
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < KEPT {
                spare.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests;
