//! The server side of one HTTP/1 connection. The connection task in `http` owns it: [`Connection::next`] gives a request, then the
//! connection itself is that request's [`Downstream`] until [`Connection::finish`]. It never answers on its own account.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::time::Sleep;

use super::buffers::{ReadBuffer, WriteBuffer};
use super::decode::RequestDecoder;
use super::encode::{self, ResponseContext, Sending};
use super::meter::Meter;
use super::{ParseError, Settings};
use crate::transport::Stream;
use crate::wire::codec::{Downstream, OnWire, ResetReason, StreamError};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, Method, Protocol, RequestHead, ResponseHead};

/// The server side of one connection.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    settings: Settings,
    pub(super) read: ReadBuffer,
    pub(super) write: WriteBuffer,
    decoder: RequestDecoder,
    /// What the response must know of the request.
    request: Facts,
    sending: Sending,
    /// No further request is taken after this one.
    close: bool,
    /// The same, as the connection's owner has it while the request is served.
    last: Rc<Cell<bool>>,
    /// When to look again whether the client of an unread body has gone.
    look: Option<Pin<Box<Sleep>>>,
    /// The exchange was cut short; the peer must see the connection end.
    broken: bool,
    meter: Meter,
}

#[derive(Debug)]
struct Facts {
    protocol: Protocol,
    is_head: bool,
    is_connect: bool,
}

/// Why there is no next request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestError {
    /// The client broke the protocol. The connection's task answers with the status and logs the detail: the connection accepts one
    /// response (`send_head` and so on) and must then be closed.
    #[error(transparent)]
    Protocol(#[from] ParseError),
    /// The client left in the middle of a head. Nothing can be answered; Envoy logs it with flag `DC`.
    #[error("the client closed the connection within a request head")]
    Disconnected,
}

impl Connection {
    /// Takes a connection over.
    pub fn new(stream: Stream, settings: &Settings) -> Connection {
        Connection {
            stream,
            settings: settings.clone(),
            read: ReadBuffer::default(),
            write: WriteBuffer::default(),
            decoder: RequestDecoder::new(settings.clone()),
            request: Facts { protocol: Protocol::Http11, is_head: false, is_connect: false },
            sending: Sending::Done,
            close: false,
            last: Rc::default(),
            look: None,
            broken: false,
            meter: Meter::default(),
        }
    }

    /// Waits for the next request, writing out what is left of the previous response meanwhile. `None` when the client has closed
    /// between requests. May be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<RequestHead>, RequestError> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// See [`next`](Connection::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<RequestHead>, RequestError>> {
        // An error shows in reading, too.
        let _ = self.write.poll_drain(&mut self.stream, cx);
        loop {
            if self.read.len() > 0 {
                match self.decoder.head(self.read.bytes()) {
                    Ok(Some((head, keep_alive))) => return Poll::Ready(Ok(Some(self.begin(head, keep_alive)))),
                    Ok(None) => {}
                    Err(error) => {
                        self.refuse();
                        return Poll::Ready(Err(error.into()));
                    }
                }
            }
            match ready!(self.read.poll_fill(&mut self.stream, cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) if self.decoder.head_started() => return Poll::Ready(Err(RequestError::Disconnected)),
                Ok(0) | Err(_) => return Poll::Ready(Ok(None)),
            }
        }
    }

    /// Whether octets of the next head have arrived: what an expired timer means depends on it.
    pub fn head_started(&self) -> bool {
        self.decoder.head_started()
    }

    /// Whether the request has been read to its end.
    pub fn request_is_complete(&self) -> bool {
        self.decoder.is_done()
    }

    /// Ends the exchange. True when the connection can take another request; otherwise [`close`](Connection::close) it.
    pub fn finish(&mut self) -> bool {
        self.meter.begin(&self.read, &self.write);
        !self.close && !self.broken && self.sending == Sending::Done && self.decoder.is_done()
    }

    /// Whether the connection has become raw bytes in both directions.
    pub fn is_tunnel(&self) -> bool {
        self.sending == Sending::Tunnel
    }

    /// The bare stream of a tunnel, after everything that was sent has been written.
    pub async fn into_upgraded(mut self) -> io::Result<Stream> {
        poll_fn(|cx| self.write.poll_drain(&mut self.stream, cx)).await?;
        Ok(self.stream.unread(self.read.take()))
    }

    /// Writes out what is left, ends our direction, and then waits (for at most `delay`, Envoy's `delayed_close_timeout`) until the
    /// client has ended its own: closing with unread bytes would make the kernel drop the response. False when it was waited for in vain.
    pub async fn close(mut self, delay: Option<Duration>) -> bool {
        let Some(delay) = delay else {
            let _ = poll_fn(|cx| self.write.poll_drain(&mut self.stream, cx)).await;
            let _ = poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await;
            return true;
        };
        let closed = tokio::time::timeout(delay, async {
            poll_fn(|cx| self.write.poll_drain(&mut self.stream, cx)).await?;
            poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await?;
            while poll_fn(|cx| self.read.poll_fill(&mut self.stream, cx)).await? > 0 {
                self.read.bytes().clear();
            }
            io::Result::Ok(())
        })
        .await;
        closed.is_ok()
    }

    /// Set while a request is served, it makes that the connection's last: the response says so, if its head has not been sent.
    pub fn last_request(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.last)
    }

    /// The stream, e.g. to look at its addresses.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Gives up waiting for a head that has begun: the connection accepts one response and must then be closed.
    pub fn refuse_next(&mut self) {
        self.refuse();
    }

    fn begin(&mut self, head: RequestHead, keep_alive: bool) -> RequestHead {
        self.request = Facts {
            protocol: head.protocol,
            is_head: head.method == Method::Head,
            is_connect: head.method == Method::Connect,
        };
        self.sending = Sending::Head;
        self.close |= !keep_alive;
        self.meter.received(self.decoder.lines());
        head
    }

    /// Prepares for the one answer to a request that could not be read.
    fn refuse(&mut self) {
        self.request = Facts { protocol: Protocol::Http11, is_head: false, is_connect: false };
        self.sending = Sending::Head;
        self.close = true;
        self.broken = true;
    }

    fn check_sending(&self) -> Result<(), StreamError> {
        if self.sending.is_open() { Ok(()) } else { Err(StreamError::Io("the response is not open".into())) }
    }

    fn end(&mut self) {
        let was = self.sending.end(&mut self.write, self.settings.http1.header_case);
        // Less than was promised, or an end that only closing can show.
        self.close |= matches!(was, Sending::Length(1..) | Sending::UntilClose | Sending::Tunnel);
        self.broken |= matches!(was, Sending::Length(1..));
    }

    /// Lets waiting for the peer also push out what the peer may be waiting for.
    fn push_out(&mut self, cx: &mut Context<'_>) {
        if self.write.len() > 0 {
            let _ = self.write.poll_drain(&mut self.stream, cx);
        }
    }
}

