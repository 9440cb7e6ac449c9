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
use h2::{Reason, RecvStream};

use super::convert;
use super::flood::Counters;
use super::incoming::{Failure, Incoming};
use super::keepalive::Keepalive;
use super::outgoing::Outgoing;
use super::server::SEND_BUFFER;
use super::shared_io::{Held, SharedIo};
use super::{CodecStats, ConnectionError, DATA_FRAME_BUDGET, Settings, VIOLATION, reason, stream_error};
use crate::wire::codec::{ResetReason, StreamError, Upstream};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, Method, RequestHead, ResponseHead};

/// Starts HTTP/2 on a stream. Requests may be opened at once: they are sent as soon as the driver runs.
pub async fn connect(
    stream: crate::transport::Stream,
    settings: &Settings,
    stats: CodecStats,
) -> Result<(Handle, Driver), ConnectionError> {
    let io = SharedIo::new(stream, false, stats);
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(settings.initial_stream_window)
        .initial_connection_window_size(settings.initial_connection_window)
        .initial_max_send_streams(settings.max_concurrent_streams as usize)
        .max_header_list_size(settings.header_list_size())
        .data_frame_budget(DATA_FRAME_BUDGET)
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
        stats,
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
    stats: CodecStats,
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
            self.shared.stats.keepalive_timeout.inc();
            return Poll::Ready(Err(ConnectionError::PingTimeout));
        }
        let ended = Pin::new(connection).poll(cx);
        self.io.relieve();
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
    outgoing: Outgoing,
    response: Option<ResponseFuture>,
    body: Option<Incoming>,
    /// What was read of the body while its head was looked at.
    first: Option<Box<Result<Frame, Failure>>>,
    /// What was asked for with extended CONNECT.
    upgrade: Option<Bytes>,
    /// The response has no body (RFC 9110 section 6.4.1), whatever the upstream sends.
    bodiless: bool,
    /// After `outgoing`, which still speaks of the stream when it is dropped.
    held: Held,
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
            self.shared.stats.rx_messaging_error.inc();
            return VIOLATION;
        }
        match stream_error(error) {
            // What ended the connection says more than that it ended.
            StreamError::Closed(text) => StreamError::Closed(self.shared.end.borrow().clone().unwrap_or(text)),
            StreamError::Refused => {
                self.shared.stats.stream_refused_errors.inc();
                StreamError::Refused
            }
            other => other,
        }
    }

    /// The same of a loss that the sending side was told of.
    fn lost(&self, lost: StreamError) -> StreamError {
        let violated = match &lost {
            StreamError::Reset(code) => {
                let told = self.active.as_ref().is_some_and(|active| active.held.is_reset());
                // What the upstream did not say was found here.
                !told || *code == u32::from(Reason::PROTOCOL_ERROR)
            }
            _ => false,
        };
        if violated || self.shared.io.flood().is_some() {
            self.shared.stats.rx_messaging_error.inc();
            return VIOLATION;
        }
        match lost {
            StreamError::Closed(text) => StreamError::Closed(self.shared.end.borrow().clone().unwrap_or(text)),
            other => other,
        }
    }

    /// The final head came. An upstream may close the connection behind a complete response while the request is still open: `h2` then
    /// takes the stream for broken, but the wire has told that nothing is missing.
    fn answered(&mut self, body: RecvStream) -> Result<bool, StreamError> {
        let (settings, stats) = (self.shared.settings, self.shared.stats);
        let active = self.active()?;
        let mut body = Incoming::new(body, &active.held);
        let mut ended = body.is_ended();
        if !ended && active.held.has_remote_ended() {
            // Its end is here, perhaps with nothing before it: then the head is the whole answer.
            let mut context = Context::from_waker(Waker::noop());
            match body.poll_frame(&settings, &stats, &mut context) {
                Poll::Ready(Ok(Frame::End)) => ended = true,
                Poll::Ready(Err(Failure::H2(error))) if error.is_io() => ended = true,
                Poll::Ready(first) => active.first = Some(Box::new(first)),
                Poll::Pending => {}
            }
        }
        active.body = Some(body);
        active.response = None;
        Ok(ended)
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
                let held = Held::new(self.shared.io.clone(), send.stream_id().as_u32());
                self.active = Some(Active {
                    outgoing: Outgoing::new(send, self.shared.io.clone(), end),
                    response: Some(response),
                    body: None,
                    first: None,
                    upgrade: head.upgrade.clone(),
                    bodiless: head.method == Method::Head,
                    held,
                });
                Ok(())
            }
            // It never left this process, so another connection may take it.
            Err(error) if error.get_io().is_some() || error.is_go_away() => Err(StreamError::Refused),
            Err(error) => Err(stream_error(&error)),
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        match &mut self.active {
            Some(active) => active.outgoing.poll_ready(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.active()?.outgoing.push(data, end)
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.active()?.outgoing.trailers(trailers)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        match &mut self.active {
            Some(active) => active.outgoing.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        let (settings, stats) = (self.shared.settings, self.shared.stats);
        let active = self.active()?;
        let Some(response) = &mut active.response else {
            return Poll::Ready(Err(StreamError::Io("the response head was taken before".into())));
        };
        let refused = |error: &StreamError| convert::count_refused(error, &stats);
        if let Poll::Ready(Some(informational)) = response.poll_informational(cx) {
            let informational = informational.map_err(|error| self.failed(&error))?;
            let (parts, ()) = informational.into_parts();
            return Poll::Ready(convert::response_head(&parts, false, &settings).inspect_err(refused));
        }
        let result = ready!(Pin::new(response).poll(cx));
        let (parts, body) = result.map_err(|error| self.failed(&error))?.into_parts();
        let ended = self.answered(body)?;
        let mut head = convert::response_head(&parts, ended, &settings).inspect_err(refused)?;
        let active = self.active()?;
        active.bodiless |= matches!(head.status, 204 | 304);
        if let Some(protocol) = &active.upgrade {
            convert::accept_upgrade(&mut head, protocol);
        }
        Poll::Ready(Ok(head))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        let (settings, stats) = (self.shared.settings, self.shared.stats);
        let active = self.active()?;
        let Some(body) = &mut active.body else {
            return Poll::Ready(Err(StreamError::Io("the response head was not taken".into())));
        };
        let result = match active.first.take() {
            Some(first) => *first,
            None => ready!(body.poll_frame(&settings, &stats, cx)),
        };
        Poll::Ready(match result {
            Ok(Frame::Data(data)) if active.bodiless && !data.is_empty() => {
                self.shared.stats.rx_messaging_error.inc();
                Err(VIOLATION)
            }
            Ok(frame) => Ok(frame),
            // All that came before has been read: see `answered`.
            Err(Failure::H2(error)) if error.is_io() && active.held.has_remote_ended() => Ok(Frame::End),
            Err(Failure::H2(error)) => Err(self.failed(&error)),
            Err(Failure::Refused(error)) => Err(error),
        })
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let Some(active) = &mut self.active else { return Poll::Pending };
        if active.held.has_remote_ended() {
            // All of it is here. What becomes of the stream now is only the end of the request.
            return Poll::Pending;
        }
        let lost = ready!(active.outgoing.poll_lost(cx));
        Poll::Ready(self.lost(lost))
    }

    fn reset(&mut self, why: ResetReason) {
        if let Some(active) = &mut self.active {
            active.outgoing.reset(reason(why));
        }
        self.send = None;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The stream is open until all that belongs to it is gone.
        self.active = None;
        self.shared.open.set(self.shared.open.get().saturating_sub(1));
        self.shared.wake();
    }
}
