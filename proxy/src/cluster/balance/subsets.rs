//! Subsets of a cluster's hosts by their metadata, and what Envoy falls back to where there is none. Rebuilt with the balancer when the
//! endpoints change; a request finds its subset without allocating, and only one that leaves keys out, falls back by keys or brings a list
//! allocates. Used by the worker's side of a cluster alone.

use std::collections::HashMap;
use std::sync::Arc;

use config::cluster::{Cluster, Selector, SelectorFallback, SubsetFallback, Subsets as Config};
use config::metadata::Criteria;
use foldhash::fast::FixedState;

use super::members::{self, Members};
use super::{Balancer, Group};
use crate::cluster::host::Host;
use crate::cluster::pick::Pick;
use crate::stats::{Counter, Gauge, Scope};

/// The subsets of one cluster on one worker.
#[derive(Debug)]
pub struct Subsets {
    config: Arc<Config>,
    entries: HashMap<Criteria, Hosts, FixedState>,
    /// All hosts, where something falls back to them.
    any: Option<Balancer>,
    /// Those of `default_subset`.
    default: Option<Balancer>,
    counters: SubsetCounters,
}

#[derive(Debug)]
enum Hosts {
    Balanced(Box<Balancer>),
    /// `single_host_per_subset`: this one, whatever its health.
    Single(Host),
}

/// What a subset has said.
enum Chosen {
    /// Its host, or that it has none to offer.
    Host(Option<Host>),
    /// There is no such subset.
    NoSubset,
}

/// Of a cluster with subsets.
#[derive(Debug, Clone, Copy)]
pub struct SubsetCounters {
    active: Gauge,
    created: Counter,
    removed: Counter,
    selected: Counter,
    fallback: Counter,
    panic: Counter,
    duplicates: Gauge,
}

impl SubsetCounters {
    /// Of a cluster.
    pub fn new(scope: &Scope) -> SubsetCounters {
        SubsetCounters {
            active: scope.gauge("lb_subsets_active"),
            created: scope.counter("lb_subsets_created"),
            removed: scope.counter("lb_subsets_removed"),
            selected: scope.counter("lb_subsets_selected"),
            fallback: scope.counter("lb_subsets_fallback"),
            panic: scope.counter("lb_subsets_fallback_panic"),
            duplicates: scope.gauge("lb_subsets_single_host_per_subset_duplicate"),
        }
    }
}

impl Subsets {
    /// Of these levels. `make` makes the balancer of a part of them; `before` is what they take the place of.
    pub fn new(
        config: &Arc<Config>,
        levels: &[Vec<Group>],
        before: Option<Subsets>,
        counters: SubsetCounters,
        make: &mut dyn FnMut(Vec<Vec<Group>>) -> Balancer,
    ) -> Subsets {
        let found = members::find(config, levels);
        let entries = found.subsets.into_iter().map(|(criteria, members)| match members {
            Members::Single(host) => (criteria, Hosts::Single(host)),
            Members::All(hosts) => {
                let levels = members::part(config, levels, hosts.into_iter());
                (criteria, Hosts::Balanced(Box::new(make(levels))))
            }
        });
        let entries: HashMap<_, _, FixedState> = entries.collect();
        let default = || {
            let is_one = |at: &members::At| members::is_default(config, &levels[at.0][at.1].hosts[at.2]);
            members::part(config, levels, members::everybody(levels).filter(is_one))
        };
        let subsets = Subsets {
            any: config.needs_any().then(|| make(members::part(config, levels, members::everybody(levels)))),
            default: config.needs_default().then(|| make(default())),
            config: Arc::clone(config),
            entries,
            counters,
        };
        subsets.count_changes(before);
        counters.duplicates.set(found.duplicates);
        subsets
    }

    fn count_changes(&self, before: Option<Subsets>) {
        // What is taken out is not counted again when it is dropped.
        let before = before.map(|mut before| std::mem::take(&mut before.entries)).unwrap_or_default();
        let new = self.entries.keys().filter(|criteria| !before.contains_key(criteria)).count() as u64;
        let gone = before.keys().filter(|criteria| !self.entries.contains_key(criteria)).count() as u64;
        self.counters.created.add(new);
        self.counters.removed.add(gone);
        self.counters.active.add(new);
        self.counters.active.sub(gone);
    }

