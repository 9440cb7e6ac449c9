//! Chains of filters, compiled, and the settings that routes have for them. [`Chain::start`] gives a request the list of
//! those that act on it: usually none, and that costs one look at an empty slice.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use config::filters::cors::OF_LEVEL;
use config::filters::{HttpFilterConfig, ScopedFilter};
use config::hcm::HttpFilter as HttpFilterEntry;
use config::{At, Rejection};
use smallvec::SmallVec;

use super::filter::{FilterDeps, Hooks};
use super::{Filter, Running, Scope, discovered};
use crate::discoveries::Swap;
use crate::http::held::{self, Held};
use crate::http::stream::Chosen;

/// The filters of a chain, in the order of the configuration, without those that never act.
#[derive(Debug)]
pub(crate) struct Chain {
    /// No other has it.
    number: u64,
    /// Versions of a chain share those that stay.
    slots: Box<[Arc<Slot>]>,
    /// Those that act on a request whose route says nothing about any filter.
    always: Box<[u16]>,
}

/// A place in a chain.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Which entry of the configuration it is.
    place: usize,
    /// It is among those that are asked before the router, one after the other, and not inside another.
    of_request: bool,
    /// Its name: routes speak of it by that.
    pub name: Arc<str>,
    /// Switched off unless a route switches it on.
    disabled: bool,
    pub(super) filter: Filter,
}

impl Slot {
    /// One that is switched on, inside another.
    pub(super) fn new(name: Arc<str>, filter: Filter) -> Slot {
        Slot { place: 0, of_request: false, name, disabled: false, filter }
    }

    /// Which entry of the configuration it is.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// When it is asked, among the others.
    pub(super) fn asked_at(&self) -> Option<usize> {
        self.of_request.then_some(self.place)
    }

    /// Places in a request's list of filters.
    pub(super) fn width(&self) -> u16 {
        if let Filter::Delegate(delegate) = &self.filter { delegate.width() } else { 1 }
    }

    fn start<'s>(&'s self, scope: Option<&'s Scope>, running: &mut RunningFilters<'s>) {
        match &self.filter {
            Filter::Delegate(delegate) => delegate.start(self, scope, running),
            filter => {
                if let Some(filter) = filter.start(self, scope) {
                    running.push(filter);
                }
            }
        }
    }
}

/// The filters that act on one request. Four fit without an allocation: `istio.alpn`, and what Istio makes of policies that ask, deny and allow.
pub(in crate::http) type RunningFilters<'s> = SmallVec<[Running<'s>; 4]>;

/// What any of them may do. Filters take part less as a request goes on, never more; so this is asked before the list is walked.
pub(in crate::http) fn hooks(running: &RunningFilters<'_>) -> Hooks {
    running.iter().fold(Hooks::NONE, |hooks, filter| match filter {
        Running::Delegated(_) => Hooks::ALL,
        filter => hooks.with(filter.hooks()),
    })
}

/// The filters of a connection manager, before its router or behind, or of a cluster: of one that names none that is discovered they stay what they are.
#[derive(Debug)]
pub(in crate::http) enum Chains {
    /// Compiled with what has them.
    Fixed(Chain),
    /// Compiled anew when a config comes.
    Discovered(Arc<ChainSlot>),
}

/// Where the newest of such chains is. Shared by all threads; reading is one atomic load.
#[derive(Debug)]
pub(in crate::http) struct ChainSlot(ArcSwap<Chain>);

impl ChainSlot {
    /// The newest.
    pub fn newest(&self) -> Arc<Chain> {
        self.0.load_full()
    }
}

impl held::Slot for ChainSlot {
    type Value = Chain;

    fn load(&self) -> Option<Arc<Chain>> {
        Some(self.newest())
    }

    fn is_current(&self, chain: &Arc<Chain>) -> bool {
        Arc::ptr_eq(&self.0.load(), chain)
    }
}

impl Chains {
    /// Compiles.
    ///
    /// # Errors
    /// The first filter that cannot be honoured; the path begins at `at`, the list.
    pub fn compile(at: &At<'_>, filters: &[HttpFilterEntry], deps: &FilterDeps<'_>) -> Result<Chains, Rejection> {
        let chain = Chain::compile(at, filters, deps)?;
        Ok(if filters.iter().any(|entry| entry.config.discovers(&entry.name)) {
            Chains::Discovered(Arc::new(ChainSlot(ArcSwap::from_pointee(chain))))
        } else {
            Chains::Fixed(chain)
        })
    }

