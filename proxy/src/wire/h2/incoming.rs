//! The body of a message on its way out of `h2`, and its octets on their way back to the flow control. Both sides use it.
//!
//! For each piece that nobody has read `h2` keeps a record of some hundred octets, however small the piece. So the connection's task takes
//! out what comes in small pieces ([`Body::collect`]) and joins it: a body that waits costs what its window says. Its octets are the peer's
//! again only when the reader has done with them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use h2::RecvStream;

use super::convert;
use super::shared_io::Held;
use super::stats::CodecStats;
use super::{Settings, VIOLATION};
use crate::wire::codec::StreamError;
use crate::wire::message::Frame;

/// A body that is being received; `None` when there is none.
pub(super) struct Incoming(Option<Rc<RefCell<Body>>>);

/// The same, shared with the connection's task.
#[derive(Debug)]
pub(super) struct Body {
    stream: RecvStream,
    /// Pieces that were taken out of `h2` and that nobody has read.
    waiting: VecDeque<Bytes>,
    /// Small ones behind them, joined.
    joined: BytesMut,
    /// Octets taken out of `h2` and not yet given back to the flow control, without those that wait.
    unreleased: usize,
    /// Who waits for the next piece.
    reader: Option<Waker>,
}

/// Why there is no next frame.
pub(super) enum Failure {
    /// As `h2` has it.
    H2(h2::Error),
    /// Our own rules forbid it.
    Refused(StreamError),
}

/// Pieces below this are joined.
pub(super) const SMALL: usize = 4 * 1024;
/// Joined pieces are one piece at this size.
const LARGE: usize = 16 * 1024;

impl Incoming {
    /// The body of that stream. The connection's task knows it from now on.
    pub(super) fn new(stream: RecvStream, held: &Held) -> Incoming {
        if stream.is_end_stream() {
            return Incoming(None);
        }
        let body = Body { stream, waiting: VecDeque::new(), joined: BytesMut::new(), unreleased: 0, reader: None };
        let body = Rc::new(RefCell::new(body));
        held.receives(&body);
        Incoming(Some(body))
    }

    /// Nothing more comes.
    pub(super) fn is_ended(&self) -> bool {
        self.0.as_ref().is_none_or(|body| body.borrow().is_ended())
    }

    /// The next piece; its octets are released when the reader comes back for more.
    pub(super) fn poll_frame(
        &mut self,
        settings: &Settings,
        stats: &CodecStats,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Frame, Failure>> {
        let Some(body) = &self.0 else { return Poll::Ready(Ok(Frame::End)) };
        let mut body = body.borrow_mut();
        if let Some(data) = ready!(body.poll_data(cx)).map_err(Failure::H2)? {
            return Poll::Ready(Ok(Frame::Data(data)));
        }
        let Some(trailers) = ready!(body.poll_trailers(cx)).map_err(Failure::H2)? else {
            return Poll::Ready(Ok(Frame::End));
        };
        stats.trailers.inc();
        if let Err(error) = convert::check_limits(&trailers, settings) {
            convert::count_refused(&error, stats);
            // Whatever it is that is wrong with them, the head is long gone.
            return Poll::Ready(Err(Failure::Refused(VIOLATION)));
        }
        Poll::Ready(Ok(Frame::Trailers(convert::trailers(&trailers))))
    }

    /// Drops what nobody will read: its octets are the connection's again, which other streams need.
    pub(super) fn discard(&mut self) {
        if let Some(body) = &self.0 {
            body.borrow_mut().discard();
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // The connection's task may hold it a little longer.
        self.discard();
    }
}

impl Body {
    fn is_ended(&self) -> bool {
        self.waiting.is_empty() && self.joined.is_empty() && self.stream.is_end_stream()
    }

    /// Takes out of `h2` what has come. Called by the connection's task, which holds nothing then.
    pub(super) fn collect(&mut self) {
        let Body { stream, waiting, joined, reader, .. } = self;
        // `h2` remembers the last one who asked.
        let mut context = Context::from_waker(reader.as_ref().unwrap_or(Waker::noop()));
        while let Poll::Ready(Some(Ok(piece))) = stream.poll_data(&mut context) {
            let small = piece.len() < SMALL;
            if !small || joined.len() + piece.len() > LARGE {
                // Not split off: it would keep the memory of its successors.
                let before = std::mem::take(joined);
                waiting.extend((!before.is_empty()).then(|| before.freeze()));
            }
            if small {
                // It may be an octet of a large buffer.
                joined.extend_from_slice(&piece);
            } else {
                waiting.push_back(piece);
            }
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, h2::Error>> {
        self.release();
        let waiting = self.waiting.pop_front();
        let data =
            match waiting.or_else(|| (!self.joined.is_empty()).then(|| std::mem::take(&mut self.joined).freeze())) {
                Some(data) => Some(data),
                None => match self.stream.poll_data(cx) {
                    Poll::Ready(data) => data.transpose()?,
                    Poll::Pending => return self.wait(cx),
                },
            };
        self.unreleased += data.as_ref().map_or(0, Bytes::len);
        Poll::Ready(Ok(data))
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<http::HeaderMap>, h2::Error>> {
        match self.stream.poll_trailers(cx) {
            Poll::Ready(trailers) => Poll::Ready(trailers),
            Poll::Pending => self.wait(cx),
        }
    }

    fn wait<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn discard(&mut self) {
        let waiting = self.waiting.drain(..).map(|piece| piece.len()).sum::<usize>();
        self.unreleased += waiting + std::mem::take(&mut self.joined).len();
        self.release();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(data))) = self.stream.poll_data(&mut context) {
            self.unreleased += data.len();
            self.release();
        }
    }

    /// Gives the octets that the reader has done with back to the flow control.
    fn release(&mut self) {
        if self.unreleased > 0 {
            // Fails only when the stream is gone, and then there is nothing to give back.
            let _ = self.stream.flow_control().release_capacity(self.unreleased);
            self.unreleased = 0;
        }
    }
}
