//! Header blocks: HEADERS and CONTINUATION into requests, responses and trailers.

use tokio::time::Instant;

use super::super::Unseen;
use super::super::frame::{self, Frame, Reason, number};
use super::super::head::{self, Refusal};
use super::super::hpack::decode::Broken;
use super::super::stream::Lost;
use super::{Connection, Fatal};
use crate::wire::message::{BodyLength, Method};

/// A header block that has begun.
#[derive(Debug)]
pub(super) struct Block {
    id: u32,
    of: Of,
    end: bool,
    /// Its HEADERS named the stream itself as the one that it depends on.
    on_itself: bool,
    continuations: usize,
    octets: u64,
    /// A field that is not whole.
    rest: Vec<u8>,
}

/// Whose lines they are.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// A request.
    New,
    /// A stream that there was when the block began. Its place may be another's by the time the block is whole.
    Stream,
    /// Nobody's; the block is decoded, for the compression's sake.
    Nobody,
}

impl Block {
    pub(super) fn stream(&self) -> u32 {
        self.id
    }
}

impl From<Broken> for Fatal {
    fn from(Broken(what): Broken) -> Fatal {
        Fatal::new(Reason::COMPRESSION_ERROR, what)
    }
}

impl Connection {
    pub(super) fn headers(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Fatal> {
        let (fragment, depends) =
            unpadded(frame, payload).ok_or(Fatal::protocol("padding above the frame's length"))?;
        self.limits.payload(fragment.len(), frame.has(frame::END_STREAM))?;
        self.heading_begins(frame.stream);
        let of = if self.is_answered(frame.stream) { Of::Nobody } else { self.block_of(frame)? };
        let block = Block {
            id: frame.stream,
            of,
            end: frame.has(frame::END_STREAM),
            on_itself: depends == Some(frame.stream),
            continuations: 0,
            octets: 0,
            rest: Vec::new(),
        };
        self.fragment(block, frame, fragment, true)
    }

    pub(super) fn continuation(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Fatal> {
        let Some(mut block) = self.block.take() else { return Err(Fatal::protocol("CONTINUATION of nothing")) };
        self.limits.payload(payload.len(), false)?;
        block.continuations += 1;
        if block.continuations > MAX_CONTINUATIONS {
            return Err(Fatal::new(Reason::ENHANCE_YOUR_CALM, "too many CONTINUATION frames"));
        }
        self.fragment(block, frame, payload, false)
    }

    /// Whom a block that begins is for.
    fn block_of(&mut self, frame: Frame) -> Result<Of, Fatal> {
        let id = frame.stream;
        if id.is_multiple_of(2) {
            return Err(Fatal::protocol("HEADERS of no stream"));
        }
        if let Some(place) = self.streams.find(id) {
            let stream = &self.streams[place];
            return match stream.lost {
                Some(Lost::Reset(_)) => Err(Fatal::new(Reason::STREAM_CLOSED, "HEADERS behind a reset")),
                Some(_) => Ok(Of::Nobody),
                None if stream.incoming.ended => Err(Fatal::new(Reason::STREAM_CLOSED, "HEADERS behind the end")),
                None => Ok(Of::Stream),
            };
        }
        if self.server && id > self.highest {
            self.highest = id;
            return Ok(if self.is_beyond(id) { Of::Nobody } else { Of::New });
        }
        match () {
            () if self.is_idle(id) => Err(Fatal::protocol("HEADERS of a stream that was not opened")),
            () if self.resets.may_hold(id) => Ok(Of::Nobody),
            () if id == self.highest || !self.server => {
                Err(Fatal::new(Reason::STREAM_CLOSED, "HEADERS of a closed stream"))
            }
            () => Err(Fatal::protocol("HEADERS of an earlier stream")),
        }
    }

    fn fragment(&mut self, mut block: Block, frame: Frame, fragment: &[u8], begins: bool) -> Result<(), Fatal> {
        block.octets += (frame.length + frame::HEADER) as u64;
        if block.rest.is_empty() {
            let whole = self.decoder.decode(fragment, begins, &mut self.lines)?;
            block.rest.extend_from_slice(&fragment[whole..]);
        } else {
            block.rest.extend_from_slice(fragment);
            let whole = self.decoder.decode(&block.rest, false, &mut self.lines)?;
            block.rest.drain(..whole);
        }
        if !frame.has(frame::END_HEADERS) {
            self.block = Some(block);
            return Ok(());
        }
        if !block.rest.is_empty() {
            return Err(Fatal::new(Reason::COMPRESSION_ERROR, "a header block that is cut off"));
        }
        let began = self.heading_ends();
        let result = match (block.of, began) {
            (Of::New, Some(began)) => self.request(&block, began),
            (Of::Nobody | Of::New, _) => Ok(()),
            (Of::Stream, _) => self.further(&block),
        };
        // What was in it is the message's now, and an idle connection holds none of it.
        self.lines.clear();
        result
    }

    /// A head or trailers of a stream, unless whoever held it has let go meanwhile.
    fn further(&mut self, block: &Block) -> Result<(), Fatal> {
        let found = self.streams.find(block.id);
        let Some(place) = found.filter(|place| self.streams[*place].lost.is_none()) else { return Ok(()) };
        let wire = &mut self.streams[place].wire;
        wire.received += block.octets;
        wire.received_heads += block.octets;
        if self.streams[place].incoming.begun { self.trailers(place, block) } else { self.response(place, block) }
    }

    fn request(&mut self, block: &Block, began: Instant) -> Result<(), Fatal> {
        let most = self.settings.max_concurrent_streams as usize;
        // Requests that were reset before anybody took them wait as well.
        if self.open >= most || self.waiting.len() >= most.saturating_mul(2) {
            self.stats.stream_refused_errors.inc();
            self.refuse(block.id, Reason::REFUSED_STREAM);
            return Ok(());
        }
        let head = head::request(&self.lines, block.end, &self.settings, &self.stats);
        let head = match head {
            Ok(head) if !block.on_itself => head,
            refused => return self.unseen(block.id, refused.err().unwrap_or(Refusal::Malformed)),
        };
        let place = self.add_stream(block.id);
        let stream = &mut self.streams[place];
        (stream.since, stream.in_pieces) = (began, began < self.now);
        stream.incoming.begun = true;
        stream.incoming.ended = block.end;
        stream.incoming.tunnel = head.upgrade.is_some() || head.method == Method::Connect;
        stream.incoming.expected = match head.body {
            BodyLength::Exact(length) if !stream.incoming.tunnel => Some(length),
            _ => None,
        };
        stream.wire.received = block.octets;
        stream.wire.received_heads = block.octets;
        self.waiting.push_back((head, place));
        Ok(())
    }

    /// A request that nobody will see, and that counts and is logged all the same.
    fn unseen(&mut self, id: u32, refusal: Refusal) -> Result<(), Fatal> {
        let unwanted = refusal.is_unwanted();
        self.unseen.push(Unseen { detail: refusal.detail(), unwanted });
        if self.settings.violations_end_connection && !unwanted {
            return Err(Fatal::protocol(MALFORMED));
        }
        self.refuse(id, if unwanted { Reason::INTERNAL_ERROR } else { Reason::PROTOCOL_ERROR });
        Ok(())
    }

    /// It is told so.
    pub(super) fn refuse(&mut self, id: u32, reason: Reason) {
        self.limits.opened += 1;
        self.premature += 1;
        self.say_reset(id, reason);
    }

    fn response(&mut self, place: usize, block: &Block) -> Result<(), Fatal> {
        let (head, length) = match head::response(&self.lines, block.end, &self.settings, &self.stats) {
            Ok(read) if !block.on_itself => read,
            refused => return self.refused(place, refused.err()),
        };
        let incoming = &mut self.streams[place].incoming;
        if head.status < 200 {
            if incoming.interim.len() >= MAX_INTERIM {
                return self.malformed(place);
            }
            incoming.interim.push(head);
            incoming.wake();
            return Ok(());
        }
        incoming.begun = true;
        incoming.expected = match head.status {
            // RFC 9110 section 6.4.1.
            204 | 304 => Some(0),
            _ if incoming.bodiless => Some(0),
            200..300 if incoming.tunnel => None,
            _ => length,
        };
        if block.end && incoming.expected.is_some_and(|octets| octets > 0) {
            return self.malformed(place);
        }
        incoming.head = Some(head);
        incoming.wake();
        if block.end {
            self.remote_ended(place);
        }
        Ok(())
    }

    fn trailers(&mut self, place: usize, block: &Block) -> Result<(), Fatal> {
        if self.server {
            // As with Envoy, those of clients alone.
            self.stats.trailers.inc();
        }
        let missing = self.streams[place].incoming.expected.is_some_and(|expected| expected > 0);
        match head::trailers(&self.lines, &self.settings, &self.stats) {
            Ok(trailers) if block.end && !missing && !block.on_itself => {
                let stream = &mut self.streams[place];
                if stream.held {
                    stream.incoming.trailers = Some(trailers);
                }
                self.remote_ended(place);
                Ok(())
            }
            Ok(_) => self.malformed(place),
            Err(refusal) => self.refused(place, Some(refusal)),
        }
    }

    /// A message that cannot be taken, and that has been counted.
    fn refused(&mut self, place: usize, refusal: Option<Refusal>) -> Result<(), Fatal> {
        let unwanted = refusal.is_some_and(Refusal::is_unwanted);
        if self.settings.violations_end_connection && !unwanted {
            return Err(Fatal::protocol(MALFORMED));
        }
        self.count_premature(place);
        let reason = if unwanted { Reason::INTERNAL_ERROR } else { Reason::PROTOCOL_ERROR };
        // As Envoy has it a client that has sent another length than it said has reset its request.
        let lost = if self.server && refusal.is_none() { Lost::Miscounted } else { Lost::Violated };
        self.reset_for(place, reason, lost);
        Ok(())
    }

    /// The same, not counted yet.
    pub(super) fn malformed(&mut self, place: usize) -> Result<(), Fatal> {
        self.stats.rx_messaging_error.inc();
        self.refused(place, None)
    }
}

/// The fragment of a HEADERS frame, and the stream that it depends on.
fn unpadded(frame: Frame, payload: &[u8]) -> Option<(&[u8], Option<u32>)> {
    let mut rest = payload;
    let mut padding = 0;
    if frame.has(frame::PADDED) {
        let (length, after) = rest.split_first()?;
        (padding, rest) = (usize::from(*length), after);
    }
    let mut depends = None;
    if frame.has(frame::WITH_PRIORITY) {
        let (priority, after) = rest.split_at_checked(5)?;
        depends = Some(number(priority) & frame::MAX_WINDOW);
        rest = after;
    }
    let length = rest.len().checked_sub(padding)?;
    Some((&rest[..length], depends))
}

const MALFORMED: &str = "a malformed message";
/// Frames that a header block may have: what they hold is limited in any case.
const MAX_CONTINUATIONS: usize = 1024;
/// Informational heads that may wait.
const MAX_INTERIM: usize = 16;
