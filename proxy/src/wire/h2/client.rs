//! The client side of one HTTP/2 connection. A pool in `cluster` calls [`connect`], spawns the [`Driver`] on its worker and keeps the
//! [`Handle`]; each [`Stream`] from [`Handle::open`] is one request's [`Upstream`].

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::time::Instant;

use super::connection::Connection as Core;
use super::frame::Reason;
use super::link::{Link, Read};
use super::server::READS;
use super::stream::Lost;
use super::{CodecStats, ConnectionError, Settings, VIOLATION, head, reason};
use crate::wire::codec::{OnWire, ResetReason, StreamError, Upstream};
use crate::wire::headers::Headers;
use crate::wire::message::{BodyLength, Frame, RequestHead, ResponseHead};

/// Starts HTTP/2 on a stream. Requests may be opened at once: they are sent as soon as the driver runs.
pub fn connect(stream: crate::transport::Stream, settings: &Settings, stats: CodecStats) -> (Handle, Driver) {
    let shared = Rc::new(Shared {
        core: RefCell::new(Core::new(false, settings, stats)),
        open: Cell::new(0),
        requests: Cell::new(0),
        waiting: RefCell::default(),
    });
    let handle = Handle { shared: Rc::clone(&shared) };
    (handle, Driver { link: Link::new(stream, settings), closing: false, shared })
}

struct Shared {
    core: RefCell<Core>,
    /// Streams that somebody has.
    open: Cell<usize>,
    requests: Cell<u64>,
    /// Woken when a stream ends or the connection does.
    waiting: RefCell<Vec<Waker>>,
}

impl Shared {
    fn watch(&self, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    fn wake(&self) {
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }
}

/// A way to open streams on a connection. Clones are the same connection; it closes when all are dropped and no stream is open.
#[derive(Clone)]
pub struct Handle {
    shared: Rc<Shared>,
}

impl Handle {
    /// How many more streams may be opened now; 0 when the peer is going away.
    pub fn free_streams(&self) -> usize {
        if !self.is_open() {
            return 0;
        }
        let core = self.shared.core.borrow();
        let limit = core.max_streams().min(core.settings.max_concurrent_streams as usize);
        limit.saturating_sub(self.shared.open.get())
    }

    /// Streams whose exchange is not over.
    pub fn open_streams(&self) -> usize {
        self.shared.open.get()
    }

    /// Streams that were ever opened.
    pub fn requests(&self) -> u64 {
        self.shared.requests.get()
    }

    /// Whether the connection is up and the peer has not announced its end.
    pub fn is_open(&self) -> bool {
        let core = self.shared.core.borrow();
        core.end().is_none() && !core.is_peer_going()
    }

    /// Ready when a stream may be opened, or the connection has ended.
    pub fn poll_free(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if let Some(end) = self.shared.core.borrow().end() {
            return Poll::Ready(Err(StreamError::Closed(Arc::clone(end))));
        }
        if self.free_streams() > 0 || self.shared.core.borrow().is_peer_going() {
            return Poll::Ready(Ok(()));
        }
        self.shared.watch(cx);
        Poll::Pending
    }

    /// Ready when the connection has ended, with the reason.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<Arc<str>> {
        if let Some(end) = self.shared.core.borrow().end() {
            return Poll::Ready(Arc::clone(end));
        }
        self.shared.watch(cx);
        Poll::Pending
    }

