//! The HTTP connections of one worker to one host for one key: idle ones, multiplexed ones, requests that wait, connects under way.
//!
//! [`WorkerCluster::http`](super::WorkerCluster::http) asks for a stream. Streams come back when they are dropped, wherever that
//! happens. A waiting request is served by whichever connection is ready first, as in Envoy. Nothing is dropped while the state is
//! borrowed: dropping a stream enters the pool again.

mod connection;
mod http1;
mod http2;
mod key;
mod preconnect;
mod tcp;
mod waiting;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Context;

use tokio::sync::oneshot;
use tokio::time::Instant;

pub use connection::{Connected, Counted, Facts};
pub use http1::Http1Stream;
pub use http2::Http2Stream;
pub use key::{Key, KeyRef, Speaks};
pub use preconnect::{Ahead, MOST_AT_ONCE, Streams};
pub use tcp::{Lent, Made, TcpPool};

use self::http1::Http1Connection;
use self::http2::Http2Connection;
pub(super) use self::waiting::Pending;
use self::waiting::{Ready, UnderWay, Waiting};
use super::circuit_breaker::{Permit, Resource};
use super::connect::connect;
use super::core::Core;
use super::endpoints::Endpoint;
use super::host::{Active, HostState};
use super::host_stats::HostShard;
use super::lease::HttpLease;
use super::{ConnectFailure, ConnectFailureKind};
use crate::telemetry::stream_info::ConnectionInfo;

/// One pool.
pub struct Pool {
    key: Key,
    /// Whose connections these are, where they are not shared.
    client: Option<Weak<ConnectionInfo>>,
    core: Rc<Core>,
    endpoint: RefCell<Arc<Endpoint>>,
    shard: Arc<HostShard>,
    state: RefCell<State>,
    /// Waiting requests are being served further up the stack.
    serving: Cell<bool>,
}

#[derive(Default)]
struct State {
    /// HTTP/1 connections without a request; the one used last is at the end and is taken first.
    idle: Vec<Http1Connection>,
    /// HTTP/1 connections with one.
    busy: usize,
    /// HTTP/2 connections.
    multiplexed: Vec<Rc<Http2Connection>>,
    waiting: VecDeque<Waiting>,
    /// Connects under way.
    connecting: usize,
    /// What the last connection turned out to speak, where ALPN decides.
    spoken: Option<Speaks>,
    /// The endpoint or the cluster is gone: connections close when they are done.
    retired: bool,
    /// Connections that were begun before close when they are done.
    drained: Option<Instant>,
}

impl Pool {
    /// Nothing in it. `client`: whose connections these will be, where they are not shared.
    pub fn new(
        core: Rc<Core>,
        endpoint: Arc<Endpoint>,
        shard: Arc<HostShard>,
        key: Key,
        client: Option<&Rc<ConnectionInfo>>,
    ) -> Rc<Pool> {
        Rc::new(Pool {
            key,
            client: client.map(Rc::downgrade),
            core,
            endpoint: RefCell::new(endpoint),
            shard,
            state: RefCell::default(),
            serving: Cell::new(false),
        })
    }

    /// Takes over what an assignment changed about the endpoint, for connections to come. Those that were told something else, or go by way of
    /// another proxy, are to go.
    pub fn renew(self: &Rc<Self>, endpoint: &Arc<Endpoint>) {
        if Arc::ptr_eq(&self.endpoint.borrow(), endpoint) {
            return;
        }
        let before = self.endpoint.replace(Arc::clone(endpoint));
        if before.told != endpoint.told {
            self.drain();
        }
    }

    /// Lends a stream: of a connection that is ready, or of the first that becomes so.
    ///
    /// # Errors
    /// A circuit breaker is open, or a connect failed while the request waited.
    pub async fn lend(self: &Rc<Self>, state: &Rc<HostState>) -> Result<HttpLease, ConnectFailure> {
        if let Some(ready) = self.take_ready() {
            let active = Active::begin(&self.core, state, self.key.priority)?;
            self.connect_ahead();
            return Ok(ready.lease(active));
        }
        let stats = &self.core.stats;
        let Some(permit) = Permit::take(&self.core, self.key.priority, Resource::Pending) else {
            stats.upstream_rq_pending_overflow.inc();
            return Err(ConnectFailure::new(ConnectFailureKind::Overflow));
        };
        let (reply, answer) = oneshot::channel();
        let mut pending = Pending::begin(&self.core, permit);
        self.state.borrow_mut().waiting.push_back(Waiting { state: Rc::clone(state), reply });
        self.connect_for_waiting();
        self.connect_ahead();
        let answer = answer.await;
        pending.answered = true;
        // The sender is dropped unanswered only when the worker's runtime ends.
        answer.unwrap_or_else(|_| Err(ConnectFailure::new(ConnectFailureKind::Local)))
    }

    /// Closes what is idle and lets the rest finish.
    pub fn retire(self: &Rc<Self>) {
        let idle = {
            let mut state = self.state.borrow_mut();
            state.retired = true;
            for connection in &state.multiplexed {
                connection.drain();
            }
            std::mem::take(&mut state.idle)
        };
        drop(idle);
        self.drop_finished();
    }