    /// The next host for what a request asks for.
    pub fn pick(&mut self, cluster: &Cluster, want: &Pick<'_>) -> Option<Host> {
        if self.config.tries_list
            && let Some(criteria) = want.metadata
            && let Some(list) = criteria.get(FALLBACK_LIST)
        {
            let plain = Criteria(criteria.0.iter().filter(|(key, _)| **key != *FALLBACK_LIST).cloned().collect());
            let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
            if list.is_empty() {
                return self.pick_once(cluster, &Pick { metadata: Some(&plain), ..*want });
            }
            return list.iter().find_map(|one| {
                let criteria = plain.merged(&Criteria::of(one));
                self.pick_once(cluster, &Pick { metadata: Some(&criteria), ..*want })
            });
        }
        self.pick_once(cluster, want)
    }

    fn pick_once(&mut self, cluster: &Cluster, want: &Pick<'_>) -> Option<Host> {
        let filtered = want.metadata.and_then(|criteria| self.without_redundant(criteria));
        let narrowed = Pick { metadata: filtered.as_ref().or(want.metadata), ..*want };
        if let Chosen::Host(host) = self.of_subset(cluster, &narrowed) {
            return host;
        }
        let config = Arc::clone(&self.config);
        match narrowed.metadata.map_or(&SelectorFallback::NotDefined, |criteria| config.fallback_of(criteria)) {
            SelectorFallback::No => None,
            SelectorFallback::Any => self.any.as_mut()?.pick(cluster, want),
            SelectorFallback::Default => self.default.as_mut()?.pick(cluster, want),
            SelectorFallback::Keys(keys) => {
                let fewer = narrowed.metadata?.only(keys);
                self.pick_once(cluster, &Pick { metadata: Some(&fewer), ..*want })
            }
            SelectorFallback::NotDefined => self.fall_back(cluster, want),
        }
    }

    fn of_subset(&mut self, cluster: &Cluster, want: &Pick<'_>) -> Chosen {
        let Some(hosts) = want.metadata.and_then(|criteria| self.entries.get_mut(criteria)) else {
            return Chosen::NoSubset;
        };
        self.counters.selected.inc();
        Chosen::Host(match hosts {
            Hosts::Balanced(balancer) => balancer.pick(cluster, want),
            Hosts::Single(host) => Some(host.clone()),
        })
    }

    /// As the cluster says for requests without a subset.
    fn fall_back(&mut self, cluster: &Cluster, want: &Pick<'_>) -> Option<Host> {
        let balancer = match self.config.fallback {
            SubsetFallback::No => return None,
            SubsetFallback::Any => self.any.as_mut()?,
            SubsetFallback::Default => self.default.as_mut()?,
        };
        if let Some(host) = balancer.pick(cluster, want) {
            self.counters.fallback.inc();
            return Some(host);
        }
        let host = self.any.as_mut().filter(|_| self.config.panics_to_any)?.pick(cluster, want)?;
        self.counters.panic.inc();
        Some(host)
    }

    /// `allow_redundant_keys`: the keys of the first selector all of whose keys are there.
    fn without_redundant(&self, criteria: &Criteria) -> Option<Criteria> {
        if !self.config.allows_redundant {
            return None;
        }
        let has = |key: &Arc<str>| criteria.get(key).is_some();
        let selector: &Selector = self.config.selectors.iter().find(|selector| selector.keys.iter().all(has))?;
        // There is nothing to leave out.
        if selector.keys.len() == criteria.0.len() {
            return None;
        }
        Some(criteria.only(&selector.keys))
    }
}

impl Drop for Subsets {
    fn drop(&mut self) {
        self.counters.removed.add(self.entries.len() as u64);
        self.counters.active.sub(self.entries.len() as u64);
    }
}

/// What a request brings where `metadata_fallback_policy` wants it.
const FALLBACK_LIST: &str = "fallback_list";

#[cfg(test)]
mod tests;
