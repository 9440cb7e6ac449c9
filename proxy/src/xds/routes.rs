//! RDS: one slot a route table name, shared by every listener that asks for the name.
//!
//! The control loop fills slots; connection managers hold them. A refused table leaves the one before in its slot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::route::{RouteSlot, RouteSlots, RouteTable};

/// All slots. A slot stays until it is found that no listener holds it: a listener that is removed and comes back at once
/// finds its table, which the control plane would not send again.
#[derive(Debug, Default)]
pub struct Routes {
    slots: Mutex<HashMap<Arc<str>, Arc<RouteSlot>>>,
}

impl Routes {
    /// Puts a table in its slot; tells whether anyone wants it.
    pub fn publish(&self, name: &str, table: Arc<RouteTable>) -> bool {
        match self.get(name) {
            Some(slot) => {
                slot.publish(table);
                true
            }
            None => false,
        }
    }

    /// Empties a slot.
    pub fn remove(&self, name: &str) {
        if let Some(slot) = self.get(name) {
            slot.remove();
        }
    }

    /// Whether a table has come for this name.
    pub fn is_filled(&self, name: &str) -> bool {
        self.get(name).is_some_and(|slot| slot.load().is_some())
    }

    /// Forgets the names that no listener holds any more and returns them.
    pub fn forget_unused(&self) -> Vec<Arc<str>> {
        let mut slots = self.lock();
        let unused: Vec<Arc<str>> =
            slots.iter().filter(|(_, slot)| Arc::strong_count(slot) == 1).map(|(name, _)| name.clone()).collect();
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
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<RouteSlot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouteSlots for Routes {
    fn slot(&self, name: &Arc<str>) -> Arc<RouteSlot> {
        self.lock().entry(name.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests;
