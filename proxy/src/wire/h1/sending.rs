//! The body of a message on its way out, the same for both sides: what becomes of its pieces, its trailers and its end. Called by `server`
//! and `client`, which know what an end means for their connection.

use bytes::Bytes;

use super::buffers::WriteBuffer;
use super::encode::{self, Sending};
use crate::wire::headers::Headers;
use config::hcm::HeaderCase;

impl Sending {
    /// The head was sent, and the end was not.
    #[inline]
    pub(super) fn is_open(self) -> bool {
        !matches!(self, Sending::Head | Sending::Done)
    }

    /// Takes a piece. False, and nothing is written, when it is more than was promised.
    #[inline]
    pub(super) fn data(&mut self, data: Bytes, write: &mut WriteBuffer) -> bool {
        match self {
            Sending::Length(left) => match left.checked_sub(data.len() as u64) {
                Some(rest) => {
                    *left = rest;
                    write.push(data);
                }
                None => return false,
            },
            Sending::Chunked if !data.is_empty() => {
                encode::chunk_head(write.text(), data.len());
                write.push(data);
                write.text().extend_from_slice(b"\r\n");
            }
            Sending::UntilClose | Sending::Tunnel if !data.is_empty() => write.push(data),
            _ => {}
        }
        true
    }

    /// Ends the message with trailers, where its framing has a place for them. False, and nothing is done, where it has none.
    pub(super) fn trailers(&mut self, trailers: &Headers, write: &mut WriteBuffer, case: HeaderCase) -> bool {
        if *self != Sending::Chunked {
            return false;
        }
        encode::last_chunk(write.text(), Some(trailers), case);
        *self = Sending::Done;
        true
    }

    /// Ends the message; how far it had come says what that means.
    #[inline]
    pub(super) fn end(&mut self, write: &mut WriteBuffer, case: HeaderCase) -> Sending {
        let was = std::mem::replace(self, Sending::Done);
        if was == Sending::Chunked {
            encode::last_chunk(write.text(), None, case);
        }
        was
    }
}
