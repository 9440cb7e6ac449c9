//! Heads of requests that come in pieces: since when one is awaited, and what becomes of one that takes too long. Used by `connection`; it
//! reads no frames itself.

use tokio::time::Instant;

use super::super::frame::Reason;
use super::Connection;

/// The head of a request that has begun and is not whole. There is one at most: nothing may stand between the frames of a header block.
#[derive(Debug)]
pub(super) struct Heading {
    id: u32,
    since: Instant,
    /// Somebody has answered: what is still to come of it is decoded, for the compression's sake, and nobody's.
    answered: bool,
}

impl Connection {
    /// The first octets of a HEADERS frame are here. As in Envoy the request begins with them, if it is one.
    pub(super) fn heading_begins(&mut self, id: u32) {
        let opens = self.server && !id.is_multiple_of(2) && id > self.highest && !self.is_beyond(id);
        if opens && self.heading.is_none() {
            self.heading = Some(Heading { id, since: self.now, answered: false });
        }
    }

    /// Whether somebody has answered the request before its head was whole.
    pub(super) fn is_answered(&self, id: u32) -> bool {
        self.heading.as_ref().is_some_and(|heading| heading.answered && heading.id == id)
    }

    /// A header block is whole: since when it was a request's that nobody has answered.
    pub(super) fn heading_ends(&mut self) -> Option<Instant> {
        self.heading.take().filter(|heading| !heading.answered).map(|heading| heading.since)
    }

    /// Since when a head is awaited that nobody has answered.
    pub(in crate::wire::h2) fn head_began(&self) -> Option<Instant> {
        self.heading.as_ref().filter(|heading| !heading.answered).map(|heading| heading.since)
    }

    /// The head that is awaited took too long: the place of its stream, for an answer. `None`: there is none, or no room for it.
    pub(in crate::wire::h2) fn give_head_up(&mut self) -> Option<usize> {
        let heading = self.heading.as_mut().filter(|heading| !heading.answered)?;
        heading.answered = true;
        let (id, since) = (heading.id, heading.since);
        self.highest = self.highest.max(id);
        if self.open >= self.settings.max_concurrent_streams as usize {
            self.stats.stream_refused_errors.inc();
            self.refuse(id, Reason::REFUSED_STREAM);
            return None;
        }
        let place = self.add_stream(id);
        let stream = &mut self.streams[place];
        (stream.since, stream.in_pieces) = (since, true);
        stream.incoming.begun = true;
        Some(place)
    }
}
