//! Which statistics exist: names, tags, places in the shards, who keeps them alive. All under one lock that the request path never takes.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::ThreadId;

use config::bootstrap::StatsMatcher;
use smallvec::SmallVec;

use super::shard::Shard;
use super::tags::Extraction;
use super::{Counter, Gauge, Histogram, Slot};

/// Envoy's default histogram buckets (upper bounds); one more bucket takes what is larger.
pub const DEFAULT_BOUNDS: &[f64] = &[
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, 30000.0, 60000.0, 300000.0,
    600000.0, 1800000.0, 3600000.0,
];

/// A label: name and value.
pub type Tag = (Arc<str>, Arc<str>);

/// What the bootstrap says about statistics.
#[derive(Debug, Clone)]
pub struct StatsSettings {
    /// Which names are made at all.
    pub matcher: StatsMatcher,
    /// `stats_tags`: tag name and regular expression, for Prometheus.
    pub tags: Vec<Tag>,
    /// `use_all_default_tags`: Envoy's own tags as well.
    pub default_tags: bool,
    /// Histogram buckets by matcher of the name, first match wins; Envoy's defaults otherwise. Bounds ascend.
    pub buckets: Vec<(config::matcher::StringMatcher, Vec<f64>)>,
}

impl Default for StatsSettings {
    /// What holds for a bootstrap without `stats_config`.
    fn default() -> StatsSettings {
        StatsSettings { matcher: StatsMatcher::All, tags: Vec::new(), default_tags: true, buckets: Vec::new() }
    }
}

impl StatsSettings {
    /// What a bootstrap asks for.
    pub fn of(bootstrap: &config::bootstrap::Bootstrap) -> StatsSettings {
        StatsSettings {
            matcher: bootstrap.stats_matcher.clone(),
            tags: bootstrap.stats_tags.clone(),
            default_tags: bootstrap.default_tags,
            buckets: bootstrap.histogram_buckets.clone(),
        }
    }
}

/// The registry. One a process, shared by all threads.
pub struct Stats {
    id: u32,
    extraction: Extraction,
    settings: StatsSettings,
    inner: Mutex<Inner>,
}

/// Kind of a statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Grows only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Distribution.
    Histogram,
}

/// One statistic.
struct Entry {
    kind: Kind,
    cell: u32,
    bounds: &'static [f64],
    /// Tags given by whoever made it; others are extracted from the name when it is shown.
    tagged: Option<Arc<Tagged>>,
    /// A counter that was used before it was reset.
    used: bool,
    /// Scopes that hold it; `None` = held for ever.
    holders: Option<u32>,
    /// Histogram counts at the last flush, and the ones recorded between the last two.
    interval: Option<Box<Interval>>,
}

/// A name without its tags, and the tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// Raw name without tags.
    pub name: String,
    /// Tags in the order in which they are shown.
    pub tags: Vec<(String, String)>,
}

/// What a histogram held at the last flush, and what came between the last two.
#[derive(Default)]
struct Interval {
    at_flush: Vec<u64>,
    between: Vec<u64>,
}

/// A reading of one statistic.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Raw name.
    pub name: Arc<str>,
    /// Kind.
    pub kind: Kind,
    /// Value of a counter or gauge; sum of a histogram.
    pub value: u64,
    /// It was ever written.
    pub used: bool,
    /// Counts of a histogram.
    pub histogram: Option<Box<HistogramSample>>,
    /// Tags that its maker gave.
    pub tagged: Option<Arc<Tagged>>,
}

/// A reading of a histogram. `counts` has one more element than `bounds`: what was larger than all of them.
#[derive(Debug, Clone)]
pub struct HistogramSample {
    /// Upper bounds.
    pub bounds: &'static [f64],
    /// Values in each bucket since the start.
    pub counts: Vec<u64>,
    /// Values in each bucket between the last two flushes; empty before the first.
    pub interval: Vec<u64>,
}

