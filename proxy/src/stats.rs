//! Statistics: named counters, gauges and histograms. Every part of the runtime makes handles when configuration arrives and
//! bumps them on the request path; admin reads them.
//!
//! A handle is a small number. Each thread owns a shard (an array of cells that it alone writes), so an increment is one load and one
//! store without a lock or a shared cache line, and a reading is the sum over the shards. A name that the bootstrap's
//! `stats_matcher` refuses gives a handle that does nothing and is never remembered.
//!
//! Making a handle takes a lock and a look-up by name: never do it per request.

use std::cell::Cell;
use std::sync::Arc;

pub mod expose;
mod registry;
mod sample;
mod server;
mod sets;
mod settings;
mod shard;
mod tags;

pub use registry::{Names, Scope, Stats};
pub use sample::{HistogramSample, Kind, Sample, Tagged};
pub use server::{DiscoveryStats, ServerState, ServerStats};
pub use sets::{Bundle, Handle};
pub use settings::{StatsSettings, Tag};
use shard::Shard;

/// Counters that belong together, as a struct whose fields have their names; `new` registers them below a prefix that ends with its dot.
macro_rules! counters {
    ($(#[$meta:meta])* $vis:vis struct $type:ident { $($counter:ident)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        $vis struct $type {
            $(#[doc = concat!("`", stringify!($counter), "`.")] pub $counter: $crate::stats::Counter,)*
        }

        impl $type {
            /// Registers the names below `prefix`.
            pub fn new(stats: &std::sync::Arc<$crate::stats::Stats>, prefix: &str) -> $type {
                $type { $($counter: stats.counter(&format!("{prefix}{}", stringify!($counter))),)* }
            }
        }
    };
}

pub(crate) use counters;

/// A number that only grows. Copy it freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter(Slot);

/// A number that goes up and down. Copy it freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge(Slot);

/// A distribution over fixed buckets. Copy it freely.
#[derive(Debug, Clone, Copy)]
pub struct Histogram {
    slot: Slot,
    bounds: &'static [f64],
}

/// Words, such as a version. Copy it freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text(Slot);

/// Place of a statistic: which registry, and the first of its cells in every shard. Registry 0 is no registry: nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    registry: u32,
    cell: u32,
}

impl Slot {
    const NOWHERE: Slot = Slot { registry: 0, cell: 0 };
}

impl Counter {
    /// Counts nothing: what a refused name gives, and a placeholder for tests.
    pub const NONE: Counter = Counter(Slot::NOWHERE);

    /// Adds one.
    #[inline]
    pub fn inc(self) {
        self.add(1);
    }

    /// Adds `count`.
    #[inline]
    pub fn add(self, count: u64) {
        on_shard(self.0, |shard| shard.add(self.0.cell, count));
    }
}

/// One more of something, as long as this lives.
#[derive(Debug)]
pub struct OneMore(Gauge);

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Gauge {
    /// Counts one while the guard lives.
    pub fn hold(self) -> OneMore {
        self.inc();
        OneMore(self)
    }

    /// Shows nothing: what a refused name gives, and a placeholder for tests.
    pub const NONE: Gauge = Gauge(Slot::NOWHERE);

    /// Adds one.
    #[inline]
    pub fn inc(self) {
        self.add(1);
    }

    /// Takes one away.
    #[inline]
    pub fn dec(self) {
        self.sub(1);
    }

    /// Adds `amount`.
    #[inline]
    pub fn add(self, amount: u64) {
        on_shard(self.0, |shard| {
            shard.add(self.0.cell, amount);
            shard.add(self.0.cell + 1, 1);
        });
    }

    /// Takes `amount` away. A thread may take away what another added: only the sum over the threads has a meaning.
    #[inline]
    pub fn sub(self, amount: u64) {
        on_shard(self.0, |shard| {
            shard.add(self.0.cell, amount.wrapping_neg());
            shard.add(self.0.cell + 1, 1);
        });
    }

    /// Sets the value, whatever the threads added before. Takes a lock: for the control thread, not for the request path.
    pub fn set(self, value: u64) {
        registry::set_gauge(self.0, value);
    }
}

impl Histogram {
    /// Records nothing.
    pub const NONE: Histogram = Histogram { slot: Slot::NOWHERE, bounds: &[] };

    /// Records one value, in the unit of the statistic's name (Envoy's `*_ms` and `*_time` are milliseconds).
    #[inline]
    pub fn record(self, value: u64) {
        on_shard(self.slot, |shard| {
            // Most values are small: their bucket is found sooner from below than by halving.
            let value_or_more = |bound: &f64| *bound >= value as f64;
            let bucket = self.bounds.iter().position(value_or_more).unwrap_or(self.bounds.len());
            shard.add(self.slot.cell, value);
            shard.add(self.slot.cell + 1 + bucket as u32, 1);
        });
    }
}

impl Text {
    /// Says nothing.
    pub const NONE: Text = Text(Slot::NOWHERE);

    /// Sets the words. Takes a lock: for the control thread.
    pub fn set(self, text: &str) {
        registry::set_text(self.0, text);
    }
}

thread_local! {
    /// The shard that this thread wrote last.
    static SHARD: Cell<Option<&'static Shard>> = const { Cell::new(None) };
}

#[inline]
fn on_shard(slot: Slot, act: impl FnOnce(&'static Shard)) {
    match SHARD.get() {
        Some(shard) if shard.registry == slot.registry => act(shard),
        _ if slot.registry == Slot::NOWHERE.registry => {}
        _ => {
            if let Some(shard) = find_shard(slot.registry) {
                act(shard);
            }
        }
    }
}

/// A thread's first increment, or the first after another registry's (only tests have several).
#[cold]
fn find_shard(registry: u32) -> Option<&'static Shard> {
    let shard = registry::shard_of_this_thread(registry)?;
    SHARD.set(Some(shard));
    Some(shard)
}

impl Stats {
    /// A counter by its raw dotted name.
    pub fn counter(self: &Arc<Self>, name: &str) -> Counter {
        self.counter_tagged(name, &[])
    }

    /// A gauge by its raw dotted name.
    pub fn gauge(self: &Arc<Self>, name: &str) -> Gauge {
        self.gauge_tagged(name, &[])
    }

    /// A histogram by its raw dotted name.
    pub fn histogram(self: &Arc<Self>, name: &str) -> Histogram {
        self.histogram_tagged(name, &[])
    }

    /// Makes this thread's shard now rather than at its first increment. Workers call it once when they start.
    pub fn register_shard(&self) {
        find_shard(self.id());
    }
}

#[cfg(test)]
mod tests;
