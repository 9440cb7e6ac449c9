//! One stream: how far its two messages are, what waits to be read and what waits for a window. `connection` changes it as frames come and
//! go; nobody else does. An idle one costs some hundred octets.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::flow::Inflow;
use super::frame::Reason;
use crate::wire::codec::OnWire;
use crate::wire::headers::Headers;
use crate::wire::message::ResponseHead;

/// See above.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// Somebody has a handle to it, or its request waits to be taken.
    pub(super) held: bool,
    pub(super) since: Instant,
    /// Its head came in pieces, or not to its end.
    pub(super) in_pieces: bool,
    /// Why it is over, if it did not end.
    pub(super) lost: Option<Lost>,
    /// It counts among those that are open.
    pub(super) open: bool,
    /// It has been counted as one that ended early.
    pub(super) premature: bool,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
    pub(super) wire: OnWire,
}

/// Why a stream is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// The peer has reset it.
    Reset(u32),
    /// The peer has not touched it.
    Refused,
    /// The peer broke the protocol.
    Violated,
    /// A client's body was not as long as it had said.
    Miscounted,
    /// We have reset it.
    Given,
    /// What the peer says on the connection makes no sense.
    Garbled,
    /// The connection is over.
    Closed,
}

/// What the peer says.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Informational heads that nobody has taken, and the final one. Of responses: requests are handed out with their streams.
    pub(super) interim: Vec<ResponseHead>,
    pub(super) head: Option<ResponseHead>,
    /// The final head has come.
    pub(super) begun: bool,
    /// All has come.
    pub(super) ended: bool,
    /// Octets that must still come, where that is known.
    pub(super) expected: Option<u64>,
    /// The answer is to HEAD.
    pub(super) bodiless: bool,
    /// The answer may open a tunnel, in which nothing has a length.
    pub(super) tunnel: bool,
    /// What it was to lead to is lost.
    pub(super) leads_nowhere: bool,
    pub(super) window: Inflow,
    /// Octets that the reader has, and has not come back for more.
    pub(super) unreleased: u32,
    waiting: VecDeque<Bytes>,
    /// Small pieces behind them, joined.
    joined: BytesMut,
    pub(super) trailers: Option<Headers>,
    pub(super) reader: Option<Waker>,
}

/// What we say.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The final head has been sent.
    pub(super) begun: bool,
    /// The end has been said to us.
    pub(super) ended: bool,
    /// The end is among the frames.
    pub(super) framed: bool,
    /// The end has been written to the socket.
    pub(super) delivered: bool,
    /// May be below zero: the peer has made it smaller.
    pub(super) window: i64,
    /// Pieces that wait for a window.
    queue: VecDeque<Bytes>,
    tail: BytesMut,
    pub(super) queued: usize,
    /// They follow what is queued.
    pub(super) trailers: Option<Headers>,
    /// It stands in the row of those that may send.
    pub(super) enlisted: bool,
    /// Who waits until no more than so much is queued, or for the stream's end.
    waiting: Option<(usize, Waker)>,
}

/// Pieces below this are joined.
pub(super) const SMALL: usize = 4 * 1024;
/// Joined pieces are one piece at this size.
const LARGE: usize = 16 * 1024;

impl Stream {
    pub(super) fn new(id: u32, inflow: u32, outflow: i64, now: Instant) -> Stream {
        Stream {
            id,
            held: true,
            since: now,
            in_pieces: false,
            lost: None,
            open: true,
            premature: false,
            incoming: Incoming {
                interim: Vec::new(),
                head: None,
                begun: false,
                ended: false,
                expected: None,
                bodiless: false,
                tunnel: false,
                leads_nowhere: false,
                window: Inflow::new(inflow),
                unreleased: 0,
                waiting: VecDeque::new(),
                joined: BytesMut::new(),
                trailers: None,
                reader: None,
            },
            outgoing: Outgoing {
                begun: false,
                ended: false,
                framed: false,
                delivered: false,
                window: outflow,
                queue: VecDeque::new(),
                tail: BytesMut::new(),
                queued: 0,
                trailers: None,
                enlisted: false,
                waiting: None,
            },
            wire: OnWire::default(),
        }
    }

    /// Nobody holds it any more: it holds nothing either.
    pub(super) fn let_go(&mut self) {
        let incoming = &mut self.incoming;
        (incoming.head, incoming.trailers, incoming.reader) = (None, None, None);
        incoming.interim = Vec::new();
        incoming.discard();
        self.outgoing.discard();
        self.outgoing.waiting = None;
    }

