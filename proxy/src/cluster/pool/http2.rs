//! HTTP/2 connections of a pool: many requests at a time, until the streams run out or the host goes away.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Connected, Counted, Facts, Pool};
use crate::wire::codec::{OnWire, ResetReason, StreamError, Upstream};
use crate::wire::h2;
use crate::wire::headers::Headers;
use crate::wire::message::{BodyLength, Frame, RequestHead, ResponseHead};

/// A connection. Dropping it closes it once no stream is open.
pub struct Http2Connection {
    handle: h2::client::Handle,
    facts: Facts,
    counted: RefCell<Counted>,
    max_requests: Option<u64>,
    /// No further stream is opened on it.
    draining: Cell<bool>,
    /// Since when it has had no stream.
    idle_since: Cell<Option<Instant>>,
}

impl Http2Connection {
    /// Lets the open streams finish, and opens no more.
    pub fn drain(&self) {
        self.draining.set(true);
    }

    /// Whether it is draining.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Since when it has had no stream; `None` while it has one.
    pub fn idle_since(&self) -> Option<Instant> {
        self.idle_since.get()
    }

    /// When it was begun.
    pub fn born(&self) -> Instant {
        self.counted.borrow().born()
    }

    /// Whether a stream may be opened now.
    pub fn has_room(&self) -> bool {
        !self.is_draining() && self.handle.free_streams() > 0
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        self.handle.open_streams()
    }

    /// How many more may be opened now.
    pub fn room(&self) -> usize {
        if self.is_draining() { 0 } else { self.handle.free_streams() }
    }

    /// Whether it takes no more streams and has none.
    pub fn is_finished(&self) -> bool {
        let takes_no_more = self.is_draining() || !self.handle.is_open();
        takes_no_more && self.handle.open_streams() == 0
    }

    /// Opens a stream.
    pub fn open(self: Rc<Self>, pool: &Rc<Pool>) -> Http2Stream {
        let codec = Box::new(self.handle.open());
        self.idle_since.set(None);
        if self.max_requests.is_some_and(|limit| self.handle.requests() >= limit) {
            pool.core.stats.upstream_cx_max_requests.inc();
            self.drain();
        }
        Http2Stream { codec: Some(codec), connection: self, pool: Rc::clone(pool), life: Life::default() }
    }
}

/// One stream of a connection.
pub struct Http2Stream {
    /// Boxed, for leases of both protocols are as large as the larger one, and are moved.
    codec: Option<Box<h2::client::Stream>>,
    connection: Rc<Http2Connection>,
    pool: Rc<Pool>,
    life: Life,
}

/// How far a stream is.
#[derive(Default)]
struct Life {
    /// The request has begun, and has not come to its end.
    asking: bool,
    /// Its answer has not come to its end.
    awaited: bool,
}

impl Http2Stream {
    /// Facts of the connection.
    pub fn facts(&self) -> &Facts {
        &self.connection.facts
    }

    fn codec(&mut self) -> &mut h2::client::Stream {
        self.codec.as_deref_mut().expect("present until dropped")
    }

    /// Here all streams end, whoever uses them and whatever the reason; so they are counted here.
    fn ends(&mut self, how: Option<&StreamError>) {
        let Life { asking, awaited } = std::mem::take(&mut self.life);
        if !asking && !awaited {
            return;
        }
        match how {
            Some(StreamError::Reset(_)) => self.pool.core.stats.upstream_rq_rx_reset.inc(),
            None | Some(StreamError::Protocol { .. }) => self.pool.core.stats.upstream_rq_tx_reset.inc(),
            // As in Envoy, though it does not wait any more.
            Some(StreamError::Closed(_)) => self.pool.core.stats.upstream_rq_pending_failure_eject.inc(),
            // As in Envoy: one that was refused may be sent again.
            Some(StreamError::Io(_) | StreamError::Refused | StreamError::NoHeader(_)) => {}
        }
    }

    fn watched<T>(&mut self, result: Poll<Result<T, StreamError>>) -> Poll<Result<T, StreamError>> {
        if let Poll::Ready(Err(error)) = &result {
            self.ends(Some(error));
        }
        result
    }
}

