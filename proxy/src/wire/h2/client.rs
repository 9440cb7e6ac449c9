//! The client side of one HTTP/2 connection. A pool in `cluster` calls [`connect`], spawns the [`Driver`] on its worker and keeps the
//! [`Handle`]; each [`Stream`] from [`Handle::open`] is one request's [`Upstream`].

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};

use super::convert;
use super::flood::Counters;
use super::keepalive::Keepalive;
use super::server::{AHEAD, SEND_BUFFER, poll_capacity, poll_frame, release};
use super::shared_io::SharedIo;
use super::{ConnectionError, Settings, VIOLATION, reason, stream_error};
use crate::wire::codec::{ResetReason, StreamError, Upstream};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, RequestHead, ResponseHead};

/// Starts HTTP/2 on a stream. Requests may be opened at once: they are sent as soon as the driver runs.
pub async fn connect(
    stream: crate::transport::Stream,
    settings: &Settings,
) -> Result<(Handle, Driver), ConnectionError> {
    let io = SharedIo::new(stream, false);
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(settings.initial_stream_window)
        .initial_connection_window_size(settings.initial_connection_window)
        .initial_max_send_streams(settings.max_concurrent_streams as usize)
        .max_header_list_size(settings.header_list_size())
        .max_send_buffer_size(SEND_BUFFER);
    // Only writes the preface, into memory: it does not wait for the peer.
    let (send, mut connection) = builder.handshake(io.clone()).await.map_err(|error| ConnectionError::from(&error))?;
    let keepalive = settings.keepalive_interval.zip(connection.ping_pong());
    let keepalive = keepalive.map(|(interval, pings)| Keepalive::new(pings, interval, settings.keepalive_timeout));
    let shared = Rc::new(Shared {
        open: Cell::new(0),
        requests: Cell::new(0),
        end: RefCell::new(None),
        io: io.clone(),
        settings: *settings,
        waiting: RefCell::default(),
    });
    let handle = Handle { send, shared: shared.clone() };
    Ok((handle, Driver { connection: Some(connection), io, keepalive, shared }))
}

struct Shared {
    open: Cell<usize>,
    requests: Cell<u64>,
    /// Why the connection is over.
    end: RefCell<Option<Arc<str>>>,
    io: SharedIo,
    settings: Settings,
    /// Woken when a stream ends or the connection does.
    waiting: RefCell<Vec<Waker>>,
}

impl Shared {
    fn wake(&self) {
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }
}

/// A way to open streams on a connection. Clones are the same connection; it closes when all are dropped and no stream is open.
#[derive(Clone)]
pub struct Handle {
    send: SendRequest<Bytes>,
    shared: Rc<Shared>,
}

impl Handle {
    /// How many more streams may be opened now; 0 when the peer is going away.
    pub fn free_streams(&self) -> usize {
        if !self.is_open() {
            return 0;
        }
        let limit = self.send.current_max_send_streams().min(self.shared.settings.max_concurrent_streams as usize);
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
        self.shared.end.borrow().is_none() && !self.shared.io.counters().rx_goaway
    }

    /// Ready when a stream may be opened, or the connection has ended.
    pub fn poll_free(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if let Some(end) = &*self.shared.end.borrow() {
            return Poll::Ready(Err(StreamError::Closed(end.clone())));
        }
        if self.free_streams() > 0 || self.shared.io.counters().rx_goaway {
            return Poll::Ready(Ok(()));
        }
        self.shared.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when the connection has ended, with the reason.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<Arc<str>> {
        if let Some(end) = &*self.shared.end.borrow() {
            return Poll::Ready(end.clone());
        }
        self.shared.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }

    /// Opens a stream. Nothing is sent before the head is.
    pub fn open(&self) -> Stream {
        self.shared.open.set(self.shared.open.get() + 1);
        self.shared.requests.set(self.shared.requests.get() + 1);
        Stream { send: Some(self.send.clone()), active: None, shared: self.shared.clone() }
    }

    /// Frames that passed so far.
    pub fn counters(&self) -> Counters {
        self.shared.io.counters()
    }
}

/// Drives a connection; a task of its own polls it to its end.
pub struct Driver {
    connection: Option<h2::client::Connection<SharedIo, Bytes>>,
    io: SharedIo,
    keepalive: Option<Keepalive>,
    shared: Rc<Shared>,
}

impl Driver {
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(Ok(())) };
        if self.keepalive.as_mut().is_some_and(|keepalive| keepalive.poll_dead(cx).is_ready()) {
            return Poll::Ready(Err(ConnectionError::PingTimeout));
        }
        let ended = Pin::new(connection).poll(cx);
        // All that can be said now has been said: it leaves in one piece.
        let written = self.io.poll_write_out(cx);
        match (ended, written) {
            (Poll::Ready(Err(error)), _) => Poll::Ready(Err(match self.io.flood() {
                Some(flood) => ConnectionError::Flood(flood),
                None => ConnectionError::from(&error),
            })),
            (Poll::Ready(Ok(())), _) => Poll::Ready(Ok(())),
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(ConnectionError::Io(error.to_string().into()))),
            (Poll::Pending, _) => Poll::Pending,
        }
    }
}

