//! Statistics of label sets: metrics whose labels are only known when something happens, such as who called whom. A bundle is the metrics
//! that have their labels in common; a label set is a bundle with values, made when it is first seen. Filters keep a [`Handle`] for each
//! thread and look it up by whatever key is cheap for them.
//!
//! A handle's thread alone writes its cells, so that a count is a load and a store. Values are kept as numbers of words, for label sets
//! differ in few of them. Making a label set takes a lock, which no scrape holds while it writes: see [`shown`].

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use smallvec::SmallVec;

mod bundle;
pub(super) mod shown;
mod words;

pub use bundle::{Bundle, Metric};
use words::{Word, Words};

use super::registry::lock;

/// Label sets of a process: what is beyond is not made. Strangers may bring about new ones.
pub const MOST_SETS: usize = 20_000;
/// So many more for those that take the place of what was not made.
const SPARE: usize = 1_000;

/// All label sets of a registry.
#[derive(Default)]
pub(super) struct LabelSets {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    words: Words,
    /// Lists of names, each once.
    names: Vec<Arc<[Arc<str>]>>,
    bundles: Vec<Arc<Bundle>>,
    /// By the hash of bundle, names and values.
    sets: HashMap<u64, SmallVec<[Arc<LabelSet>; 1]>, foldhash::fast::RandomState>,
    count: usize,
    hasher: foldhash::fast::RandomState,
}

/// A bundle with the values of its labels.
pub(super) struct LabelSet {
    bundle: Arc<Bundle>,
    names: Arc<[Arc<str>]>,
    values: Box<[Word]>,
    /// Metrics that were written, by their bits; those that the matcher refuses never are.
    shown: AtomicU32,
    refused: u32,
    /// What each thread has counted.
    cells: Mutex<Vec<(u32, Cells)>>,
    /// Values of gauges, which have one writer at a time.
    gauges: Box<[AtomicU64]>,
    /// It is evicted: whoever still has a handle lets it go.
    gone: AtomicBool,
    /// How often it had been written when eviction last looked.
    looked: AtomicU64,
}

/// One thread's cells: how often it was written, then those of the bundle.
type Cells = Arc<[AtomicU64]>;

/// A label set, as one thread writes it.
pub struct Handle {
    set: Arc<LabelSet>,
    cells: Cells,
    /// It stays on its thread.
    stays: PhantomData<*const ()>,
}

/// Numbers of threads: each gets its own when it first makes a handle.
fn this_thread() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static NUMBER: u32 = NEXT.fetch_add(1, Relaxed);
    }
    NUMBER.with(|number| *number)
}

impl LabelSets {
    /// The bundle of these metrics: the same for all who ask for the same.
    pub fn bundle(&self, made: Bundle) -> Arc<Bundle> {
        let mut inner = lock(&self.inner);
        if let Some(known) = inner.bundles.iter().find(|known| ***known == made) {
            return known.clone();
        }
        let made = Arc::new(made);
        inner.bundles.push(made.clone());
        made
    }

    /// The list of these names: the same for all who ask for the same.
    pub fn names(&self, names: &[Arc<str>]) -> Arc<[Arc<str>]> {
        let mut inner = lock(&self.inner);
        if let Some(known) = inner.names.iter().find(|known| ***known == *names) {
            return known.clone();
        }
        let made: Arc<[Arc<str>]> = names.into();
        inner.names.push(made.clone());
        made
    }

    /// This thread's handle of a label set; `None` where there are too many. `spare`: it takes the place of one of which there are too
    /// many. `admits` says which names may be shown.
    pub fn handle(
        &self,
        bundle: &Arc<Bundle>,
        (names, values): (&Arc<[Arc<str>]>, &[&str]),
        spare: bool,
        admits: impl Fn(&str) -> bool,
    ) -> Option<Handle> {
        let most = if spare { MOST_SETS + SPARE } else { MOST_SETS };
        let set = self.set(bundle, (names, values), most, admits)?;
        let mut all = lock(&set.cells);
        let number = this_thread();
        let cells = match all.iter().find(|(thread, _)| *thread == number) {
            Some((_, cells)) => cells.clone(),
            None => {
                let cells: Cells = (0..=bundle.cells()).map(|_| AtomicU64::new(0)).collect();
                all.push((number, cells.clone()));
                all.shrink_to_fit();
                cells
            }
        };
        drop(all);
        Some(Handle { set, cells, stays: PhantomData })
    }