#[derive(Default)]
struct Inner {
    /// By raw name; sorted, as it is shown. A name may be of more than one kind.
    entries: BTreeMap<Arc<str>, SmallVec<[Entry; 1]>>,
    shards: HashMap<ThreadId, &'static Shard>,
    /// Holds what `set` set and the corrections that make reused or reset cells read zero.
    central: Option<&'static Shard>,
    next_cell: u32,
    /// Cells of removed statistics, by their count.
    free: HashMap<u32, Vec<u32>>,
    bounds: Vec<&'static [f64]>,
}

/// All living registries by id, for threads that meet a handle for the first time.
static REGISTRIES: Mutex<Vec<(u32, Weak<Stats>)>> = Mutex::new(Vec::new());
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What stands behind these locks is consistent after every statement that can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(registry: u32) -> Option<Arc<Stats>> {
    if registry == 0 {
        return None;
    }
    lock(&REGISTRIES).iter().find(|(id, _)| *id == registry)?.1.upgrade()
}

pub fn shard_of_this_thread(registry: u32) -> Option<&'static Shard> {
    let stats = find(registry)?;
    let mut inner = lock(&stats.inner);
    // Never freed: a process has one registry and a fixed set of threads.
    Some(inner.shards.entry(std::thread::current().id()).or_insert_with(|| Box::leak(Box::new(Shard::new(registry)))))
}

pub fn set_gauge(slot: Slot, value: u64) {
    let Some(stats) = find(slot.registry) else { return };
    let mut inner = lock(&stats.inner);
    inner.set(slot.registry, slot.cell, value);
    inner.set(slot.registry, slot.cell + 1, 1);
}

impl Stats {
    /// A registry that obeys `settings`.
    pub fn new(settings: StatsSettings) -> Arc<Stats> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let extraction = Extraction::compile(&settings.tags, settings.default_tags);
        let stats = Arc::new(Stats { id, extraction, settings, inner: Mutex::default() });
        let mut registries = lock(&REGISTRIES);
        registries.retain(|(_, stats)| stats.strong_count() > 0);
        registries.push((id, Arc::downgrade(&stats)));
        stats
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// A counter whose tags are given rather than extracted from its name. The raw name is `name.tag.value…`, as Envoy joins them.
    pub fn counter_tagged(self: &Arc<Self>, name: &str, tags: &[(&str, &str)]) -> Counter {
        self.make(Kind::Counter, name, tags, None).map_or(Counter::NONE, |(slot, _)| Counter(slot))
    }

    /// See [`Stats::counter_tagged`].
    pub fn gauge_tagged(self: &Arc<Self>, name: &str, tags: &[(&str, &str)]) -> Gauge {
        self.make(Kind::Gauge, name, tags, None).map_or(Gauge::NONE, |(slot, _)| Gauge(slot))
    }

    /// See [`Stats::counter_tagged`].
    pub fn histogram_tagged(self: &Arc<Self>, name: &str, tags: &[(&str, &str)]) -> Histogram {
        self.make(Kind::Histogram, name, tags, None)
            .map_or(Histogram::NONE, |(slot, bounds)| Histogram { slot, bounds })
    }

    /// Statistics under `prefix` (ends in `.` by the caller's choice) that go away with the scope. Clusters and listeners use it.
    pub fn scope(self: &Arc<Self>, prefix: &str) -> Scope {
        Scope { stats: Arc::clone(self), prefix: prefix.into(), held: Mutex::default() }
    }

    /// Whether the matcher lets this name exist.
    pub fn admits(&self, name: &str) -> bool {
        let any = |list: &[config::matcher::StringMatcher]| list.iter().any(|matcher| matcher.matches(name.as_bytes()));
        match &self.settings.matcher {
            StatsMatcher::All => true,
            StatsMatcher::None => false,
            StatsMatcher::Inclusion(list) => any(list),
            StatsMatcher::Exclusion(list) => !any(list),
        }
    }

