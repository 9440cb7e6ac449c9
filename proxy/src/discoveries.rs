//! Configs of filters that are discovered (ECDS), by name, and the chains that are made of them. `xds::extensions` says what they are;
//! connection managers, clusters, listeners and chains of network filters are compiled from them, register, and are compiled anew when one
//! changes.
//!
//! Of the control thread alone: workers see the chains, never this. It decodes nothing, and asks nobody for anything.

mod asked;
mod names;

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use config::filters::discovery::{Discovery, Typed};
use config::filters::{HttpFilterConfig, NetworkFilterConfig};
use config::listener::ListenerFilterKind;
use config::{At, Policy, Rejection};

pub use self::asked::{Asked, Wanted};
use self::names::Names;
use crate::fetches::Fetches;
use crate::stats::Stats;

/// In which kind of chain a filter stands. Each has names of its own, as in Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Of a connection manager.
    Http,
    /// Behind the router: of a connection manager's router, or of a cluster.
    UpstreamHttp,
    /// Before the last network filter.
    Network,
    /// Of a listener, before a filter chain is chosen.
    Listener,
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
    /// As one behind the router.
    pub upstream_http: Option<State<HttpFilterConfig>>,
    /// As a network filter.
    pub network: Option<State<NetworkFilterConfig>>,
    /// As a listener filter.
    pub listener: Option<State<ListenerFilterKind>>,
}

impl Change {
    /// There is nothing of these kinds, or what there was is withheld.
    pub fn fall_back(kinds: &[Kind], withheld: Option<&Withheld>) -> Change {
        fn of<C>(kinds: &[Kind], kind: Kind, withheld: Option<&Withheld>) -> Option<State<C>> {
            kinds.contains(&kind).then(|| withheld.cloned().map_or(State::Absent, State::Refused))
        }
        Change {
            http: of(kinds, Kind::Http, withheld),
            upstream_http: of(kinds, Kind::UpstreamHttp, withheld),
            network: of(kinds, Kind::Network, withheld),
            listener: of(kinds, Kind::Listener, withheld),
        }
    }

    fn kinds(&self) -> Vec<Kind> {
        let changes = [
            (Kind::Http, self.http.is_some()),
            (Kind::UpstreamHttp, self.upstream_http.is_some()),
            (Kind::Network, self.network.is_some()),
            (Kind::Listener, self.listener.is_some()),
        ];
        changes.into_iter().filter(|(_, changes)| *changes).map(|(kind, _)| kind).collect()
    }
}

/// Puts a chain in the place of the one before.
pub type Swap = Box<dyn FnOnce()>;

/// Something that is compiled of discovered filters.
pub trait Chain {
    /// Compiles it anew if it has a filter of this name; connections see it once that was swapped in.
    ///
    /// # Errors
    /// The field of the discovered resource that cannot be honoured.
    fn rebuild(self: Arc<Self>, key: &Key, discoveries: &Discoveries) -> Result<Option<Swap>, Rejection>;
}

/// All of them.
pub struct Discoveries {
    stats: Arc<Stats>,
    http: Names<HttpFilterConfig>,
    upstream_http: Names<HttpFilterConfig>,
    network: Names<NetworkFilterConfig>,
    listener: Names<ListenerFilterKind>,
    chains: RefCell<Vec<Weak<dyn Chain>>>,
    fetches: Fetches,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Kind; 4] = [Kind::Http, Kind::UpstreamHttp, Kind::Network, Kind::Listener];

    /// What the statistics of a filter's discovery begin with.
    pub fn scope(self, name: &str) -> String {
        let kind = match self {
            Kind::Http => "http_filter",
            Kind::UpstreamHttp => "upstream_http_filter",
            Kind::Network => "network_filter",
            Kind::Listener => "tcp_listener_filter",
        };
        format!("extension_config_discovery.{kind}.{name}.")
    }
}

