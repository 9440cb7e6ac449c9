//! A connection's byte stream, whatever carries it. Made by `listener`, `tls` and `cluster`; read and written by `http` and `tcp`.
//! It never parses what passes.

mod ahead;
mod front;
mod gate;
mod socket;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::stats::Counter;

pub use front::Front;
pub use gate::{Gate, Gated};

/// A connection's byte stream. Bytes that listener filters have read already come first.
#[derive(Debug)]
pub struct Stream {
    prefix: Bytes,
    io: Io,
    ahead: ReadAhead,
    counts: ByteCounts,
    tally: Option<Arc<Tally>>,
    /// Who takes the first octets. Boxed, for few connections have one.
    front: Option<Box<front::Waiting>>,
}

/// What counts the octets that pass, as the reader and the writer see them: under TLS, those of the plain text.
#[derive(Debug, Clone, Copy)]
pub struct ByteCounts {
    /// Those that are read.
    pub read: Counter,
    /// Those that are written.
    pub written: Counter,
}

impl ByteCounts {
    /// Nobody counts.
    pub const NONE: ByteCounts = ByteCounts { read: Counter::NONE, written: Counter::NONE };
}

/// Octets of one connection that were read and written, as they are counted.
#[derive(Debug, Default)]
pub struct Tally {
    read: AtomicU64,
    written: AtomicU64,
}

impl Tally {
    /// So far: read, and written.
    pub fn so_far(&self) -> (u64, u64) {
        (self.read.load(Relaxed), self.written.load(Relaxed))
    }

    /// One thread at a time moves the octets of a connection.
    fn add(total: &AtomicU64, octets: usize) {
        total.store(total.load(Relaxed) + octets as u64, Relaxed);
    }
}

/// Whether more is read from a socket than was asked for. The TLS library asks for 4 KiB at a time: four calls for each large record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadAhead {
    /// Never.
    Off,
    /// As soon as a read fills what it was given: then there is more.
    Watching,
    /// Now.
    On,
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
    /// Any of these, read by way of a gate.
    Gated(Box<Gated>),
    /// An in-memory pipe, for tests.
    Memory(DuplexStream),
}

impl Stream {
    /// A stream with nothing read from it yet.
    pub fn new(io: Io) -> Stream {
        Stream::with_prefix(Bytes::new(), io)
    }

    /// A stream from which `prefix` was read and must be read again.
    pub fn with_prefix(prefix: Bytes, io: Io) -> Stream {
        Stream { prefix, io, ahead: ReadAhead::Off, counts: ByteCounts::NONE, tally: None, front: None }
    }

    /// Bytes that were read before and come first.
    pub fn unspent(&self) -> &[u8] {
        &self.prefix
    }

    /// Closing sends a reset if octets were read that nobody took: Envoy only peeks at what it inspects, and closing with unread octets
    /// resets.
    pub fn reset_if_unread(&self) {
        if !self.prefix.is_empty()
            && let Some(socket) = self.tcp_socket()
        {
            let _ = socket2::SockRef::from(socket).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    /// What carries it.
    pub fn io(&self) -> &Io {
        &self.io
    }

    /// The TCP socket at the bottom.
    pub fn tcp_socket(&self) -> Option<&TcpStream> {
        match &self.io {
            Io::Tcp(socket) => Some(socket),
            Io::TlsServer(stream) => stream.get_ref().0.tcp_socket(),
            Io::TlsClient(stream) => stream.get_ref().0.tcp_socket(),
            Io::Gated(gated) => gated.stream().tcp_socket(),
            Io::Unix(_) | Io::Memory(_) => None,
        }
    }

    /// Whether the peer is known to have gone, behind octets that nobody has read yet: reading would tell only after those.
    pub fn has_peer_left(&self) -> bool {
        self.tcp_socket().is_some_and(socket::has_peer_left)
    }

    /// Whether the peer has reset it.
    pub fn is_reset(&self) -> bool {
        self.tcp_socket().is_some_and(socket::is_reset)
    }

    /// The stream as the TLS library reads it: in bulk it reads more at a time than the library asks for.
    pub fn under_tls(self) -> Stream {
        let ahead = if matches!(self.io, Io::Tcp(_)) { ReadAhead::Watching } else { ReadAhead::Off };
        Stream { ahead, ..self }
    }

    /// The stream, from now on with its octets counted: those that are put back or taken first as well, when they are read again.
    /// Who moves octets past [`Io`] counts them himself.
    pub fn counted(self, counts: ByteCounts) -> Stream {
        if let Some(tally) = &self.tally {
            tally.read.store(0, Relaxed);
            tally.written.store(0, Relaxed);
        }
        Stream { counts, ..self }
    }

    /// The same, added up for this one connection.
    pub fn tallied(self, tally: Option<Arc<Tally>>) -> Stream {
        Stream { tally, ..self }
    }

    /// Whether it is worth reading; if not, `cx` is woken when it may be. Spares a caller the preparing of a buffer, and the TLS library
    /// a reading in vain.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.quiet_socket() {
            // An error shows in reading.
            Some(socket) => socket.poll_read_ready(cx).map(drop),
            None => Poll::Ready(()),
        }
    }