    /// Sets every counter to zero; they still count as used.
    pub fn reset_counters(&self) {
        let mut inner = lock(&self.inner);
        let mut counters: Vec<u32> = Vec::new();
        for entry in inner.entries.values().flatten().filter(|entry| entry.kind == Kind::Counter) {
            if inner.sum(entry.cell) != 0 {
                counters.push(entry.cell);
            }
        }
        counters.sort_unstable();
        for entry in inner.entries.values_mut().flatten() {
            entry.used |= entry.kind == Kind::Counter && counters.binary_search(&entry.cell).is_ok();
        }
        for cell in counters {
            inner.set(self.id, cell, 0);
        }
    }

    /// Readings of the statistics that `wanted` takes, in order of their names.
    pub fn samples(&self, mut wanted: impl FnMut(&str, Kind) -> bool) -> Vec<Sample> {
        let inner = lock(&self.inner);
        let mut samples = Vec::new();
        for (name, entries) in &inner.entries {
            for entry in entries {
                if wanted(name, entry.kind) {
                    samples.push(inner.sample(name, entry));
                }
            }
        }
        samples
    }

    /// Name and tags as Prometheus wants them.
    pub fn tagged(&self, sample: &Sample) -> Tagged {
        match &sample.tagged {
            Some(tagged) => Tagged::clone(tagged),
            None => self.extraction.extract(&sample.name),
        }
    }

    /// Ends an interval: the next readings of histograms tell what came since the last call. The control thread calls it every
    /// `stats_flush_interval`.
    pub fn flush(&self) {
        let mut guard = lock(&self.inner);
        let inner = &mut *guard;
        for entry in inner.entries.values_mut().flatten().filter(|entry| entry.kind == Kind::Histogram) {
            let shards = inner.shards.values().copied().chain(inner.central);
            let now = counts(entry, |cell| shards.clone().fold(0, |sum, shard| sum.wrapping_add(shard.get(cell))));
            let interval = entry.interval.get_or_insert_default();
            let before = |index: usize| interval.at_flush.get(index).copied().unwrap_or(0);
            interval.between = now.iter().enumerate().map(|(index, count)| count.wrapping_sub(before(index))).collect();
            interval.at_flush = now;
        }
    }

    /// The value of a counter or gauge by its raw name, for tests and the few readers inside the process.
    pub fn value(&self, name: &str) -> Option<u64> {
        let inner = lock(&self.inner);
        let entry = inner.entries.get(name)?.iter().find(|entry| entry.kind != Kind::Histogram)?;
        Some(inner.sum(entry.cell))
    }

    fn make(
        &self,
        kind: Kind,
        name: &str,
        tags: &[(&str, &str)],
        scope: Option<&Scope>,
    ) -> Option<(Slot, &'static [f64])> {
        let joined = join(name, tags);
        let full: &str = joined.as_deref().unwrap_or(name);
        if !self.admits(full) {
            return None;
        }
        let mut inner = lock(&self.inner);
        let key = match inner.entries.get_key_value(full) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::from(full),
        };
        let at = inner.entries.entry(Arc::clone(&key)).or_default().iter().position(|entry| entry.kind == kind);
        if at.is_none() {
            let entry = inner.new_entry(self, kind, name, full, tags);
            inner.entries.entry(Arc::clone(&key)).or_default().push(entry);
        }
        let entries = inner.entries.get_mut(&key)?;
        let entry = entries.iter_mut().find(|entry| entry.kind == kind)?;
        match scope {
            None => entry.holders = None,
            Some(scope) => {
                let mut held = lock(&scope.held);
                if !held.iter().any(|(other, have)| *have == kind && *other == key) {
                    entry.holders = entry.holders.map(|count| count + 1);
                    held.push((key, kind));
                }
            }
        }
        Some((Slot { registry: self.id, cell: entry.cell }, entry.bounds))
    }

    fn bounds_of(&self, name: &str, inner: &mut Inner) -> &'static [f64] {
        let own = self.settings.buckets.iter().find(|(matcher, _)| matcher.matches(name.as_bytes()));
        let Some((_, bounds)) = own else { return DEFAULT_BOUNDS };
        if let Some(known) = inner.bounds.iter().find(|known| **known == bounds.as_slice()) {
            return known;
        }
        // One for each setting of the bootstrap, for the life of the process.
        let leaked: &'static [f64] = Box::leak(bounds.clone().into_boxed_slice());
        inner.bounds.push(leaked);
        leaked
    }
}

