//! TCP connections of one worker to one host for one key that are made before anybody needs them (`preconnect_policy`). Only clusters that
//! ask for that have it: others connect when a client is there ([`WorkerCluster::tcp`](crate::cluster::WorkerCluster::tcp)). A connection
//! carries one client and does not come back. Nothing is dropped while the state is borrowed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Ahead, Connected, Counted, Key, Pending, Streams};
use crate::cluster::circuit_breaker::Permit;
use crate::cluster::connect::connect;
use crate::cluster::core::Core;
use crate::cluster::endpoints::Endpoint;
use crate::cluster::host_stats::HostShard;
use crate::cluster::{ConnectFailure, ConnectFailureKind};

/// One pool.
pub struct TcpPool {
    key: Key,
    core: Rc<Core>,
    endpoint: RefCell<Arc<Endpoint>>,
    shard: Arc<HostShard>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// The oldest is taken first.
    ready: VecDeque<Ready>,
    /// Clients that wait; closed when they have gone away.
    waiting: VecDeque<oneshot::Sender<Result<(Made, Lent), ConnectFailure>>>,
    /// Connects under way.
    connecting: usize,
    /// Connections that are lent.
    active: usize,
    /// The endpoint or the cluster is gone.
    retired: bool,
    /// Connections that were begun before are not kept.
    drained: Option<Instant>,
}

/// A connection, and what counts it.
pub struct Made {
    /// It.
    pub connected: Connected,
    /// Its counts.
    pub counted: Counted,
}

struct Ready {
    made: Made,
    since: Instant,
}

/// A connection that is lent, as its pool counts it until this is dropped.
pub struct Lent(Rc<TcpPool>);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.state.borrow_mut().active -= 1;
    }
}

impl TcpPool {
    /// Nothing in it.
    pub fn new(core: Rc<Core>, endpoint: Arc<Endpoint>, shard: Arc<HostShard>, key: Key) -> Rc<TcpPool> {
        Rc::new(TcpPool { key, core, endpoint: RefCell::new(endpoint), shard, state: RefCell::default() })
    }

    /// Takes over what an assignment changed about the endpoint. Those that were told something else, or go by way of another proxy, are to go.
    pub fn renew(&self, endpoint: &Arc<Endpoint>) {
        let before = self.endpoint.replace(Arc::clone(endpoint));
        if before.told != endpoint.told {
            self.drain();
        }
    }

    /// Lends a connection: one that is ready, or the first that becomes so.
    ///
    /// # Errors
    /// A circuit breaker is open, or a connect failed while the client waited.
    pub async fn lend(self: &Rc<Self>) -> Result<(Made, Lent), ConnectFailure> {
        if let Some(made) = self.take_ready() {
            let lent = self.lent();
            self.connect_ahead();
            return Ok((made, lent));
        }
        let place = Pending::place(&self.core, self.key.priority)?;
        let (reply, answer) = oneshot::channel();
        self.state.borrow_mut().waiting.push_back(reply);
        if self.is_short_of_connects() {
            let permit = self.permit().ok_or_else(|| ConnectFailure::new(ConnectFailureKind::Overflow))?;
            self.connect(permit);
        }
        self.connect_ahead();
        let mut pending = Pending::begin(&self.core, place);
        let answer = answer.await;
        pending.answered = true;
        // The sender is dropped unanswered only when the worker's runtime ends.
        answer.unwrap_or_else(|_| Err(ConnectFailure::new(ConnectFailureKind::Local)))
    }

    /// Closes those that nobody has, and keeps none from now on.
    pub fn retire(&self) {
        self.state.borrow_mut().retired = true;
        self.drain();
    }

    /// Closes those that nobody has.
    pub fn drain(&self) {
        let mut state = self.state.borrow_mut();
        state.drained = Some(Instant::now());
        let ready = std::mem::take(&mut state.ready);
        drop(state);
        drop(ready);
    }

    /// Closes those that have waited too long, or that the peer has closed. Registers `cx` with the others.
    pub fn sweep(&self, now: Instant, cx: &mut Context<'_>) {
        let mut closed = Vec::new();
        let mut state = self.state.borrow_mut();
        for mut one in std::mem::take(&mut state.ready) {
            if now.duration_since(one.since) >= IDLE {
                self.core.stats.upstream_cx_idle_timeout.inc();
                closed.push(one);
            } else if one.made.connected.stream.poll_readable(cx).is_ready() && one.made.has_ended() {
                closed.push(one);
            } else {
                state.ready.push_back(one);
            }
        }
        drop(state);
        drop(closed);
    }

