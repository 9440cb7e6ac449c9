//! Names and their places in the shards: who has which cells, what they sum to, which are free again. The registry holds it behind its
//! lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::thread::ThreadId;

use smallvec::SmallVec;

use super::{Names, Stats};
use crate::stats::sample::{HistogramSample, Kind, Sample, Tagged};
use crate::stats::shard::Shard;

/// One statistic.
pub struct Entry {
    pub kind: Kind,
    pub cell: u32,
    pub bounds: &'static [f64],
    /// Tags given by whoever made it; others are extracted from the name when it is shown.
    pub tagged: Option<Arc<Tagged>>,
    /// A counter that was used before it was reset.
    pub used: bool,
    /// Scopes that hold it; `None` = held for ever.
    pub holders: Option<u32>,
    /// Histogram counts at the last flush, and the ones recorded between the last two.
    pub interval: Option<Box<Interval>>,
}

/// What a histogram held at the last flush, and what came between the last two.
#[derive(Default)]
pub struct Interval {
    pub at_flush: Vec<u64>,
    pub between: Vec<u64>,
    pub sum_at_flush: u64,
    pub sum_between: u64,
}

#[derive(Default)]
pub struct Inner {
    /// Names that are shown as 0, where nothing counts under them.
    pub quiet: Vec<Weak<(Box<str>, Names)>>,
    /// By raw name; sorted, as it is shown. A name may be of more than one kind.
    pub entries: BTreeMap<Arc<str>, SmallVec<[Entry; 1]>>,
    pub shards: HashMap<ThreadId, &'static Shard>,
    /// Holds what `set` set and the corrections that make reused or reset cells read zero.
    pub central: Option<&'static Shard>,
    pub next_cell: u32,
    /// Cells of removed statistics, by their count.
    pub free: HashMap<u32, Vec<u32>>,
    /// Texts by their cells, which hold nothing else.
    pub texts: HashMap<u32, Arc<str>>,
    pub bounds: Vec<&'static [f64]>,
}

/// Names below a prefix that are shown as 0 while somebody holds this.
pub type Quiet = Arc<(Box<str>, Names)>;

impl Inner {
    pub fn add_quiet(&mut self, prefix: &str, names: Names) -> Quiet {
        let quiet = Arc::new((Box::from(prefix), names));
        self.quiet.push(Arc::downgrade(&quiet));
        quiet
    }

