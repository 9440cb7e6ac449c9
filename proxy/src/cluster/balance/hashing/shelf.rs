//! Rings and tables that are made of the same are one: all workers, and all versions of a cluster, look into it. What is large (a ring has up to eight
//! million points) is made once and kept as long as somebody balances with it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use xxhash_rust::xxh64::xxh64;

/// What was made, by what it was made of.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    made: Mutex<BTreeMap<Recipe, Weak<OnceLock<T>>>>,
}

/// What a ring or table is made of, as two hashes of it.
pub(super) type Recipe = (u64, u64);

/// One of them.
#[derive(Debug)]
pub struct Shared<T>(Arc<OnceLock<T>>);

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get().expect("made before it was handed out")
    }
}

impl<T> Shelf<T> {
    /// Nothing on it.
    pub const fn new() -> Shelf<T> {
        Shelf { made: Mutex::new(BTreeMap::new()) }
    }

    /// What was made of that; made now, where nobody has. Who wants the same meanwhile waits for it, and nobody else does.
    pub fn get(&self, recipe: Recipe, make: impl FnOnce() -> T) -> Shared<T> {
        let place = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            match made.get(&recipe).and_then(Weak::upgrade) {
                Some(place) => place,
                None => {
                    made.retain(|_, place| place.strong_count() > 0);
                    let place = Arc::default();
                    made.insert(recipe, Arc::downgrade(&place));
                    place
                }
            }
        };
        place.get_or_init(make);
        Shared(place)
    }
}

/// Of hosts by their keys and shares, in their order, and of numbers.
pub(super) fn recipe<'a>(hosts: impl Iterator<Item = (&'a str, f64)>, numbers: &[u64]) -> Recipe {
    let mut octets = Vec::new();
    numbers.iter().for_each(|number| octets.extend_from_slice(&number.to_le_bytes()));
    for (key, share) in hosts {
        octets.extend_from_slice(&key.len().to_le_bytes());
        octets.extend_from_slice(key.as_bytes());
        octets.extend_from_slice(&share.to_bits().to_le_bytes());
    }
    (xxh64(&octets, 0), xxh64(&octets, 1))
}

#[cfg(test)]
mod tests;
