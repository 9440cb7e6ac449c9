//! The runtime: values by key. Fields that name a key hold a [`Live`] value (or a [`Key`]), which whoever serves traffic reads as one
//! atomic, and which follows when layers change.
//!
//! Decoders ask it for such values; the proxy gives it what its layers say. It must never be asked for a key while a request waits.

mod layer;
mod live;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use self::live::{Kind, NOTHING};
pub use layer::{Discovered, Entries, of_text, of_xds};
pub(crate) use layer::{bad_key, of_struct};
pub use live::{Key, Live, Value};

/// The older place of the limit on connections.
pub const LIMIT: &str = "overload.global_downstream_max_connections";
/// True answers 400 to a path with `#`, false strips it.
pub(crate) const REJECT_FRAGMENT: &str = "envoy.reloadable_features.http_reject_path_with_fragment";

/// Values by key. Clones of a reference to it see the same.
#[derive(Debug, Default)]
pub struct Runtime(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    values: Entries,
    /// What configuration holds of a key, while it does.
    cells: HashMap<(Kind, Box<str>), Weak<AtomicU64>>,
    /// From so many on cells are looked through for those that nobody holds any more.
    sweep_at: usize,
}

impl Runtime {
    /// Of keys and values in the order of their layers: the last wins.
    pub fn new(values: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Runtime {
        Runtime(Mutex::new(State { values: values.into_iter().collect(), ..State::default() }))
    }

    /// Takes these values in place of all before them; what configuration holds of keys follows.
    pub fn set(&self, values: Entries) {
        let mut state = self.state();
        state.values = values;
        let State { values, cells, .. } = &mut *state;
        cells.retain(|(kind, key), cell| {
            let Some(cell) = cell.upgrade() else { return false };
            cell.store(values.get(&**key).map_or(NOTHING, |text| kind.read(text)), Ordering::Relaxed);
            true
        });
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.state().values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a key is now, as what it is asked for; `None` where it is none, or not there.
    pub fn get<T: Value>(&self, key: &str) -> Option<T> {
        let state = self.state();
        T::KIND.unpacked(T::KIND.read(state.values.get(key)?))
    }

    /// A key, to be read again and again.
    pub fn key<T: Value>(&self, key: &str) -> Key<T> {
        // As in Envoy no value has an empty key.
        if key.is_empty() {
            return Key::default();
        }
        let mut state = self.state();
        let place = (T::KIND, Box::from(key));
        if let Some(cell) = state.cells.get(&place).and_then(Weak::upgrade) {
            return Key::of(cell);
        }
        state.sweep();
        let cell = Arc::new(AtomicU64::new(state.values.get(key).map_or(NOTHING, |text| T::KIND.read(text))));
        state.cells.insert(place, Arc::downgrade(&cell));
        Key::of(cell)
    }

    /// What a field says, or its key.
    pub fn live<T: Value>(&self, key: &str, own: T) -> Live<T> {
        Live::new(own, self.key(key))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A control plane may make up keys for ever: those of configuration that is gone go, too.
    fn sweep(&mut self) {
        if self.cells.len() >= self.sweep_at.max(64) {
            self.cells.retain(|_, cell| cell.strong_count() > 0);
            self.sweep_at = self.cells.len() * 2;
        }
    }
}

#[cfg(test)]
mod tests;
