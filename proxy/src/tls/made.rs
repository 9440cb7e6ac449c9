//! What was made of TLS material, while somebody holds it: clusters by the thousand name one certificate and one bundle of roots, as files
//! or by value, and each is checked and kept once. Asked by `material` and `trust`. It keeps nothing alive, and no key: what tells two apart
//! is a digest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::material::Identity;
use super::sha256;
use super::trust::Trust;

/// All of it.
#[derive(Default)]
pub(super) struct Made {
    pub identities: Pool<Identity>,
    pub trusts: Pool<Trust>,
}

/// One kind, by the digest of all that it was made of.
pub(super) struct Pool<T>(Mutex<HashMap<[u8; 32], Weak<T>>>);

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool(Mutex::default())
    }
}

impl<T> Pool<T> {
    /// What is made of these octets, which came from these places.
    ///
    /// # Errors
    /// Those of `make`. They are made anew each time.
    pub fn of(
        &self,
        octets: &[&[u8]],
        from: &[String],
        make: impl FnOnce() -> Result<T, String>,
    ) -> Result<Arc<T>, String> {
        let mut digests = Vec::new();
        octets.iter().for_each(|octets| digests.extend(sha256(octets)));
        from.iter().for_each(|place| digests.extend(sha256(place.as_bytes())));
        let key = sha256(&digests);
        if let Some(made) = self.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(made);
        }
        let made = Arc::new(make()?);
        let mut all = self.lock();
        if all.len() == all.capacity() {
            all.retain(|_, made| made.strong_count() > 0);
        }
        all.insert(key, Arc::downgrade(&made));
        Ok(made)
    }

    /// A panic while it was held leaves a map that is whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Weak<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