    /// Where this worker finds the newest, if they may change.
    pub fn held(&self) -> Option<Rc<Held<ChainSlot>>> {
        match self {
            Chains::Fixed(_) => None,
            Chains::Discovered(slot) => Some(Held::of(slot)),
        }
    }

    /// What puts a chain in place in which the filters are new that hold what was discovered by this name; `None` where none does.
    /// The others keep what they count and remember.
    ///
    /// # Errors
    /// The field of what was discovered that cannot be honoured.
    pub fn rebuild(
        &self,
        filters: &[HttpFilterEntry],
        discovered: &str,
        deps: &FilterDeps<'_>,
    ) -> Result<Option<Swap>, Rejection> {
        let Chains::Discovered(slot) = self else { return Ok(None) };
        if !filters.iter().any(|entry| holds(entry, discovered)) {
            return Ok(None);
        }
        let before = slot.newest();
        let mut slots = Vec::with_capacity(filters.len());
        for (place, entry) in filters.iter().enumerate() {
            if holds(entry, discovered) {
                slots.extend(Slot::compile(None, place, entry, deps)?);
            } else {
                slots.extend(before.slots.iter().find(|slot| slot.place == place).cloned());
            }
        }
        let (slot, chain) = (slot.clone(), Arc::new(Chain::of(slots)));
        Ok(Some(Box::new(move || slot.0.store(chain))))
    }
}

/// Whether a filter is, or has in it, what is discovered by this name.
fn holds(entry: &HttpFilterEntry, discovered: &str) -> bool {
    let mut holds = false;
    entry.config.each_discovery(&entry.name, &mut |name, _| holds |= **name == *discovered);
    holds
}

impl Slot {
    /// Compiles; `None` for a filter that never acts. `at` is where it stands, unless it is compiled for what was discovered alone.
    fn compile(
        at: Option<&At<'_>>,
        place: usize,
        entry: &HttpFilterEntry,
        deps: &FilterDeps<'_>,
    ) -> Result<Option<Arc<Slot>>, Rejection> {
        let (field, filter) = match &entry.config {
            HttpFilterConfig::Discovered(discovery) => {
                ("config_discovery", discovered::compile(&entry.name, discovery, deps))
            }
            config => ("typed_config", Filter::compile(config, &entry.name, deps)),
        };
        let filter = filter.map_err(|rejection| match at {
            Some(at) => rejection.below(&at.field(field)),
            None => rejection,
        })?;
        let (name, of_request) = (entry.name.clone(), !deps.behind);
        Ok(filter.map(|filter| Arc::new(Slot { place, of_request, name, disabled: entry.disabled, filter })))
    }
}

impl Chain {
    /// Compiles.
    ///
    /// # Errors
    /// The first filter that cannot be honoured; the path begins at `at`, the list.
    pub fn compile(at: &At<'_>, filters: &[HttpFilterEntry], deps: &FilterDeps<'_>) -> Result<Chain, Rejection> {
        let mut slots = Vec::with_capacity(filters.len());
        for (place, entry) in filters.iter().enumerate() {
            slots.extend(Slot::compile(Some(&at.index(place)), place, entry, deps)?);
        }
        Ok(Chain::of(slots))
    }

    fn of(slots: Vec<Arc<Slot>>) -> Chain {
        let always = (0u16..)
            .zip(&slots)
            .filter(|(_, slot)| !slot.disabled && slot.filter.acts() != Hooks::NONE)
            .map(|(index, _)| index)
            .collect();
        // Counted where configuration is compiled, never by a request.
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        Chain { number: NUMBERS.fetch_add(1, Ordering::Relaxed), slots: slots.into(), always }
    }

    /// One without filters.
    pub(super) fn none() -> &'static Chain {
        static NONE: OnceLock<Chain> = OnceLock::new();
        NONE.get_or_init(|| Chain::of(Vec::new()))
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

    /// Which of the chain's filters are switched off for a request with this route. It stays so, whatever route it is given later.
    pub(in crate::http) fn switched_off(&self, route: Option<&Chosen<'_>>) -> Rc<[u16]> {
        let levels = route.map(Chosen::scopes).unwrap_or_default();
        let off = (0u16..).zip(&self.slots).filter(|(_, slot)| slot.is_disabled(&levels));
        off.map(|(index, _)| index).collect()
    }

