//! RDS: one slot a route table name, shared by every listener that asks for the name.
//!
//! The control loop fills slots; connection managers hold them. A refused table leaves the one before in its slot.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::route::{RouteSlot, RouteSlots, RouteTable};

/// All slots. A slot stays while a listener names it, be it one that drains: a listener that is removed and comes back at once
/// finds its table, which the control plane would not send again.
#[derive(Debug, Default)]
pub struct Routes {
    slots: Mutex<HashMap<Arc<str>, Asked>>,
}

/// A name.
#[derive(Debug, Default)]
struct Asked {
    slot: Arc<RouteSlot>,
    missing: Option<Missing>,
}

/// Why there is no table, where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The control plane says that it has none.
    Unknown,
    /// It was refused, and what was there before may serve no longer.
    Withheld,
}

impl Routes {
    /// Puts a table in its slot; tells whether anyone wants it.
    pub fn publish(&self, name: &str, table: Arc<RouteTable>) -> bool {
        match self.get(name) {
            Some(slot) => {
                self.is_missing(name, None);
                slot.publish(table);
                true
            }
            None => false,
        }
    }

    /// Empties a slot: its table may serve no longer.
    pub fn remove(&self, name: &str) {
        if let Some(slot) = self.get(name) {
            self.is_missing(name, Some(Missing::Withheld));
            slot.remove();
        }
    }

    /// The control plane says that there is no such table: where there is nothing to lose, nobody waits for it any more. A table that has
    /// come stays, as in Envoy.
    pub fn does_not_exist(&self, name: &str) {
        if let Some(slot) = self.get(name).filter(|slot| slot.load().is_none()) {
            self.is_missing(name, Some(Missing::Unknown));
            slot.remove();
        }
    }

    /// It has not come in time: whoever asks finds no route, as in Envoy, and does not wait.
    pub fn give_up(&self, name: &str) {
        if let Some(slot) = self.get(name).filter(|slot| slot.load().is_none()) {
            slot.remove();
        }
    }

    /// Why it has not come and is not on its way, as far as that is known.
    pub fn missing(&self, name: &str) -> Option<Missing> {
        self.lock().get(name).and_then(|asked| asked.missing)
    }

    fn is_missing(&self, name: &str, missing: Option<Missing>) {
        if let Some(asked) = self.lock().get_mut(name) {
            asked.missing = missing;
        }
    }

    /// Whether a table has come for this name.
    pub fn is_filled(&self, name: &str) -> bool {
        self.get(name).is_some_and(|slot| slot.load().is_some())
    }

    /// Forgets the names that are not in use any more and returns them.
    pub fn forget_unused(&self, in_use: impl Iterator<Item = Arc<str>>) -> Vec<Arc<str>> {
        let in_use: HashSet<Arc<str>> = in_use.collect();
        let mut slots = self.lock();
        let unused: Vec<Arc<str>> = slots.keys().filter(|name| !in_use.contains(*name)).cloned().collect();
        for name in &unused {
            slots.remove(name);
        }
        unused
    }

    /// Names that some listener holds.
    pub fn wanted(&self) -> impl Iterator<Item = String> {
        let names: Vec<String> = self.lock().keys().map(|name| name.to_string()).collect();
        names.into_iter()
    }

    fn get(&self, name: &str) -> Option<Arc<RouteSlot>> {
        self.lock().get(name).map(|asked| asked.slot.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Asked>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouteSlots for Routes {
    fn slot(&self, name: &Arc<str>) -> Arc<RouteSlot> {
        self.lock().entry(name.clone()).or_default().slot.clone()
    }
}

#[cfg(test)]
mod tests;
