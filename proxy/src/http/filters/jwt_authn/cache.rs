//! Tokens that were verified, so that they need not be again: `jwt_cache_config`. Bounded by number and length, the least recently used
//! goes. A token counts with the keys that it was verified with, and no longer.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use config::filters::jwt_authn::Cache as Config;

use crate::policy::jwt::{KeySet, Token};

/// The verified tokens of a provider, shared by all workers. The lock is held for a look-up: a signature takes a hundred times as long.
#[derive(Debug)]
pub(super) struct Cache {
    config: Config,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    tokens: HashMap<Bytes, Entry>,
    /// By when they were last used.
    order: BTreeMap<u64, Bytes>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    token: Arc<Token>,
    keys: Arc<KeySet>,
    used: u64,
}

impl Cache {
    pub fn new(config: Config) -> Cache {
        Cache { config, held: Mutex::default() }
    }

    /// A token that these keys have verified.
    pub fn find(&self, text: &Bytes, keys: &Arc<KeySet>) -> Option<Arc<Token>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Held { tokens, order, clock } = &mut *held;
        let entry = tokens.get_mut(text)?;
        if !Arc::ptr_eq(&entry.keys, keys) {
            return None;
        }
        let key = order.remove(&entry.used)?;
        *clock += 1;
        entry.used = *clock;
        order.insert(*clock, key);
        Some(entry.token.clone())
    }

    /// Remembers one.
    pub fn add(&self, text: &Bytes, token: &Arc<Token>, keys: &Arc<KeySet>) {
        if text.len() > self.config.longest as usize {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Held { tokens, order, clock } = &mut *held;
        *clock += 1;
        // A copy: the request's buffer must not live as long as the entry.
        let text = Bytes::copy_from_slice(text);
        let entry = Entry { token: token.clone(), keys: keys.clone(), used: *clock };
        if let Some(before) = tokens.insert(text.clone(), entry) {
            order.remove(&before.used);
        }
        order.insert(*clock, text);
        while tokens.len() > self.config.tokens as usize {
            let Some((_, oldest)) = order.pop_first() else { break };
            tokens.remove(&oldest);
        }
    }

    /// Forgets one.
    pub fn forget(&self, text: &Bytes) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = held.tokens.remove(text) {
            held.order.remove(&entry.used);
        }
    }
}
