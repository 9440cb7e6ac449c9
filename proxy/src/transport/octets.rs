//! A stream whose octets are counted for the one connection that it carries, whoever reads and writes it. Made by `listener` where its log
//! wants to know; a stream without one knows nothing of it. It never looks at what passes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Io, Stream};

/// Octets that were read, and those that were written.
pub type Octets = Arc<[AtomicU64; 2]>;

/// A stream that counts.
#[derive(Debug)]
pub struct Counting {
    stream: Stream,
    octets: Octets,
}

impl Stream {
    /// The stream, with its octets counted there as well, those that were read before when they are read again.
    pub fn counting(self, octets: Octets) -> Stream {
        Stream::new(Io::Counting(Box::new(Counting { stream: self, octets })))
    }
}

impl Counting {
    /// What is behind it.
    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    fn written(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &result {
            self.octets[1].fetch_add(*count as u64, Relaxed);
        }
        result
    }
}

impl AsyncRead for Counting {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, out);
        self.octets[0].fetch_add((out.filled().len() - before) as u64, Relaxed);
        result
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, data);
        self.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
