//! The body of a message on its way out of `h2`, and its octets on their way back to the flow control. Both sides use it.

use std::task::{Context, Poll, Waker, ready};

use h2::RecvStream;

use super::convert;
use super::stats::CodecStats;
use super::{Settings, VIOLATION};
use crate::wire::codec::StreamError;
use crate::wire::message::Frame;

/// A body that is being received.
pub(super) struct Incoming {
    body: RecvStream,
    /// Octets given to the reader and not yet given back to the flow control.
    unreleased: usize,
}

/// Why there is no next frame.
pub(super) enum Failure {
    /// As `h2` has it.
    H2(h2::Error),
    /// Our own rules forbid it.
    Refused(StreamError),
}

impl Incoming {
    pub(super) fn new(body: RecvStream) -> Incoming {
        Incoming { body, unreleased: 0 }
    }

    /// Nothing more comes.
    pub(super) fn is_ended(&self) -> bool {
        self.body.is_end_stream()
    }

    /// The next piece; its octets are released when the reader comes back for more.
    pub(super) fn poll_frame(
        &mut self,
        settings: &Settings,
        stats: &CodecStats,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Frame, Failure>> {
        self.release();
        if let Some(data) = ready!(self.body.poll_data(cx)) {
            let data = data.map_err(Failure::H2)?;
            self.unreleased += data.len();
            return Poll::Ready(Ok(Frame::Data(data)));
        }
        let Some(trailers) = ready!(self.body.poll_trailers(cx)).map_err(Failure::H2)? else {
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
        self.release();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Ok(data))) = self.body.poll_data(&mut context) {
            self.unreleased += data.len();
            self.release();
        }
    }

    /// Gives the octets that the reader has done with back to the flow control.
    fn release(&mut self) {
        if self.unreleased > 0 {
            // Fails only when the stream is gone, and then there is nothing to give back.
            let _ = self.body.flow_control().release_capacity(self.unreleased);
            self.unreleased = 0;
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.release();
    }
}
