//! Which statistics exist: names, tags, places in the shards, who keeps them alive. All under one lock that the request path never takes.

mod places;
mod scope;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use config::bootstrap::StatsMatcher;

use self::places::{Inner, counts};
pub use self::scope::Scope;
use super::sample::{Kind, Sample, Tagged};
use super::sets::shown::Snapshot;
use super::sets::{Bundle, Handle, LabelSets};
use super::settings::{DEFAULT_BOUNDS, StatsSettings};
use super::shard::Shard;
use super::tags::Extraction;
use super::{Counter, Gauge, Histogram, Slot, Text};

/// The registry. One a process, shared by all threads.
pub struct Stats {
    id: u32,
    extraction: Extraction,
    settings: StatsSettings,
    inner: Mutex<Inner>,
    sets: LabelSets,
    /// Held for ever.
    quiet: Mutex<Vec<places::Quiet>>,
}

/// Last parts of names that are shown as 0 where nothing counts under them: what Envoy shows and cannot happen here.
pub type Names = &'static [(Kind, &'static str)];

/// All living registries by id, for threads that meet a handle for the first time.
static REGISTRIES: Mutex<Vec<(u32, Weak<Stats>)>> = Mutex::new(Vec::new());
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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

pub fn set_text(slot: Slot, text: &str) {
    let Some(stats) = find(slot.registry) else { return };
    lock(&stats.inner).texts.insert(slot.cell, text.into());
}

impl Stats {
    /// A registry that obeys `settings`.
    pub fn new(settings: StatsSettings) -> Arc<Stats> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let extraction = Extraction::compile(&settings);
        let stats = Arc::new(Stats {
            id,
            extraction,
            settings,
            inner: Mutex::default(),
            sets: LabelSets::default(),
            quiet: Mutex::default(),
        });
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

    /// A text by its raw dotted name. It is shown once it is set.
    pub fn text(self: &Arc<Self>, name: &str) -> Text {
        self.make(Kind::Text, name, &[], None).map_or(Text::NONE, |(slot, _)| Text(slot))
    }

    /// Statistics under `prefix` (ends in `.` by the caller's choice) that go away with the scope. Clusters and listeners use it.
    pub fn scope(self: &Arc<Self>, prefix: &str) -> Scope {
        let prefix = clean(prefix);
        let prefix: &str = match prefix.trim_end_matches('.') {
            // A name that ends in dots is one without them.
            short if prefix.len() > short.len() => &prefix[..=short.len()],
            _ => &prefix,
        };
        Scope { stats: Arc::clone(self), prefix: prefix.into(), held: Mutex::default(), quiet: Mutex::default() }
    }

    /// These are shown as 0 below `prefix`, where nothing counts under them.
    pub fn quiet(&self, prefix: &str, names: Names) {
        let prefix = clean(prefix);
        let prefix = &*prefix;
        let mut held = lock(&self.quiet);
        if !held.iter().any(|known| *known.0 == *prefix && std::ptr::eq(known.1, names)) {
            held.push(lock(&self.inner).add_quiet(prefix, names));
        }
    }

    /// Metrics whose labels are known later, by their names without a namespace.
    pub fn bundle(&self, metrics: &[(&str, Kind)]) -> Arc<Bundle> {
        let bounds = |name: &str| self.bounds_of(&format!("istiocustom.{name}"), &mut lock(&self.inner));
        self.sets.bundle(Bundle::new(metrics, bounds))
    }

    /// Names of labels, for [`Stats::label_set`].
    pub fn label_names(&self, names: &[Arc<str>]) -> Arc<[Arc<str>]> {
        self.sets.names(names)
    }

    /// What this thread writes of a bundle with these labels; `None` where there are too many label sets. `spare`: it takes the place of
    /// one of which there are too many. Takes a lock: keep it.
    pub fn label_set(
        &self,
        bundle: &Arc<Bundle>,
        names: &Arc<[Arc<str>]>,
        values: &[&str],
        spare: bool,
    ) -> Option<Handle> {
        self.sets.handle(bundle, (names, values), spare, |name| self.admits(name))
    }

    /// Label sets as they are now.
    pub fn label_sets(&self) -> Snapshot {
        self.sets.snapshot()
    }

    /// How many label sets there are.
    pub fn label_set_count(&self) -> usize {
        self.sets.count()
    }

    /// Takes label sets away that nobody has written since the last call. The control thread calls it every `stats_eviction_interval`.
    pub fn evict(&self) {
        self.sets.evict();
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
        drop(inner);
        self.sets.reset();
    }

    /// Readings of the statistics that `wanted` takes, in order of their names.
    pub fn samples(&self, mut wanted: impl FnMut(&str, Kind) -> bool) -> Vec<Sample> {
        let inner = lock(&self.inner);
        let mut samples = Vec::new();
        for (name, entries) in &inner.entries {
            for entry in entries {
                let is_shown = entry.kind != Kind::Text || inner.texts.contains_key(&entry.cell);
                if is_shown && wanted(name, entry.kind) {
                    samples.push(inner.sample(name, entry));
                }
            }
        }
        let quiet = inner.quiet_samples(self, &mut wanted);
        if !quiet.is_empty() {
            samples.extend(quiet);
            samples.sort_by(|a, b| a.name.cmp(&b.name));
        }
        drop(inner);
        samples
    }

    /// Name and tags as Prometheus wants them.
    pub fn tagged(&self, sample: &Sample) -> Tagged {
        match &sample.tagged {
            Some(tagged) => self.extraction.completed(tagged),
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
            let read = |cell| shards.clone().fold(0u64, |sum, shard| sum.wrapping_add(shard.get(cell)));
            let (sum, now) = (read(entry.cell), counts(entry, read));
            let interval = entry.interval.get_or_insert_default();
            let before = |index: usize| interval.at_flush.get(index).copied().unwrap_or(0);
            interval.between = now.iter().enumerate().map(|(index, count)| count.wrapping_sub(before(index))).collect();
            interval.at_flush = now;
            interval.sum_between = sum.wrapping_sub(interval.sum_at_flush);
            interval.sum_at_flush = sum;
        }
    }

    /// The value of a counter or gauge by its raw name, for tests and the few readers inside the process.
    pub fn value(&self, name: &str) -> Option<u64> {
        let inner = lock(&self.inner);
        let entry =
            inner.entries.get(&*clean(name))?.iter().find(|entry| matches!(entry.kind, Kind::Counter | Kind::Gauge))?;
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
        let full = clean(joined.as_deref().unwrap_or(name));
        let full = &*full;
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

/// Without colons, which part names from values, and without NUL, as Envoy cleans names.
fn clean(name: &str) -> Cow<'_, str> {
    if !name.contains([':', '\0']) {
        return name.into();
    }
    name.replace("://", "_").replace(":/", "_").replace([':', '\0'], "_").into()
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
