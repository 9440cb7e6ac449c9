//! What we say: heads, and bodies as far as windows allow.
//!
//! A piece goes straight among the frames when its stream has a window and nothing waits. What has to wait stays with its stream, and
//! streams that may send take turns, a frame each. So the outbox has its bound, whatever the streams hold.

use bytes::Bytes;

use super::super::frame;
use super::super::stream::{Lost, SMALL};
use super::super::write;
use super::Connection;
use crate::wire::codec::StreamError;
use crate::wire::headers::Headers;
use crate::wire::message::{Method, RequestHead, ResponseHead};

/// Octets among the frames above which bodies wait with their streams.
const HIGH: usize = 64 * 1024;
/// Octets of one stream that may wait.
pub(super) const LIMIT: usize = 64 * 1024;
/// Waiting senders go on when so many are left.
pub(super) const LOW: usize = LIMIT / 2;

impl Connection {
    /// Whether the peer takes no further stream for the moment.
    pub(in crate::wire::h2) fn is_full(&self) -> bool {
        self.end.is_none() && !self.peer.going && self.next <= frame::MAX_WINDOW && self.open >= self.max_streams()
    }

    /// Opens a stream with a request. `Err`: the request cannot be said, or not here; then nothing has left this process.
    pub(in crate::wire::h2) fn send_request(&mut self, head: &RequestHead, end: bool) -> Result<usize, StreamError> {
        if self.peer.going {
            return Err(StreamError::Refused);
        }
        if self.end.is_some() {
            // It ended without a word. As in Envoy, whose streams have begun by now.
            return Err(self.error(Lost::Closed));
        }
        if self.open >= self.max_streams() {
            return Err(StreamError::Refused);
        }
        write::check_request(head)?;
        let place = self.add_stream(self.next);
        self.next += 2;
        let stream = &mut self.streams[place];
        stream.incoming.bodiless = head.method == Method::Head;
        stream.incoming.tunnel = head.method == Method::Connect || head.upgrade.is_some();
        let encoder = &mut self.encoder;
        let octets = self.outbox.block(end_flag(end), stream.id, |out| write::request(head, encoder, out));
        self.said_head(place, octets, end);
        Ok(place)
    }

    /// Sends an informational head.
    pub(in crate::wire::h2) fn send_informational(
        &mut self,
        place: usize,
        head: &ResponseHead,
    ) -> Result<(), StreamError> {
        self.check(place)?;
        let (stream, encoder) = (&mut self.streams[place], &mut self.encoder);
        let octets = self.outbox.block(0, stream.id, |out| write::response(head, encoder, out));
        stream.wire.sent += octets as u64;
        stream.wire.sent_heads += octets as u64;
        self.wake();
        Ok(())
    }

    /// Sends the final head of a response.
    pub(in crate::wire::h2) fn send_response(
        &mut self,
        place: usize,
        head: &ResponseHead,
        end: bool,
    ) -> Result<(), StreamError> {
        self.check(place)?;
        let (stream, encoder) = (&mut self.streams[place], &mut self.encoder);
        let octets = self.outbox.block(end_flag(end), stream.id, |out| write::response(head, encoder, out));
        self.said_head(place, octets, end);
        Ok(())
    }

    fn said_head(&mut self, place: usize, octets: usize, end: bool) {
        let stream = &mut self.streams[place];
        stream.outgoing.begun = true;
        stream.outgoing.ended = end;
        stream.wire.sent += octets as u64;
        stream.wire.sent_heads += octets as u64;
        if end {
            self.framed_end(place);
        }
        self.wake();
    }

    /// Takes a piece of the body; with `end` it is the last.
    pub(in crate::wire::h2) fn send_data(
        &mut self,
        place: usize,
        mut data: Bytes,
        end: bool,
    ) -> Result<(), StreamError> {
        self.check(place)?;
        let stream = &mut self.streams[place];
        if stream.outgoing.ended {
            return Err(StreamError::Io("the message is complete".into()));
        }
        if data.is_empty() && !end {
            // A frame of nothing is what peers count to be flooded with.
            return Ok(());
        }
        stream.outgoing.ended = end;
        if stream.outgoing.queued == 0 {
            loop {
                let room = self.room(place, data.len());
                if room == 0 && !data.is_empty() {
                    break;
                }
                let piece = data.split_to(room);
                let last = end && data.is_empty();
                self.frame_piece(place, piece, last);
                if data.is_empty() {
                    self.wake();
                    return Ok(());
                }
            }
        }
        let stream = &mut self.streams[place];
        self.stats.pending_send_bytes.add(data.len() as u64);
        if !data.is_empty() {
            stream.outgoing.add(data);
        }
        self.enlist(place);
        self.wake();
        Ok(())
    }

