//! What all requests of one downstream connection share. One `Rc` a connection; `exchange` and its stages read it.

use std::cell::{Cell, OnceCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::ConnectionManager;
use super::filters::chain::{Chain, ChainSlot, Chains};
use super::filters::local_ratelimit::Limiter;
use super::filters::of_cluster::PinnedBehind;
use super::held::{Held, Pinned};
use super::manager::Routes;
use super::route::{RouteSlot, RouteTable};
use super::upstreams::Upstreams;
use crate::drain::DrainWatch;
use crate::logs::WorkerLogs;
use crate::overload::{self, Act};
use crate::telemetry::access_log::{EntryKind, LogEntry};
use crate::telemetry::stream_info::ConnectionInfo;
use crate::tls::info::PeerCertificate;

/// One downstream connection as its requests see it.
pub(super) struct Context {
    pub manager: Arc<ConnectionManager>,
    pub connection: Rc<ConnectionInfo>,
    pub upstreams: Upstreams,
    pub logs: WorkerLogs,
    /// When this connection should stop taking requests, and when it must end.
    pub drain: DrainWatch,
    /// Requests begun.
    pub requests: Cell<u32>,
    /// Requests under way.
    pub active: Cell<u32>,
    /// When the head of the request began that begins next, if it came in pieces.
    pub head_began: Cell<Option<tokio::time::Instant>>,
    /// When the last request ended.
    pub last_end: Cell<Option<tokio::time::Instant>>,
    /// How the connection ended: by the client, and with requests under way.
    pub ended: Cell<(bool, bool)>,
    /// The connection's own buckets, where a filter limits each connection.
    pub limiter: OnceCell<Box<Limiter>>,
    tables: Tables,
    /// Where the filters are, if discovery may change them.
    chain: Option<Rc<Held<ChainSlot>>>,
    /// The same of those behind the router.
    upstream_chain: Option<Rc<Held<ChainSlot>>>,
    /// Value of `server`: the connection's own, so that no response counts references where those of other workers do.
    pub server: Bytes,
    /// This hop's XFCC element: the certificates do not change while the connection lives.
    xfcc: OnceCell<(Bytes, bool)>,
}

/// Where the connection's requests find their route table. It is they who hold one, not the connection.
enum Tables {
    Inline(PinnedTable),
    Rds(Rc<Held<RouteSlot>>),
}

/// A route table that a request holds.
pub(super) type PinnedTable = Pinned<RouteTable>;

/// The filters that a request holds.
pub(super) enum PinnedChain<'c> {
    /// They never change.
    Fixed(&'c Chain),
    /// They were these when it began.
    Held(Pinned<Chain>),
}

impl Deref for PinnedChain<'_> {
    type Target = Chain;

    fn deref(&self) -> &Chain {
        match self {
            PinnedChain::Fixed(chain) => chain,
            PinnedChain::Held(chain) => chain,
        }
    }
}

/// How long a request waits for the first route table.
const FIRST_TABLE: Duration = Duration::from_secs(3);

impl Context {
    /// Whether so much is under way that this is done to its connections: those of some listeners are left alone.
    pub fn does(&self, act: Act) -> bool {
        self.drain.heeds_overload() && overload::does(act)
    }

    pub fn new(
        manager: Arc<ConnectionManager>,
        connection: Rc<ConnectionInfo>,
        upstreams: Upstreams,
        logs: WorkerLogs,
        drain: DrainWatch,
    ) -> Context {
        let tables = match &manager.routes {
            Routes::Inline(table) => Tables::Inline(Rc::new(table.clone())),
            Routes::Rds(slot) => Tables::Rds(Held::of(slot)),
        };
        let (chain, upstream_chain) = (manager.chains.held(), manager.upstream_chains.held());
        Context {
            server: server(&manager.config.server_name),
            manager,
            connection,
            upstreams,
            logs,
            drain,
            requests: Cell::new(0),
            active: Cell::new(0),
            head_began: Cell::new(None),
            last_end: Cell::new(None),
            ended: Cell::default(),
            limiter: OnceCell::new(),
            tables,
            chain,
            upstream_chain,
            xfcc: OnceCell::new(),
        }
    }

    /// What the client says breaks the protocol: counted, and told in the listener's log.
    pub fn broken(&self) {
        self.manager.stats.downstream_cx_protocol_error.inc();
        self.misspoken();
    }

    /// The same, not counted as such.
    pub fn misspoken(&self) {
        if let Some(told) = &self.connection.told {
            told.broken(self.requests.get() == 0);
        }
    }

    /// The route table of this moment; `None` when RDS took it away or has not brought it yet.
    pub fn table(&self) -> Option<PinnedTable> {
        match &self.tables {
            Tables::Inline(table) => Some(Rc::clone(table)),
            Tables::Rds(held) => held.current(),
        }
    }

    /// The filters of this moment.
    pub fn chain(&self) -> PinnedChain<'_> {
        match &self.manager.chains {
            Chains::Fixed(chain) => PinnedChain::Fixed(chain),
            Chains::Discovered(slot) => {
                let held = self.chain.as_ref().and_then(|held| held.current());
                PinnedChain::Held(held.unwrap_or_else(|| Rc::new(slot.newest())))
            }
        }
    }

    /// The filters behind the router, for clusters without any; those that may change are pinned there.
    pub fn upstream_chain<'s>(&'s self, pinned: &'s OnceCell<PinnedBehind>) -> &'s Chain {
        match &self.manager.upstream_chains {
            Chains::Fixed(chain) => chain,
            Chains::Discovered(slot) => {
                let current = || self.upstream_chain.as_ref().and_then(|held| held.current());
                pinned.get_or_init(|| PinnedBehind::Held(current().unwrap_or_else(|| Rc::new(slot.newest()))))
            }
        }
    }

    /// The first route table, when it is still on its way: a request that comes that early is held for a moment rather than refused.
    pub async fn wait_for_table(&self) -> Option<PinnedTable> {
        if let Tables::Rds(held) = &self.tables
            && !held.slot().was_taken_away()
        {
            let _ = tokio::time::timeout(FIRST_TABLE, held.slot().wait()).await;
        }
        self.table()
    }

    /// This hop's element of `x-forwarded-client-cert`, as the connection manager wants it of all requests, and whether it may stand in a
    /// header: names in certificates may hold anything.
    pub fn xfcc(&self, made: impl FnOnce() -> (Bytes, bool)) -> &(Bytes, bool) {
        self.xfcc.get_or_init(made)
    }

    /// The client's certificate.
    pub fn peer(&self) -> Option<&PeerCertificate> {
        self.connection.tls.as_deref()?.peer.as_deref()
    }

    /// A request is over: this is its line.
    pub fn finish(&self, mut entry: LogEntry<'_>) {
        let log = &self.manager.access_log;
        if !log.is_empty() {
            entry.more.kind = EntryKind::DownstreamEnd;
            log.log(&self.logs, &entry);
        }
    }

    /// Whether the client came over TLS.
    pub fn is_tls(&self) -> bool {
        self.connection.tls.is_some()
    }
}

/// Usual names cost nothing.
fn server(name: &str) -> Bytes {
    match name {
        "envoy" => Bytes::from_static(b"envoy"),
        "istio-envoy" => Bytes::from_static(b"istio-envoy"),
        other => Bytes::copy_from_slice(other.as_bytes()),
    }
}