impl Discoveries {
    /// None yet.
    pub fn new(stats: Arc<Stats>) -> Discoveries {
        Discoveries {
            stats,
            http: Names::default(),
            upstream_http: Names::default(),
            network: Names::default(),
            listener: Names::default(),
            chains: RefCell::default(),
            fetches: Fetches::default(),
        }
    }

    /// What the control thread fetches for the filters that are compiled with these.
    pub fn fetches(&self) -> &Fetches {
        &self.fetches
    }

    /// What an HTTP filter is now, before the router or behind it.
    pub fn http(&self, kind: Kind, name: &str, discovery: &Discovery<HttpFilterConfig>) -> Found<HttpFilterConfig> {
        match kind {
            Kind::UpstreamHttp => self.upstream_http.resolve(name, discovery),
            _ => self.http.resolve(name, discovery),
        }
    }

    /// What a network filter is now.
    pub fn network(&self, name: &str, discovery: &Discovery<NetworkFilterConfig>) -> Found<NetworkFilterConfig> {
        self.network.resolve(name, discovery)
    }

    /// What a listener filter is now.
    pub fn listener(&self, name: &str, discovery: &Discovery<ListenerFilterKind>) -> Found<ListenerFilterKind> {
        self.listener.resolve(name, discovery)
    }

    /// Two chains differ in what a name may be: this one does not get what it is.
    pub fn count_conflict(&self, wanted: &Wanted) {
        let ((kind, name), types) = (&wanted.key, &wanted.types);
        let conflicts = match kind {
            Kind::Http => self.http.conflicts(name, types),
            Kind::UpstreamHttp => self.upstream_http.conflicts(name, types),
            Kind::Network => self.network.conflicts(name, types),
            Kind::Listener => self.listener.conflicts(name, types),
        };
        if conflicts {
            self.stats.counter(&format!("{}config_conflict", kind.scope(name))).inc();
        }
    }

    /// Whether there is nothing to wait for.
    pub fn is_settled(&self, (kind, name): &Key) -> bool {
        match kind {
            Kind::Http => self.http.is_settled(name),
            Kind::UpstreamHttp => self.upstream_http.is_settled(name),
            Kind::Network => self.network.is_settled(name),
            Kind::Listener => self.listener.is_settled(name),
        }
    }

    /// Whether it is settled, and there is none.
    pub fn is_absent(&self, (kind, name): &Key) -> bool {
        match kind {
            Kind::Http => self.http.is_absent(name),
            Kind::UpstreamHttp => self.upstream_http.is_absent(name),
            Kind::Network => self.network.is_absent(name),
            Kind::Listener => self.listener.is_absent(name),
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
        let kinds = change.kinds();
        let http = self.http.put(name, change.http);
        let upstream_http = self.upstream_http.put(name, change.upstream_http);
        let network = self.network.put(name, change.network);
        let listener = self.listener.put(name, change.listener);
        let mut swaps = Vec::new();
        for kind in kinds {
            match self.rebuild(&(kind, name.clone())) {
                Ok(more) => swaps.extend(more),
                Err(rejection) => {
                    self.http.put_back(name, http);
                    self.upstream_http.put_back(name, upstream_http);
                    self.network.put_back(name, network);
                    self.listener.put_back(name, listener);
                    return Err(rejection);
                }
            }
        }
        swaps.into_iter().for_each(|swap| swap());
        Ok(())
    }

    fn rebuild(&self, key: &Key) -> Result<Vec<Swap>, Rejection> {
        let chains: Vec<_> = self.chains.borrow().iter().filter_map(Weak::upgrade).collect();
        chains.into_iter().filter_map(|chain| chain.rebuild(key, self).transpose()).collect()
    }

    /// Nobody names it any more.
    pub fn forget(&self, (kind, name): &Key) {
        match kind {
            Kind::Http => self.http.forget(name),
            Kind::UpstreamHttp => self.upstream_http.forget(name),
            Kind::Network => self.network.forget(name),
            Kind::Listener => self.listener.forget(name),
        }
    }
}

#[cfg(test)]
mod tests;
