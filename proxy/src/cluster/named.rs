//! Counters of a cluster that filters name, each found by its name once a worker. A filter takes its names from its configuration, never
//! from a request: there are as many as the configuration has.

use std::cell::RefCell;

use crate::stats::{Counter, Scope};

/// What was counted so far.
#[derive(Debug, Default)]
pub struct NamedCounters(RefCell<Vec<(Box<str>, &'static str, Counter)>>);

impl NamedCounters {
    /// Counts `prefix` and `name`, in the cluster's own scope.
    pub fn count(&self, scope: &Scope, prefix: &str, name: &'static str) {
        let mut known = self.0.borrow_mut();
        let is_meant = |(of, one, _): &&(Box<str>, &'static str, Counter)| *one == name && **of == *prefix;
        if let Some((_, _, counter)) = known.iter().find(is_meant) {
            return counter.inc();
        }
        let counter = scope.counter(&format!("{prefix}{name}"));
        counter.inc();
        known.push((prefix.into(), name, counter));
    }
}

#[cfg(test)]
mod tests;
