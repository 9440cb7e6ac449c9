//! What all requests of one downstream connection share. One `Rc` a connection; `exchange` and its stages read it.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::ConnectionManager;
use super::manager::Routes;
use super::route::RouteTable;
use super::upstreams::Upstreams;
use super::xfcc;
use crate::drain::DrainWatch;
use crate::telemetry::access_log::WorkerLogs;
use crate::telemetry::stream_info::ConnectionInfo;

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
    /// When the last request ended.
    pub last_end: Cell<Option<tokio::time::Instant>>,
    /// How the connection ended: by the client, and with requests under way.
    pub ended: Cell<(bool, bool)>,
    table: RefCell<Option<PinnedTable>>,
    /// This hop's XFCC element: the certificates do not change while the connection lives.
    xfcc: OnceCell<Bytes>,
    /// What was logged.
    #[cfg(test)]
    pub done: RefCell<Vec<crate::telemetry::stream_info::StreamInfo>>,
}

/// How long a request waits for the first route table.
const FIRST_TABLE: Duration = Duration::from_secs(3);

/// A route table that a request holds. The reference count is the worker's own, so that workers do not fight over a cache line.
pub(super) type PinnedTable = Rc<Arc<RouteTable>>;

impl Context {
    pub fn new(
        manager: Arc<ConnectionManager>,
        connection: Rc<ConnectionInfo>,
        upstreams: Upstreams,
        logs: WorkerLogs,
        drain: DrainWatch,
    ) -> Context {
        Context {
            manager,
            connection,
            upstreams,
            logs,
            drain,
            requests: Cell::new(0),
            active: Cell::new(0),
            last_end: Cell::new(None),
            ended: Cell::default(),
            table: RefCell::new(None),
            xfcc: OnceCell::new(),
            #[cfg(test)]
            done: RefCell::default(),
        }
    }

    /// The route table of this moment; `None` when RDS took it away or has not brought it yet.
    pub fn table(&self) -> Option<PinnedTable> {
        let mut held = self.table.borrow_mut();
        match &self.manager.routes {
            Routes::Inline(table) => Some(Rc::clone(held.get_or_insert_with(|| Rc::new(table.clone())))),
            Routes::Rds(slot) => {
                if !held.as_ref().is_some_and(|held| slot.is_current(held)) {
                    *held = slot.load().map(Rc::new);
                }
                held.clone()
            }
        }
    }

    /// The first route table, when it is still on its way: a request that comes that early is held for a moment rather than refused.
    pub async fn wait_for_table(&self) -> Option<PinnedTable> {
        let Routes::Rds(slot) = &self.manager.routes else { return self.table() };
        let _ = tokio::time::timeout(FIRST_TABLE, slot.wait()).await;
        self.table()
    }

    /// This hop's element of `x-forwarded-client-cert`; `None` without a peer certificate.
    pub fn xfcc(&self) -> Option<&Bytes> {
        let tls = self.connection.tls.as_deref()?;
        let peer = tls.peer.as_deref()?;
        Some(self.xfcc.get_or_init(|| xfcc::element(self.manager.config.client_cert_details, tls, peer)))
    }

    /// Whether the client came over TLS.
    pub fn is_tls(&self) -> bool {
        self.connection.tls.is_some()
    }
}
