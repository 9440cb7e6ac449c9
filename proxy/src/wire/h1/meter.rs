//! What one request and its response are on the wire of an HTTP/1 connection. Kept by `server` and `client`; it counts and does nothing else.

use super::buffers::{ReadBuffer, WriteBuffer};
use super::head::Line;
use crate::wire::codec::OnWire;

/// Counts from the end of the exchange before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meter {
    /// Octets that had been read and written by then.
    before: (u64, u64),
    received_heads: u32,
    sent_heads: u32,
}

impl Meter {
    /// The next exchange begins.
    pub(super) fn begin(&mut self, read: &ReadBuffer, write: &WriteBuffer) {
        *self = Meter { before: (read.consumed(), write.total()), ..Meter::default() };
    }

    /// A head came.
    pub(super) fn received(&mut self, octets: u32) {
        self.received_heads = self.received_heads.saturating_add(octets);
    }

    /// A head was written at the end of `text`, from `begin` on.
    pub(super) fn sent(&mut self, text: &[u8], begin: usize) {
        let Some(head) = text.get(begin..) else { return };
        let first = memchr::memchr(b'\n', head).map_or(head.len(), |end| end + 1);
        // The empty line does not count.
        let lines = (head.len() - first).saturating_sub(2);
        self.sent_heads = self.sent_heads.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
    }

    /// What there has been since.
    pub(super) fn read(&self, read: &ReadBuffer, write: &WriteBuffer) -> OnWire {
        OnWire {
            received: read.consumed().saturating_sub(self.before.0),
            sent: write.total().saturating_sub(self.before.1),
            received_heads: self.received_heads.into(),
            sent_heads: self.sent_heads.into(),
        }
    }
}

/// Octets of header lines as Envoy counts them: one for the end of each.
pub(super) fn octets(lines: &[Line]) -> u32 {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return 0 };
    let all = last.value.end.saturating_sub(first.name.start) + 2;
    u32::try_from(all.saturating_sub(lines.len())).unwrap_or(u32::MAX)
}
