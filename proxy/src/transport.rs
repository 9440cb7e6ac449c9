//! A connection's byte stream, whatever carries it. Made by `listener`, `tls` and `cluster`; read and written by `http` and `tcp`.
//! It never parses what passes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection's byte stream. Bytes that listener filters have read already come first.
#[derive(Debug)]
pub struct Stream {
    prefix: Bytes,
    io: Io,
}

/// What carries the bytes.
#[derive(Debug)]
pub enum Io {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A Unix domain socket.
    Unix(UnixStream),
    /// TLS, server side.
    TlsServer(Box<tokio_rustls::server::TlsStream<Box<Stream>>>),
    /// TLS, client side.
    TlsClient(Box<tokio_rustls::client::TlsStream<Box<Stream>>>),
    /// An in-memory pipe, for tests.
    Memory(DuplexStream),
}

impl Stream {
    /// A stream with nothing read from it yet.
    pub fn new(io: Io) -> Stream {
        Stream { prefix: Bytes::new(), io }
    }

    /// A stream from which `prefix` was read and must be read again.
    pub fn with_prefix(prefix: Bytes, io: Io) -> Stream {
        Stream { prefix, io }
    }

    /// Bytes that were read before and come first.
    pub fn unspent(&self) -> &[u8] {
        &self.prefix
    }

    /// What carries it.
    pub fn io(&self) -> &Io {
        &self.io
    }

    /// The stream with `bytes`, which were read from it, put back to be read again.
    pub fn unread(self, bytes: Bytes) -> Stream {
        if self.prefix.is_empty() || bytes.is_empty() {
            let prefix = if bytes.is_empty() { self.prefix } else { bytes };
            return Stream { prefix, io: self.io };
        }
        Stream { prefix: [bytes, self.prefix].concat().into(), io: self.io }
    }

    /// The parts: bytes still to be read first, and what carries the rest.
    pub fn into_parts(self) -> (Bytes, Io) {
        (self.prefix, self.io)
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        Stream::new(Io::Tcp(stream))
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let length = self.prefix.len().min(out.remaining());
            out.put_slice(&self.prefix[..length]);
            self.prefix.advance(length);
            return Poll::Ready(Ok(()));
        }
        match &mut self.io {
            Io::Tcp(io) => Pin::new(io).poll_read(cx, out),
            Io::Unix(io) => Pin::new(io).poll_read(cx, out),
            Io::TlsServer(io) => Pin::new(io).poll_read(cx, out),
            Io::TlsClient(io) => Pin::new(io).poll_read(cx, out),
            Io::Memory(io) => Pin::new(io).poll_read(cx, out),
        }
    }
}

macro_rules! each {
    ($self:expr, $io:ident => $call:expr) => {
        match &mut $self.io {
            Io::Tcp($io) => $call,
            Io::Unix($io) => $call,
            Io::TlsServer($io) => $call,
            Io::TlsClient($io) => $call,
            Io::Memory($io) => $call,
        }
    };
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, data))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Tcp(io) => io.is_write_vectored(),
            Io::Unix(io) => io.is_write_vectored(),
            Io::TlsServer(io) => io.is_write_vectored(),
            Io::TlsClient(io) => io.is_write_vectored(),
            Io::Memory(io) => io.is_write_vectored(),
        }
    }
}
