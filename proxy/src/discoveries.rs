//! Configs of filters that are discovered (ECDS), by name, and the chains that are made of them. `xds::extensions` says what they are;
//! connection managers and chains of network filters are compiled from them, register, and are compiled anew when one changes.
//!
//! Of the control thread alone: workers see the chains, never this. It decodes nothing, and asks nobody for anything.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use config::filters::discovery::{Discovery, Typed};
use config::filters::{HttpFilterConfig, NetworkFilterConfig};
use config::{At, Policy, Rejection};

use crate::fetches::Fetches;
use crate::stats::Stats;

/// In which kind of chain a filter stands. Each has names of its own, as in Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Of a connection manager.
    Http,
    /// Before the last network filter.
    Network,
}

/// A filter that is discovered.
pub type Key = (Kind, Arc<str>);

/// What a name is.
#[derive(Debug, Clone)]
pub enum State<C> {
    /// There is none: the filter is its default.
    Absent,
    /// This.
    Is(Typed<C>),
    /// The last one was refused, and none before it may stand in: its default, unless that lacks this policy.
    Refused(Withheld),
}

/// What a filter of a chain is.
#[derive(Debug, Clone)]
pub enum Found<C> {
    /// There is no config for it.
    Nothing,
    /// Its default.
    Default,
    /// What was discovered.
    Is(Typed<C>),
}

impl<C> Found<C> {
    /// Compiles it, and its default whatever it is: that must be able to take the place later.
    ///
    /// # Errors
    /// The field of what was discovered that cannot be honoured, or of the default.
    pub fn compile<F>(
        &self,
        discovery: &Discovery<C>,
        compile: impl Fn(&C) -> Result<F, Rejection>,
    ) -> Result<Option<F>, Rejection> {
        let below = |field: &'static str| move |rejection: Rejection| rejection.below(&At::root().field(field));
        let default = discovery.default.as_ref().map(|default| compile(&default.config));
        let default = default.transpose().map_err(below("default_config"))?;
        match self {
            Found::Nothing => Ok(None),
            Found::Default => Ok(default),
            Found::Is(typed) => compile(&typed.config).map(Some).map_err(below("typed_config")),
        }
    }

    /// The same, as a config.
    pub fn typed<'f>(&'f self, discovery: &'f Discovery<C>) -> Option<&'f Typed<C>> {
        match self {
            Found::Nothing => None,
            Found::Default => discovery.default.as_ref(),
            Found::Is(typed) => Some(typed),
        }
    }
}

/// A filter that a chain wants discovered.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which.
    pub key: Key,
    /// What it may be.
    pub types: Vec<Arc<str>>,
    /// What its default is.
    pub default: Option<Arc<str>>,
    /// The chain's listener waits for it.
    pub is_waited_for: bool,
    /// For how long; `None`: without an end.
    pub timeout: Option<Duration>,
}

impl Wanted {
    /// What a chain says of it.
    pub fn new<C>(kind: Kind, name: &Arc<str>, discovery: &Discovery<C>) -> Wanted {
        Wanted {
            key: (kind, name.clone()),
            types: discovery.type_names.clone(),
            default: discovery.default.as_ref().map(|default| default.type_name.clone()),
            is_waited_for: !discovery.without_warming,
            timeout: discovery.initial_fetch_timeout,
        }
    }

    /// The types that stand in the configuration of its chain and that it is not, as it is now. Where it is nothing, nothing passes: then
    /// it lacks none.
    pub fn lacks<C>(&self, now: Option<&Typed<C>>) -> impl Iterator<Item = &Arc<str>> {
        let is = now.map(|typed| &typed.type_name);
        let types = self.types.iter().filter(move |name| is.is_some_and(|is| is != *name));
        types.chain(self.default.iter().filter(move |_| is.is_some()))
    }
}

/// What a refused config would have enforced.
#[derive(Debug, Clone)]
pub struct Withheld {
    /// The policy in it.
    pub policy: Policy,
    /// It was refused for that policy.
    pub wholly: bool,
}

/// What a name becomes, in each kind that names it.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// As an HTTP filter.
    pub http: Option<State<HttpFilterConfig>>,
    /// As a network filter.
    pub network: Option<State<NetworkFilterConfig>>,
}

/// Puts a chain in the place of the one before.
pub type Swap = Box<dyn FnOnce()>;

/// Something that is compiled of discovered filters.
pub trait Chain {
    /// Compiles it anew if it has a filter of this name; connections see it once that was swapped in.
    ///
    /// # Errors
    /// The field of the discovered resource that cannot be honoured.
    fn rebuild(&self, key: &Key, discoveries: &Discoveries) -> Result<Option<Swap>, Rejection>;
}

/// All of them.
pub struct Discoveries {
    stats: Arc<Stats>,
    http: RefCell<HashMap<Arc<str>, State<HttpFilterConfig>>>,
    network: RefCell<HashMap<Arc<str>, State<NetworkFilterConfig>>>,
    chains: RefCell<Vec<Weak<dyn Chain>>>,
    fetches: Fetches,
}

