//! The client side of one HTTP/1 connection. A pool in `cluster` owns it: after [`Connection::begin`] it is one request's
//! [`Upstream`]; when that is over, [`Connection::is_reusable`] says whether it may carry another. It never retries.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::buffers::{ReadBuffer, WriteBuffer};
use super::decode::{Asked, ResponseDecoder};
use super::encode::{self, Sending};
use super::meter::Meter;
use super::{ParseError, Settings};
use crate::transport::Stream;
use crate::wire::codec::{OnWire, ResetReason, StreamError, Upstream};
use crate::wire::headers::Headers;
use crate::wire::message::{BodyLength, Frame, Method, Protocol, RequestHead, ResponseHead};

/// The client side of one connection.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    settings: Settings,
    read: ReadBuffer,
    write: WriteBuffer,
    decoder: ResponseDecoder,
    sending: Sending,
    receiving: Receiving,
    asked: Asked,
    /// Our direction of a tunnel is over: the server is told when all of it is written.
    ends_tunnel: bool,
    keep_alive: bool,
    told_to_close: bool,
    broken: bool,
    /// Reading failed.
    reset: bool,
    /// The server broke the protocol.
    violated: bool,
    /// Writing failed. What the server said before it stopped listening is still worth reading.
    write_error: Option<String>,
    requests: u64,
    octets_came: bool,
    meter: Meter,
    /// The server speaks no HTTP: it gets what a tunnel brings, and what it says is the tunnel's.
    raw: bool,
}

/// How far the receiving of a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiving {
    Head,
    Body,
    Done,
}

impl Connection {
    /// Takes a fresh connection over.
    pub fn new(stream: Stream, settings: &Settings) -> Connection {
        Connection {
            stream,
            settings: settings.clone(),
            read: ReadBuffer::default(),
            write: WriteBuffer::default(),
            decoder: ResponseDecoder::new(settings.clone()),
            sending: Sending::Done,
            receiving: Receiving::Done,
            asked: Asked::Other,
            ends_tunnel: false,
            keep_alive: true,
            told_to_close: false,
            broken: false,
            violated: false,
            reset: false,
            write_error: None,
            requests: 0,
            octets_came: false,
            meter: Meter::default(),
            raw: false,
        }
    }

    /// Takes over a fresh connection to a server that speaks no HTTP, which gets `first` and then what a tunnel brings.
    pub fn raw(stream: Stream, settings: &Settings, first: &[u8]) -> Connection {
        let mut connection = Connection { raw: true, ..Connection::new(stream, settings) };
        connection.write.text().extend_from_slice(first);
        connection.begin();
        connection
    }

    /// Prepares for the next request.
    pub fn begin(&mut self) {
        self.sending = Sending::Head;
        self.receiving = Receiving::Head;
        self.requests += 1;
        self.octets_came = false;
        self.meter.begin(&self.read, &self.write);
    }

    /// Whether the connection may carry another request: both messages are complete, the server keeps the connection, and nothing
    /// that was not asked for has arrived.
    pub fn is_reusable(&self) -> bool {
        self.keep_alive
            && !self.broken
            && self.write_error.is_none()
            && self.sending == Sending::Done
            && self.receiving == Receiving::Done
            && self.write.len() == 0
            && self.read.len() == 0
            && !self.read.eof()
    }

    /// Whether request and response have come to their ends.
    pub fn is_complete(&self) -> bool {
        self.sending == Sending::Done && self.receiving == Receiving::Done
    }

    /// Whether the server has closed or reset the connection, as far as was read.
    pub fn is_ended_by_peer(&self) -> bool {
        self.read.eof() || self.reset || self.write_error.is_some()
    }

    /// Whether an idle connection is still good, as far as the system has told by now: neither closed nor has the server spoken out
    /// of turn.
    pub fn is_alive(&mut self) -> bool {
        self.is_reusable()
            && (self.stream.is_quiet() || self.poll_closed(&mut Context::from_waker(Waker::noop())).is_pending())
    }