impl Future for Driver {
    type Output = Result<(), ConnectionError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.poll_connection(cx));
        let why = result.as_ref().err().map_or_else(|| "connection closed".into(), |error| error.to_string().into());
        *self.shared.end.borrow_mut() = Some(why);
        // Dropping it tells the streams.
        self.connection = None;
        self.io.close();
        self.shared.wake();
        Poll::Ready(result)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.end.borrow_mut().get_or_insert_with(|| "connection dropped".into());
        self.connection = None;
        self.io.close();
        self.shared.wake();
    }
}

/// One request of a connection.
pub struct Stream {
    send: Option<SendRequest<Bytes>>,
    active: Option<Active>,
    shared: Rc<Shared>,
}

struct Active {
    send: SendStream<Bytes>,
    sent: usize,
    send_done: bool,
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    unreleased: usize,
}

impl Stream {
    fn active(&mut self) -> Result<&mut Active, StreamError> {
        self.active.as_mut().ok_or_else(|| StreamError::Io("the request is not open".into()))
    }

    /// Why the stream ended: what the upstream did against the protocol is told apart from what happens to connections.
    fn failed(&self, error: &h2::Error) -> StreamError {
        let found = !error.is_remote() && error.reason().is_some_and(|reason| reason != Reason::NO_ERROR);
        let told = error.is_reset() && error.is_remote() && error.reason() == Some(Reason::PROTOCOL_ERROR);
        if found || told || self.shared.io.flood().is_some() {
            return VIOLATION;
        }
        match stream_error(error) {
            // What ended the connection says more than that it ended.
            StreamError::Closed(text) => StreamError::Closed(self.shared.end.borrow().clone().unwrap_or(text)),
            other => other,
        }
    }
}

impl Upstream for Stream {
    fn send_head(&mut self, head: &RequestHead, end: bool) -> Result<(), StreamError> {
        let Some(mut send) = self.send.take() else {
            return Err(StreamError::Io("the request head was sent before".into()));
        };
        let request = convert::request(head)?;
        match send.send_request(request, end) {
            Ok((response, send)) => {
                let active =
                    Active { send, sent: 0, send_done: end, response: Some(response), body: None, unreleased: 0 };
                self.active = Some(active);
                Ok(())
            }
            // It never left this process, so another connection may take it.
            Err(error) if error.get_io().is_some() || error.is_go_away() => Err(StreamError::Refused),
            Err(error) => Err(stream_error(&error)),
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let Some(active) = &mut self.active else { return Poll::Ready(Ok(())) };
        if active.sent < AHEAD || active.send_done {
            return Poll::Ready(Ok(()));
        }
        let result = ready!(poll_capacity(&mut active.send, cx));
        active.sent = 0;
        Poll::Ready(result.map_err(|error| self.failed(&error)))
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        let active = self.active()?;
        if active.send_done {
            return Err(StreamError::Io("the request is complete".into()));
        }
        active.sent += data.len();
        active.send_done = end;
        if !data.is_empty() || end {
            let result = active.send.send_data(data, end);
            result.map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        let active = self.active()?;
        active.send_done = true;
        let result = active.send.send_trailers(convert::map(trailers));
        result.map_err(|error| self.failed(&error))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        let settings = self.shared.settings;
        let active = self.active()?;
        let Some(response) = &mut active.response else {
            return Poll::Ready(Err(StreamError::Io("the response head was taken before".into())));
        };
        if let Poll::Ready(Some(informational)) = response.poll_informational(cx) {
            let informational = informational.map_err(|error| self.failed(&error))?;
            let (parts, ()) = informational.into_parts();
            return Poll::Ready(convert::response_head(&parts, false, &settings));
        }
        let result = ready!(Pin::new(response).poll(cx));
        let (parts, body) = result.map_err(|error| self.failed(&error))?.into_parts();
        let head = convert::response_head(&parts, body.is_end_stream(), &settings)?;
        let active = self.active()?;
        active.body = Some(body);
        active.response = None;
        Poll::Ready(Ok(head))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        let settings = self.shared.settings;
        let active = self.active()?;
        let Some(body) = &mut active.body else {
            return Poll::Ready(Err(StreamError::Io("the response head was not taken".into())));
        };
        release(body, &mut active.unreleased);
        let result = ready!(poll_frame(body, &mut active.unreleased, &settings, cx));
        Poll::Ready(result.map_err(|error| self.failed(&error)))
    }

    fn reset(&mut self, why: ResetReason) {
        if let Some(active) = &mut self.active {
            active.send.send_reset(reason(why));
        }
        self.send = None;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(Active { body: Some(body), unreleased, .. }) = &mut self.active {
            release(body, unreleased);
        }
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.wake();
    }
}