    /// Opens a stream. Nothing is sent before the head is.
    pub fn open(&self) -> Stream {
        self.shared.open.set(self.shared.open.get() + 1);
        self.shared.requests.set(self.shared.requests.get() + 1);
        Stream { state: State::New, shared: Rc::clone(&self.shared) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The driver looks whether anybody is left.
        self.shared.core.borrow_mut().wake();
    }
}

/// Drives a connection; a task of its own polls it to its end.
pub struct Driver {
    link: Link,
    closing: bool,
    shared: Rc<Shared>,
}

impl Driver {
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let core = &self.shared.core;
        core.borrow_mut().watch(cx.waker());
        for read in 0.. {
            match self.link.poll_read(core, cx)? {
                Poll::Ready(Read::Ended) => return Poll::Ready(Ok(())),
                Poll::Ready(Read::More) if read < READS => {}
                Poll::Ready(Read::More) => {
                    // The streams have their turn, and what is said leaves.
                    cx.waker().wake_by_ref();
                    break;
                }
                Poll::Pending => break,
            }
        }
        self.shared.wake();
        if let Poll::Ready(dead) = self.link.poll_dead(core, cx) {
            return Poll::Ready(Err(dead));
        }
        if !self.closing && Rc::strong_count(&self.shared) == 1 {
            self.closing = true;
            core.borrow_mut().say_goaway(0, Reason::NO_ERROR);
        }
        if self.closing {
            return self.link.poll_close(core, cx);
        }
        // All that can be said now has been said: it leaves in one piece, and may make room for streams that wait.
        let written = self.link.poll_write(core, cx);
        self.shared.wake();
        ready!(written)?;
        Poll::Pending
    }
}

impl Future for Driver {
    type Output = Result<(), ConnectionError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let result = ready!(this.poll_connection(cx));
        this.link.over(&this.shared.core, result.as_ref().err(), cx);
        this.shared.wake();
        Poll::Ready(result)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.core.borrow_mut().close("connection dropped".into(), Lost::Closed);
        self.shared.wake();
    }
}

/// One request of a connection.
pub struct Stream {
    state: State,
    shared: Rc<Shared>,
}

enum State {
    /// Its head has not been sent.
    New,
    /// The peer takes no further stream yet.
    Waiting(Box<Waiting>),
    /// It never will be.
    Spent,
    Open(Open),
}

/// What is sent once there is room: the peer has said that it takes fewer streams than were lent.
struct Waiting {
    head: RequestHead,
    end: bool,
    data: Vec<(Bytes, bool)>,
    trailers: Option<Headers>,
}

struct Open {
    place: usize,
    /// What was asked for with extended CONNECT.
    upgrade: Option<Bytes>,
    /// The final head has been taken.
    answered: bool,
}

impl Stream {
    fn open(&mut self) -> Result<(&mut Open, &RefCell<Core>), StreamError> {
        match &mut self.state {
            State::Open(open) => Ok((open, &self.shared.core)),
            State::New | State::Waiting(_) | State::Spent => Err(StreamError::Io("the request is not open".into())),
        }
    }

    /// Sends what waits, if there is room by now.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if !matches!(self.state, State::Waiting(_)) {
            return Poll::Ready(Ok(()));
        }
        if self.shared.core.borrow().is_full() {
            self.shared.watch(cx);
            return Poll::Pending;
        }
        let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Spent) else { return Poll::Pending };
        let Waiting { head, end, data, trailers } = *waiting;
        self.begin(&head, end)?;
        data.into_iter().try_for_each(|(data, end)| self.send_data(data, end))?;
        Poll::Ready(trailers.map_or(Ok(()), |trailers| self.send_trailers(&trailers)))
    }

    fn begin(&mut self, head: &RequestHead, end: bool) -> Result<(), StreamError> {
        let core = &mut *self.shared.core.borrow_mut();
        self.look_whether_alive(core);
        let place = core.send_request(head, end)?;
        self.state = State::Open(Open { place, upgrade: head.upgrade.clone(), answered: false });
        Ok(())
    }

    /// A PING goes ahead of a request that comes after a long silence.
    fn look_whether_alive(&self, core: &mut Core) {
        let Some(idle) = core.settings.idle_interval else { return };
        if !core.pings.is_waiting() && Instant::now().saturating_duration_since(core.now()) > idle {
            core.say_ping();
        }
    }
}

