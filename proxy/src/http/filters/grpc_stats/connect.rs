//! The last message of a Connect stream: JSON that tells how the stream ended. Used by the filter alone.

use serde_json::Value;

use crate::wire::grpc::frames::{Follow, PREFIX};

/// Marks the last message.
const LAST: u8 = 0b10;
/// Octets of it that are kept: an error with its details.
const LONGEST: usize = 64 * 1024;

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct EndOfStream {
    /// Its octets with their prefix, once it has begun.
    text: Option<Vec<u8>>,
    too_long: bool,
    ended: bool,
}

impl EndOfStream {
    /// How many messages of the application begin in this piece of a body.
    pub fn count(&mut self, follow: &mut Follow, mut data: &[u8]) -> u64 {
        let mut count = 0;
        while !data.is_empty() && !self.ended {
            let passed = follow.pass(data);
            let (piece, rest) = data.split_at(passed.taken);
            if follow.flags() & LAST == 0 {
                count += u64::from(passed.begun);
            } else {
                self.keep(piece);
                self.ended = passed.ended;
            }
            data = rest;
        }
        count
    }

    fn keep(&mut self, piece: &[u8]) {
        let text = self.text.get_or_insert_default();
        self.too_long |= text.len() + piece.len() > LONGEST;
        if !self.too_long {
            text.extend_from_slice(piece);
        }
    }

    /// Whether it came, and tells of no error.
    pub fn is_success(&self) -> bool {
        let text = self.text.as_ref().filter(|_| self.ended && !self.too_long).and_then(|text| text.get(PREFIX..));
        text.and_then(|text| serde_json::from_slice::<Value>(text).ok())
            .is_some_and(|told| told.is_object() && told.get("error").is_none())
    }
}