    fn set(
        &self,
        bundle: &Arc<Bundle>,
        (names, values): (&Arc<[Arc<str>]>, &[&str]),
        most: usize,
        admits: impl Fn(&str) -> bool,
    ) -> Option<Arc<LabelSet>> {
        let mut guard = lock(&self.inner);
        let inner = &mut *guard;
        let key = inner.hasher.hash_one((Arc::as_ptr(bundle), Arc::as_ptr(names).cast::<()>(), values));
        let is_it = |set: &&Arc<LabelSet>| {
            Arc::ptr_eq(&set.bundle, bundle)
                && Arc::ptr_eq(&set.names, names)
                && set.values.iter().zip(values).all(|(word, value)| **inner.words.text(*word) == **value)
        };
        if let Some(set) = inner.sets.get(&key).and_then(|sets| sets.iter().find(is_it)) {
            return Some(set.clone());
        }
        if inner.count >= most {
            return None;
        }
        let mut refused = 0;
        for (index, metric) in bundle.metrics().iter().enumerate() {
            let name = shown::raw_name(metric, names.iter().map(|name| &**name).zip(values.iter().copied()));
            refused |= u32::from(!admits(&name)) << index;
        }
        let set = Arc::new(LabelSet {
            bundle: bundle.clone(),
            names: names.clone(),
            values: values.iter().map(|value| inner.words.hold(value)).collect(),
            shown: AtomicU32::new(0),
            refused,
            cells: Mutex::default(),
            gauges: bundle.gauges().map(|_| AtomicU64::new(0)).collect(),
            gone: AtomicBool::new(false),
            looked: AtomicU64::new(u64::MAX),
        });
        inner.sets.entry(key).or_default().push(set.clone());
        inner.count += 1;
        Some(set)
    }

    /// Takes those away that nobody has written since the last call. A handle that is being written at this very moment may lose that.
    pub fn evict(&self) {
        let mut guard = lock(&self.inner);
        let inner = &mut *guard;
        let (words, count) = (&mut inner.words, &mut inner.count);
        inner.sets.retain(|_, sets| {
            sets.retain(|set| {
                let written = set.written();
                let stays = set.looked.swap(written, Relaxed) != written;
                if !stays {
                    set.gone.store(true, Relaxed);
                    set.values.iter().for_each(|word| words.release(*word));
                    *count -= 1;
                }
                stays
            });
            !sets.is_empty()
        });
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        lock(&self.inner).count
    }

    /// Sets all counters to zero.
    pub fn reset(&self) {
        let inner = lock(&self.inner);
        for set in inner.sets.values().flatten() {
            for (_, cells) in lock(&set.cells).iter() {
                let counters = set.bundle.metrics().iter().filter(|metric| metric.is_counter());
                counters.for_each(|metric| cells[1 + metric.cell()].store(0, Relaxed));
            }
        }
    }
}

impl LabelSet {
    fn written(&self) -> u64 {
        lock(&self.cells).iter().map(|(_, cells)| cells[0].load(Relaxed)).sum()
    }

    fn sum(&self, cell: usize) -> u64 {
        lock(&self.cells).iter().fold(0, |sum, (_, cells)| sum.wrapping_add(cells[1 + cell].load(Relaxed)))
    }
}

impl Handle {
    /// It was evicted: nobody sees what is written to it.
    #[inline]
    pub fn is_gone(&self) -> bool {
        self.set.gone.load(Relaxed)
    }

    /// Adds to a counter of the bundle, by its place.
    #[inline]
    pub fn count(&self, metric: usize, amount: u64) {
        let place = self.set.bundle.metrics()[metric].cell();
        self.write(metric);
        self.add(1 + place, amount);
    }

    /// Records a value in a histogram of the bundle.
    #[inline]
    pub fn record(&self, metric: usize, value: u64) {
        let histogram = &self.set.bundle.metrics()[metric];
        let bucket = histogram.bounds().partition_point(|bound| *bound < value as f64);
        self.write(metric);
        self.add(1 + histogram.cell(), value);
        self.add(2 + histogram.cell() + bucket, 1);
    }

    /// Sets a gauge of the bundle.
    pub fn set(&self, metric: usize, value: u64) {
        self.write(metric);
        self.set.gauges[self.set.bundle.metrics()[metric].cell()].store(value, Relaxed);
    }

    /// Whether two are of one label set.
    pub fn is_same(&self, other: &Handle) -> bool {
        Arc::ptr_eq(&self.set, &other.set)
    }

    #[inline]
    fn write(&self, metric: usize) {
        self.add(0, 1);
        let bit = 1 << metric & !self.set.refused;
        // Read first: a line that all workers read stays with all of them.
        if self.set.shown.load(Relaxed) & bit != bit {
            self.set.shown.fetch_or(bit, Relaxed);
        }
    }

    #[inline]
    fn add(&self, cell: usize, amount: u64) {
        let cell = &self.cells[cell];
        cell.store(cell.load(Relaxed).wrapping_add(amount), Relaxed);
    }
}

#[cfg(test)]
mod tests;
