//! Who calls the hooks: [`Started::connected`] and [`Started::secured`] by `listener`; the first octets and what comes behind them are in
//! `first` and `more`. While a filter waits, the client is watched ([`super::client`]).

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use config::filters::NetworkFilterConfig;
use config::listener::NetworkFilter as Config;
use config::{At, Rejection};

use super::client::Client;
use super::filter::{FilterDeps, Hooks, Step, View};
use super::{Filter, State, discovered};
use crate::call::Calls;
use crate::call::wait::Waited;
use crate::compile::CompileDeps;
use crate::discoveries::{self, Discoveries, Key, Kind, Swap};
use crate::failure::ResponseFlags;
use crate::stats::Stats;
use crate::telemetry::stream_info::ConnectionInfo;
use crate::transport::Stream;

/// The filters of a chain before its last one. Shared by all workers; what is discovered changes them for connections that begin later.
pub struct Filters {
    config: Box<[Config]>,
    stats: Arc<Stats>,
    list: ArcSwap<List>,
}

/// Those that act.
struct List {
    filters: Box<[Arc<Placed>]>,
    wants: Hooks,
    /// There is no config for one of them.
    is_missing_one: bool,
}

/// There is no config for a filter that is to be discovered.
#[derive(Debug, Clone, Copy)]
pub struct Missing;

/// A filter, and which entry of the configuration it is. Versions of a list share those that stay.
struct Placed {
    place: usize,
    filter: Filter,
}

/// Which hook is called.
// It lives for one call: a box would be an allocation for each answer.
#[allow(clippy::large_enum_variant)]
pub(super) enum Hook {
    Connected,
    Secured,
    First,
    More,
    Resumed(Waited),
}

/// The connection is to be closed, with these flags in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("closed before its last filter")]
pub struct Closed {
    /// What the log has of it.
    pub flags: ResponseFlags,
    /// The client has gone while a filter waited; otherwise we close.
    pub by_client: bool,
}

impl From<Closed> for io::Error {
    fn from(closed: Closed) -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionAborted, closed)
    }
}

impl Closed {
    /// By us.
    pub fn by_us(flags: ResponseFlags) -> Closed {
        Closed { flags, by_client: false }
    }

    /// Why the connection was closed on its first octets.
    pub fn of(error: &io::Error) -> Option<Closed> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl Filters {
    /// Compiles those that act.
    ///
    /// # Errors
    /// The filter's place in the chain, and what of it cannot be honoured.
    pub fn compile(list: &[Config], at: &At<'_>, deps: &CompileDeps<'_>) -> Result<Arc<Filters>, Rejection> {
        let own = FilterDeps { stats: deps.stats, discoveries: deps.discoveries };
        let mut filters = Vec::new();
        for (place, config) in list.iter().enumerate() {
            filters.extend(Placed::compile(Some(&at.index(place)), place, config, &own)?);
        }
        let list = list.iter().cloned().collect::<Box<[Config]>>();
        let discovers = list.iter().any(|config| matches!(config.config, NetworkFilterConfig::Discovered(_)));
        let filters = List::of(filters, discovered::is_missing(&list, deps.discoveries));
        let filters =
            Arc::new(Filters { config: list, stats: deps.stats.clone(), list: ArcSwap::from_pointee(filters) });
        if discovers {
            let weak = Arc::downgrade(&filters);
            deps.discoveries.register(weak);
        }
        Ok(filters)
    }

    /// For one connection; `None` where no filter acts. `half_open`: its last filter passes on that the client says no more.
    ///
    /// # Errors
    /// One of them is missing: the connection is to be closed.
    pub fn start(&self, calls: &Calls, half_open: bool) -> Result<Option<Rc<Started>>, Missing> {
        if self.config.is_empty() {
            return Ok(None);
        }
        let list = self.list.load_full();
        if list.is_missing_one {
            return Err(Missing);
        }
        Ok((!list.filters.is_empty()).then(|| {
            let states = list.filters.iter().map(|placed| placed.filter.begin()).collect();
            Rc::new(Started { list, states: RefCell::new(states), calls: calls.clone(), half_open })
        }))
    }
}

impl discoveries::Chain for Filters {
    fn rebuild(self: Arc<Self>, key: &Key, discoveries: &Discoveries) -> Result<Option<Swap>, Rejection> {
        let (Kind::Network, discovered) = key else { return Ok(None) };
        let is_new =
            |config: &Config| config.name == *discovered && matches!(config.config, NetworkFilterConfig::Discovered(_));
        if !self.config.iter().any(is_new) {
            return Ok(None);
        }
        let (deps, before) = (FilterDeps { stats: &self.stats, discoveries }, self.list.load_full());
        let mut filters = Vec::new();
        for (place, config) in self.config.iter().enumerate() {
            if is_new(config) {
                filters.extend(Placed::compile(None, place, config, &deps)?);
            } else {
                filters.extend(before.filters.iter().find(|placed| placed.place == place).cloned());
            }
        }
        let list = Arc::new(List::of(filters, discovered::is_missing(&self.config, discoveries)));
        Ok(Some(Box::new(move || self.list.store(list))))
    }
}

impl Placed {
    /// Compiles; `None` for a filter that never acts. `at` is where it stands, unless it is compiled for what was discovered alone.
    fn compile(
        at: Option<&At<'_>>,
        place: usize,
        config: &Config,
        deps: &FilterDeps<'_>,
    ) -> Result<Option<Arc<Placed>>, Rejection> {
        let (field, filter) = match &config.config {
            NetworkFilterConfig::Discovered(discovery) => {
                ("config_discovery", discovered::compile(&config.name, discovery, deps))
            }
            config => ("typed_config", Filter::compile(config, deps)),
        };
        let filter = filter.map_err(|rejection| match at {
            Some(at) => rejection.below(&at.field(field)),
            None => rejection,
        })?;
        Ok(filter.map(|filter| Arc::new(Placed { place, filter })))
    }
}

impl List {
    fn of(filters: Vec<Arc<Placed>>, is_missing_one: bool) -> List {
        let wants = filters.iter().fold(Hooks::default(), |all, placed| all.with(placed.filter.wants()));
        List { filters: filters.into(), wants, is_missing_one }
    }
}

/// The filters of one connection. Keep it until the connection has ended: what its filters hold is given back when it is dropped.
pub struct Started {
    list: Arc<List>,
    states: RefCell<Vec<State>>,
    calls: Calls,
    half_open: bool,
}

impl Started {
    /// The connection has its chain.
    ///
    /// # Errors
    /// A filter closes it, or its client has gone.
    pub async fn connected(&self, connection: &Rc<ConnectionInfo>, stream: &mut Stream) -> Result<(), Closed> {
        self.head(connection, Some(stream), Hooks::CONNECTED, || Hook::Connected).await
    }

