//! A connection manager's filters, compiled, and the settings that routes have for them. [`Chain::start`] gives a request the list of
//! those that act on it: usually none, and that costs one look at an empty slice.

use std::sync::Arc;

use config::filters::ScopedFilter;
use config::hcm::HttpFilter as HttpFilterEntry;
use config::{At, Rejection};
use smallvec::SmallVec;

use super::filter::{FilterDeps, Hooks};
use super::{Filter, Running, Scope};
use crate::http::stream::Chosen;

/// The filters of a chain, in the order of the configuration, without those that never act.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    slots: Box<[Slot]>,
    /// Those that act on a request whose route says nothing about any filter.
    always: Box<[u16]>,
}

/// A place in a chain.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its name: routes speak of it by that.
    pub name: Arc<str>,
    /// Switched off unless a route switches it on.
    disabled: bool,
    pub(super) filter: Filter,
}

impl Slot {
    /// One that is switched on.
    pub(super) fn new(name: Arc<str>, filter: Filter) -> Slot {
        Slot { name, disabled: false, filter }
    }

    fn start<'s>(&'s self, scope: Option<&'s Scope>, running: &mut RunningFilters<'s>) {
        match &self.filter {
            Filter::Delegate(delegate) => delegate.start(scope, running),
            filter => running.extend(filter.start(self, scope)),
        }
    }
}

/// The filters that act on one request. Two fit without an allocation: most sidecars have but `istio.alpn` and `grpc_stats`.
pub(in crate::http) type RunningFilters<'s> = SmallVec<[Running<'s>; 2]>;

impl Chain {
    /// Compiles.
    ///
    /// # Errors
    /// The first filter that cannot be honoured; the path begins at `at`, the list.
    pub fn compile(at: &At<'_>, filters: &[HttpFilterEntry], deps: &FilterDeps<'_>) -> Result<Chain, Rejection> {
        let mut slots = Vec::with_capacity(filters.len());
        for (index, entry) in filters.iter().enumerate() {
            let filter = Filter::compile(&entry.config, &entry.name, deps)
                .map_err(|rejection| rejection.below(&at.index(index).field("typed_config")))?;
            if let Some(filter) = filter {
                slots.push(Slot { name: entry.name.clone(), disabled: entry.disabled, filter });
            }
        }
        let always = (0u16..)
            .zip(&slots)
            .filter(|(_, slot)| !slot.disabled && slot.filter.acts() != Hooks::NONE)
            .map(|(index, _)| index)
            .collect();
        Ok(Chain { slots: slots.into(), always })
    }

    /// There is none.
    pub(in crate::http) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The filters that act on a request with this route.
    pub(in crate::http) fn start<'s>(&'s self, route: Option<&Chosen<'s>>) -> RunningFilters<'s> {
        match route {
            Some(chosen) if chosen.has_scopes() => self.start_scoped(chosen),
            _ => {
                let mut running = RunningFilters::new();
                for index in &self.always {
                    if let Some(slot) = self.slots.get(usize::from(*index)) {
                        slot.start(None, &mut running);
                    }
                }
                running
            }
        }
    }

    fn start_scoped<'s>(&'s self, chosen: &Chosen<'s>) -> RunningFilters<'s> {
        let levels = chosen.scopes();
        let mut running = RunningFilters::new();
        for slot in &self.slots {
            let mut told = levels.iter().flatten().filter_map(|level| level.find(&slot.name));
            let first = told.next();
            if first.map_or(slot.disabled, |scope| scope.disabled) {
                continue;
            }
            let scope = first.into_iter().chain(told).find_map(|scope| scope.scope.as_ref());
            slot.start(scope, &mut running);
        }
        running
    }
}

/// What one level says about filters, compiled.
#[derive(Debug, Default)]
pub struct Scopes(Box<[NamedScope]>);

/// What one level says about one filter.
#[derive(Debug)]
pub(crate) struct NamedScope {
    name: Arc<str>,
    disabled: bool,
    /// Its settings.
    pub(super) scope: Option<Scope>,
}

impl Scopes {
    /// Compiles. The path of a refusal begins at `at`, the level.
    pub(in crate::http) fn compile(
        at: &At<'_>,
        filters: &[(Arc<str>, ScopedFilter)],
        deps: &FilterDeps<'_>,
    ) -> Result<Scopes, Rejection> {
        let at = at.field("typed_per_filter_config");
        let one = |(name, filter): &(Arc<str>, ScopedFilter)| {
            let scope = filter.config.as_ref().map(|config| Scope::compile(config, name, deps)).transpose();
            let scope = scope.map_err(|rejection| rejection.below(&at.key(name)))?;
            Ok(NamedScope { name: name.clone(), disabled: filter.disabled, scope: scope.flatten() })
        };
        Ok(Scopes(filters.iter().map(one).collect::<Result<_, Rejection>>()?))
    }

    /// Nothing is said.
    pub(in crate::http) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, name: &str) -> Option<&NamedScope> {
        self.0.iter().find(|scope| *scope.name == *name)
    }
}