impl Kind {
    /// What the statistics of a filter's discovery begin with.
    pub fn scope(self, name: &str) -> String {
        match self {
            Kind::Http => format!("extension_config_discovery.http_filter.{name}."),
            Kind::Network => format!("extension_config_discovery.network_filter.{name}."),
        }
    }
}

impl Discoveries {
    /// None yet.
    pub fn new(stats: Arc<Stats>) -> Discoveries {
        Discoveries {
            stats,
            http: RefCell::default(),
            network: RefCell::default(),
            chains: RefCell::default(),
            fetches: Fetches::default(),
        }
    }

    /// What the control thread fetches for the filters that are compiled with these.
    pub fn fetches(&self) -> &Fetches {
        &self.fetches
    }

    /// What an HTTP filter is now.
    pub fn http(&self, name: &str, discovery: &Discovery<HttpFilterConfig>) -> Found<HttpFilterConfig> {
        resolve(self.http.borrow().get(name), discovery)
    }

    /// What a network filter is now.
    pub fn network(&self, name: &str, discovery: &Discovery<NetworkFilterConfig>) -> Found<NetworkFilterConfig> {
        resolve(self.network.borrow().get(name), discovery)
    }

    /// Two chains differ in what a name may be: this one does not get what it is.
    pub fn count_conflict(&self, wanted: &Wanted) {
        let (kind, name) = &wanted.key;
        let conflicts = match kind {
            Kind::Http => conflicts(self.http.borrow().get(name), &wanted.types),
            Kind::Network => conflicts(self.network.borrow().get(name), &wanted.types),
        };
        if conflicts {
            self.stats.counter(&format!("{}config_conflict", kind.scope(name))).inc();
        }
    }

    /// Whether there is nothing to wait for.
    pub fn is_settled(&self, (kind, name): &Key) -> bool {
        match kind {
            Kind::Http => self.http.borrow().contains_key(name),
            Kind::Network => self.network.borrow().contains_key(name),
        }
    }

    /// From now on it follows what changes, for as long as anybody holds it.
    pub fn register(&self, chain: Weak<dyn Chain>) {
        let mut chains = self.chains.borrow_mut();
        chains.retain(|chain| chain.strong_count() > 0);
        chains.push(chain);
    }

    /// A name becomes something else, in all chains that name it or, if one of them cannot be compiled, in none.
    ///
    /// # Errors
    /// The field that cannot be honoured.
    pub fn change(&self, name: &Arc<str>, change: Change) -> Result<(), Rejection> {
        let kinds = [change.http.as_ref().map(|_| Kind::Http), change.network.as_ref().map(|_| Kind::Network)];
        let http = change.http.map(|state| self.http.borrow_mut().insert(name.clone(), state));
        let network = change.network.map(|state| self.network.borrow_mut().insert(name.clone(), state));
        let mut swaps = Vec::new();
        for kind in kinds.into_iter().flatten() {
            match self.rebuild(&(kind, name.clone())) {
                Ok(more) => swaps.extend(more),
                Err(rejection) => {
                    put_back(&self.http, name, http);
                    put_back(&self.network, name, network);
                    return Err(rejection);
                }
            }
        }
        swaps.into_iter().for_each(|swap| swap());
        Ok(())
    }

    fn rebuild(&self, key: &Key) -> Result<Vec<Swap>, Rejection> {
        let chains: Vec<_> = self.chains.borrow().iter().filter_map(Weak::upgrade).collect();
        chains.iter().filter_map(|chain| chain.rebuild(key, self).transpose()).collect()
    }

    /// Nobody names it any more.
    pub fn forget(&self, (kind, name): &Key) {
        match kind {
            Kind::Http => drop(self.http.borrow_mut().remove(name)),
            Kind::Network => drop(self.network.borrow_mut().remove(name)),
        }
    }
}

fn resolve<C: Clone>(state: Option<&State<C>>, discovery: &Discovery<C>) -> Found<C> {
    let default = discovery.default.as_ref();
    let lacks = |wanted: &Policy| default.is_some_and(|default| wanted.exceeds(&default.policy()));
    let may_stand_in = match state {
        None | Some(State::Absent) => true,
        Some(State::Is(typed)) if discovery.allows(&typed.type_name) => return Found::Is(typed.clone()),
        // Policy that a chain does not get lets nothing pass.
        Some(State::Is(typed)) => !lacks(&typed.policy()),
        Some(State::Refused(withheld)) => !withheld.wholly && !lacks(&withheld.policy),
    };
    if may_stand_in && default.is_some() { Found::Default } else { Found::Nothing }
}

fn conflicts<C>(state: Option<&State<C>>, types: &[Arc<str>]) -> bool {
    matches!(state, Some(State::Is(typed)) if !types.contains(&typed.type_name))
}

/// `before` is what stood there, where it was replaced at all.
fn put_back<C>(states: &RefCell<HashMap<Arc<str>, State<C>>>, name: &Arc<str>, before: Option<Option<State<C>>>) {
    match before {
        Some(Some(state)) => drop(states.borrow_mut().insert(name.clone(), state)),
        Some(None) => drop(states.borrow_mut().remove(name)),
        None => {}
    }
}

#[cfg(test)]
mod tests;