/// Why the stream ended: what the upstream did against the protocol is told apart from what happens to connections, also when it is the
/// upstream that says so.
fn failed(error: StreamError) -> StreamError {
    match error {
        StreamError::Reset(code) if code == Reason::PROTOCOL_ERROR.0 => VIOLATION,
        other => other,
    }
}

impl Upstream for Stream {
    fn send_head(&mut self, head: &RequestHead, end: bool) -> Result<(), StreamError> {
        if !matches!(self.state, State::New) {
            return Err(StreamError::Io("the request head was sent before".into()));
        }
        if self.shared.core.borrow().is_full() {
            let waiting = Waiting { head: head.clone(), end, data: Vec::new(), trailers: None };
            self.state = State::Waiting(Box::new(waiting));
            return Ok(());
        }
        self.begin(head, end)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        ready!(self.poll_begin(cx))?;
        match self.open() {
            Ok((open, core)) => core.borrow_mut().poll_ready(open.place, cx),
            Err(_) => Poll::Ready(Ok(())),
        }
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        if let State::Waiting(waiting) = &mut self.state {
            waiting.data.push((data, end));
            return Ok(());
        }
        let (open, core) = self.open()?;
        core.borrow_mut().send_data(open.place, data, end)
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        if let State::Waiting(waiting) = &mut self.state {
            waiting.trailers = Some(trailers.clone());
            return Ok(());
        }
        let (open, core) = self.open()?;
        core.borrow_mut().send_trailers(open.place, trailers)
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        ready!(self.poll_begin(cx))?;
        let (open, core) = self.open()?;
        if open.answered {
            return Poll::Ready(Err(StreamError::Io("the response head was taken before".into())));
        }
        let core = &mut *core.borrow_mut();
        let stream = &mut core.streams[open.place];
        let incoming = &mut stream.incoming;
        let Some(mut head) = incoming.head() else {
            let Some(lost) = stream.lost else {
                incoming.watch(cx);
                return Poll::Pending;
            };
            return Poll::Ready(Err(failed(core.error(lost))));
        };
        if head.status >= 200 {
            open.answered = true;
            if incoming.ended && incoming.is_empty() {
                // Its end is here, with nothing before it: the head is the whole answer.
                head.body = BodyLength::Empty;
            }
            if let Some(protocol) = &open.upgrade {
                head::accept_upgrade(&mut head, protocol);
            }
        }
        Poll::Ready(Ok(head))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        let (open, core) = self.open()?;
        if !open.answered {
            return Poll::Ready(Err(StreamError::Io("the response head was not taken".into())));
        }
        let core = &mut *core.borrow_mut();
        let frame = ready!(core.poll_body(open.place, cx));
        Poll::Ready(frame.map_err(failed))
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let Ok((open, core)) = self.open() else { return Poll::Pending };
        let core = &mut *core.borrow_mut();
        if core.streams[open.place].incoming.ended {
            // All of it is here. What becomes of the stream now is only the end of the request.
            return Poll::Pending;
        }
        let lost = ready!(core.poll_lost(open.place, 0, cx));
        Poll::Ready(failed(lost))
    }

    fn is_over(&mut self) -> bool {
        let Ok((open, core)) = self.open() else { return false };
        let incoming = &core.borrow().streams[open.place].incoming;
        incoming.ended && incoming.is_empty()
    }

    fn reset(&mut self, why: ResetReason) {
        match &self.state {
            State::Open(open) => self.shared.core.borrow_mut().reset(open.place, reason(why)),
            State::New | State::Waiting(_) | State::Spent => self.state = State::Spent,
        }
    }

    fn on_wire(&mut self) -> Option<OnWire> {
        let (open, core) = self.open().ok()?;
        Some(core.borrow().streams[open.place].wire)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let core = &mut *self.shared.core.borrow_mut();
        if let State::Open(open) = &self.state {
            core.release(open.place);
        }
        core.wake();
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.wake();
    }
}
