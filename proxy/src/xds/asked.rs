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
struct One {
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
                let counts = DiscoveryStats::new(stats, &scope);
                let timeout = match awaited {
                    Awaited::Stream(timeout) => {
                        counts.begun();
                        timeout
                    }
                    Awaited::File => None,
                };
                One { counts, since: Instant::now(), timeout }
            });
            names.insert(name);
        }
        self.all.retain(|name, _| names.contains(name));
    }

    /// One came in this version, and was taken within that time or refused.
    pub fn came(&mut self, name: &str, version: &str, taken: bool, took: Duration) {
        let Some(one) = self.all.get_mut(name) else { return };
        one.timeout = None;
        if taken { one.counts.succeeded(version, took) } else { one.counts.rejected() }
    }

    /// A stream that carries these ended, or could not be opened.
    pub fn failed(&self, carries: impl Fn(&str) -> bool) {
        self.all.iter().filter(|(name, _)| carries(name)).for_each(|(_, one)| one.counts.failed());
    }

    /// Counts those that did not come in time.
    pub fn give_up_waiting(&mut self) {
        for one in self.all.values_mut().filter(|one| one.left() == Some(Duration::ZERO)) {
            one.timeout = None;
            one.counts.timed_out();
        }
    }

    /// How long until the first of these waits is over.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.all.values().filter_map(One::left).min()
    }
}

impl One {
    fn left(&self) -> Option<Duration> {
        Some(self.timeout?.saturating_sub(self.since.elapsed()))
    }
}

#[cfg(test)]
mod tests;