    /// Ready when an idle connection is no longer good.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let result = ready!(self.read.poll_fill(&mut self.stream, cx));
        // Octets that nobody asked for (a 408 perhaps), the end, or an error: each ends it.
        let _ = result;
        self.broken = true;
        Poll::Ready(())
    }

    /// Requests that were begun. Above 1 the connection was reused, and a closing before any octet of a response may only mean that
    /// the server closed an idle connection at the wrong moment.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether octets of a response to the current request have arrived.
    pub fn response_started(&self) -> bool {
        self.octets_came || self.read.len() > 0
    }

    /// Whether the server has said that it closes the connection.
    pub fn is_told_to_close(&self) -> bool {
        self.told_to_close
    }

    /// Whether the server has broken the protocol.
    pub fn is_violated(&self) -> bool {
        self.violated
    }

    fn violation(&mut self) {
        self.broken = true;
        self.violated = true;
    }

    /// The bare stream of a tunnel, after everything that was sent has been written.
    pub async fn into_upgraded(mut self) -> io::Result<Stream> {
        poll_fn(|cx| self.write.poll_drain(&mut self.stream, cx)).await?;
        Ok(self.stream.unread(self.read.take()))
    }

    /// The stream, e.g. to look at its addresses.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    fn end(&mut self) {
        let was = self.sending.end(&mut self.write, self.settings.http1.header_case);
        self.keep_alive &= !matches!(was, Sending::Length(1..) | Sending::Tunnel);
        // As with Envoy a websocket has an end of its own.
        self.ends_tunnel = was == Sending::Tunnel && self.asked == Asked::Connect;
    }

    fn check_sending(&self) -> Result<(), StreamError> {
        if self.sending.is_open() { Ok(()) } else { Err(StreamError::Io("the request is not open".into())) }
    }

    /// Drives writing. A failure is kept until reading fails, too: an early response may have come before it.
    fn push_out(&mut self, cx: &mut Context<'_>, limit: Option<usize>) -> Poll<()> {
        if self.write_error.is_some() {
            self.write.discard();
            return Poll::Ready(());
        }
        let mut result = match limit {
            Some(limit) => ready!(self.write.poll_below(limit, &mut self.stream, cx)),
            None => ready!(self.write.poll_drain(&mut self.stream, cx)),
        };
        if self.ends_tunnel && result.is_ok() && self.write.len() == 0 {
            result = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
            self.ends_tunnel = false;
        }
        if let Err(error) = result {
            self.write_error = Some(error.to_string());
            self.write.discard();
        }
        Poll::Ready(())
    }

    /// Reads more. `Ok(false)` at the end of the stream.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, StreamError>> {
        match self.read.poll_fill(&mut self.stream, cx) {
            Poll::Ready(Ok(count)) => {
                self.octets_came |= count > 0;
                Poll::Ready(Ok(count > 0))
            }
            Poll::Ready(Err(error)) => {
                (self.broken, self.reset) = (true, true);
                Poll::Ready(Err(StreamError::Closed(error.to_string().into())))
            }
            Poll::Pending => {
                let _ = self.push_out(cx, None);
                Poll::Pending
            }
        }
    }

    /// The server closed in the middle of things. Envoy calls it a protocol error when some of the answer has come.
    fn ended_early(&mut self) -> StreamError {
        self.broken = true;
        if self.response_started() {
            self.violated = true;
            return ParseError::CODEC.into();
        }
        StreamError::Closed(self.write_error.take().unwrap_or_else(|| "end of stream".to_owned()).into())
    }

    fn received(&mut self) {
        self.receiving = Receiving::Done;
        self.read.release();
    }
}

/// The answer of a server that speaks no HTTP: it took the connection.
fn accepted() -> ResponseHead {
    ResponseHead {
        protocol: Protocol::Http11,
        status: 200,
        reason: Bytes::new(),
        headers: Headers::new(),
        body: BodyLength::UntilClose,
        wire_size: 0,
    }
}

impl Upstream for Connection {
    fn send_head(&mut self, head: &RequestHead, end: bool) -> Result<(), StreamError> {
        if self.sending != Sending::Head {
            return Err(StreamError::Io("the request head was sent before".into()));
        }
        if self.raw {
            // Its end is ours to tell, as that of a CONNECT.
            (self.asked, self.sending) = (Asked::Connect, Sending::Tunnel);
            if end {
                self.end();
            }
            return Ok(());
        }
        self.asked = match head.method {
            Method::Head => Asked::Head,
            Method::Connect => Asked::Connect,
            _ if head.upgrade.is_some() => Asked::Upgrade,
            _ => Asked::Other,
        };
        let begin = self.write.text().len();
        self.sending =
            encode::request(self.write.text(), head, end, self.settings.http1.header_case, self.settings.full_url);
        self.meter.sent(self.write.text(), begin);
        if end && self.sending != Sending::Tunnel {
            self.end();
        }
        Ok(())
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        ready!(self.push_out(cx, Some(self.settings.buffer_limit)));
        Poll::Ready(Ok(()))
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.check_sending()?;
        // Of a tunnel whose other direction is over nothing is read any more that would tell.
        if self.sending == Sending::Tunnel
            && self.receiving == Receiving::Done
            && !data.is_empty()
            && let Some(error) = &self.write_error
        {
            return Err(StreamError::Closed(error.as_str().into()));
        }
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
        ready!(self.push_out(cx, None));
        Poll::Ready(Ok(()))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, StreamError>> {
        if self.receiving != Receiving::Head {
            return Poll::Ready(Err(StreamError::Io("the response head was taken before".into())));
        }
        if self.raw {
            self.decoder.raw();
            self.receiving = Receiving::Body;
            self.keep_alive = false;
            return Poll::Ready(Ok(accepted()));
        }
        loop {
            if self.read.len() > 0 {
                let decoded = self.decoder.head(self.read.bytes(), self.asked).inspect_err(|_| self.violation())?;
                if let Some(decoded) = decoded {
                    self.meter.received(self.decoder.lines());
                    if decoded.interim {
                        // The answer has not begun with it.
                        self.octets_came = self.read.len() > 0;
                    } else {
                        self.keep_alive &= decoded.keep_alive;
                        self.told_to_close |= decoded.says_close;
                        self.receiving = Receiving::Body;
                        if self.decoder.is_done() {
                            self.received();
                        }
                    }
                    return Poll::Ready(Ok(decoded.head));
                }
            }
            if !ready!(self.poll_more(cx))? {
                return Poll::Ready(Err(self.ended_early()));
            }
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        loop {
            if self.receiving == Receiving::Done {
                return Poll::Ready(Ok(Frame::End));
            }
            if let Some(frame) = self.decoder.body(self.read.bytes()).inspect_err(|_| self.violation())? {
                if self.decoder.is_done() && !matches!(frame, Frame::Data(_)) {
                    self.received();
                }
                return Poll::Ready(Ok(frame));
            }
            if !ready!(self.poll_more(cx))? {
                if !self.decoder.is_until_close() {
                    return Poll::Ready(Err(self.ended_early()));
                }
                self.keep_alive = false;
                self.received();
            }
        }
    }

    fn poll_lost(&mut self, _cx: &mut Context<'_>) -> Poll<StreamError> {
        Poll::Pending
    }

    fn reset(&mut self, _reason: ResetReason) {
        self.broken = true;
    }

    fn on_wire(&mut self) -> Option<OnWire> {
        Some(self.meter.read(&self.read, &self.write))
    }
}