impl Upstream for Http2Stream {
    fn send_head(&mut self, head: &RequestHead, end: bool) -> Result<(), StreamError> {
        self.life = Life { asking: !end, awaited: true };
        let sent = self.codec().send_head(head, end);
        if let Err(error @ (StreamError::Closed(_) | StreamError::Refused)) = &sent {
            self.ends(Some(error));
        }
        sent
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.codec().poll_ready(cx)
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.life.asking &= !end;
        self.codec().send_data(data, end)
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.life.asking = false;
        self.codec().send_trailers(trailers)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.codec().poll_flush(cx)
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        let result = self.codec().poll_head(cx);
        if let Poll::Ready(Ok(head)) = &result
            && head.body == BodyLength::Empty
            && (head.status >= 200 || head.status == 101)
        {
            self.life.awaited = false;
        }
        self.watched(result)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        let result = self.codec().poll_body(cx);
        if let Poll::Ready(Ok(Frame::Trailers(_) | Frame::End)) = &result {
            self.life.awaited = false;
        }
        self.watched(result)
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let error = ready!(self.codec().poll_lost(cx));
        self.ends(Some(&error));
        Poll::Ready(error)
    }

    fn is_over(&mut self) -> bool {
        self.codec().is_over()
    }

    fn reset(&mut self, reason: ResetReason) {
        self.ends(None);
        self.codec().reset(reason);
    }

    fn on_wire(&mut self) -> Option<OnWire> {
        self.codec().on_wire()
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        self.ends(None);
        if let Ok(mut counted) = self.connection.counted.try_borrow_mut() {
            counted.ends(self.connection.handle.requests(), false);
        }
        // The codec counts the stream as open until it is dropped.
        drop(self.codec.take());
        if self.connection.handle.open_streams() == 0 {
            self.connection.idle_since.set(Some(Instant::now()));
        }
        self.pool.stream_ended();
    }
}

/// Puts a connection that has just been made into the pool and drives it to its end.
pub async fn run(pool: Rc<Pool>, connected: Connected, counted: Counted) {
    let cluster = pool.core.shared.config();
    let settings = h2::Settings::upstream(&cluster.http);
    let stats = pool.core.codec_stats();
    let (handle, driver) = h2::client::connect(connected.stream, &settings, stats);
    let connection = Rc::new(Http2Connection {
        handle,
        facts: connected.facts,
        counted: RefCell::new(counted),
        max_requests: cluster.max_requests_per_connection.filter(|limit| *limit > 0).map(u64::from),
        draining: Cell::new(false),
        idle_since: Cell::new(Some(Instant::now())),
    });
    let (retired, is_late) = {
        let mut state = pool.state.borrow_mut();
        state.multiplexed.push(Rc::clone(&connection));
        (state.retired, state.drained.is_some_and(|drained| connection.born() <= drained))
    };
    pool.serve_waiting();
    if retired {
        pool.retire();
    } else if is_late {
        // It was begun before the pool was drained, and serves whoever waited for it.
        connection.drain();
        pool.drop_finished();
    }
    // The pool alone decides how long the connection lives: without it there is nothing to tell.
    let (weak_pool, weak_connection) = (Rc::downgrade(&pool), Rc::downgrade(&connection));
    let violations = pool.core.stats.upstream_cx_protocol_error;
    drop((pool, connection));
    let result = driver.await;
    let violated = matches!(result, Err(h2::ConnectionError::Protocol(_) | h2::ConnectionError::Flood(_)));
    if violated {
        violations.inc();
    }
    if let Some(connection) = weak_connection.upgrade() {
        // It ended while the pool still held it: the host closed it, or we do that, whose streams have ended before it where the host
        // broke the protocol.
        let active = !violated && connection.handle.open_streams() > 0;
        let mut counted = connection.counted.borrow_mut();
        if matches!(result, Ok(()) | Err(h2::ConnectionError::Io(_))) {
            counted.closed_by_peer();
        }
        counted.ends(connection.handle.requests(), active);
        drop(counted);
        connection.drain();
        if let Err(error) = result {
            tracing::debug!(host = %connection.facts.peer, %error, "HTTP/2 connection ended");
        }
    }
    if let Some(pool) = weak_pool.upgrade() {
        pool.stream_ended();
    }
}