    /// TLS stands, or there is none.
    ///
    /// # Errors
    /// A filter closes it, or its client has gone.
    pub async fn secured(&self, connection: &Rc<ConnectionInfo>, stream: &mut Stream) -> Result<(), Closed> {
        self.head(connection, Some(stream), Hooks::SECURED, || Hook::Secured).await
    }

    /// Whether one of them wants this.
    pub(super) fn want(&self, hook: Hooks) -> bool {
        self.list.wants.has(hook)
    }

    /// Whether the filter at a place wants it; `None` behind the last one.
    pub(super) fn wants(&self, index: usize, hook: Hooks) -> Option<bool> {
        Some(self.list.filters.get(index)?.filter.wants().has(hook))
    }

    /// Whether the client may end before the server.
    pub(super) fn half_open(&self) -> bool {
        self.half_open
    }

    /// Asks all who want this. `stream`: where nobody else reads it, and so nobody else sees that the client goes.
    pub(super) async fn head(
        &self,
        connection: &Rc<ConnectionInfo>,
        mut stream: Option<&mut Stream>,
        hook: Hooks,
        make: impl Fn() -> Hook,
    ) -> Result<(), Closed> {
        let wanting = self.list.filters.iter().enumerate().filter(|(_, placed)| placed.filter.wants().has(hook));
        for (index, _) in wanting {
            let mut step = self.call(index, connection, make());
            loop {
                match step {
                    Step::Continue => break,
                    Step::Close(flags) => return Err(Closed::by_us(flags)),
                    Step::Wait(mut wait) => {
                        let (mut client, mut octets) = (Client::new(self.half_open), BytesMut::new());
                        let waited = poll_fn(|cx| match (wait.poll(cx), stream.as_deref_mut()) {
                            (Poll::Ready(waited), _) => Poll::Ready(Ok(waited)),
                            (Poll::Pending, Some(stream)) => client.poll_gone(cx, stream, &mut octets).map(Err),
                            (Poll::Pending, None) => Poll::Pending,
                        });
                        let gone = |_| Closed { flags: ResponseFlags::NONE, by_client: true };
                        step = self.call(index, connection, Hook::Resumed(waited.await.map_err(gone)?));
                        // As in Envoy what was read meanwhile is lost to who is closed, and closing does not reset.
                        if let (false, Some(stream)) = (matches!(step, Step::Close(_)), stream.as_deref_mut()) {
                            stream.put_back(octets.freeze());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn call(&self, index: usize, connection: &Rc<ConnectionInfo>, hook: Hook) -> Step {
        let view = View { connection, calls: &self.calls };
        self.list.filters[index].filter.call(&mut self.states.borrow_mut()[index], view, hook)
    }
}
