//! The socket of a connection: reads from it into `connection`, writes out what that has to say, and keeps both alive. Polled by the
//! connection's task of either side, `server` and `client`.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::time::Instant;

use super::connection::Connection;
use super::keepalive::Keepalive;
use super::outbox::SLICES;
use super::stream::Lost;
use super::{ConnectionError, Settings};
use crate::transport::Stream;
use crate::wire::h1::buffers::ReadBuffer;

/// See above.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    input: ReadBuffer,
    flushed: bool,
    keepalive: Option<Keepalive>,
}

/// What reading has come to.
pub(super) enum Read {
    /// There may be more.
    More,
    /// The peer has closed its direction, between two frames.
    Ended,
}

impl Link {
    pub(super) fn new(stream: Stream, settings: &Settings) -> Link {
        Link { stream, input: ReadBuffer::default(), flushed: true, keepalive: Keepalive::new(settings) }
    }

    /// The peer has closed its direction.
    pub(super) fn is_ended_by_peer(&self) -> bool {
        self.input.eof()
    }

    /// Reads once and takes in what has come.
    pub(super) fn poll_read(
        &mut self,
        connection: &RefCell<Connection>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Read, ConnectionError>> {
        let read = ready!(self.input.poll_fill(&mut self.stream, cx))?;
        let connection = &mut *connection.borrow_mut();
        if read == 0 {
            if self.input.len() > 0 || !connection.is_between_frames() {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
            }
            return Poll::Ready(Ok(Read::Ended));
        }
        connection.at(Instant::now());
        match connection.receive(self.input.bytes()) {
            Ok(()) => Poll::Ready(Ok(Read::More)),
            Err(fatal) => Poll::Ready(Err(connection.fail(fatal))),
        }
    }

    /// Writes out all that is said. `Ready(Ok)`: nothing is left.
    pub(super) fn poll_write(
        &mut self,
        connection: &RefCell<Connection>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        let connection = &mut *connection.borrow_mut();
        connection.pump();
        while !connection.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = connection.outbox.slices(&mut slices);
            let stream = Pin::new(&mut self.stream);
            let written = match &slices[..count] {
                [only] => stream.poll_write(cx, only),
                all => stream.poll_write_vectored(cx, all),
            };
            self.flushed = false;
            let Poll::Ready(written) = written? else {
                if let Err(flood) = connection.check_outbound() {
                    return Poll::Ready(Err(connection.fail(flood)));
                }
                return Poll::Pending;
            };
            if written == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
            }
            connection.outbox.advance(written);
            connection.written();
            connection.pump();
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the peer does not answer any more.
    pub(super) fn poll_dead(
        &mut self,
        connection: &RefCell<Connection>,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionError> {
        let Some(keepalive) = &mut self.keepalive else { return Poll::Pending };
        let connection = &mut *connection.borrow_mut();
        ready!(keepalive.poll_dead(connection, cx));
        connection.stats.keepalive_timeout.inc();
        Poll::Ready(ConnectionError::PingTimeout)
    }

    /// Writes out what is left and ends our direction.
    pub(super) fn poll_close(
        &mut self,
        connection: &RefCell<Connection>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        ready!(self.poll_write(connection, cx))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }

    /// The connection is over for this reason: its streams are, and what can be written at once is.
    pub(super) fn over(
        &mut self,
        connection: &RefCell<Connection>,
        why: Option<&ConnectionError>,
        cx: &mut Context<'_>,
    ) {
        let text = why.map_or_else(|| "connection closed".into(), |error| error.to_string().into());
        connection.borrow_mut().close(text, Lost::Closed);
        if !matches!(why, Some(ConnectionError::Io(_) | ConnectionError::PingTimeout)) {
            let _ = self.poll_close(connection, cx);
        }
        connection.borrow_mut().outbox.discard();
    }
}
