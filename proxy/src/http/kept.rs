//! The part of a request body that is kept for further attempts. Each attempt reads it from an octet of its own; the upload fills it.
//!
//! Its limit is one of octets, and memory must follow it whatever the client sends: small pieces are joined, for each would cost a
//! record of its own and pin the buffer that it was read into. It never decides whether there is another attempt.

use bytes::{Bytes, BytesMut};

use crate::wire::headers::Headers;

/// What was kept of one body.
#[derive(Debug, Default, Clone)]
pub(super) struct Kept {
    /// In order, each with the number of octets up to its end.
    pieces: Vec<(usize, Bytes)>,
    /// Small pieces after them, copied together.
    joined: BytesMut,
    trailers: Option<Headers>,
    octets: usize,
    limit: usize,
    /// More came than may be kept: nothing is.
    overflown: bool,
}

/// Pieces below this are joined: the buffers of larger ones are at least half theirs.
const SMALL: usize = 8 * 1024;
/// Octets of a joined piece.
const JOINED: usize = 16 * 1024;
/// What a trailer costs beside its text.
const LINE: usize = 64;

impl Kept {
    /// Keeps at most so many octets.
    pub fn new(limit: usize) -> Kept {
        Kept { limit, ..Kept::default() }
    }

    /// Keeps the next piece. False when it does not fit: from then on nothing is kept.
    pub fn push(&mut self, data: &Bytes) -> bool {
        if !self.charge(data.len()) {
            return false;
        }
        if data.len() >= SMALL {
            self.close_joined();
            self.pieces.push((self.octets, data.clone()));
        } else {
            self.joined.extend_from_slice(data);
            if self.joined.len() >= JOINED {
                self.close_joined();
            }
        }
        true
    }

    /// Keeps what ends the body. False when it does not fit.
    pub fn trailers(&mut self, trailers: &Headers) -> bool {
        let cost = trailers.iter().map(|line| line.name.as_bytes().len() + line.value.len() + LINE).sum::<usize>();
        if self.overflown || self.octets + cost > self.limit {
            self.overflow();
            return false;
        }
        self.trailers = Some(trailers.clone());
        true
    }

    /// The trailers that were kept.
    pub fn kept_trailers(&self) -> Option<&Headers> {
        self.trailers.as_ref()
    }

    /// What follows the first `at` octets: one piece of it, for there may be more. `None` when there is none.
    pub fn after(&self, at: usize) -> Option<Bytes> {
        let index = self.pieces.partition_point(|(end, _)| *end <= at);
        if let Some((end, piece)) = self.pieces.get(index) {
            return Some(piece.slice(piece.len() - (end - at)..));
        }
        let begin = self.octets - self.joined.len();
        let rest = self.joined.get(at.checked_sub(begin)?..)?;
        (!rest.is_empty()).then(|| Bytes::copy_from_slice(rest))
    }

    /// All of it in one piece.
    pub fn joined(&mut self) -> Bytes {
        self.close_joined();
        match self.pieces.as_slice() {
            [] => Bytes::new(),
            [(_, one)] => one.clone(),
            pieces => {
                let mut all = BytesMut::with_capacity(self.octets);
                pieces.iter().for_each(|(_, piece)| all.extend_from_slice(piece));
                all.freeze()
            }
        }
    }

    /// Octets that are kept.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Whether neither octets nor trailers are.
    pub fn is_empty(&self) -> bool {
        self.octets == 0 && self.trailers.is_none()
    }

    fn charge(&mut self, octets: usize) -> bool {
        if self.overflown || octets > self.limit - self.octets {
            self.overflow();
            return false;
        }
        self.octets += octets;
        true
    }

    fn overflow(&mut self) {
        *self = Kept { overflown: true, ..Kept::default() };
    }

    fn close_joined(&mut self) {
        if !self.joined.is_empty() {
            let joined = std::mem::take(&mut self.joined).freeze();
            let before = self.pieces.last().map_or(0, |(end, _)| *end);
            self.pieces.push((before + joined.len(), joined));
        }
    }
}

#[cfg(test)]
mod tests;