    /// Closes what is idle and lets the rest finish; new connections may be made.
    pub fn drain(self: &Rc<Self>) {
        let idle = {
            let mut state = self.state.borrow_mut();
            state.drained = Some(Instant::now());
            for connection in &state.multiplexed {
                connection.drain();
            }
            std::mem::take(&mut state.idle)
        };
        drop(idle);
        self.drop_finished();
    }

    /// Closes connections that have been idle or alive for too long, or that the peer has closed. Registers `cx` with the others, so
    /// that a closing peer wakes the caller.
    pub fn sweep(self: &Rc<Self>, now: Instant, cx: &mut Context<'_>) {
        // Nobody asks for it any more.
        if self.client.as_ref().is_some_and(|client| client.strong_count() == 0) {
            return self.retire();
        }
        let http = &self.core.shared.config().http;
        let stats = &self.core.stats;
        let mut closed = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            let mut index = 0;
            while index < state.idle.len() {
                let connection = &mut state.idle[index];
                let expired =
                    http.idle_timeout.is_some_and(|limit| now.duration_since(connection.idle_since()) >= limit);
                let old = self.is_old(connection.born(), now);
                if expired {
                    stats.upstream_cx_idle_timeout.inc();
                } else if old {
                    stats.upstream_cx_max_duration_reached.inc();
                } else if !connection.poll_closed(cx) {
                    index += 1;
                    continue;
                }
                closed.push(state.idle.remove(index));
            }
            for connection in &state.multiplexed {
                let idle = connection.idle_since();
                if http.idle_timeout.is_some_and(|limit| idle.is_some_and(|since| now.duration_since(since) >= limit)) {
                    stats.upstream_cx_idle_timeout.inc();
                    connection.drain();
                } else if self.is_old(connection.born(), now) && !connection.is_draining() {
                    stats.upstream_cx_max_duration_reached.inc();
                    connection.drain();
                }
            }
        }
        drop(closed);
        self.drop_finished();
    }

    /// Whether it holds neither connections nor waiting requests.
    pub fn is_unused(&self) -> bool {
        let state = self.state.borrow();
        state.open() == 0 && state.connecting == 0 && state.waiting.is_empty()
    }

    fn is_old(&self, born: Instant, now: Instant) -> bool {
        self.core.shared.config().http.max_connection_duration.is_some_and(|limit| now.duration_since(born) >= limit)
    }

    /// A stream of a connection that stands and has room.
    fn take_ready(self: &Rc<Self>) -> Option<Ready> {
        loop {
            let mut connection = {
                let mut state = self.state.borrow_mut();
                if let Some(connection) = state.multiplexed.iter().find(|connection| connection.has_room()) {
                    let connection = Rc::clone(connection);
                    drop(state);
                    return Some(Ready::http2(connection.open(self)));
                }
                let connection = state.idle.pop()?;
                state.busy += 1;
                connection
            };
            // The peer may have closed it since, without any task watching.
            if connection.is_usable(self.core.shared.config()) {
                return Some(Ready::http1(Http1Stream::new(connection, Rc::clone(self))));
            }
            self.state.borrow_mut().busy -= 1;
        }
    }

    /// A connection came back from a request, or from one that never began.
    fn give_back(self: &Rc<Self>, mut connection: Http1Connection, used: bool) {
        let keep = !used || connection.may_be_reused(&self.core);
        connection.ends(used);
        self.state.borrow_mut().busy -= 1;
        if keep {
            self.keep(connection);
        } else {
            drop(connection);
        }
        self.serve_waiting();
    }

    /// A connection waits for the next request, unless it is to go: closing it may call back.
    fn keep(&self, mut connection: Http1Connection) {
        let mut state = self.state.borrow_mut();
        if !state.retired && state.drained.is_none_or(|drained| connection.born() > drained) {
            connection.rests();
            state.idle.push(connection);
        } else {
            drop(state);
            drop(connection);
        }
    }

    /// A stream of a multiplexed connection ended.
    fn stream_ended(self: &Rc<Self>) {
        self.drop_finished();
        self.serve_waiting();
    }

    /// Drops multiplexed connections that take no more streams and have none.
    fn drop_finished(self: &Rc<Self>) {
        let mut finished = Vec::new();
        self.state.borrow_mut().multiplexed.retain(|connection| {
            let keep = !connection.is_finished();
            if !keep {
                finished.push(Rc::clone(connection));
            }
            keep
        });
        drop(finished);
    }

    /// Gives ready connections to waiting requests, then connects for those that still wait.
    fn serve_waiting(self: &Rc<Self>) {
        // Answering a request that has gone away drops its stream, which comes back here.
        if self.serving.replace(true) {
            return;
        }
        while let Some(waiting) = self.next_waiting() {
            let Some(ready) = self.take_ready() else {
                self.state.borrow_mut().waiting.push_front(waiting);
                break;
            };
            self.answer(waiting, ready);
        }
        self.serving.set(false);
        self.connect_for_waiting();
    }

    fn answer(&self, waiting: Waiting, ready: Ready) {
        let answer = Active::begin(&self.core, &waiting.state, self.key.priority);
        let answer = answer.map(|active| ready.lease(active));
        drop(waiting.reply.send(answer));
    }

    /// A connection that was just made serves who has waited longest, whatever the host has done to it meanwhile: if each that is dead
    /// already were made anew, a host that accepts and closes would be dialled without end.
    fn serve_first(self: &Rc<Self>, connection: Http1Connection) {
        let Some(waiting) = self.next_waiting() else { return self.keep(connection) };
        self.state.borrow_mut().busy += 1;
        self.answer(waiting, Ready::http1(Http1Stream::new(connection, Rc::clone(self))));
    }

    fn next_waiting(&self) -> Option<Waiting> {
        let mut state = self.state.borrow_mut();
        while let Some(waiting) = state.waiting.pop_front() {
            if !waiting.reply.is_closed() {
                return Some(waiting);
            }
        }
        None
    }

    /// Begins as many connects as the waiting requests need and the circuit breaker allows. A pool without any connection may always
    /// have one: its requests could otherwise wait for ever on the connections of other hosts.
    fn connect_for_waiting(self: &Rc<Self>) {
        loop {
            let alone = {
                let mut state = self.state.borrow_mut();
                state.waiting.retain(|waiting| !waiting.reply.is_closed());
                if state.waiting.len() <= state.connecting.saturating_mul(self.streams_expected(&state)) {
                    return;
                }
                state.open() == 0 && state.connecting == 0
            };
            let permit = self.permit();
            if permit.is_none() && !alone {
                return;
            }
            self.connect(permit.unwrap_or_else(|| Permit::force(&self.core, self.key.priority, Resource::Connections)));
        }
    }

    /// How many requests a connection that is being made will carry at a time.
    fn streams_expected(&self, state: &State) -> usize {
        match (self.key.speaks, state.spoken) {
            (Speaks::Http1 | Speaks::Bytes, _) | (Speaks::Either, Some(Speaks::Http1)) => 1,
            (Speaks::Http2 | Speaks::Either, _) => {
                let limit = self.core.shared.config().http.http2.max_concurrent_streams;
                limit.map_or(DEFAULT_CONCURRENT_STREAMS, |limit| limit.max(1) as usize)
            }
        }
    }

    fn connect(self: &Rc<Self>, permit: Permit) {
        let mut counted = Counted::begin(&self.core, &self.shard, permit);
        self.count_protocol(self.key.speaks);
        let under_way = UnderWay::begin(self);
        let endpoint = Arc::clone(&self.endpoint.borrow());
        tokio::task::spawn_local(async move {
            let pool = Rc::clone(&under_way.0);
            let core = &pool.core;
            let result = connect(&*core.connector, &core.shared, &endpoint, &pool.key).await;
            drop(under_way);
            match result {
                Ok(connected) => {
                    counted.connected(connected.facts.tls.as_deref());
                    let stream = connected.stream.counted(pool.core.stats.bytes());
                    pool.connected(Connected { stream, ..connected }, counted).await;
                }
                Err(failure) => {
                    counted.failed(&failure);
                    drop(counted);
                    pool.fail_waiting(&failure);
                }
            }
        });
    }

    /// As in Envoy, before it stands where the protocol is known then.
    fn count_protocol(&self, speaks: Speaks) {
        match speaks {
            Speaks::Http1 => self.core.stats.upstream_cx_http1_total.inc(),
            Speaks::Http2 => self.core.stats.upstream_cx_http2_total.inc(),
            Speaks::Either | Speaks::Bytes => {}
        }
    }

    /// A connection stands. Ends with an HTTP/1 connection at once, with an HTTP/2 connection when that ends.
    async fn connected(self: Rc<Self>, connected: Connected, counted: Counted) {
        let speaks = match self.key.speaks {
            Speaks::Either => match connected.facts.tls.as_ref().and_then(|tls| tls.alpn.as_deref()) {
                Some(b"h2") => Speaks::Http2,
                _ => Speaks::Http1,
            },
            other => other,
        };
        self.state.borrow_mut().spoken = Some(speaks);
        if self.key.speaks == Speaks::Either {
            self.count_protocol(speaks);
        }
        if speaks == Speaks::Http2 {
            return http2::run(self, connected, counted).await;
        }
        let connection = Http1Connection::new(connected, counted, self.core.shared.config());
        self.serve_first(connection);
        self.serve_waiting();
    }

    /// A connect failed: every waiting request is told, as in Envoy; each decides for itself whether it tries again.
    fn fail_waiting(self: &Rc<Self>, failure: &ConnectFailure) {
        let waiting = std::mem::take(&mut self.state.borrow_mut().waiting);
        for request in waiting.into_iter().filter(|request| !request.reply.is_closed()) {
            self.core.stats.upstream_rq_pending_failure_eject.inc();
            drop(request.reply.send(Err(failure.clone())));
        }
    }
}

impl State {
    fn open(&self) -> usize {
        self.idle.len() + self.busy + self.multiplexed.len()
    }
}

/// How many streams an HTTP/2 connection is expected to take before it has said so.
const DEFAULT_CONCURRENT_STREAMS: usize = 1024;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
