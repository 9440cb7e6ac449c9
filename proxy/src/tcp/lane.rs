//! One direction of a relay: from one side to the other until its end, which is passed on as a half-close.
//! Plain TCP on both sides is spliced in the kernel; anything else goes through the thread's scratch buffer. An idle lane holds no buffer.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::pipes;
use crate::sys::{self, Pipe};
use crate::transport::{Io, Stream};

/// Octets of a lane's turn, after which the worker's other connections get theirs. Also of the scratch buffer.
pub(super) const TURN: usize = 256 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What lanes read and write.
pub(super) trait Side: AsyncRead + AsyncWrite + Unpin {
    /// The socket, where all that comes next may be read from it.
    fn readable_socket(&self) -> Option<&TcpStream> {
        None
    }

    /// The socket, where it may be written to.
    fn writable_socket(&self) -> Option<&TcpStream> {
        None
    }
}

impl Side for Stream {
    fn readable_socket(&self) -> Option<&TcpStream> {
        if self.unspent().is_empty() { self.writable_socket() } else { None }
    }

    fn writable_socket(&self) -> Option<&TcpStream> {
        if let Io::Tcp(socket) = self.io() { Some(socket) } else { None }
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Octets passed on.
    pub moved: u64,
    state: State,
    /// Read and not written yet (copying).
    pending: Bytes,
    /// Holds `piped` octets that are read and not written yet (splicing).
    pipe: Option<Pipe>,
    piped: usize,
    /// The source failed after bytes that are still to be written.
    failed: Option<io::Error>,
    /// Splicing did not work here.
    copies: bool,
    needs_flush: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Bytes may come.
    #[default]
    Open,
    /// The source has ended; what was read is written, then the end is passed on.
    Ended,
    /// The end has been passed on.
    Done,
}

/// Which side failed.
#[derive(Debug)]
pub(super) enum LaneError {
    /// Reading from the source.
    Read(io::Error),
    /// Writing to the target.
    Write(io::Error),
}

impl Lane {
    /// Whether the end has been passed on.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether all that was read has been written.
    pub fn is_written(&self) -> bool {
        self.pending.is_empty() && self.piped == 0 && !self.needs_flush
    }

    /// Moves what can be moved. Ready when the end has been passed on.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        to: &mut impl Side,
    ) -> Poll<Result<(), LaneError>> {
        let begun = self.moved;
        while self.moved - begun < TURN as u64 {
            ready!(self.poll_write_out(cx, to)).map_err(LaneError::Write)?;
            if let Some(error) = self.failed.take() {
                return Poll::Ready(Err(LaneError::Read(error)));
            }
            match self.state {
                State::Open => {}
                State::Ended => {
                    let result = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                    self.state = State::Done;
                    // The target may have closed on its own: its other lane tells.
                    return Poll::Ready(result.or_else(ignore_not_connected).map_err(LaneError::Write));
                }
                State::Done => return Poll::Ready(Ok(())),
            }
            let read = match (from.readable_socket(), to.writable_socket()) {
                (Some(source), Some(_)) if !self.copies => self.poll_splice_in(cx, source),
                _ => self.poll_copy(cx, from, to),
            };
            match read {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    // rustls may hold records that the socket did not take.
                    if self.needs_flush {
                        self.needs_flush = Pin::new(&mut *to).poll_flush(cx).map_err(LaneError::Write)?.is_pending();
                    }
                    return Poll::Pending;
                }
            }
        }
        // The next turn comes when the others had theirs: also those of whom only the system knows by now that they can go on. A task that
        // wakes itself at once would be run dozens of times before the system is asked again.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
        Poll::Pending
    }

    /// Writes what has been read before.
    fn poll_write_out(&mut self, cx: &mut Context<'_>, to: &mut impl Side) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.pending))?;
            self.count_written(written)?;
            self.pending.advance(written);
        }
        self.pending = Bytes::new();
        while self.piped > 0 {
            let (Some(pipe), Some(target)) = (&self.pipe, to.writable_socket()) else { return Poll::Ready(Ok(())) };
            ready!(target.poll_write_ready(cx))?;
            match target.try_io(Interest::WRITABLE, || sys::splice(&pipe.read, target, self.piped)) {
                Ok(moved) => {
                    self.piped -= moved.min(self.piped);
                    self.moved += moved as u64;
                    if moved == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if let Some(pipe) = self.pipe.take() {
            pipes::give_back(pipe);
        }
        Poll::Ready(Ok(()))
    }

    /// Fills a pipe from the source. The pipe is empty: what was in it has been written.
    fn poll_splice_in(&mut self, cx: &mut Context<'_>, source: &TcpStream) -> Poll<Result<(), LaneError>> {
        ready!(source.poll_read_ready(cx)).map_err(LaneError::Read)?;
        let Some(pipe) = pipes::lend() else {
            self.copies = true;
            return Poll::Ready(Ok(()));
        };
        match source.try_io(Interest::READABLE, || sys::splice(source, &pipe.write, pipe.capacity.min(TURN))) {
            Ok(0) => {
                self.state = State::Ended;
                pipes::give_back(pipe);
            }
            Ok(moved) => (self.piped, self.pipe) = (moved, Some(pipe)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pipes::give_back(pipe),
            // Not these sockets, not in this sandbox.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EPERM)) => {
                self.copies = true;
            }
            Err(error) => return Poll::Ready(Err(LaneError::Read(error))),
        }
        Poll::Ready(Ok(()))
    }

    /// Fills the thread's buffer and writes from it at once; only what the target does not take is kept.
    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        to: &mut impl Side,
    ) -> Poll<Result<(), LaneError>> {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(TURN, 0);
            let mut target = ReadBuf::new(buffer);
            ready!(self.poll_fill(cx, from, &mut target)).map_err(LaneError::Read)?;
            let mut read = target.filled();
            while !read.is_empty() {
                match Pin::new(&mut *to).poll_write(cx, read).map_err(LaneError::Write)? {
                    Poll::Ready(written) => {
                        self.count_written(written).map_err(LaneError::Write)?;
                        read = &read[written..];
                    }
                    Poll::Pending => {
                        self.pending = Bytes::copy_from_slice(read);
                        break;
                    }
                }
            }
            Poll::Ready(Ok(()))
        })
    }

    /// Reads until the buffer is full or the source has no more for now: TLS gives one record at a time, and many go into one write.
    fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Side,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while target.remaining() > 0 {
            let before = target.filled().len();
            match Pin::new(&mut *from).poll_read(cx, target) {
                Poll::Ready(Ok(())) if target.filled().len() == before => {
                    self.state = State::Ended;
                    break;
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) if before == 0 => return Poll::Ready(Err(error)),
                Poll::Ready(Err(error)) => {
                    self.failed = Some(error);
                    break;
                }
                Poll::Pending if before == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn count_written(&mut self, written: usize) -> io::Result<()> {
        self.moved += written as u64;
        self.needs_flush = true;
        if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }
}

fn ignore_not_connected(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotConnected => Ok(()),
        _ => Err(error),
    }
}
