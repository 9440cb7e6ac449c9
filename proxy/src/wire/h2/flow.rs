//! What a peer may still send us (RFC 9113 section 5.2), of a stream or of the connection. Used by `connection`.

/// One window. It is opened again by what readers have taken, half of it at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inflow {
    left: u32,
    /// Taken, and not yet told to the peer.
    due: u32,
    size: u32,
}

impl Inflow {
    pub(super) fn new(size: u32) -> Inflow {
        Inflow { left: size, due: 0, size }
    }

    /// So many octets have come. False when there was no room for them.
    pub(super) fn take(&mut self, octets: u32) -> bool {
        let left = self.left.checked_sub(octets);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Somebody is done with so many. What the peer is to be told, if it is worth a frame.
    pub(super) fn release(&mut self, octets: u32) -> Option<u32> {
        self.due += octets;
        if self.due == 0 || self.due < self.size / 2 {
            return None;
        }
        let due = std::mem::take(&mut self.due);
        self.left += due;
        Some(due)
    }
}