impl Downstream for Connection {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        loop {
            let frame = self.decoder.body(self.read.bytes()).inspect_err(|_| {
                self.broken = true;
                self.close = true;
            })?;
            if let Some(frame) = frame {
                return Poll::Ready(Ok(frame));
            }
            match self.read.poll_fill(&mut self.stream, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if self.decoder.is_tunnel() => return Poll::Ready(Ok(Frame::End)),
                Poll::Ready(result) => {
                    self.broken = true;
                    return Poll::Ready(Err(closed(result)));
                }
                Poll::Pending => {
                    self.push_out(cx);
                    return Poll::Pending;
                }
            }
        }
    }

    fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError> {
        // RFC 9110 section 15.2: a server must not send a 1xx response to an HTTP/1.0 client.
        if self.sending == Sending::Head && self.request.protocol != Protocol::Http10 {
            encode::informational(self.write.text(), head, self.settings.http1.header_case);
        }
        Ok(())
    }

    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError> {
        if self.sending != Sending::Head {
            return Err(StreamError::Io("the response head was sent before".into()));
        }
        self.close |= encode::says_close(&head.headers) || self.last.get();
        // An answer before the end of the question: the rest of it is not waited for.
        self.close |= !self.decoder.is_done();
        // Without a length an HTTP/1.0 client sees the end of a body only when the connection closes.
        let lengthless = !end && !head.headers.contains(&crate::wire::headers::Name::CONTENT_LENGTH);
        self.close |= self.request.protocol == Protocol::Http10 && lengthless;
        let context = ResponseContext {
            protocol: self.request.protocol,
            to_head: self.request.is_head,
            to_connect: self.request.is_connect,
            close: self.close,
            case: self.settings.http1.header_case,
        };
        let begin = self.write.text().len();
        self.sending = encode::response(self.write.text(), head, end, context);
        self.meter.sent(self.write.text(), begin);
        if self.sending == Sending::Tunnel {
            self.decoder.tunnel();
            self.close = true;
        } else if end {
            self.end();
        }
        Ok(())
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let limit = self.settings.buffer_limit;
        let result = ready!(self.write.poll_below(limit, &mut self.stream, cx));
        Poll::Ready(result.map_err(|error| self.write_failed(&error)))
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.check_sending()?;
        if !self.sending.data(data, &mut self.write) {
            self.broken = true;
            return Err(StreamError::Io("more body than content-length says".into()));
        }
        if end {
            self.end();
        }
        Ok(())
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.check_sending()?;
        let http1 = &self.settings.http1;
        if !(http1.trailers && self.sending.trailers(trailers, &mut self.write, http1.header_case)) {
            self.end();
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let result = ready!(self.write.poll_drain(&mut self.stream, cx));
        Poll::Ready(result.map_err(|error| self.write_failed(&error)))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        self.push_out(cx);
        // In a tunnel the end of one direction is an ordinary event, seen by reading.
        if self.decoder.is_tunnel() {
            return Poll::Pending;
        }
        while self.read.len() < self.settings.buffer_limit {
            match ready!(self.read.poll_fill(&mut self.stream, cx)) {
                Ok(1..) => {}
                result => {
                    self.broken = true;
                    return Poll::Ready(closed(result));
                }
            }
        }
        self.poll_left(cx)
    }

    fn reset(&mut self, _reason: ResetReason) {
        self.broken = true;
    }

    fn close_after(&mut self) {
        self.close = true;
    }

    fn untaken(&self) -> u64 {
        self.read.len() as u64
    }

    fn on_wire(&mut self) -> Option<OnWire> {
        Some(self.meter.read(&self.read, &self.write))
    }
}

impl Connection {
    /// While the buffer is full of a body that nobody reads, reading does not tell that the client goes: the system is asked now and then.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        loop {
            let look = self.look.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK)));
            ready!(look.as_mut().poll(cx));
            self.look = None;
            if self.stream.has_peer_left() {
                self.broken = true;
                return Poll::Ready(closed(Ok(0)));
            }
        }
    }

    fn write_failed(&mut self, error: &io::Error) -> StreamError {
        self.broken = true;
        self.write.discard();
        StreamError::Closed(error.to_string().into())
    }
}

fn closed(result: io::Result<usize>) -> StreamError {
    StreamError::Closed(match result {
        Ok(_) => "end of stream".into(),
        Err(error) => error.to_string().into(),
    })
}

/// How often it is looked whether the client of an unread body has gone.
const LOOK: Duration = Duration::from_secs(1);