    /// Ends a message with trailers.
    pub(in crate::wire::h2) fn send_trailers(&mut self, place: usize, trailers: &Headers) -> Result<(), StreamError> {
        self.check(place)?;
        let outgoing = &mut self.streams[place].outgoing;
        if outgoing.ended {
            return Err(StreamError::Io("the message is complete".into()));
        }
        outgoing.ended = true;
        if outgoing.queued > 0 {
            outgoing.trailers = Some(trailers.clone());
        } else {
            self.frame_trailers(place, trailers);
        }
        self.wake();
        Ok(())
    }

    /// How many of so many octets may become a frame now.
    fn room(&self, place: usize, octets: usize) -> usize {
        if self.outbox.len() >= HIGH {
            return 0;
        }
        let window = self.streams[place].outgoing.window.min(self.window);
        octets.min(frame::MAX_PAYLOAD).min(usize::try_from(window).unwrap_or(0))
    }

    /// Octets for which there is room become part of the last frame, if that is one of their body, or one of their own.
    fn frame_piece(&mut self, place: usize, mut piece: Bytes, last: bool) {
        let stream = &mut self.streams[place];
        let octets = piece.len();
        stream.outgoing.window -= octets as i64;
        self.window -= octets as i64;
        stream.wire.sent += octets as u64;
        if octets < SMALL
            && let Some(taken) = self.outbox.extend(stream.id, &piece, last)
        {
            piece = piece.split_off(taken);
            if piece.is_empty() {
                if last {
                    self.framed_end(place);
                }
                return;
            }
        }
        stream.wire.sent += frame::HEADER as u64;
        self.outbox.data(stream.id, piece.len(), last);
        if !piece.is_empty() {
            self.outbox.piece(piece);
        }
        self.limits.data_sent += 1;
        if last {
            self.framed_end(place);
        }
    }

    fn frame_trailers(&mut self, place: usize, trailers: &Headers) {
        let (stream, encoder) = (&mut self.streams[place], &mut self.encoder);
        let write = |out: &mut _| write::trailers(trailers, encoder, out);
        let octets = self.outbox.block(frame::END_STREAM, stream.id, write);
        stream.wire.sent += octets as u64;
        stream.wire.sent_heads += octets as u64;
        self.framed_end(place);
    }

    /// The end of our message is among the frames.
    fn framed_end(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        stream.outgoing.framed = true;
        self.ends.push_back((self.outbox.total(), place, stream.id));
        if !stream.held && !stream.incoming.ended {
            return self.reset(place, self.streams[place].incoming.unwanted());
        }
        self.settle(place);
    }

    /// The stream takes its turn, if it has something to send and a window.
    pub(super) fn enlist(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        let outgoing = &mut stream.outgoing;
        if outgoing.queued > 0 && outgoing.window > 0 && !std::mem::replace(&mut outgoing.enlisted, true) {
            self.ready.push_back((place, stream.id));
        }
    }

    /// What waits to be written is not more than the limits allow.
    pub(in crate::wire::h2) fn check_outbound(&self) -> Result<(), super::Fatal> {
        Ok(self.limits.outbound(&self.outbox)?)
    }

    /// Makes frames of what waits, as far as there is room.
    pub(in crate::wire::h2) fn pump(&mut self) {
        while self.outbox.len() < HIGH
            && self.window > 0
            && let Some((place, id)) = self.ready.pop_front()
        {
            if let Some(stream) = self.streams.still(place, id) {
                stream.outgoing.enlisted = false;
                self.pump_one(place);
            }
        }
    }

    fn pump_one(&mut self, place: usize) {
        let queued = self.streams[place].outgoing.queued;
        let room = self.room(place, queued);
        if room == 0 {
            return;
        }
        let stream = &mut self.streams[place];
        let outgoing = &mut stream.outgoing;
        let last = outgoing.ended && room == queued && outgoing.trailers.is_none();
        self.outbox.data(stream.id, room, last);
        self.limits.data_sent += 1;
        let mut left = room;
        while left > 0 {
            let piece = outgoing.take(left);
            left -= piece.len();
            self.outbox.piece(piece);
        }
        outgoing.window -= room as i64;
        self.window -= room as i64;
        stream.wire.sent += (room + frame::HEADER) as u64;
        self.stats.pending_send_bytes.sub(room as u64);
        outgoing.wake_if_low();
        if last {
            return self.framed_end(place);
        }
        if outgoing.queued == 0
            && let Some(trailers) = outgoing.trailers.take()
        {
            return self.frame_trailers(place, &trailers);
        }
        self.enlist(place);
    }

    /// So much of the outbox has been written.
    pub(in crate::wire::h2) fn written(&mut self) {
        let taken = self.outbox.taken();
        while let Some((end, place, id)) = self.ends.front().copied()
            && end <= taken
        {
            self.ends.pop_front();
            if let Some(stream) = self.streams.still(place, id) {
                stream.outgoing.delivered = true;
                stream.outgoing.wake();
            }
        }
    }
}

fn end_flag(end: bool) -> u8 {
    if end { frame::END_STREAM } else { 0 }
}