fn join(name: &str, tags: &[(&str, &str)]) -> Option<String> {
    if tags.is_empty() {
        return None;
    }
    let mut joined = name.to_owned();
    for (tag, value) in tags {
        joined.extend([".", tag, ".", value]);
    }
    Some(joined)
}

/// Counts of a histogram's buckets.
fn counts(entry: &Entry, sum: impl Fn(u32) -> u64) -> Vec<u64> {
    (0..=entry.bounds.len() as u32).map(|bucket| sum(entry.cell + 1 + bucket)).collect()
}

/// Cells that a statistic takes: a gauge has a second one that tells whether it was ever touched; a histogram has its sum, then its buckets.
fn cells(kind: Kind, bounds: &[f64]) -> u32 {
    match kind {
        Kind::Counter => 1,
        Kind::Gauge => 2,
        Kind::Histogram => 2 + bounds.len() as u32,
    }
}

impl Inner {
    fn new_entry(&mut self, stats: &Stats, kind: Kind, name: &str, full: &str, tags: &[(&str, &str)]) -> Entry {
        let bounds = if kind == Kind::Histogram { stats.bounds_of(full, self) } else { &[] };
        let tagged = (!tags.is_empty()).then(|| {
            let tags = tags.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect();
            Arc::new(Tagged { name: name.to_owned(), tags })
        });
        let cell = self.take_cells(stats.id, cells(kind, bounds));
        Entry { kind, cell, bounds, tagged, used: false, holders: Some(0), interval: None }
    }

    fn take_cells(&mut self, registry: u32, count: u32) -> u32 {
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

    fn sample(&self, name: &Arc<str>, entry: &Entry) -> Sample {
        let value = self.sum(entry.cell);
        let histogram = (entry.kind == Kind::Histogram).then(|| {
            let interval = entry.interval.as_ref().map(|interval| interval.between.clone()).unwrap_or_default();
            Box::new(HistogramSample { bounds: entry.bounds, counts: counts(entry, |cell| self.sum(cell)), interval })
        });
        let used = match (entry.kind, &histogram) {
            (Kind::Counter, _) => entry.used || value != 0,
            (Kind::Gauge, _) => self.sum(entry.cell + 1) != 0,
            (Kind::Histogram, histogram) => {
                histogram.as_ref().is_some_and(|own| own.counts.iter().any(|count| *count > 0))
            }
        };
        Sample { name: Arc::clone(name), kind: entry.kind, value, used, histogram, tagged: entry.tagged.clone() }
    }

    fn sum(&self, cell: u32) -> u64 {
        let central = self.central.map_or(0, |shard| shard.get(cell));
        self.shards.values().fold(central, |sum, shard| sum.wrapping_add(shard.get(cell)))
    }

    /// Makes the sum of a cell read `value`. An increment made meanwhile is kept or lost; both are readings of that moment.
    fn set(&mut self, registry: u32, cell: u32, value: u64) {
        let now = self.sum(cell);
        let central = *self.central.get_or_insert_with(|| Box::leak(Box::new(Shard::new(registry))));
        central.set(cell, central.get(cell).wrapping_add(value.wrapping_sub(now)));
    }

    fn release(&mut self, name: &Arc<str>, kind: Kind) {
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

/// A group of statistics that lives as long as its owner (and as long as another scope holds the same name). Handles must not be used
/// after the scope is dropped: they would count for whoever gets the place next.
pub struct Scope {
    stats: Arc<Stats>,
    prefix: Box<str>,
    held: Mutex<Vec<(Arc<str>, Kind)>>,
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
    }
}
