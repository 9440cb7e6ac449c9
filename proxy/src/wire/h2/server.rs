//! The server side of one HTTP/2 connection. The connection task in `http` owns the [`Connection`] and polls it for as long as it
//! lives, for it drives all streams; each [`Stream`] is one request's [`Downstream`], in a task of its own on the same worker.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::connection::Connection as Core;
use super::frame::Reason;
use super::link::{Link, Read};
use super::stream::Lost;
use super::{CodecStats, ConnectionError, Settings, Unseen, reason};
use crate::wire::codec::{Downstream, OnWire, ResetReason, StreamError};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, RequestHead, ResponseHead};

/// The server side of one connection.
pub struct Connection {
    link: Link,
    state: State,
    shared: Rc<Shared>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// All has been said; it is being written.
    Closing,
    Closed,
}

/// What streams share with their connection.
struct Shared {
    core: RefCell<Core>,
    /// Streams that somebody has a handle to.
    open: Cell<usize>,
    /// Those whose exchange is over.
    closed: Cell<u64>,
}

impl Connection {
    /// Takes a connection over; the handshake happens while it is polled.
    pub fn new(stream: crate::transport::Stream, settings: &Settings, stats: CodecStats) -> Connection {
        let core = RefCell::new(Core::new(true, settings, stats));
        Connection {
            link: Link::new(stream, settings),
            state: State::Open,
            shared: Rc::new(Shared { core, open: Cell::new(0), closed: Cell::new(0) }),
        }
    }

    /// Waits for the next request and drives all streams meanwhile: call it again at once, in a loop, until it gives `None` (the
    /// connection ended in good order) or an error. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Result<(RequestHead, Stream), ConnectionError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// See [`next`](Connection::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(RequestHead, Stream), ConnectionError>>> {
        if self.state == State::Closed {
            return Poll::Ready(None);
        }
        self.shared.core.borrow_mut().watch(cx.waker());
        let next = match self.state {
            State::Open => ready!(self.poll_open(cx)),
            State::Closing | State::Closed => ready!(self.link.poll_close(&self.shared.core, cx)).map(|()| None),
        };
        match next {
            Ok(Some(next)) => Poll::Ready(Some(Ok(next))),
            Ok(None) => {
                self.end(None, cx);
                Poll::Ready(None)
            }
            Err(error) => {
                self.end(Some(&error), cx);
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<(RequestHead, Stream)>, ConnectionError>> {
        for read in 0.. {
            if let Some(next) = self.take_request() {
                return Poll::Ready(Ok(Some(next)));
            }
            self.check_resets()?;
            match self.link.poll_read(&self.shared.core, cx)? {
                Poll::Ready(Read::Ended) => return Poll::Ready(Ok(None)),
                Poll::Ready(Read::More) if read < READS => {}
                Poll::Ready(Read::More) => {
                    // The streams have their turn, and what is said leaves.
                    cx.waker().wake_by_ref();
                    break;
                }
                Poll::Pending => break,
            }
        }
        if let Poll::Ready(dead) = self.link.poll_dead(&self.shared.core, cx) {
            return Poll::Ready(Err(dead));
        }
        // All that can be said now has been said: it leaves in one piece.
        ready!(self.link.poll_write(&self.shared.core, cx))?;
        if self.shared.core.borrow().is_finished() {
            self.state = State::Closing;
            return self.link.poll_close(&self.shared.core, cx).map_ok(|()| None);
        }
        Poll::Pending
    }

    /// A request, unless too many are still being ended here: they hold memory, whatever the client knows of them.
    fn take_request(&self) -> Option<(RequestHead, Stream)> {
        let core = &mut *self.shared.core.borrow_mut();
        if self.shared.open.get() >= core.settings.max_concurrent_streams as usize {
            return None;
        }
        let (head, place) = core.take_request()?;
        Some((head, self.hand_out(core, place)))
    }

    fn hand_out(&self, core: &Core, place: usize) -> Stream {
        self.shared.open.set(self.shared.open.get() + 1);
        Stream { place, flush: None, flush_limit: core.settings.flush_timeout, shared: Rc::clone(&self.shared) }
    }

    /// Since when the rest of a request's head is awaited.
    pub fn head_began(&self) -> Option<Instant> {
        self.shared.core.borrow().head_began()
    }

    /// It is awaited no longer: the request's stream, for an answer.
    pub fn give_head_up(&mut self) -> Option<Stream> {
        let core = &mut *self.shared.core.borrow_mut();
        let place = core.give_head_up();
        core.wake();
        place.map(|place| self.hand_out(core, place))
    }

    /// A client that resets most of its streams before they are answered is sent away.
    fn check_resets(&self) -> Result<(), ConnectionError> {
        let core = &mut *self.shared.core.borrow_mut();
        if core.premature() * 2 >= self.shared.closed.get().max(PREMATURE_TOTAL) {
            return Err(core.fail(PREMATURE_RESETS.into()));
        }
        Ok(())
    }

    fn end(&mut self, why: Option<&ConnectionError>, cx: &mut Context<'_>) {
        self.link.over(&self.shared.core, why, cx);
        self.state = State::Closed;
    }

    /// Tells the client to open no more streams; those that are open end in their own time, and then the connection does.
    pub fn graceful_shutdown(&mut self) {
        self.shared.core.borrow_mut().graceful_shutdown();
    }

    /// Ends all streams and the connection, with GOAWAY NO_ERROR.
    pub fn abrupt_shutdown(&mut self) {
        if self.state == State::Open {
            let core = &mut *self.shared.core.borrow_mut();
            core.say_goaway(core.highest(), Reason::NO_ERROR);
            core.close("connection closed".into(), Lost::Closed);
            core.wake();
            self.state = State::Closing;
        }
    }

    /// Requests that were refused since this was last asked. To be asked each time that the connection was polled.
    pub fn take_unseen(&mut self) -> Vec<Unseen> {
        std::mem::take(&mut self.shared.core.borrow_mut().unseen)
    }

    /// Requests whose exchange is not over.
    pub fn open_streams(&self) -> usize {
        self.shared.open.get()
    }

    /// Whether the client has closed the connection, as far as was read.
    pub fn is_ended_by_peer(&self) -> bool {
        self.link.is_ended_by_peer()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Streams live on for a while, and must know.
        self.shared.core.borrow_mut().close("connection closed".into(), Lost::Closed);
    }
}

/// One request of a connection.
pub struct Stream {
    place: usize,
    /// Gives up on a client that does not take the end of the response.
    flush: Option<Pin<Box<Sleep>>>,
    flush_limit: Option<Duration>,
    shared: Rc<Shared>,
}

impl Stream {
    fn with<T>(&self, act: impl FnOnce(&mut Core, usize) -> T) -> T {
        act(&mut self.shared.core.borrow_mut(), self.place)
    }

    /// When the first octets of its head came, where the others came later.
    pub fn began(&self) -> Option<Instant> {
        self.with(|core, place| core.streams[place].in_pieces.then_some(core.streams[place].since))
    }

    /// Ready when the client has not taken the end of the response in time. As for Envoy, whose requests end when the codec has all of the
    /// response, that is nothing for the request's log.
    fn poll_flush_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timeout) = self.flush_limit else { return Poll::Pending };
        let sleep = self.flush.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(sleep.as_mut().poll(cx));
        self.with(|core, place| {
            core.stats.tx_flush_timeout.inc();
            core.reset(place, Reason::INTERNAL_ERROR);
        });
        Poll::Ready(())
    }
}

