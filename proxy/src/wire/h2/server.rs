//! The server side of one HTTP/2 connection. The connection task in `http` owns the [`Connection`] and polls it for as long as it
//! lives, for it drives all streams; each [`Stream`] is one request's [`Downstream`], in a task of its own on the same worker.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::{Builder, Handshake, SendResponse};
use h2::{Reason, RecvStream, SendStream};

use super::convert;
use super::flood::Counters;
use super::keepalive::Keepalive;
use super::shared_io::SharedIo;
use super::{ConnectionError, Settings, reason, stream_error};
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
#[derive(Default)]
struct Shared {
    settings: Settings,
    open: Cell<usize>,
    /// Streams whose exchange is over.
    closed: Cell<u64>,
    /// Those of them that ended young and unanswered.
    premature: Cell<u64>,
    goaway_wanted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Connection {
    /// Takes a connection over; the handshake happens while it is polled.
    pub fn new(stream: crate::transport::Stream, settings: &Settings) -> Connection {
        let io = SharedIo::new(stream, true);
        let mut builder = Builder::new();
        builder
            .initial_window_size(settings.initial_stream_window)
            .initial_connection_window_size(settings.initial_connection_window)
            .max_concurrent_streams(settings.max_concurrent_streams)
            .max_header_list_size(settings.header_list_size())
            .max_pending_accept_reset_streams(PREMATURE_TOTAL as usize / 2)
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
            shared: Rc::new(Shared { settings: *settings, ..Shared::default() }),
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
                        return Poll::Ready(Some(Err(ConnectionError::PingTimeout)));
                    }
                    if self.shared.resets_too_much() {
                        return Poll::Ready(Some(Err(ConnectionError::Flood("http2.premature_resets"))));
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
        let head = match convert::request_head(&parts, body.is_end_stream(), &self.settings) {
            Ok(head) => head,
            Err(_) => {
                respond.send_reset(Reason::PROTOCOL_ERROR);
                return None;
            }
        };
        self.shared.open.set(self.shared.open.get() + 1);
        let stream = Stream {
            body,
            unreleased: 0,
            respond: Respond::Waiting(respond),
            sent: 0,
            since: Instant::now(),
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

impl Shared {
    /// Whether half of all streams ended prematurely (rapid reset, CVE-2023-44487); fewer streams than a certain number count as so
    /// many.
    fn resets_too_much(&self) -> bool {
        self.premature.get() * 2 >= self.closed.get().max(PREMATURE_TOTAL)
    }

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
    body: RecvStream,
    /// Octets given to the reader and not yet given back to the flow control.
    unreleased: usize,
    respond: Respond,
    /// Octets sent since the peer's window was last looked at.
    sent: usize,
    since: Instant,
    shared: Rc<Shared>,
}

enum Respond {
    Waiting(SendResponse<Bytes>),
    Sending { send: SendStream<Bytes>, done: bool },
}

impl Stream {
    fn sending(&mut self) -> Result<&mut SendStream<Bytes>, StreamError> {
        match &mut self.respond {
            Respond::Sending { send, done: false } => Ok(send),
            _ => Err(StreamError::Io("the response is not open".into())),
        }
    }

    fn end(&mut self) {
        if let Respond::Sending { done, .. } = &mut self.respond {
            *done = true;
        }
    }

    /// Counts a stream that ends: many that the client gave up at once are an attack.
    fn note_end(&self) {
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.closed.set(self.shared.closed.get() + 1);
        if matches!(self.respond, Respond::Waiting(_)) && self.since.elapsed() < PREMATURE {
            self.shared.premature.set(self.shared.premature.get() + 1);
        }
        self.shared.wake();
    }
}

impl Downstream for Stream {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        release(&mut self.body, &mut self.unreleased);
        let result = poll_frame(&mut self.body, &mut self.unreleased, &self.shared.settings, cx);
        result.map_err(|error| stream_error(&error))
    }

    fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError> {
        let Respond::Waiting(respond) = &mut self.respond else { return Ok(()) };
        respond.send_informational(convert::response(head)?).map_err(|error| stream_error(&error))
    }

    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError> {
        let Respond::Waiting(respond) = &mut self.respond else {
            return Err(StreamError::Io("the response head was sent before".into()));
        };
        let send = respond.send_response(convert::response(head)?, end).map_err(|error| stream_error(&error))?;
        self.respond = Respond::Sending { send, done: end };
        Ok(())
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if self.sent < AHEAD {
            return Poll::Ready(Ok(()));
        }
        let Respond::Sending { send, done: false } = &mut self.respond else { return Poll::Ready(Ok(())) };
        ready!(poll_capacity(send, cx)).map_err(|error| stream_error(&error))?;
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.sent += data.len();
        if !data.is_empty() || end {
            self.sending()?.send_data(data, end).map_err(|error| stream_error(&error))?;
        }
        if end {
            self.end();
        }
        Ok(())
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.sending()?.send_trailers(convert::map(trailers)).map_err(|error| stream_error(&error))?;
        self.end();
        Ok(())
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let reset = match &mut self.respond {
            Respond::Waiting(respond) => ready!(respond.poll_reset(cx)),
            Respond::Sending { send, .. } => ready!(send.poll_reset(cx)),
        };
        Poll::Ready(match reset {
            Ok(reason) => StreamError::Reset(reason.into()),
            Err(error) => stream_error(&error),
        })
    }

    fn reset(&mut self, why: ResetReason) {
        match &mut self.respond {
            Respond::Waiting(respond) => respond.send_reset(reason(why)),
            Respond::Sending { send, .. } => send.send_reset(reason(why)),
        }
    }

    fn close_after(&mut self) {
        self.shared.goaway_wanted.set(true);
        self.shared.wake();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        release(&mut self.body, &mut self.unreleased);
        // A response that is complete while the request is not: the rest of it is not wanted, and that is no error (RFC 9113, 8.1).
        // The library says so by itself, after what is queued; an explicit reset would throw the queued response away.
        self.note_end();
    }
}

/// Gives the octets that the reader has done with back to the flow control.
pub(super) fn release(body: &mut RecvStream, unreleased: &mut usize) {
    if *unreleased > 0 {
        // Fails only when the stream is gone, and then there is nothing to give back.
        let _ = body.flow_control().release_capacity(*unreleased);
        *unreleased = 0;
    }
}

/// The next piece of a body; its octets are released when the reader comes back for more.
pub(super) fn poll_frame(
    body: &mut RecvStream,
    unreleased: &mut usize,
    settings: &Settings,
    cx: &mut Context<'_>,
) -> Poll<Result<Frame, h2::Error>> {
    if let Some(data) = ready!(body.poll_data(cx)) {
        let data = data?;
        *unreleased += data.len();
        return Poll::Ready(Ok(Frame::Data(data)));
    }
    let Some(trailers) = ready!(body.poll_trailers(cx))? else { return Poll::Ready(Ok(Frame::End)) };
    let fit = convert::check_limits(&trailers, settings).is_ok();
    Poll::Ready(if fit {
        Ok(Frame::Trailers(convert::trailers(&trailers)))
    } else {
        Err(Reason::PROTOCOL_ERROR.into())
    })
}

/// Ready when the peer's windows, and what waits to be sent already, leave room for more.
pub(super) fn poll_capacity(send: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
    send.reserve_capacity(1);
    while send.capacity() == 0 {
        match ready!(send.poll_capacity(cx)) {
            Some(result) => drop(result?),
            None => return Poll::Ready(Err(Reason::CANCEL.into())),
        }
    }
    Poll::Ready(Ok(()))
}

/// Octets a stream may send before the peer's window is looked at (again).
pub(super) const AHEAD: usize = 16 * 1024;
/// Octets of one stream that may wait in `h2`.
pub(super) const SEND_BUFFER: usize = 64 * 1024;
/// `overload.premature_reset_min_stream_lifetime_seconds`: unanswered streams that end younger are suspicious.
const PREMATURE: Duration = Duration::from_secs(1);
/// `overload.premature_reset_total_stream_count`: half of so many, and then half of all, end the connection.
const PREMATURE_TOTAL: u64 = 500;
