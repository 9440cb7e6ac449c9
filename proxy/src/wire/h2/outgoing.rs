//! The body of a message on its way into `h2`, which keeps a record of some hundred octets for each piece it is given, however small.
//! So small pieces are joined while others wait: what a stream holds has its bound in octets and in pieces. Both sides use it.

use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream};

use super::shared_io::SharedIo;
use super::{convert, stream_error};
use crate::wire::codec::StreamError;
use crate::wire::headers::Headers;

/// A message of which the head has been sent.
pub(super) struct Outgoing {
    send: SendStream<Bytes>,
    id: u32,
    io: SharedIo,
    tail: Tail,
    ended: bool,
}

/// What `h2` has not been given yet: less than [`LARGE`].
#[derive(Default)]
struct Tail {
    /// A single piece, as it came.
    first: Bytes,
    /// Several, copied together.
    joined: BytesMut,
}

/// Pieces below this are joined.
const SMALL: usize = 4 * 1024;
/// Joined pieces are given on at this size.
const LARGE: usize = 16 * 1024;
/// Octets of one stream that may wait.
const LIMIT: usize = 64 * 1024;
/// Waiting senders go on when so many are left.
const LOW: usize = LIMIT / 2;

impl Outgoing {
    /// The head has been sent, with `ended` as the end.
    pub(super) fn new(send: SendStream<Bytes>, io: SharedIo, ended: bool) -> Outgoing {
        Outgoing { id: send.stream_id().as_u32(), send, io, tail: Tail::default(), ended }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Ready when more may be sent.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if self.ended || self.io.progress(|progress| progress.queued(self.id)) + self.tail.len() < LIMIT {
            return Poll::Ready(Ok(()));
        }
        self.io.progress(|progress| progress.watch(self.id, LOW, cx));
        self.poll_lost(cx).map(Err)
    }

    /// Takes a piece of the body; with `end` it is the last.
    pub(super) fn push(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        if self.ended {
            return Err(StreamError::Io("the message is complete".into()));
        }
        if data.len() >= SMALL {
            if !self.tail.is_empty() {
                self.hand_tail(false)?;
            }
            return self.hand(data, end);
        }
        self.tail.join(data);
        if end || self.tail.len() >= LARGE {
            return self.hand_tail(end);
        }
        Ok(())
    }

    /// Ends the message with trailers.
    pub(super) fn trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        if self.ended {
            return Err(StreamError::Io("the message is complete".into()));
        }
        if !self.tail.is_empty() {
            self.hand_tail(false)?;
        }
        self.ended = true;
        let sent = self.send.send_trailers(convert::map(trailers));
        sent.map_err(|error| self.why(&error))
    }

    /// Gives the joined pieces on, unless earlier ones still wait: then they may be joined by more. Ready when none is left here.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if self.tail.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.io.progress(|progress| progress.queued(self.id)) == 0 {
            return Poll::Ready(self.hand_tail(false));
        }
        self.tail.own();
        self.io.progress(|progress| progress.watch(self.id, 0, cx));
        self.poll_lost(cx).map(Err)
    }

    /// Ready when the last octet has been written to the socket, or never will be.
    pub(super) fn poll_delivered(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if self.io.progress(|progress| progress.is_delivered(self.id)) {
            return Poll::Ready(Ok(()));
        }
        self.io.progress(|progress| progress.watch(self.id, 0, cx));
        self.poll_lost(cx).map(Err)
    }

    /// Ready when the peer has reset the stream or the connection is over.
    pub(super) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        match self.send.poll_reset(cx) {
            Poll::Ready(Ok(reason)) => Poll::Ready(StreamError::Reset(reason.into())),
            Poll::Ready(Err(error)) => Poll::Ready(stream_error(&error)),
            // `h2` does not mind a reset of a stream whose end it holds, nor the connection's end.
            Poll::Pending if self.io.progress(|progress| progress.is_reset(self.id)) => {
                Poll::Ready(StreamError::Reset(Reason::CANCEL.into()))
            }
            Poll::Pending if self.io.progress(|progress| progress.is_closed()) => {
                Poll::Ready(StreamError::Closed("connection closed".into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ends the stream at once; what waits is dropped.
    pub(super) fn reset(&mut self, reason: Reason) {
        self.tail = Tail::default();
        self.send.send_reset(reason);
    }

    fn hand_tail(&mut self, end: bool) -> Result<(), StreamError> {
        let tail = self.tail.take();
        self.hand(tail, end)
    }

    fn hand(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.ended = end;
        self.io.progress(|progress| progress.handed(self.id, data.len()));
        let sent = self.send.send_data(data, end);
        sent.map_err(|error| self.why(&error))
    }

    /// Why nothing can be sent any more: `h2` itself only says that the stream is not active.
    fn why(&mut self, error: &h2::Error) -> StreamError {
        match self.poll_lost(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(lost) => lost,
            Poll::Pending => stream_error(error),
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // `h2` would keep what the peer no longer takes for as long as the connection lives.
        let lost =
            |progress: &mut super::progress::Progress| progress.is_reset(self.id) && !progress.is_delivered(self.id);
        if self.ended && self.io.progress(lost) {
            self.send.send_reset(Reason::CANCEL);
        }
    }
}

impl Tail {
    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn join(&mut self, piece: Bytes) {
        if self.is_empty() {
            self.first = piece;
        } else {
            self.own();
            self.joined.extend_from_slice(&piece);
        }
    }

    /// A piece that has to wait is copied: it may be an octet of a large buffer.
    fn own(&mut self) {
        self.joined.extend_from_slice(&std::mem::take(&mut self.first));
    }

    fn take(&mut self) -> Bytes {
        let Tail { first, joined } = std::mem::take(self);
        if joined.is_empty() { first } else { joined.freeze() }
    }
}
