//! What Envoy counts of subscriptions to resources by name (`http.<prefix>.rds.<table>.update_*`, `sds.<secret>.update_*`): attempts, what came
//! of them, and that nothing came in time. Used by `control` for route tables and by `secrets`. It decides nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::stats::{DiscoveryStats, Stats};

/// What is asked for.
pub struct Asked {
    stats: Arc<Stats>,
    all: HashMap<Arc<str>, One>,
}

/// How what is asked for comes.
#[derive(Debug, Clone, Copy)]
pub enum Awaited {
    /// Over a stream, within this time: what came of one attempt begins the next.
    Stream(Option<Duration>),
    /// From a file, each time that it is read.
    File,
}

/// One resource.
pub(super) struct One {
    counts: DiscoveryStats,
    since: Instant,
    /// `None`: it is waited for without an end, or no longer.
    timeout: Option<Duration>,
}

impl Asked {
    /// Nothing yet.
    pub fn new(stats: &Arc<Stats>) -> Asked {
        Asked { stats: stats.clone(), all: HashMap::new() }
    }

    /// These are asked for, and no others: what each is called here and in statistics, and how it comes.
    pub fn want(&mut self, wanted: impl Iterator<Item = (Arc<str>, String, Awaited)>) {
        let mut names = HashSet::new();
        for (name, scope, awaited) in wanted {
            let stats = &self.stats;
            self.all.entry(name.clone()).or_insert_with(|| {
                let mut one = One::new(DiscoveryStats::new(stats, &scope));
                if let Awaited::Stream(timeout) = awaited {
                    one.begins(timeout);
                }
                one
            });
            names.insert(name);
        }
        self.all.retain(|name, _| names.contains(name));
    }

    /// One came in this version, and was taken within that time or refused.
    pub fn came(&mut self, name: &str, version: &str, taken: bool, took: Duration) {
        if let Some(one) = self.all.get_mut(name) {
            one.came(version, taken, took);
        }
    }

    /// A stream that carries these ended, or could not be opened.
    pub fn failed(&self, carries: impl Fn(&str) -> bool) {
        self.all.iter().filter(|(name, _)| carries(name)).for_each(|(_, one)| one.failed());
    }

    /// Counts those that did not come in time.
    pub fn give_up_waiting(&mut self) {
        self.all.values_mut().for_each(One::give_up_waiting);
    }

    /// How long until the first of these waits is over.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.all.values().filter_map(One::left).min()
    }
}

impl One {
    /// Not asked for yet.
    pub fn new(counts: DiscoveryStats) -> One {
        One { counts, since: Instant::now(), timeout: None }
    }

    /// It is asked for, and waited for within that time.
    pub fn begins(&mut self, timeout: Option<Duration>) {
        self.counts.begun();
        (self.since, self.timeout) = (Instant::now(), timeout);
    }

    /// It came in this version, and was taken within that time or refused.
    pub fn came(&mut self, version: &str, taken: bool, took: Duration) {
        self.timeout = None;
        if taken { self.counts.succeeded(version, took) } else { self.counts.rejected() }
    }

    /// What carries it ended, or could not be opened.
    pub fn failed(&self) {
        self.counts.failed();
    }

    /// Counts it, if it did not come in time.
    pub fn give_up_waiting(&mut self) {
        if self.left() == Some(Duration::ZERO) {
            self.timeout = None;
            self.counts.timed_out();
        }
    }

    fn left(&self) -> Option<Duration> {
        Some(self.timeout?.saturating_sub(self.since.elapsed()))
    }
}

#[cfg(test)]
mod tests;