    /// Those that `wanted` takes and that nothing counts under, each once.
    pub fn quiet_samples(&self, stats: &Stats, wanted: &mut dyn FnMut(&str, Kind) -> bool) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut name = String::new();
        for quiet in self.quiet.iter().filter_map(Weak::upgrade) {
            let (prefix, names) = &*quiet;
            for (kind, last) in *names {
                name.clear();
                name.extend([&**prefix, *last]);
                let counts = |entries: &SmallVec<[Entry; 1]>| entries.iter().any(|entry| entry.kind == *kind);
                if self.entries.get(name.as_str()).is_some_and(counts) || !wanted(&name, *kind) || !stats.admits(&name)
                {
                    continue;
                }
                let histogram = (*kind == Kind::Histogram).then(|| {
                    let bounds = crate::stats::settings::DEFAULT_BOUNDS;
                    let counts = vec![0; bounds.len() + 1];
                    Box::new(HistogramSample { bounds, counts, interval: Vec::new(), sum: 0, interval_sum: 0 })
                });
                let name = Arc::from(name.as_str());
                samples.push(Sample { name, kind: *kind, value: 0, used: false, histogram, text: None, tagged: None });
            }
        }
        samples.sort_by(|a, b| a.name.cmp(&b.name));
        samples.dedup_by(|a, b| a.name == b.name && a.kind == b.kind);
        samples
    }
    pub fn new_entry(&mut self, stats: &Stats, kind: Kind, name: &str, full: &str, tags: &[(&str, &str)]) -> Entry {
        let bounds = if kind == Kind::Histogram { stats.bounds_of(full, self) } else { &[] };
        let tagged = (!tags.is_empty()).then(|| {
            let tags = tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect();
            Arc::new(Tagged { name: name.to_owned(), tags })
        });
        let cell = self.take_cells(stats.id, cells(kind, bounds));
        Entry { kind, cell, bounds, tagged, used: false, holders: Some(0), interval: None }
    }

    pub fn take_cells(&mut self, registry: u32, count: u32) -> u32 {
        if let Some(cell) = self.free.get_mut(&count).and_then(Vec::pop) {
            for offset in 0..count {
                self.set(registry, cell + offset, 0);
            }
            return cell;
        }
        let cell = self.next_cell;
        self.next_cell += count;
        cell
    }

    pub fn sample(&self, name: &Arc<str>, entry: &Entry) -> Sample {
        let value = self.sum(entry.cell);
        let histogram = (entry.kind == Kind::Histogram).then(|| {
            let last = entry.interval.as_deref();
            Box::new(HistogramSample {
                bounds: entry.bounds,
                counts: counts(entry, |cell| self.sum(cell)),
                interval: last.map(|last| last.between.clone()).unwrap_or_default(),
                sum: value,
                interval_sum: last.map_or(0, |last| last.sum_between),
            })
        });
        let used = match (entry.kind, &histogram) {
            (Kind::Counter, _) => entry.used || value != 0,
            (Kind::Gauge, _) => self.sum(entry.cell + 1) != 0,
            (Kind::Text, _) => true,
            (Kind::Histogram, histogram) => {
                histogram.as_ref().is_some_and(|own| own.counts.iter().any(|count| *count > 0))
            }
        };
        let text = if entry.kind == Kind::Text { self.texts.get(&entry.cell).cloned() } else { None };
        Sample { name: Arc::clone(name), kind: entry.kind, value, used, histogram, text, tagged: entry.tagged.clone() }
    }

    pub fn sum(&self, cell: u32) -> u64 {
        let central = self.central.map_or(0, |shard| shard.get(cell));
        self.shards.values().fold(central, |sum, shard| sum.wrapping_add(shard.get(cell)))
    }

    /// Makes the sum of a cell read `value`. An increment made meanwhile is kept or lost; both are readings of that moment.
    pub fn set(&mut self, registry: u32, cell: u32, value: u64) {
        let now = self.sum(cell);
        let central = *self.central.get_or_insert_with(|| Box::leak(Box::new(Shard::new(registry))));
        central.set(cell, central.get(cell).wrapping_add(value.wrapping_sub(now)));
    }

    pub fn release(&mut self, name: &Arc<str>, kind: Kind) {
        let Some(entries) = self.entries.get_mut(name) else { return };
        let Some(at) = entries.iter().position(|entry| entry.kind == kind) else { return };
        let Some(holders) = &mut entries[at].holders else { return };
        *holders = holders.saturating_sub(1);
        if *holders > 0 {
            return;
        }
        let entry = entries.remove(at);
        if entries.is_empty() {
            self.entries.remove(name);
        }
        self.free.entry(cells(kind, entry.bounds)).or_default().push(entry.cell);
    }
}

/// Counts of a histogram's buckets.
pub fn counts(entry: &Entry, sum: impl Fn(u32) -> u64) -> Vec<u64> {
    (0..=entry.bounds.len() as u32).map(|bucket| sum(entry.cell + 1 + bucket)).collect()
}

/// Cells that a statistic takes: a gauge has a second one that tells whether it was ever touched; a histogram has its sum, then its buckets.
fn cells(kind: Kind, bounds: &[f64]) -> u32 {
    match kind {
        Kind::Counter | Kind::Text => 1,
        Kind::Gauge => 2,
        Kind::Histogram => 2 + bounds.len() as u32,
    }
}