    /// The route is another one: filters that were not asked yet go by it, and those that only it makes act join them. `asked` is the
    /// last that was asked; tells how many of the list are what they were.
    pub(in crate::http) fn start_again<'s>(
        &'s self,
        running: &mut RunningFilters<'s>,
        asked: usize,
        off: &[u16],
        route: Option<&Chosen<'s>>,
    ) -> usize {
        let Some(place) = running.get(asked).map(Running::place) else { return running.len() };
        let kept = running.iter().position(|filter| filter.place() > place).unwrap_or(running.len());
        running.truncate(kept);
        let levels = route.map(Chosen::scopes).unwrap_or_default();
        for (index, slot) in (0u16..).zip(&self.slots) {
            if slot.place > place && !off.contains(&index) {
                slot.acts(usize::from(index), &levels).start(self, &levels, running);
            }
        }
        kept
    }

    fn start_scoped<'s>(&'s self, chosen: &Chosen<'s>) -> RunningFilters<'s> {
        let levels = chosen.scopes();
        let mut running = RunningFilters::new();
        // The dice may fall on another weighted cluster each time.
        let is_settled = levels[0].is_none_or(Scopes::is_empty);
        let settled = || chosen.route.acting.of(self.number, || self.acting(&levels).collect());
        match is_settled.then(settled).flatten() {
            Some(acting) => acting.iter().for_each(|acts| acts.start(self, &levels, &mut running)),
            None => self.acting(&levels).for_each(|acts| acts.start(self, &levels, &mut running)),
        }
        running
    }

    /// The filters that act where levels say this.
    fn acting(&self, levels: &Levels<'_>) -> impl Iterator<Item = Acts> {
        self.slots.iter().enumerate().filter(|(_, slot)| !slot.is_disabled(levels)).filter_map(move |(index, slot)| {
            let acts = slot.acts(index, levels);
            let mut running = RunningFilters::new();
            acts.start(self, levels, &mut running);
            (!running.is_empty()).then_some(acts)
        })
    }
}

impl Slot {
    /// What the levels say about it, the most specific first.
    fn told<'l>(&self, levels: &'l Levels<'_>) -> impl Iterator<Item = (usize, (usize, &'l NamedScope))> {
        (0..).zip(levels).filter_map(|(level, scopes)| Some((level, (*scopes)?.find(&self.name)?)))
    }

    fn is_disabled(&self, levels: &Levels<'_>) -> bool {
        self.told(levels).next().map_or(self.disabled, |(_, (_, scope))| scope.disabled)
    }

    /// Where it is told how; `index` is where it stands in the chain.
    fn acts(&self, index: usize, levels: &Levels<'_>) -> Acts {
        let place = self.told(levels).find(|(_, (_, scope))| scope.scope.is_some());
        let place = place.or_else(|| match self.filter {
            Filter::Cors(_) => {
                let mut own = (0..).zip(levels);
                own.find_map(|(level, scopes)| Some((level, (*scopes)?.find(OF_LEVEL)?)))
            }
            _ => None,
        });
        Acts { slot: index, scope: place.map(|(level, (entry, _))| (level, entry)) }
    }
}

/// What the levels of a route say, the most specific first.
type Levels<'s> = [Option<&'s Scopes>; 4];

/// A filter that acts, and where it is told how: a level and one of its entries.
#[derive(Debug, Clone, Copy)]
struct Acts {
    slot: usize,
    scope: Option<(usize, usize)>,
}

impl Acts {
    fn start<'s>(self, chain: &'s Chain, levels: &Levels<'s>, running: &mut RunningFilters<'s>) {
        let scope = self.scope.and_then(|(level, entry)| levels[level]?.0.get(entry)?.scope.as_ref());
        if let Some(slot) = chain.slots.get(self.slot) {
            slot.start(scope, running);
        }
    }
}

/// Which filters act on the requests of a route that tells filters something: found out by the first of them, for its chain. Where
/// another chain uses the same table, or a newer version of it, each request finds out for itself.
#[derive(Debug, Default)]
pub(in crate::http) struct Acting(OnceLock<(u64, Box<[Acts]>)>);

impl Acting {
    fn of(&self, chain: u64, find: impl FnOnce() -> Box<[Acts]>) -> Option<&[Acts]> {
        let (known, acting) = self.0.get_or_init(|| (chain, find()));
        (*known == chain).then_some(acting)
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

    /// What it says about a filter, and as which entry.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &NamedScope)> {
        self.0.iter().enumerate().find(|(_, scope)| *scope.name == *name)
    }
}

#[cfg(test)]
mod tests;
