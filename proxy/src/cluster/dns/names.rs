//! The names of one version of a cluster while it lives, and what they have resolved to. The control thread holds one for each version
//! whose names it looks up; dropping it ends the look-ups.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use config::cluster::{Discovery, DnsSettings};
use config::endpoint::LoadAssignment;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{Answers, Resolver, names, refresh};
use crate::cluster::Cluster;

/// What the names of a cluster have resolved to so far.
#[derive(Default)]
pub struct Known {
    pub(super) answers: RefCell<Answers>,
    /// A look-up has ended, well or not.
    pub(super) ended: Cell<bool>,
    /// Something new is known: an answer, or that there is none yet.
    pub(super) news: Rc<Notify>,
}

/// The names of a version, being looked up.
pub struct Names {
    cluster: Arc<Cluster>,
    known: Rc<Known>,
    task: JoinHandle<()>,
}

impl Names {
    /// Begins to look up; `None` for clusters without names of their own. `news` is notified whenever something new is known.
    pub fn follow(cluster: &Arc<Cluster>, resolver: Arc<Resolver>, news: Rc<Notify>) -> Option<Names> {
        of(cluster)?;
        let known = Rc::new(Known { news, ..Known::default() });
        let task = tokio::task::spawn_local(refresh(Arc::clone(cluster), resolver, Rc::clone(&known)));
        Some(Names { cluster: Arc::clone(cluster), known, task })
    }

    /// Takes over what another version knows of the same names, asked in the same way.
    pub fn take_over(&self, other: &Names) {
        let (Some((assignment, settings)), Some((_, others))) = (of(&self.cluster), of(&other.cluster)) else { return };
        if settings.family != others.family || settings.resolver != others.resolver {
            return;
        }
        let theirs = other.known.answers.borrow();
        let mut answers = self.known.answers.borrow_mut();
        for name in names(assignment) {
            if let Some(addresses) = theirs.get(&name) {
                answers.insert(name, addresses.clone());
            }
        }
        self.cluster.assign_resolved(assignment, &answers);
    }

    /// `wait_for_warm_on_init`: the cluster is not in use before a look-up has ended.
    pub fn are_waited_for(&self) -> bool {
        of(&self.cluster).is_some_and(|(_, settings)| settings.waits)
    }

    /// Whether a look-up has ended, well or not, or there is nothing to look up. As in Envoy one is enough.
    pub fn were_looked_up(&self) -> bool {
        self.known.ended.get() || of(&self.cluster).is_none_or(|(assignment, _)| names(assignment).is_empty())
    }

    /// Whether every name has been answered, if only with no address.
    pub fn are_answered(&self) -> bool {
        let answers = self.known.answers.borrow();
        of(&self.cluster).is_none_or(|(assignment, _)| names(assignment).iter().all(|name| answers.contains_key(name)))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn of(cluster: &Cluster) -> Option<(&LoadAssignment, &DnsSettings)> {
    match &cluster.config().discovery {
        Discovery::StrictDns(assignment, settings) | Discovery::LogicalDns(assignment, settings) => {
            Some((assignment, settings))
        }
        _ => None,
    }
}
