//! Who calls the hooks: [`Started::connected`] and [`Started::secured`] by `listener`, and the first octets ([`First`])
//! by whoever reads the stream then.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arc_swap::ArcSwap;
use bytes::BytesMut;
use config::filters::NetworkFilterConfig;
use config::listener::NetworkFilter as Config;
use config::{At, Rejection};
use tokio::io::{AsyncRead, ReadBuf};

use super::filter::{FilterDeps, Hooks, Step, View};
use super::{Filter, State, discovered};
use crate::call::Calls;
use crate::call::wait::{Wait, Waited};
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
pub(super) enum Hook<'a> {
    Connected,
    Secured,
    First(&'a mut BytesMut),
    Resumed(Waited),
}

/// The connection is to be closed, with these flags in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("closed by a network filter")]
pub struct Closed(pub ResponseFlags);

impl Closed {
    /// What a filter has said that closed the connection on its first octets.
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

    /// For one connection; `None` where no filter acts.
    ///
    /// # Errors
    /// One of them is missing: the connection is to be closed.
    pub fn start(&self, calls: &Calls) -> Result<Option<Rc<Started>>, Missing> {
        if self.config.is_empty() {
            return Ok(None);
        }
        let list = self.list.load_full();
        if list.is_missing_one {
            return Err(Missing);
        }
        Ok((!list.filters.is_empty()).then(|| {
            let states = list.filters.iter().map(|placed| placed.filter.begin()).collect();
            Rc::new(Started { list, states: RefCell::new(states), calls: calls.clone() })
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
}

impl Started {
    /// The connection has its chain.
    ///
    /// # Errors
    /// A filter closes it.
    pub async fn connected(&self, connection: &Rc<ConnectionInfo>) -> Result<(), Closed> {
        self.head(connection, Hooks::CONNECTED, || Hook::Connected).await
    }

    /// TLS stands, or there is none.
    ///
    /// # Errors
    /// A filter closes it.
    pub async fn secured(&self, connection: &Rc<ConnectionInfo>) -> Result<(), Closed> {
        self.head(connection, Hooks::SECURED, || Hook::Secured).await
    }

    /// What shows them the first octets, if one of them wants those; `of_end`: and that a stream ends without any, where that is no end of
    /// the connection. Nobody else reads the stream before it is ready.
    pub fn first(self: &Rc<Self>, connection: &Rc<ConnectionInfo>, of_end: bool) -> Option<Box<First>> {
        self.list.wants.has(Hooks::FIRST).then(|| {
            let (filters, connection) = (self.clone(), connection.clone());
            let (octets, read) = (BytesMut::new(), Read::Nothing);
            Box::new(First { filters, connection, of_end, next: 0, wait: None, octets, read })
        })
    }

    async fn head(
        &self,
        connection: &Rc<ConnectionInfo>,
        hook: Hooks,
        make: impl Fn() -> Hook<'static>,
    ) -> Result<(), Closed> {
        let wanting = self.list.filters.iter().enumerate().filter(|(_, placed)| placed.filter.wants().has(hook));
        for (index, _) in wanting {
            let mut step = self.call(index, connection, make());
            loop {
                match step {
                    Step::Continue | Step::More => break,
                    Step::Close(flags) => return Err(Closed(flags)),
                    Step::Wait(mut wait) => {
                        let waited = poll_fn(|cx| wait.poll(cx)).await;
                        step = self.call(index, connection, Hook::Resumed(waited));
                    }
                }
            }
        }
        Ok(())
    }

    fn call(&self, index: usize, connection: &Rc<ConnectionInfo>, hook: Hook<'_>) -> Step {
        let view = View { connection, calls: &self.calls };
        self.list.filters[index].filter.call(&mut self.states.borrow_mut()[index], view, hook)
    }
}

/// Shows the first octets to the filters that want them, in their order.
pub struct First {
    filters: Rc<Started>,
    connection: Rc<ConnectionInfo>,
    /// A stream that ends without octets is shown, too.
    of_end: bool,
    /// The filter whose turn it is.
    next: usize,
    /// What it waits for.
    wait: Option<Wait>,
    /// What has come so far.
    octets: BytesMut,
    read: Read,
}

/// How far a stream was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// Nothing that the filters have not seen.
    Nothing,
    /// Octets that they have not seen.
    Fresh,
    /// To its end, which the filters have not seen.
    All,
}

/// Octets that are read at a time.
const PIECE: usize = 4 * 1024;
/// Octets that filters may ask for before they must decide.
const MOST: usize = 64 * 1024;

impl First {
    /// Reads and asks until all have gone on; then what is left of the octets is the stream's again. A stream that ends before is judged by
    /// what there is, which may be nothing: who then wants more does not let it pass.
    ///
    /// # Errors
    /// A filter closes the connection, or reading fails.
    pub fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<()>> {
        loop {
            if self.read != Read::Nothing {
                if ready!(self.ask(cx))? {
                    break;
                }
                if self.read == Read::All {
                    let closed = Closed(ResponseFlags::NONE);
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, closed)));
                }
                if self.octets.len() >= MOST {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                self.read = Read::Nothing;
            }
            let mut space = [0; PIECE];
            let mut piece = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut piece))?;
            self.octets.extend_from_slice(piece.filled());
            match piece.filled() {
                [] if self.octets.is_empty() && !self.of_end => break,
                [] => self.read = Read::All,
                _ => self.read = Read::Fresh,
            }
        }
        stream.put_back(std::mem::take(&mut self.octets).freeze());
        Poll::Ready(Ok(()))
    }

    /// Whether all have gone on; `false` when one wants more.
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let filters = self.filters.clone();
        while let Some(placed) = filters.list.filters.get(self.next) {
            if !placed.filter.wants().has(Hooks::FIRST) {
                self.next += 1;
                continue;
            }
            let hook = match &mut self.wait {
                Some(wait) => Hook::Resumed(ready!(wait.poll(cx))),
                None => Hook::First(&mut self.octets),
            };
            self.wait = None;
            match filters.call(self.next, &self.connection, hook) {
                Step::Continue => self.next += 1,
                Step::More => return Poll::Ready(Ok(false)),
                Step::Wait(wait) => self.wait = Some(wait),
                Step::Close(flags) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, Closed(flags))));
                }
            }
        }
        Poll::Ready(Ok(true))
    }
}