    /// Whether it holds neither connections nor clients.
    pub fn is_unused(&self) -> bool {
        let state = self.state.borrow();
        state.ready.is_empty() && state.connecting == 0 && state.active == 0 && state.waiting.is_empty()
    }

    fn lent(self: &Rc<Self>) -> Lent {
        self.state.borrow_mut().active += 1;
        Lent(Rc::clone(self))
    }

    /// One that the peer has not closed meanwhile.
    fn take_ready(&self) -> Option<Made> {
        loop {
            let mut ready = self.state.borrow_mut().ready.pop_front()?;
            if !ready.made.has_ended() {
                return Some(ready.made);
            }
        }
    }

    fn is_short_of_connects(&self) -> bool {
        let mut state = self.state.borrow_mut();
        state.waiting.retain(|waiting| !waiting.is_closed());
        state.waiting.len() > state.connecting
    }

    fn connect(self: &Rc<Self>, permit: Permit) {
        let mut counted = Counted::begin(&self.core, &self.shard, permit);
        let endpoint = Arc::clone(&self.endpoint.borrow());
        let under_way = UnderWay::begin(self);
        tokio::task::spawn_local(async move {
            let pool = Rc::clone(&under_way.0);
            let result = connect(&*pool.core.connector, &pool.core.shared, &endpoint, &pool.key).await;
            drop(under_way);
            match result {
                Ok(connected) => {
                    counted.connected(connected.facts.tls.as_deref());
                    pool.serve(Made { connected, counted });
                }
                Err(failure) => {
                    counted.failed(&failure);
                    drop(counted);
                    pool.fail(&failure);
                }
            }
        });
    }

    /// A new connection goes to who has waited longest, and else waits itself.
    fn serve(self: &Rc<Self>, mut made: Made) {
        while let Some(waiting) = self.next_waiting() {
            match waiting.send(Ok((made, self.lent()))) {
                // It has gone away.
                Err(Ok((back, _lent))) => made = back,
                Ok(()) | Err(Err(_)) => return,
            }
        }
        let mut state = self.state.borrow_mut();
        if !state.retired && state.drained.is_none_or(|drained| made.counted.born() > drained) {
            state.ready.push_back(Ready { made, since: Instant::now() });
        } else {
            drop(state);
            drop(made);
        }
    }

    fn next_waiting(&self) -> Option<oneshot::Sender<Result<(Made, Lent), ConnectFailure>>> {
        self.state.borrow_mut().waiting.pop_front()
    }

    /// A connect failed: all who wait are told, as in Envoy.
    fn fail(&self, failure: &ConnectFailure) {
        let waiting = std::mem::take(&mut self.state.borrow_mut().waiting);
        for one in waiting {
            drop(one.send(Err(failure.clone())));
        }
    }
}

impl Ahead for TcpPool {
    fn key(&self) -> &Key {
        &self.key
    }

    fn core(&self) -> &Rc<Core> {
        &self.core
    }

    fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.endpoint.borrow())
    }

    fn is_retired(&self) -> bool {
        self.state.borrow().retired
    }

    fn streams(&self) -> Streams {
        let state = self.state.borrow();
        Streams { waiting: state.wanted(), active: state.active, room: state.ready.len() + state.connecting }
    }

    fn begin(self: &Rc<Self>, permit: Permit) {
        self.connect(permit);
    }
}

impl State {
    /// Clients that wait and have not gone away.
    fn wanted(&self) -> usize {
        self.waiting.iter().filter(|waiting| !waiting.is_closed()).count()
    }
}

impl Made {
    /// Whether the peer has closed it.
    fn has_ended(&mut self) -> bool {
        let ended = self.connected.stream.has_peer_left();
        if ended {
            self.counted.closed_by_peer();
        }
        ended
    }
}

/// A connect under way, counted until it is dropped.
struct UnderWay(Rc<TcpPool>);

impl UnderWay {
    fn begin(pool: &Rc<TcpPool>) -> UnderWay {
        pool.state.borrow_mut().connecting += 1;
        UnderWay(Rc::clone(pool))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state.borrow_mut().connecting -= 1;
    }
}

/// So long a connection waits for a client, as in Envoy.
const IDLE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