    /// Whether there is nothing to read, as far as the system has told; `false` also where only reading can tell. Nobody is woken.
    pub fn is_quiet(&self) -> bool {
        self.quiet_socket().is_some()
    }

    /// The socket that has to tell of something before there is anything to read.
    fn quiet_socket(&self) -> Option<&TcpStream> {
        if !self.prefix.is_empty() || self.front.is_some() {
            return None;
        }
        match &self.io {
            Io::Tcp(io) => socket::is_quiet(io).then_some(io),
            // The library has neither text nor the end in hand: it has looked at every whole record that it has.
            Io::TlsServer(io) if io.get_ref().1.wants_read() => io.get_ref().0.quiet_socket(),
            Io::TlsClient(io) if io.get_ref().1.wants_read() => io.get_ref().0.quiet_socket(),
            Io::TlsServer(_) | Io::TlsClient(_) | Io::Unix(_) | Io::Gated(_) | Io::Memory(_) => None,
        }
    }

    /// The stream with `bytes`, which were read from it, put back to be read again.
    pub fn unread(mut self, bytes: Bytes) -> Stream {
        self.put_back(bytes);
        self
    }

    /// Puts `bytes`, which were read from it, back to be read again.
    pub fn put_back(&mut self, bytes: Bytes) {
        if self.prefix.is_empty() {
            self.prefix = bytes;
        } else if !bytes.is_empty() {
            self.prefix = [&bytes[..], &self.prefix].concat().into();
        }
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
        if self.front.is_some() {
            ready!(self.poll_front(cx))?;
        }
        let before = out.filled().len();
        let result = self.poll_read_uncounted(cx, out);
        let read = out.filled().len() - before;
        if read > 0 {
            self.counts.read.add(read as u64);
            if let Some(tally) = &self.tally {
                Tally::add(&tally.read, read);
            }
        }
        result
    }
}

impl Stream {
    fn poll_read_uncounted(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let length = self.prefix.len().min(out.remaining());
            out.put_slice(&self.prefix[..length]);
            self.prefix.advance(length);
            if self.prefix.is_empty() {
                // What is empty holds its buffer still: that goes back to the thread.
                self.prefix = Bytes::new();
            }
            return Poll::Ready(Ok(()));
        }
        if self.ahead == ReadAhead::On {
            return self.poll_read_ahead(cx, out);
        }
        match &mut self.io {
            Io::Tcp(io) => {
                let result = socket::poll_receive(io, cx, out);
                if self.ahead == ReadAhead::Watching && out.remaining() == 0 {
                    self.ahead = ReadAhead::On;
                }
                result
            }
            Io::Unix(io) => Pin::new(io).poll_read(cx, out),
            Io::TlsServer(io) => Pin::new(io).poll_read(cx, out).map(end_without_notice),
            Io::TlsClient(io) => Pin::new(io).poll_read(cx, out).map(end_without_notice),
            Io::Gated(io) => Pin::new(io).poll_read(cx, out),
            Io::Memory(io) => Pin::new(io).poll_read(cx, out),
        }
    }

    fn count_written(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = &result {
            self.counts.written.add(*written as u64);
            if let Some(tally) = &self.tally {
                Tally::add(&tally.written, *written);
            }
        }
        result
    }
}

/// A TLS peer that closes its socket without a close_notify has ended its side, as Envoy has it. Who must know whether a message is
/// whole has its length or its last chunk.
fn end_without_notice(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        result => result,
    }
}

impl Stream {
    /// Reads as much as the socket has; what `out` does not hold comes first next time.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Io::Tcp(io) = &mut self.io else { return Poll::Ready(Ok(())) };
        let mut scratch = ahead::Scratch::take();
        ready!(scratch.fill(|buffer| socket::poll_receive(io, cx, buffer)))?;
        scratch.spend(out);
        if scratch.is_empty() {
            self.ahead = ReadAhead::Watching;
        } else {
            self.prefix = scratch.left();
        }
        Poll::Ready(Ok(()))
    }
}

macro_rules! each {
    ($self:expr, $io:ident => $call:expr) => {
        match &mut $self.io {
            Io::Tcp($io) => $call,
            Io::Unix($io) => $call,
            Io::TlsServer($io) => $call,
            Io::TlsClient($io) => $call,
            Io::Gated($io) => $call,
            Io::Memory($io) => $call,
        }
    };
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = match &mut self.io {
            Io::Tcp(io) => socket::poll_send(io, cx, data),
            Io::Unix(io) => Pin::new(io).poll_write(cx, data),
            Io::TlsServer(io) => Pin::new(io).poll_write(cx, data),
            Io::TlsClient(io) => Pin::new(io).poll_write(cx, data),
            Io::Gated(io) => Pin::new(io).poll_write(cx, data),
            Io::Memory(io) => Pin::new(io).poll_write(cx, data),
        };
        self.count_written(result)
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
        let result = each!(self, io => Pin::new(io).poll_write_vectored(cx, slices));
        self.count_written(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Tcp(io) => io.is_write_vectored(),
            Io::Unix(io) => io.is_write_vectored(),
            Io::TlsServer(io) => io.is_write_vectored(),
            Io::TlsClient(io) => io.is_write_vectored(),
            Io::Gated(io) => io.is_write_vectored(),
            Io::Memory(io) => io.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests;
