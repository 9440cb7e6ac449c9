//! Statistics that go away with what they are about. Clusters and listeners hold one.

use std::sync::{Arc, Mutex};

use super::places::Quiet;
use super::{Names, Stats, lock};
use crate::stats::sample::Kind;
use crate::stats::{Counter, Gauge, Histogram, Slot, Text};

/// A group of statistics that lives as long as its owner (and as long as another scope holds the same name). Handles must not be used
/// after the scope is dropped: they would count for whoever gets the place next.
pub struct Scope {
    pub(super) stats: Arc<Stats>,
    pub(super) prefix: Box<str>,
    pub(super) held: Mutex<Vec<(Arc<str>, Kind)>>,
    pub(super) quiet: Mutex<Vec<Quiet>>,
}

impl Scope {
    /// A counter named prefix + `name`.
    pub fn counter(&self, name: &str) -> Counter {
        self.make(Kind::Counter, name).map_or(Counter::NONE, |(slot, _)| Counter(slot))
    }

    /// A gauge named prefix + `name`.
    pub fn gauge(&self, name: &str) -> Gauge {
        self.make(Kind::Gauge, name).map_or(Gauge::NONE, |(slot, _)| Gauge(slot))
    }

    /// A histogram named prefix + `name`.
    pub fn histogram(&self, name: &str) -> Histogram {
        self.make(Kind::Histogram, name).map_or(Histogram::NONE, |(slot, bounds)| Histogram { slot, bounds })
    }

    /// A text named prefix + `name`.
    pub fn text(&self, name: &str) -> Text {
        self.make(Kind::Text, name).map_or(Text::NONE, |(slot, _)| Text(slot))
    }

    /// These are shown as 0 below the prefix as long as the scope lives, where nothing counts under them.
    pub fn quiet(&self, names: Names) {
        lock(&self.quiet).push(lock(&self.stats.inner).add_quiet(&self.prefix, names));
    }

    fn make(&self, kind: Kind, name: &str) -> Option<(Slot, &'static [f64])> {
        self.stats.make(kind, &format!("{}{name}", self.prefix), &[], Some(self))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let mut inner = lock(&self.stats.inner);
        for (name, kind) in lock(&self.held).drain(..) {
            inner.release(&name, kind);
        }
        lock(&self.quiet).clear();
        inner.quiet.retain(|quiet| quiet.strong_count() > 0);
    }
}
