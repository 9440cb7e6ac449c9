//! How streams, and the connection with them, end: resets of either side, handles that are dropped, errors; and what whoever holds a stream
//! is told of it.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Duration;

use super::super::frame::{self, Reason};
use super::super::stream::Lost;
use super::super::{ConnectionError, GARBLED, Unseen, VIOLATION};
use super::outgoing::{LIMIT, LOW};
use super::{Connection, Fatal};
use crate::wire::codec::StreamError;

impl Connection {
    /// The peer has done what it must not: it is told so, and all streams end.
    pub(in crate::wire::h2) fn fail(&mut self, fatal: Fatal) -> ConnectionError {
        self.say_goaway(self.highest, fatal.reason);
        let text: Arc<str> = fatal.error.to_string().into();
        let lost = match &fatal.error {
            _ if !self.server => Lost::Violated,
            ConnectionError::Protocol(_) => Lost::Garbled,
            _ => Lost::Closed,
        };
        if lost == Lost::Garbled {
            // Nobody has taken them, and nobody will.
            self.unseen.extend(self.waiting.iter().map(|_| Unseen { detail: GARBLED, unwanted: false }));
        }
        self.close(text, lost);
        fatal.error
    }

    /// It is over; all streams that have not ended are lost.
    pub(in crate::wire::h2) fn close(&mut self, why: Arc<str>, lost: Lost) {
        self.end.get_or_insert(why);
        for (_, stream) in self.streams.iter_mut() {
            if !stream.is_closed() || !stream.outgoing.delivered {
                stream.lost.get_or_insert(lost);
            }
            self.stats.pending_send_bytes.sub(stream.outgoing.discard() as u64);
            stream.wake();
        }
        self.ready.clear();
        while let Some((_, place)) = self.waiting.pop_front() {
            self.release(place);
        }
    }

    /// Somebody who held a stream does so no more. What is complete is still sent; the rest is aborted.
    pub(in crate::wire::h2) fn release(&mut self, place: usize) {
        self.count_premature(place);
        self.discard(place);
        let stream = &mut self.streams[place];
        stream.held = false;
        if stream.is_closed() {
            return self.settle(place);
        }
        match (self.server && stream.outgoing.ended, stream.outgoing.framed) {
            (false, _) => self.reset(place, Reason::CANCEL),
            (true, true) => self.reset(place, self.streams[place].incoming.unwanted()),
            (true, false) => {}
        }
    }

    /// A stream that ended before it was answered, and young, is suspicious.
    pub(super) fn count_premature(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        let young = self.now.saturating_duration_since(stream.since) < PREMATURE;
        if self.server && !stream.outgoing.begun && young && !std::mem::replace(&mut stream.premature, true) {
            self.premature += 1;
        }
    }

    /// Frees what a stream that is closed does not need, and its place when nobody holds it.
    pub(super) fn settle(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        if !stream.is_closed() {
            return;
        }
        if std::mem::replace(&mut stream.open, false) {
            self.open -= 1;
        }
        if !stream.held {
            self.discard(place);
            self.streams.remove(place);
            self.stats.streams_active.dec();
        }
    }

    /// Why nothing can be said on a stream any more.
    pub(in crate::wire::h2) fn check(&self, place: usize) -> Result<(), StreamError> {
        self.streams[place].lost.map_or(Ok(()), |lost| Err(self.error(lost)))
    }

    /// What the loss of a stream is to whoever holds it.
    pub(in crate::wire::h2) fn error(&self, lost: Lost) -> StreamError {
        match lost {
            Lost::Reset(code) => StreamError::Reset(code),
            Lost::Refused => StreamError::Refused,
            Lost::Violated => VIOLATION,
            Lost::Garbled => StreamError::Protocol { detail: GARBLED, status: 400 },
            Lost::Miscounted => StreamError::Protocol { detail: "http2.remote_reset", status: 400 },
            Lost::Given => StreamError::Io("the stream was reset here".into()),
            Lost::Closed => StreamError::Closed(self.end.clone().unwrap_or_else(|| "connection closed".into())),
        }
    }

    /// Ready when more may be sent.
    pub(in crate::wire::h2) fn poll_ready(&mut self, place: usize, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        let stream = &self.streams[place];
        if stream.outgoing.ended || (stream.lost.is_none() && stream.outgoing.queued < LIMIT) {
            return Poll::Ready(Ok(()));
        }
        self.poll_lost(place, LOW, cx).map(Err)
    }

    /// Ready when the last octet has been written to the socket, or never will be.
    pub(in crate::wire::h2) fn poll_delivered(
        &mut self,
        place: usize,
        cx: &Context<'_>,
    ) -> Poll<Result<(), StreamError>> {
        if self.streams[place].outgoing.delivered {
            return Poll::Ready(Ok(()));
        }
        self.poll_lost(place, 0, cx).map(Err)
    }

    /// Ready when the stream is lost. Wakes also when no more than so many octets wait.
    pub(in crate::wire::h2) fn poll_lost(
        &mut self,
        place: usize,
        queued: usize,
        cx: &Context<'_>,
    ) -> Poll<StreamError> {
        match self.streams[place].lost {
            Some(lost) => Poll::Ready(self.error(lost)),
            None => {
                self.streams[place].outgoing.watch(queued, cx);
                Poll::Pending
            }
        }
    }

    /// Ends a stream at once; what waits is dropped. The peer is told, unless it is over for both.
    pub(in crate::wire::h2) fn reset(&mut self, place: usize, reason: Reason) {
        self.reset_for(place, reason, Lost::Given);
    }

    /// The same, with what whoever holds it is told.
    pub(super) fn reset_for(&mut self, place: usize, reason: Reason, lost: Lost) {
        if !self.streams[place].is_closed() {
            self.say_reset(self.streams[place].id, reason);
            self.streams[place].wire.sent += (frame::HEADER + 4) as u64;
            self.lose(place, lost);
            self.wake();
        }
    }

    /// Tells the peer that a stream is over.
    pub(super) fn say_reset(&mut self, id: u32, reason: Reason) {
        self.resets.add(id);
        self.outbox.answer(frame::RST_STREAM, 0, id, &reason.0.to_be_bytes());
        self.stats.tx_reset.inc();
    }

    /// The peer has broken the protocol on one stream.
    pub(super) fn violated(&mut self, place: usize, reason: Reason) {
        self.stats.rx_messaging_error.inc();
        self.count_premature(place);
        self.reset_for(place, reason, Lost::Violated);
    }

    /// A stream is over before its time. The first reason counts.
    pub(super) fn lose(&mut self, place: usize, lost: Lost) {
        let stream = &mut self.streams[place];
        stream.lost.get_or_insert(lost);
        let dropped = stream.outgoing.discard();
        stream.wake();
        self.stats.pending_send_bytes.sub(dropped as u64);
        self.settle(place);
    }
}

/// `overload.premature_reset_min_stream_lifetime_seconds`: unanswered streams that end younger are suspicious.
const PREMATURE: Duration = Duration::from_secs(1);
