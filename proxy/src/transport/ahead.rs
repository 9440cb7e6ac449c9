//! The buffer into which more is read from a socket than was asked for. One a thread, lent to the connection that has something left in
//! it: what is left is read out of it where it lies. Used by `transport` only; it never grows.

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::task::{Poll, ready};

use bytes::Bytes;
use tokio::io::ReadBuf;

/// Octets read ahead at most.
const AHEAD: usize = 64 * 1024;
/// What is left and is no more than this is copied: a buffer is not worth lending for it, for who reads slowly keeps it long.
const LITTLE: usize = 4 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A lent buffer. It goes back when it is dropped, to whichever thread that is.
#[derive(Debug)]
pub(super) struct Scratch {
    octets: Vec<u8>,
    /// What is left to be read.
    left: Range<usize>,
}

impl Scratch {
    /// The thread's, or a new one where that is lent.
    pub fn take() -> Scratch {
        let mut octets = SPARE.try_with(Cell::take).unwrap_or_default();
        octets.resize(AHEAD, 0);
        Scratch { octets, left: 0..0 }
    }

    /// Reads into it, in place of what was there.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn fill(&mut self, read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        let mut buffer = ReadBuf::new(&mut self.octets);
        ready!(read(&mut buffer))?;
        self.left = 0..buffer.filled().len();
        Poll::Ready(Ok(()))
    }

    /// Gives what `out` has room for.
    pub fn spend(&mut self, out: &mut ReadBuf<'_>) {
        let length = self.left.len().min(out.remaining());
        out.put_slice(&self.as_ref()[..length]);
        self.left.start += length;
    }

    /// What is left.
    pub fn left(self) -> Bytes {
        if self.left.len() <= LITTLE { Bytes::copy_from_slice(self.as_ref()) } else { Bytes::from_owner(self) }
    }

    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }
}

impl AsRef<[u8]> for Scratch {
    fn as_ref(&self) -> &[u8] {
        &self.octets[self.left.clone()]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let octets = std::mem::take(&mut self.octets);
        // The thread may be ending.
        let _ = SPARE.try_with(|spare| spare.set(octets));
    }
}

#[cfg(test)]
mod tests;