    /// Nothing more passes in either direction.
    pub(super) fn is_closed(&self) -> bool {
        self.lost.is_some() || (self.incoming.ended && self.outgoing.framed)
    }

    pub(super) fn wake(&mut self) {
        self.incoming.wake();
        self.outgoing.wake();
    }
}

impl Incoming {
    /// The next head.
    pub(super) fn head(&mut self) -> Option<ResponseHead> {
        if self.interim.is_empty() { self.head.take() } else { Some(self.interim.remove(0)) }
    }

    /// Why the rest of it is not wanted, when the answer is complete: that is no error (RFC 9113 section 8.1), but for the loss of what a
    /// tunnel led to (section 8.5).
    pub(super) fn unwanted(&self) -> Reason {
        if self.leads_nowhere { Reason::CONNECT_ERROR } else { Reason::NO_ERROR }
    }

    /// A piece of the body is here.
    pub(super) fn add(&mut self, piece: Bytes) {
        let small = piece.len() < SMALL;
        if !small || self.joined.len() + piece.len() > LARGE {
            self.close_joined();
        }
        if small {
            self.joined.extend_from_slice(&piece)
        } else {
            self.waiting.push_back(piece)
        }
        self.wake();
    }

    /// The same of a piece below [`SMALL`] that is still in the buffer it was read into.
    pub(super) fn copy(&mut self, piece: &[u8]) {
        if self.joined.len() + piece.len() > LARGE {
            self.close_joined();
        }
        self.joined.extend_from_slice(piece);
        self.wake();
    }

    fn close_joined(&mut self) {
        // Not split off: it would keep the memory of its successors.
        let before = std::mem::take(&mut self.joined);
        self.waiting.extend((!before.is_empty()).then(|| before.freeze()));
    }

    /// The next piece.
    pub(super) fn piece(&mut self) -> Option<Bytes> {
        let piece = match self.waiting.pop_front() {
            Some(piece) => piece,
            None if self.joined.is_empty() => return None,
            None => std::mem::take(&mut self.joined).freeze(),
        };
        self.unreleased += piece.len() as u32;
        Some(piece)
    }

    /// Drops all that waits. Gives the octets that are free again, those that the reader has had among them.
    pub(super) fn discard(&mut self) -> u32 {
        let waiting = self.waiting.drain(..).map(|piece| piece.len()).sum::<usize>();
        let joined = std::mem::take(&mut self.joined).len();
        std::mem::take(&mut self.unreleased) + (waiting + joined) as u32
    }

    /// Nothing waits to be read.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.joined.is_empty() && self.trailers.is_none()
    }

    pub(super) fn watch(&mut self, cx: &Context<'_>) {
        match &mut self.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            reader => *reader = Some(cx.waker().clone()),
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Outgoing {
    /// A piece has to wait. Small ones are copied, for each may be an octet of a large buffer.
    pub(super) fn add(&mut self, piece: Bytes) {
        self.queued += piece.len();
        if piece.len() < SMALL && self.tail.len() + piece.len() <= LARGE {
            return self.tail.extend_from_slice(&piece);
        }
        self.close_tail();
        if piece.len() < SMALL { self.tail.extend_from_slice(&piece) } else { self.queue.push_back(piece) }
    }

    fn close_tail(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        self.queue.extend((!tail.is_empty()).then(|| tail.freeze()));
    }

    /// At most so many octets of what waits.
    pub(super) fn take(&mut self, most: usize) -> Bytes {
        if self.queue.is_empty() {
            self.close_tail();
        }
        let Some(first) = self.queue.front_mut() else { return Bytes::new() };
        let piece = if first.len() <= most { self.queue.pop_front().unwrap_or_default() } else { first.split_to(most) };
        self.queued -= piece.len();
        piece
    }

    /// Drops what waits; tells how many octets that were.
    pub(super) fn discard(&mut self) -> usize {
        self.queue = VecDeque::new();
        self.tail = BytesMut::new();
        self.trailers = None;
        std::mem::take(&mut self.queued)
    }

    /// Wakes `cx` when no more than so much is queued, and when the stream ends.
    pub(super) fn watch(&mut self, queued: usize, cx: &Context<'_>) {
        match &mut self.waiting {
            Some((below, waker)) => {
                *below = (*below).max(queued);
                waker.clone_from(cx.waker());
            }
            waiting => *waiting = Some((queued, cx.waker().clone())),
        }
    }

    /// Some of what was queued has gone.
    pub(super) fn wake_if_low(&mut self) {
        if self.waiting.as_ref().is_some_and(|(below, _)| self.queued <= *below) {
            self.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some((_, waker)) = self.waiting.take() {
            waker.wake();
        }
    }
}
