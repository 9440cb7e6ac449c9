//! One thread's cells. Written by that thread alone, read by whoever sums; grows without moving what is there.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Cells of the first chunk; each further chunk is twice the one before it.
const FIRST: u32 = 64;
/// Chunks: enough for any `u32`.
const CHUNKS: usize = 27;

/// The cells of one thread in one registry.
pub struct Shard {
    /// The registry that it belongs to.
    pub registry: u32,
    // A chunk is made at the first write into it and never moves, so that readers need no lock.
    chunks: [OnceLock<Box<[AtomicU64]>>; CHUNKS],
}

impl Shard {
    pub fn new(registry: u32) -> Shard {
        Shard { registry, chunks: [const { OnceLock::new() }; CHUNKS] }
    }

    /// Adds, wrapping. Only the owning thread may call it: it is a load and a store, not an atomic addition.
    #[inline]
    pub fn add(&self, cell: u32, amount: u64) {
        let value = self.cell(cell);
        value.store(value.load(Relaxed).wrapping_add(amount), Relaxed);
    }

    /// Overwrites. Only the owning thread (or the holder of the registry's lock, for the central shard) may call it.
    pub fn set(&self, cell: u32, value: u64) {
        self.cell(cell).store(value, Relaxed);
    }

    /// Reads; a stale value is a reading taken a moment ago.
    pub fn get(&self, cell: u32) -> u64 {
        let (chunk, offset) = place(cell);
        self.chunks[chunk].get().map_or(0, |cells| cells[offset].load(Relaxed))
    }

    #[inline]
    fn cell(&self, cell: u32) -> &AtomicU64 {
        let (chunk, offset) = place(cell);
        let cells = match self.chunks[chunk].get() {
            Some(cells) => cells,
            None => self.grow(chunk),
        };
        &cells[offset]
    }

    #[cold]
    fn grow(&self, chunk: usize) -> &[AtomicU64] {
        self.chunks[chunk].get_or_init(|| (0..FIRST << chunk).map(|_| AtomicU64::new(0)).collect())
    }
}

/// Chunk `n` holds the cells from `FIRST * (2^n - 1)`.
#[inline]
fn place(cell: u32) -> (usize, usize) {
    // Counted from where chunk 0 would begin were there others before it, the highest bit tells the chunk and the rest the offset.
    let cell = u64::from(cell) + u64::from(FIRST);
    let highest = (cell | 1).ilog2();
    ((highest - FIRST.ilog2()) as usize, (cell ^ (1 << highest)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_one_place() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(63), (0, 63));
        assert_eq!(place(64), (1, 0));
        assert_eq!(place(191), (1, 127));
        assert_eq!(place(192), (2, 0));
        assert_eq!(place(u32::MAX - 64).0, 25);
    }

    #[test]
    fn cells_keep_their_values_when_it_grows() {
        let shard = Shard::new(1);
        assert_eq!(shard.get(1000), 0);
        shard.add(3, 5);
        shard.add(1000, 7);
        shard.add(3, 1);
        shard.add(1000, 1u64.wrapping_neg());
        assert_eq!((shard.get(3), shard.get(1000), shard.get(999)), (6, 6, 0));
    }
}
