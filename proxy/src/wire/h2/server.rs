//! The server side of one HTTP/2 connection. The connection task in `http` owns the [`Connection`] and polls it for as long as it
//! lives, for it drives all streams; each [`Stream`] is one request's [`Downstream`], in a task of its own on the same worker.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use tokio::time::Sleep;

use super::convert;
use super::flood::Counters;
use super::incoming::{Failure, Incoming};
use super::keepalive::Keepalive;
use super::outgoing::Outgoing;
use super::shared_io::{Held, SharedIo};
use super::{CodecStats, ConnectionError, DATA_FRAME_BUDGET, Settings, reason, stream_error};
use crate::wire::codec::{Downstream, ResetReason, StreamError};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, RequestHead, ResponseHead};

/// The server side of one connection.
pub struct Connection {
    state: State,
    io: SharedIo,
    settings: Settings,
    keepalive: Option<Keepalive>,
    shared: Rc<Shared>,
}

enum State {
    Handshake(Box<Handshake<SharedIo, Bytes>>),
    Open(Box<h2::server::Connection<SharedIo, Bytes>>),
    Closed,
}

/// What streams tell their connection.
struct Shared {
    settings: Settings,
    stats: CodecStats,
    open: Cell<usize>,
    /// Streams whose exchange is over.
    closed: Cell<u64>,
    goaway_wanted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Connection {
    /// Takes a connection over; the handshake happens while it is polled.
    pub fn new(stream: crate::transport::Stream, settings: &Settings, stats: CodecStats) -> Connection {
        let io = SharedIo::new(stream, true, stats);
        let mut builder = Builder::new();
        builder
            .initial_window_size(settings.initial_stream_window)
            .initial_connection_window_size(settings.initial_connection_window)
            .max_concurrent_streams(settings.max_concurrent_streams)
            .max_header_list_size(settings.header_list_size())
            .max_pending_accept_reset_streams(PREMATURE_TOTAL as usize / 2)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .max_send_buffer_size(SEND_BUFFER);
        if settings.allow_connect {
            builder.enable_connect_protocol();
        }
        let handshake = builder.handshake(io.clone());
        Connection {
            state: State::Handshake(Box::new(handshake)),
            io,
            settings: *settings,
            keepalive: None,
            shared: Rc::new(Shared {
                settings: *settings,
                stats,
                open: Cell::new(0),
                closed: Cell::new(0),
                goaway_wanted: Cell::new(false),
                waker: RefCell::default(),
            }),
        }
    }

    /// Waits for the next request and drives all streams meanwhile: call it again at once, in a loop, until it gives `None` (the
    /// connection ended in good order) or an error. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Result<(RequestHead, Stream), ConnectionError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// See [`next`](Connection::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(RequestHead, Stream), ConnectionError>>> {
        let accepted = self.poll_accept(cx);
        if let Poll::Ready(Some(Ok(_))) = accepted {
            return accepted;
        }
        self.io.relieve();
        // All that can be said now has been said: it leaves in one piece.
        let written = self.io.poll_write_out(cx);
        if accepted.is_ready() {
            self.state = State::Closed;
            return accepted;
        }
        if let Poll::Ready(Err(error)) = written {
            self.state = State::Closed;
            return Poll::Ready(Some(Err(ConnectionError::Io(error.to_string().into()))));
        }
        Poll::Pending
    }

    /// Tells the client to open no more streams; those that are open end in their own time, and then the connection does.
    pub fn graceful_shutdown(&mut self) {
        match &mut self.state {
            State::Open(connection) => connection.graceful_shutdown(),
            State::Handshake(_) => self.shared.goaway_wanted.set(true),
            State::Closed => {}
        }
        self.shared.wake();
    }

    /// Ends all streams and the connection, with GOAWAY NO_ERROR.
    pub fn abrupt_shutdown(&mut self) {
        if let State::Open(connection) = &mut self.state {
            connection.abrupt_shutdown(Reason::NO_ERROR);
        }
        self.shared.wake();
    }

    /// Requests whose exchange is not over.
    pub fn open_streams(&self) -> usize {
        self.shared.open.get()
    }