impl Downstream for Stream {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        self.with(|core, place| core.poll_body(place, cx))
    }

    fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError> {
        self.with(|core, place| match core.streams[place].outgoing.begun {
            true => Ok(()),
            false => core.send_informational(place, head),
        })
    }

    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError> {
        self.with(|core, place| match core.streams[place].outgoing.begun {
            true => Err(StreamError::Io("the response head was sent before".into())),
            false => core.send_response(place, head, end),
        })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.with(|core, place| core.poll_ready(place, cx))
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.with(|core, place| core.send_data(place, data, end))
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.with(|core, place| core.send_trailers(place, trailers))
    }

    fn flush_within(&mut self, limit: Option<Duration>) {
        self.flush_limit = limit;
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let delivered = self.with(|core, place| match core.streams[place].outgoing.ended {
            false => Poll::Ready(Ok(())),
            true => core.poll_delivered(place, cx),
        });
        match delivered {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_flush_timeout(cx).map(Ok),
        }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        self.with(|core, place| {
            let gone = ready!(core.poll_lost(place, 0, cx));
            // Who asked may take its time; the other streams need the window.
            core.discard(place);
            Poll::Ready(gone)
        })
    }

    fn reset(&mut self, why: ResetReason) {
        self.with(|core, place| {
            // RFC 9113 section 8.5: that is what the loss of what a tunnel led to is called.
            let lost = why == ResetReason::InternalError && core.streams[place].incoming.tunnel;
            core.reset(place, if lost { Reason::CONNECT_ERROR } else { reason(why) });
        });
    }

    fn leads_nowhere(&mut self) {
        self.with(|core, place| core.streams[place].incoming.leads_nowhere = true);
    }

    fn close_after(&mut self) {
        self.with(|core, _| core.graceful_shutdown());
    }

    fn on_wire(&mut self) -> Option<OnWire> {
        Some(self.with(|core, place| core.streams[place].wire))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.closed.set(self.shared.closed.get() + 1);
        self.with(|core, place| {
            core.release(place);
            core.wake();
        });
    }
}

/// The detail of a connection whose client resets too many streams (rapid reset, CVE-2023-44487).
pub const PREMATURE_RESETS: &str = "http2.premature_resets";
/// `overload.premature_reset_total_stream_count`: half of so many, and then half of all, end the connection.
const PREMATURE_TOTAL: u64 = 500;
/// Reads in a row before the streams have their turn.
pub(super) const READS: usize = 16;
