//! The label sets that a worker has written, by what they were asked for. A hit costs a hash of what is compared, and nothing is
//! allocated or formatted.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use smallvec::SmallVec;

use super::parties::{Asked, Key};
use crate::stats::Handle;

/// Label sets that a worker remembers for one filter. The statistics themselves have their own bound.
const MOST: usize = 20_000;

/// A handle for each group of metrics; `None` where there was no room for one.
pub(super) type Handles = SmallVec<[Option<Handle>; 1]>;

struct Entry {
    key: Key,
    handles: Handles,
}

/// Those of one filter and kind of report.
#[derive(Default)]
struct Cache {
    // Boxed: a table has places for more than there are.
    entries: HashMap<u64, SmallVec<[Box<Entry>; 1]>, foldhash::fast::RandomState>,
    count: usize,
}

/// Which report it is: each has groups of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Report {
    Request,
    Messages,
    Own,
}

struct Remembered {
    lives: Weak<()>,
    caches: [Cache; 3],
}

thread_local! {
    static ALL: RefCell<HashMap<u64, Remembered, foldhash::fast::RandomState>> = RefCell::default();
}

/// Filters that a worker remembers before it looks which of them are gone.
const FILTERS: usize = 64;

/// Shows the handles of what is asked for to `see`; `make` makes those that are new or evicted.
pub(super) fn with(
    (number, lives): (u64, &Arc<()>),
    report: Report,
    asked: &Asked<'_>,
    make: impl FnOnce() -> Handles,
    see: impl FnOnce(&Handles),
) {
    ALL.with_borrow_mut(|all| {
        if all.len() >= FILTERS && !all.contains_key(&number) {
            all.retain(|_, known| known.lives.strong_count() > 0);
        }
        let new = || Remembered { lives: Arc::downgrade(lives), caches: Default::default() };
        all.entry(number).or_insert_with(new).caches[report as usize].with(asked, make, see);
    });
}

impl Cache {
    fn with(&mut self, asked: &Asked<'_>, make: impl FnOnce() -> Handles, see: impl FnOnce(&Handles)) {
        let hash = asked.hash(self.entries.hasher());
        if let Some(entries) = self.entries.get_mut(&hash)
            && let Some(entry) = entries.iter_mut().find(|entry| asked.is(&entry.key))
        {
            let is_stale = |handle: &Option<Handle>| handle.as_ref().is_none_or(Handle::is_gone);
            if entry.handles.iter().any(is_stale) {
                entry.handles = make();
            }
            return see(&entry.handles);
        }
        if self.count >= MOST {
            self.entries.clear();
            self.count = 0;
        }
        let entry = Box::new(Entry { key: asked.keep(), handles: make() });
        see(&entry.handles);
        self.entries.entry(hash).or_default().push(entry);
        self.count += 1;
    }
}