    /// Whether the client has closed the connection, as far as was read.
    pub fn is_ended_by_peer(&self) -> bool {
        self.io.is_ended_by_peer()
    }

    /// Frames that passed so far.
    pub fn counters(&self) -> Counters {
        self.io.counters()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(RequestHead, Stream), ConnectionError>>> {
        self.shared.watch(cx);
        loop {
            match &mut self.state {
                State::Closed => return Poll::Ready(None),
                State::Handshake(handshake) => match ready!(Pin::new(&mut **handshake).poll(cx)) {
                    Ok(connection) => self.opened(connection),
                    Err(error) => return Poll::Ready(Some(Err(self.failure(&error)))),
                },
                State::Open(connection) => {
                    if self.shared.goaway_wanted.replace(false) {
                        connection.graceful_shutdown();
                    }
                    if self.keepalive.as_mut().is_some_and(|keepalive| keepalive.poll_dead(cx).is_ready()) {
                        self.shared.stats.keepalive_timeout.inc();
                        return Poll::Ready(Some(Err(ConnectionError::PingTimeout)));
                    }
                    let premature = self.io.progress(|progress| progress.premature());
                    if premature * 2 >= self.shared.closed.get().max(PREMATURE_TOTAL) {
                        return Poll::Ready(Some(Err(ConnectionError::Flood(PREMATURE_RESETS))));
                    }
                    // `h2` does not count streams that the client has reset, and somebody may hold them for a while yet.
                    if self.shared.open.get() >= self.settings.max_concurrent_streams as usize {
                        return match ready!(connection.poll_closed(cx)) {
                            Ok(()) => Poll::Ready(None),
                            Err(error) => Poll::Ready(Some(Err(self.failure(&error)))),
                        };
                    }
                    match ready!(connection.poll_accept(cx)) {
                        None => return Poll::Ready(None),
                        Some(Err(error)) => return Poll::Ready(Some(Err(self.failure(&error)))),
                        Some(Ok((request, respond))) => {
                            if let Some(accepted) = self.accepted(request, respond) {
                                return Poll::Ready(Some(Ok(accepted)));
                            }
                        }
                    }
                }
            }
        }
    }

    fn opened(&mut self, mut connection: h2::server::Connection<SharedIo, Bytes>) {
        let interval = self.settings.keepalive_interval.zip(connection.ping_pong());
        self.keepalive =
            interval.map(|(interval, pings)| Keepalive::new(pings, interval, self.settings.keepalive_timeout));
        self.state = State::Open(Box::new(connection));
    }

    fn accepted(
        &self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Option<(RequestHead, Stream)> {
        let (parts, body) = request.into_parts();
        let stats = self.shared.stats;
        let head = match convert::request_head(&parts, body.is_end_stream(), &self.settings, &stats) {
            Ok(head) => head,
            Err(error) => {
                convert::count_refused(&error, &stats);
                respond.send_reset(Reason::PROTOCOL_ERROR);
                return None;
            }
        };
        self.shared.open.set(self.shared.open.get() + 1);
        let held = Held::new(self.io.clone(), respond.stream_id().as_u32());
        let stream = Stream {
            body: Incoming::new(body, &held),
            held,
            respond: Respond::Waiting(respond),
            flush: None,
            flush_limit: self.shared.settings.flush_timeout,
            shared: self.shared.clone(),
        };
        Some((head, stream))
    }

    fn failure(&self, error: &h2::Error) -> ConnectionError {
        match self.io.flood() {
            Some(flood) => ConnectionError::Flood(flood),
            None => error.into(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Streams hold the socket, too.
        self.state = State::Closed;
        self.io.close();
    }
}

impl Shared {
    fn watch(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// One request of a connection.
pub struct Stream {
    body: Incoming,
    respond: Respond,
    /// Gives up on a client that does not take the end of the response.
    flush: Option<Pin<Box<Sleep>>>,
    flush_limit: Option<Duration>,
    shared: Rc<Shared>,
    /// After `respond`, which still speaks of the stream when it is dropped.
    held: Held,
}

enum Respond {
    Waiting(SendResponse<Bytes>),
    Sending(Outgoing),
}

impl Stream {
    fn sending(&mut self) -> Result<&mut Outgoing, StreamError> {
        match &mut self.respond {
            Respond::Sending(outgoing) => Ok(outgoing),
            Respond::Waiting(_) => Err(StreamError::Io("the response is not open".into())),
        }
    }

    /// Ready when the client has not taken the end of the response in time. As for Envoy, whose requests end when the codec has all of the
    /// response, that is nothing for the request's log.
    fn poll_flush_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timeout) = self.flush_limit else { return Poll::Pending };
        let sleep = self.flush.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(sleep.as_mut().poll(cx));
        self.shared.stats.tx_flush_timeout.inc();
        self.respond.reset(Reason::INTERNAL_ERROR);
        Poll::Ready(())
    }
}

impl Respond {
    fn reset(&mut self, reason: Reason) {
        match self {
            Respond::Waiting(respond) => respond.send_reset(reason),
            Respond::Sending(outgoing) => outgoing.reset(reason),
        }
    }
}

impl Downstream for Stream {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        let result = ready!(self.body.poll_frame(&self.shared.settings, &self.shared.stats, cx));
        Poll::Ready(result.map_err(|failure| match failure {
            Failure::H2(error) => stream_error(&error),
            Failure::Refused(error) => error,
        }))
    }

    fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError> {
        let Respond::Waiting(respond) = &mut self.respond else { return Ok(()) };
        respond.send_informational(convert::response(head)?).map_err(|error| stream_error(&error))
    }

    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError> {
        let Respond::Waiting(respond) = &mut self.respond else {
            return Err(StreamError::Io("the response head was sent before".into()));
        };
        let send = respond.send_response(convert::response(head)?, end);
        let send = send.map_err(|error| match respond.poll_reset(&mut Context::from_waker(Waker::noop())) {
            // `h2` itself only says that the stream is not active.
            Poll::Ready(Ok(reason)) => StreamError::Reset(reason.into()),
            _ => stream_error(&error),
        })?;
        self.held.io().progress(|progress| progress.answered(self.held.id()));
        self.respond = Respond::Sending(Outgoing::new(send, self.held.io().clone(), end));
        Ok(())
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        match &mut self.respond {
            Respond::Waiting(_) => Poll::Ready(Ok(())),
            Respond::Sending(outgoing) => outgoing.poll_ready(cx),
        }
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.sending()?.push(data, end)
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.sending()?.trailers(trailers)
    }

    fn flush_within(&mut self, limit: Option<Duration>) {
        self.flush_limit = limit;
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let Respond::Sending(outgoing) = &mut self.respond else { return Poll::Ready(Ok(())) };
        if !outgoing.has_ended() {
            return outgoing.poll_flush(cx);
        }
        match outgoing.poll_delivered(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.poll_flush_timeout(cx).map(Ok),
        }
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let gone = match &mut self.respond {
            Respond::Waiting(respond) => match ready!(respond.poll_reset(cx)) {
                Ok(reason) => StreamError::Reset(reason.into()),
                Err(error) => stream_error(&error),
            },
            Respond::Sending(outgoing) => ready!(outgoing.poll_lost(cx)),
        };
        // Who asked may take its time; the other streams need the window.
        self.body.discard();
        Poll::Ready(gone)
    }

    fn reset(&mut self, why: ResetReason) {
        self.respond.reset(reason(why));
    }

    fn close_after(&mut self) {
        self.shared.goaway_wanted.set(true);
        self.shared.wake();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A response that is complete while the request is not: the rest of it is not wanted, and that is no error (RFC 9113, 8.1).
        // The library says so by itself, after what is queued; an explicit reset would throw the queued response away.
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.closed.set(self.shared.closed.get() + 1);
        self.shared.wake();
    }
}

/// The detail of a connection whose client resets too many streams (rapid reset, CVE-2023-44487).
pub const PREMATURE_RESETS: &str = "http2.premature_resets";
/// Octets of one stream that may wait in `h2`.
pub(super) const SEND_BUFFER: usize = 64 * 1024;
/// `overload.premature_reset_total_stream_count`: half of so many, and then half of all, end the connection.
const PREMATURE_TOTAL: u64 = 500;
