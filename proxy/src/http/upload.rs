//! The request body on its way upstream, kept for retries while that is allowed. Polled by `attempt` and `relay`; the two directions of
//! an exchange flow at the same time, in one task.

mod behind;

use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::Instant;

use super::attempt::mirror::Mirrors;
use super::exchange::Exchange;
use super::filters::behind::Place;
use super::kept::Kept;
use super::local_reply::LocalReply;
use super::stop::Stop;
use super::stream::{Sent, Stream};
use super::upstreams::Target;
use crate::stats::Counter;
use crate::wire::codec::{Downstream, Upstream};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, Protocol};

/// The body of one request.
#[derive(Debug)]
pub(super) struct Upload {
    /// What was read, for the next attempt. `None` once no retry can follow.
    kept: Option<Kept>,
    /// No further attempt will follow: what is kept is what this one has not been given yet.
    last_attempt: bool,
    /// The client has sent everything.
    read: bool,
    /// This attempt has been given everything.
    sent: bool,
    /// And the system has taken it.
    flushed: bool,
    /// Octets of `kept` that this attempt was given.
    replayed: usize,
    /// The stream must say that it takes more before it gets more.
    blocked: bool,
    /// The upstream takes no more: the rest is read no further. Its answer is still awaited.
    refused: bool,
    /// Nothing is sent until the upgrade has been accepted.
    pub paused: bool,
    /// And a client that says something before is refused.
    pub refuses_early: bool,
    /// It has ended its side by then.
    ended_early: bool,
    /// Filters behind the router, which this attempt's body goes through.
    behind: Option<Place>,
    /// The head waits for them.
    held: bool,
    /// The attempt began with a body to send.
    has_body: bool,
    /// They get what is read.
    mirrors: Option<Box<Mirrors>>,
    /// Counts a body that was too long to be kept.
    abandoned: Option<Counter>,
    /// Counts waits for the upstream, and their ends.
    flow: [Counter; 2],
    /// It is waited for.
    backed_up: bool,
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
            kept: keep.map(Kept::new),
            last_attempt: false,
            read: !has_body,
            sent: !has_body,
            flushed: false,
            replayed: 0,
            blocked: false,
            refused: false,
            paused: false,
            refuses_early: false,
            ended_early: false,
            behind: None,
            held: false,
            has_body,
            mirrors: None,
            abandoned: None,
            flow: [Counter::NONE; 2],
            backed_up: false,
        }
    }

    /// This counts a body that is too long to be kept.
    pub fn counted_by(&mut self, abandoned: Option<Counter>) {
        self.abandoned = abandoned;
    }

    /// These count waits for the upstream, and their ends.
    pub fn waits_counted_by(&mut self, flow: [Counter; 2]) {
        self.flow = flow;
    }

    /// The upstream takes no more, or takes more again: the client is not read meanwhile.
    fn backs_up(&mut self, now: bool, stream: &Stream<'_>) {
        if std::mem::replace(&mut self.backed_up, now) != now {
            let stats = &stream.context.manager.stats;
            let (side, client) = if now {
                (self.flow[0], stats.downstream_flow_control_paused_reading_total)
            } else {
                (self.flow[1], stats.downstream_flow_control_resumed_reading_total)
            };
            side.inc();
            client.inc();
        }
    }

    /// These copies get the same body.
    pub fn mirror(&mut self, mirrors: Option<Box<Mirrors>>) {
        self.mirrors = mirrors;
    }

    /// The first attempt has its host: the copies go out.
    pub fn begin_mirrors(&mut self, stream: &mut Stream<'_>, target: &Target) {
        if let Some(mirrors) = &mut self.mirrors {
            mirrors.begin(stream, !self.read, target);
        }
    }

    /// This attempt passes these filters: its head waits for them.
    pub fn pass(&mut self, behind: Option<Place>) {
        self.behind = behind;
        self.held = behind.is_some();
        self.has_body = !self.is_empty();
    }

    /// The filters that this attempt passes.
    pub fn behind(&self) -> Option<Place> {
        self.behind
    }

    /// The head waits for filters: there is nothing to be heard yet.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether the head ends the request.
    pub fn is_empty(&self) -> bool {
        self.read && self.kept.as_ref().is_none_or(Kept::is_empty)
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

    /// The same body for an attempt beside this one. All of it has been read.
    pub fn once_more(&self) -> Upload {
        let mut upload = Upload::new(false, None);
        upload.kept.clone_from(&self.kept);
        upload.rewind();
        upload
    }

    /// All of the body, for a request that takes its place; `None` while it is not all here, or was too long to be kept.
    pub fn take_whole(&mut self) -> Option<(Bytes, Option<Headers>)> {
        let kept = self.kept.as_mut().filter(|_| self.read)?;
        Some((kept.joined(), kept.kept_trailers().cloned()))
    }

    /// No retry will follow.
    pub fn forget(&mut self) {
        self.last_attempt = true;
        if let Some(kept) = &self.kept
            && self.replayed == kept.octets()
            && (kept.kept_trailers().is_none() || self.sent)
        {
            self.kept = None;
        }
    }

    /// Whether the body can be sent once more.
    pub fn can_replay(&self) -> bool {
        self.kept.is_some() && !self.last_attempt
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
            if self.held {
                match self.poll_held(cx, downstream, upstream, exchange) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => return Ok(Progress::Waiting),
                }
            }
            if self.sent || self.refused {
                if !self.flushed && upstream.poll_flush(cx).is_ready() {
                    self.flushed = true;
                    exchange.stream.info.mark(|times| &mut times.upload_ends);
                    if self.sent && exchange.stream.sent != Sent::NobodyAsks {
                        exchange.stream.sent = Sent::At(Instant::now());
                    }
                }
                let done = self.flushed || self.refused;
                return Ok(if done { Progress::Done } else { Progress::Waiting });
            }
            if self.paused {
                if self.refuses_early {
                    self.poll_early(cx, downstream, exchange)?;
                }
                let _ = upstream.poll_flush(cx);
                return Ok(Progress::Waiting);
            }
            if std::mem::take(&mut self.ended_early) {
                self.note(&Frame::End, &mut exchange.stream);
                self.send(Frame::End, upstream);
                continue;
            }
            if self.blocked {
                match upstream.poll_ready(cx) {
                    Poll::Ready(Ok(())) => self.blocked = false,
                    Poll::Ready(Err(_)) => self.refused = true,
                    Poll::Pending => {
                        self.backs_up(true, &exchange.stream);
                        return Ok(Progress::Waiting);
                    }
                }
                self.backs_up(false, &exchange.stream);
                continue;
            }
            if self.behind.is_none() && self.replay(upstream) {
                continue;
            }
            let frame = match self.behind {
                Some(place) => self.poll_behind(place, cx, downstream, exchange),
                None => exchange.poll_request_body(downstream, cx),
            };
            match frame {
                Poll::Ready(frame) => {
                    let frame = frame?;
                    if self.behind.is_none() {
                        self.note(&frame, &mut exchange.stream);
                    }
                    self.send(frame, upstream);
                }
                Poll::Pending => {
                    let _ = upstream.poll_flush(cx);
                    return Ok(Progress::Waiting);
                }
            }
        }
    }

    /// Sees whether a client speaks whose tunnel is not open. Over HTTP/1 nobody can take what it says, but it has come.
    fn poll_early(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut dyn Downstream,
        exchange: &mut Exchange<'_>,
    ) -> Result<(), Stop> {
        let early = || -> Result<(), Stop> { Err(LocalReply::new(400, "early_connect_data").into()) };
        if exchange.stream.request.protocol != Protocol::Http2 {
            return match downstream.poll_gone(cx) {
                Poll::Ready(error) => Err(Stop::Gone(error)),
                Poll::Pending if downstream.untaken() > 0 => early(),
                Poll::Pending => Ok(()),
            };
        }
        while !self.ended_early {
            match exchange.poll_request_body(downstream, cx) {
                Poll::Ready(Ok(Frame::Data(data))) if data.is_empty() => {}
                Poll::Ready(Ok(Frame::Data(_))) => return early(),
                Poll::Ready(Ok(Frame::End | Frame::Trailers(_))) => self.ended_early = true,
                Poll::Ready(Err(stop)) => return Err(stop),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Sends the next kept piece. False when this attempt has been given all of them.
    fn replay(&mut self, upstream: &mut dyn Upstream) -> bool {
        let Some(kept) = &self.kept else { return false };
        if let Some(piece) = kept.after(self.replayed) {
            self.replayed += piece.len();
            let end = self.read && self.replayed == kept.octets() && kept.kept_trailers().is_none();
            self.refused = upstream.send_data(piece, end).is_err();
            self.sent = end;
            self.blocked = true;
            return true;
        }
        if !self.read {
            return false;
        }
        let result = match kept.kept_trailers() {
            Some(trailers) => upstream.send_trailers(trailers),
            None => upstream.send_data(Bytes::new(), true),
        };
        self.refused = result.is_err();
        self.sent = true;
        true
    }

    /// A frame was read: it is kept while it may be wanted again, and mirrors get it.
    fn note(&mut self, frame: &Frame, stream: &mut Stream<'_>) {
        if let Some(mirrors) = &mut self.mirrors {
            mirrors.push(frame, stream);
        }
        match frame {
            Frame::Data(data) => self.keep(data),
            Frame::Trailers(trailers) => {
                self.read = true;
                if self.kept.as_mut().is_some_and(|kept| !kept.trailers(trailers)) {
                    self.abandon();
                }
            }
            Frame::End => self.read = true,
        }
    }

    fn send(&mut self, frame: Frame, upstream: &mut dyn Upstream) {
        let result = match frame {
            Frame::Data(data) => {
                self.blocked = true;
                upstream.send_data(data, false)
            }
            Frame::Trailers(trailers) => {
                self.sent = true;
                upstream.send_trailers(&trailers)
            }
            Frame::End => {
                self.sent = true;
                upstream.send_data(Bytes::new(), true)
            }
        };
        self.refused |= result.is_err();
    }

    fn keep(&mut self, data: &Bytes) {
        let Some(kept) = &mut self.kept else { return };
        if self.last_attempt {
            self.kept = None;
        } else if kept.push(data) {
            self.replayed = kept.octets();
        } else {
            self.abandon();
        }
    }

    /// Too much to hold for a retry that may never come.
    fn abandon(&mut self) {
        self.kept = None;
        if let Some(counter) = self.abandoned.take() {
            counter.inc();
        }
    }
}
