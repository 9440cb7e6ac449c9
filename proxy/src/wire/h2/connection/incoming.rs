//! Bodies that come: DATA frames, as far as they are there, into their streams, and windows back to the peer when somebody has read.

use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};

use super::super::frame::{self, Frame, Reason};
use super::super::stream::{Lost, SMALL};
use super::{Connection, Fatal};
use crate::wire::codec::StreamError;
use crate::wire::message::Frame as Body;

/// A DATA frame of which octets are still to come.
#[derive(Debug)]
pub(super) struct Data {
    /// Place and number of its stream, unless nobody wants them.
    stream: Option<(usize, u32)>,
    left: usize,
    padding: usize,
    end: bool,
}

impl Connection {
    pub(super) fn begin_data(&mut self, frame: Frame, input: &mut BytesMut) -> Result<bool, Fatal> {
        let mut header = frame::HEADER;
        let mut padding = 0;
        if frame.has(frame::PADDED) {
            let Some(length) = input.get(header).filter(|_| frame.length > 0) else {
                return if frame.length > 0 { Ok(false) } else { Err(Fatal::protocol("no length of the padding")) };
            };
            padding = usize::from(*length);
            header += 1;
            if padding + 1 > frame.length {
                return Err(Fatal::protocol("padding above the frame's length"));
            }
        }
        let octets = frame.length - padding - (header - frame::HEADER);
        let end = frame.has(frame::END_STREAM);
        if frame.stream == 0 || self.is_idle(frame.stream) {
            return Err(Fatal::protocol("DATA of no stream"));
        }
        self.limits.payload(octets, end)?;
        if !self.inflow.take(frame.length as u32) {
            return Err(Fatal::new(Reason::FLOW_CONTROL_ERROR, "more than the connection's window"));
        }
        let stream = self.data_for(frame, octets)?;
        input.advance(header);
        if let Some((place, _)) = stream {
            self.streams[place].wire.received += (frame.length + frame::HEADER) as u64;
        }
        // Nobody reads the padding.
        self.give_back(stream.map(|(place, _)| place), (frame.length - octets) as u32);
        self.data = Some(Data { stream, left: octets, padding, end });
        Ok(true)
    }

    /// The stream that a DATA frame is for; `None` when what it says is to be passed over.
    fn data_for(&mut self, frame: Frame, octets: usize) -> Result<Option<(usize, u32)>, Fatal> {
        let Some(place) = self.streams.find(frame.stream) else {
            if self.resets.may_hold(frame.stream) || self.is_beyond(frame.stream) {
                return Ok(None);
            }
            return Err(Fatal::new(Reason::STREAM_CLOSED, "DATA of a closed stream"));
        };
        let stream = &mut self.streams[place];
        let incoming = &mut stream.incoming;
        match stream.lost {
            Some(Lost::Reset(_)) => return Err(Fatal::new(Reason::STREAM_CLOSED, "DATA behind a reset")),
            Some(_) => return Ok(None),
            None if incoming.ended => return Err(Fatal::new(Reason::STREAM_CLOSED, "DATA behind the end")),
            None => {}
        }
        if !incoming.window.take(frame.length as u32) {
            self.violated(place, Reason::FLOW_CONTROL_ERROR);
            return Ok(None);
        }
        let octets = octets as u64;
        let left = incoming.expected.map(|expected| expected.checked_sub(octets));
        let too_few = frame.has(frame::END_STREAM) && left.flatten().is_some_and(|left| left > 0);
        if !incoming.begun || left == Some(None) || too_few {
            self.malformed(place)?;
            return Ok(None);
        }
        incoming.expected = left.flatten();
        Ok(Some((place, frame.stream)))
    }

    /// Octets of the DATA frame that was begun. False: more of them must come.
    pub(super) fn receive_data(&mut self, input: &mut BytesMut) -> bool {
        let Some(data) = &mut self.data else { return true };
        let count = data.left.min(input.len());
        let stream = data.stream.and_then(|(place, id)| self.streams.still(place, id));
        data.left -= count;
        let (left, padding, end) = (data.left, data.padding, data.end);
        match stream.filter(|stream| stream.lost.is_none() && stream.held) {
            Some(stream) if count >= SMALL => stream.incoming.add(input.split_to(count).freeze()),
            Some(stream) if count > 0 => {
                stream.incoming.copy(&input[..count]);
                input.advance(count);
            }
            Some(_) => {}
            None => {
                input.advance(count);
                let open = data.stream.filter(|(place, id)| self.streams.still(*place, *id).is_some());
                self.give_back(open.map(|(place, _)| place), count as u32);
            }
        }
        if left > 0 {
            return false;
        }
        let of = self.data.take().and_then(|data| data.stream);
        // Padding says nothing.
        self.skip = padding;
        if end
            && let Some((place, id)) = of
            && self.streams.still(place, id).is_some_and(|stream| stream.lost.is_none())
        {
            self.remote_ended(place);
        }
        true
    }

    /// The peer has ended the stream, and all of that is here.
    pub(super) fn remote_ended(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        stream.incoming.ended = true;
        stream.incoming.wake();
        self.settle(place);
    }

    /// The next piece of a body; its octets are the peer's again when the reader comes back for more.
    pub(in crate::wire::h2) fn poll_body(&mut self, place: usize, cx: &Context<'_>) -> Poll<Result<Body, StreamError>> {
        let octets = std::mem::take(&mut self.streams[place].incoming.unreleased);
        self.give_back(Some(place), octets);
        let stream = &mut self.streams[place];
        let incoming = &mut stream.incoming;
        if let Some(piece) = incoming.piece() {
            return Poll::Ready(Ok(Body::Data(piece)));
        }
        if let Some(trailers) = incoming.trailers.take() {
            return Poll::Ready(Ok(Body::Trailers(trailers)));
        }
        match stream.lost {
            _ if incoming.ended => Poll::Ready(Ok(Body::End)),
            Some(lost) => Poll::Ready(Err(self.error(lost))),
            None => {
                incoming.watch(cx);
                Poll::Pending
            }
        }
    }

    /// Nobody will read what waits, nor what comes: its octets are the connection's again, which other streams need.
    pub(in crate::wire::h2) fn discard(&mut self, place: usize) {
        let octets = self.streams[place].incoming.discard();
        self.give_back(Some(place), octets);
    }

    /// Octets that the peer may send again, of a stream and of the connection.
    fn give_back(&mut self, place: Option<usize>, octets: u32) {
        if octets == 0 {
            return;
        }
        let mut told = false;
        if let Some(place) = place {
            let stream = &mut self.streams[place];
            if !stream.incoming.ended
                && stream.lost.is_none()
                && let Some(more) = stream.incoming.window.release(octets)
            {
                self.outbox.frame(frame::WINDOW_UPDATE, 0, stream.id, &more.to_be_bytes());
                told = true;
            }
        }
        if let Some(more) = self.inflow.release(octets) {
            self.outbox.frame(frame::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
            told = true;
        }
        if told {
            self.wake();
        }
    }
}
