//! The request body on its way upstream, kept for retries while that is allowed. Polled by `attempt` and `relay`; the two directions of
//! an exchange flow at the same time, in one task.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::exchange::Exchange;
use super::stop::Stop;
use crate::wire::codec::{Downstream, Upstream};
use crate::wire::headers::Headers;
use crate::wire::message::Frame;

/// The body of one request.
#[derive(Debug)]
pub(super) struct Upload {
    /// What was read, for the next attempt. `None` once no retry can follow.
    kept: Option<Kept>,
    /// The client has sent everything.
    read: bool,
    /// This attempt has been given everything.
    sent: bool,
    /// And the system has taken it.
    flushed: bool,
    /// Pieces of `kept` that this attempt was given.
    replayed: usize,
    /// The stream must say that it takes more before it gets more.
    blocked: bool,
    /// The upstream takes no more: the rest is read no further. Its answer is still awaited.
    refused: bool,
    /// Nothing is sent until the upgrade has been accepted.
    pub paused: bool,
}

#[derive(Debug, Default)]
struct Kept {
    pieces: Vec<Bytes>,
    trailers: Option<Headers>,
    octets: usize,
    limit: usize,
}

/// What became of keeping a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The upload goes on; nothing to do now.
    Waiting,
    /// All of it is with the system.
    Done,
}

impl Upload {
    /// For a request that has a body or not. `keep` is how many octets may be kept for a retry.
    pub fn new(has_body: bool, keep: Option<usize>) -> Upload {
        Upload {
            kept: keep.map(|limit| Kept { limit, ..Kept::default() }),
            read: !has_body,
            sent: !has_body,
            flushed: false,
            replayed: 0,
            blocked: false,
            refused: false,
            paused: false,
        }
    }

    /// Whether the head ends the request.
    pub fn is_empty(&self) -> bool {
        self.read && self.kept.as_ref().is_none_or(|kept| kept.pieces.is_empty() && kept.trailers.is_none())
    }

    /// The client has sent everything.
    pub fn is_read(&self) -> bool {
        self.read
    }

    /// Another attempt begins: what was kept is sent again.
    pub fn rewind(&mut self) {
        self.sent = self.is_empty();
        self.flushed = false;
        self.replayed = 0;
        self.blocked = false;
        self.refused = false;
    }

    /// No retry will follow.
    pub fn forget(&mut self) {
        if let Some(kept) = &mut self.kept
            && self.replayed == kept.pieces.len()
            && (kept.trailers.is_none() || self.sent)
        {
            self.kept = None;
        } else if let Some(kept) = &mut self.kept {
            // What this attempt has not been given yet is still needed.
            kept.limit = 0;
        }
    }

    /// Whether the body can be sent once more.
    pub fn can_replay(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.octets <= kept.limit)
    }

    /// Sends nothing more: the upgrade was not accepted.
    pub fn refuse(&mut self) {
        self.paused = false;
        self.refused = true;
    }

    /// Moves what can be moved. An upstream that takes no more is no error here: its answer, or its reset, is seen by reading.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut dyn Downstream,
        upstream: &mut dyn Upstream,
        exchange: &mut Exchange<'_>,
    ) -> Result<Progress, Stop> {
        loop {
            if self.sent || self.refused {
                if !self.flushed && upstream.poll_flush(cx).is_ready() {
                    self.flushed = true;
                }
                let done = self.flushed || self.refused;
                return Ok(if done { Progress::Done } else { Progress::Waiting });
            }
            if self.paused {
                let _ = upstream.poll_flush(cx);
                return Ok(Progress::Waiting);
            }
            if self.blocked {
                match upstream.poll_ready(cx) {
                    Poll::Ready(Ok(())) => self.blocked = false,
                    Poll::Ready(Err(_)) => self.refused = true,
                    Poll::Pending => return Ok(Progress::Waiting),
                }
                continue;
            }
            if self.replay(upstream) {
                continue;
            }
            match exchange.poll_request_body(downstream, cx) {
                Poll::Ready(frame) => self.take(frame?, upstream),
                Poll::Pending => {
                    let _ = upstream.poll_flush(cx);
                    return Ok(Progress::Waiting);
                }
            }
        }
    }

    /// Sends the next kept piece. False when this attempt has been given all of them.
    fn replay(&mut self, upstream: &mut dyn Upstream) -> bool {
        let Some(kept) = &self.kept else { return false };
        if let Some(piece) = kept.pieces.get(self.replayed) {
            self.replayed += 1;
            let end = self.read && self.replayed == kept.pieces.len() && kept.trailers.is_none();
            self.refused = upstream.send_data(piece.clone(), end).is_err();
            self.sent = end;
            self.blocked = true;
            return true;
        }
        if !self.read {
            return false;
        }
        let result = match &kept.trailers {
            Some(trailers) => upstream.send_trailers(trailers),
            None => upstream.send_data(Bytes::new(), true),
        };
        self.refused = result.is_err();
        self.sent = true;
        true
    }

    fn take(&mut self, frame: Frame, upstream: &mut dyn Upstream) {
        let result = match frame {
            Frame::Data(data) => {
                self.blocked = true;
                self.keep(&data);
                upstream.send_data(data, false)
            }
            Frame::Trailers(trailers) => {
                self.finish();
                let result = upstream.send_trailers(&trailers);
                if let Some(kept) = &mut self.kept {
                    kept.trailers = Some(trailers);
                }
                result
            }
            Frame::End => {
                self.finish();
                upstream.send_data(Bytes::new(), true)
            }
        };
        self.refused |= result.is_err();
    }

    fn finish(&mut self) {
        self.read = true;
        self.sent = true;
    }

    fn keep(&mut self, data: &Bytes) {
        let Some(kept) = &mut self.kept else { return };
        kept.octets += data.len();
        if kept.octets > kept.limit {
            // Too much to hold for a retry that may never come.
            self.kept = None;
            return;
        }
        kept.pieces.push(data.clone());
        self.replayed = kept.pieces.len();
    }
}
