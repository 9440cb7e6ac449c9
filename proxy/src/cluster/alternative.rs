//! Responses by the name that their request asks for (`x-envoy-upstream-alt-stat-name`), `cluster.<cluster>.<name>.upstream_rq_*`: the same
//! family as the cluster's own. Used by `worker` alone. Names come from callers that are believed, and all the same they are bounded.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::stats::{Beside, Codes, ResponseCounters};
use crate::stats::{Counter, Histogram, Scope};

/// The names that were asked for, on one worker.
#[derive(Debug, Default)]
pub struct Alternatives(RefCell<HashMap<Box<str>, Rc<Alternative>>>);

/// What counts under one of them.
#[derive(Debug)]
pub struct Alternative {
    prefix: Box<str>,
    completed: Counter,
    responses: ResponseCounters,
    time: OnceCell<Histogram>,
}

/// Names of a cluster and worker; further ones are not counted.
const NAMES: usize = 256;
/// Octets of a name.
const NAME: usize = 128;

impl Alternatives {
    /// What counts under this name; `None` for one too many, or too long.
    pub fn of(&self, scope: &Scope, name: &str) -> Option<Rc<Alternative>> {
        let mut known = self.0.borrow_mut();
        if let Some(known) = known.get(name) {
            return Some(known.clone());
        }
        if name.len() > NAME || known.len() >= NAMES {
            return None;
        }
        let prefix = format!("{name}.");
        let made = Rc::new(Alternative {
            completed: scope.counter(&format!("{prefix}upstream_rq_completed")),
            responses: ResponseCounters::below(&prefix),
            time: OnceCell::new(),
            prefix: prefix.into(),
        });
        known.insert(name.into(), made.clone());
        Some(made)
    }
}

impl Alternative {
    /// Counts a response, and how long it took; `scope` is the cluster's.
    pub fn count(&self, scope: &Scope, status: u16, codes: Codes, milliseconds: Option<u64>) {
        self.completed.inc();
        self.responses.count(scope, status, codes);
        if let Some(milliseconds) = milliseconds {
            let time = || scope.histogram(&format!("{}upstream_rq_time", self.prefix));
            self.time.get_or_init(time).record(milliseconds);
            self.responses.time(scope, codes.internal, milliseconds);
        }
    }

    /// And as one of a canary, or between zones.
    pub fn count_beside(&self, scope: &Scope, beside: Beside<'_>, status: u16, milliseconds: Option<u64>) {
        self.responses.count_beside(scope, beside, status, milliseconds);
    }
}

#[cfg(test)]
mod tests;
