//! Who calls the hooks: [`Started::connected`] and [`Started::secured`] by `listener`, and the first octets ([`First`])
//! by whoever reads the stream then.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use config::listener::NetworkFilter as Config;
use config::{At, Rejection};
use tokio::io::{AsyncRead, ReadBuf};

use super::filter::{FilterDeps, Hooks, Step, View};
use super::{Filter, State};
use crate::call::Calls;
use crate::call::wait::{Wait, Waited};
use crate::failure::ResponseFlags;
use crate::stats::Stats;
use crate::telemetry::stream_info::ConnectionInfo;
use crate::transport::Stream;

/// The filters of a chain before its last one that act. Immutable and shared by all workers.
pub struct Filters {
    list: Arc<[Filter]>,
    wants: Hooks,
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
    pub fn compile(list: &[Config], at: &At<'_>, stats: &Arc<Stats>) -> Result<Filters, Rejection> {
        let mut filters = Vec::new();
        for (index, config) in list.iter().enumerate() {
            let at = at.index(index);
            let filter = Filter::compile(&config.config, &FilterDeps { stats });
            filters.extend(filter.map_err(|rejection| rejection.below(&at.field("typed_config")))?);
        }
        let wants = filters.iter().fold(Hooks::default(), |all, filter| all.with(filter.wants()));
        Ok(Filters { list: filters.into(), wants })
    }

    /// For one connection; `None` where no filter acts.
    pub fn start(&self, calls: &Calls) -> Option<Rc<Started>> {
        (!self.list.is_empty()).then(|| {
            let states = self.list.iter().map(Filter::begin).collect();
            Rc::new(Started {
                list: self.list.clone(),
                wants: self.wants,
                states: RefCell::new(states),
                calls: calls.clone(),
            })
        })
    }
}

/// The filters of one connection. Keep it until the connection has ended: what its filters hold is given back when it is dropped.
pub struct Started {
    list: Arc<[Filter]>,
    wants: Hooks,
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

    /// What shows them the first octets, if one of them wants those. Nobody else reads the stream before it is ready.
    pub fn first(self: &Rc<Self>, connection: &Rc<ConnectionInfo>) -> Option<Box<First>> {
        self.wants.has(Hooks::FIRST).then(|| {
            let (filters, connection) = (self.clone(), connection.clone());
            Box::new(First { filters, connection, next: 0, wait: None, octets: BytesMut::new(), read: Read::Nothing })
        })
    }

    async fn head(
        &self,
        connection: &Rc<ConnectionInfo>,
        hook: Hooks,
        make: impl Fn() -> Hook<'static>,
    ) -> Result<(), Closed> {
        for (index, _) in self.list.iter().enumerate().filter(|(_, filter)| filter.wants().has(hook)) {
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
        self.list[index].call(&mut self.states.borrow_mut()[index], view, hook)
    }
}

/// Shows the first octets to the filters that want them, in their order.
pub struct First {
    filters: Rc<Started>,
    connection: Rc<ConnectionInfo>,
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
    /// To its end.
    All,
}

/// Octets that are read at a time.
const PIECE: usize = 4 * 1024;
/// Octets that filters may ask for before they must decide.
const MOST: usize = 64 * 1024;

impl First {
    /// Reads and asks until all have gone on; then what is left of the octets is the stream's again. A stream that ends before has no
    /// first octets.
    ///
    /// # Errors
    /// A filter closes the connection, or reading fails.
    pub fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<()>> {
        loop {
            if self.read == Read::Fresh {
                if ready!(self.ask(cx))? {
                    break;
                }
                if self.octets.len() >= MOST {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                self.read = Read::Nothing;
            }
            let mut space = [0; PIECE];
            let mut piece = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                self.read = Read::All;
                break;
            }
            self.read = Read::Fresh;
            self.octets.extend_from_slice(piece.filled());
        }
        stream.put_back(std::mem::take(&mut self.octets).freeze());
        Poll::Ready(Ok(()))
    }

    /// Whether all have gone on; `false` when one wants more.
    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let filters = self.filters.clone();
        while let Some(filter) = filters.list.get(self.next) {
            if !filter.wants().has(Hooks::FIRST) {
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
