//! An endpoint as one worker uses it: its active requests and its pools. They outlive assignments as long as the address stays.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

use config::endpoint::HealthStatus;
use config::metadata::Metadata;
use smallvec::SmallVec;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::circuit_breaker::{Permit, Resource};
use super::core::Core;
use super::endpoints::{Endpoint, Health};
use super::host_stats::HostShard;
use super::identity::{Identity, print};
use super::outlier::Outcome;
use super::pool::{Ahead as _, KeyRef, Pool, Streams, TcpPool};
use super::{ConnectFailure, ConnectFailureKind, Priority};
use crate::telemetry::stream_info::{ConnectionInfo, Labels};
use crate::wire::headers::Name;
use crate::wire::message::ResponseHead;

/// An endpoint as this worker uses it. Cheap to clone; equal when the address is the same.
#[derive(Clone)]
pub struct Host(Rc<Inner>);

struct Inner {
    endpoint: Arc<Endpoint>,
    state: Rc<HostState>,
}

impl Host {
    /// Of an endpoint and the state that its identity has on this worker.
    pub fn new(endpoint: Arc<Endpoint>, state: Rc<HostState>) -> Host {
        Host(Rc::new(Inner { endpoint, state }))
    }

    /// Address, printed.
    pub fn address(&self) -> &str {
        &self.0.endpoint.identity.printed
    }

    /// Where it is reached, printed, for logs: a logical host is a name, and reached at an address.
    pub fn reached(&self) -> Arc<str> {
        let endpoint = &self.0.endpoint;
        match endpoint.address == endpoint.identity.address {
            true => Arc::from(self.address()),
            false => print(&endpoint.address),
        }
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0.endpoint
    }

    /// What this worker holds of it.
    pub fn state(&self) -> &Rc<HostState> {
        &self.0.state
    }

    /// What it says of itself, for logs.
    pub fn labels(&self) -> Rc<dyn Labels> {
        self.0.clone()
    }

    /// It counts for nothing in what its priority and locality can take.
    pub fn is_excluded(&self) -> bool {
        self.0.endpoint.is_excluded()
    }

    /// Health for balancing.
    pub fn health(&self) -> Health {
        self.0.endpoint.health
    }

    /// Health as a filter that chooses hosts is told it: who must not be balanced to is unhealthy, whatever the control plane said.
    pub fn status(&self) -> HealthStatus {
        match (self.0.endpoint.status, self.health()) {
            (HealthStatus::Unknown | HealthStatus::Healthy | HealthStatus::Degraded, Health::Unhealthy) => {
                HealthStatus::Unhealthy
            }
            (status, _) => status,
        }
    }

    /// Weight, at least 1.
    pub fn weight(&self) -> u32 {
        self.0.endpoint.weight
    }

    /// Its priority, 0 the highest.
    pub fn priority(&self) -> u32 {
        self.0.endpoint.priority
    }

    /// Requests (or TCP sessions) of this worker that are under way.
    pub fn active(&self) -> u32 {
        self.0.state.active.get()
    }

    /// Tells outlier detection, where there is any, what has become of a request or connection.
    #[inline]
    pub fn put(&self, outcome: Outcome) {
        let identity = &self.0.endpoint.identity;
        if let Some(monitor) = identity.monitor() {
            monitor.put(identity, outcome);
        }
    }

    /// Whether outlier detection wants to know.
    pub fn is_watched(&self) -> bool {
        self.0.endpoint.identity.monitor().is_some()
    }

    /// Tells it of an answer: its head, and the HTTP status that its gRPC status means, if it has one that counts.
    #[inline]
    pub fn put_answer(&self, head: &ResponseHead, grpc: impl FnOnce() -> Option<u16>) {
        let identity = &self.0.endpoint.identity;
        if let Some(monitor) = identity.monitor() {
            monitor.put_answer(identity, head, grpc());
        }
        if let Some(failing) = identity.failing()
            && head.headers.contains(&Name::X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL)
        {
            failing.tell(identity);
        }
    }

    /// Counts a response of it: `rq_error` where its status is of 5xx, else `rq_success`.
    pub fn count_response(&self, status: u16) {
        self.count((500..600).contains(&status));
    }

    /// Counts a request of it that is over: `rq_error` or `rq_success`.
    pub fn count(&self, error: bool) {
        let shard = &self.0.state.shard;
        if error { shard.rq_error.inc() } else { shard.rq_success.inc() }
    }

    /// Counts a request of it that timed out: `rq_timeout`.
    pub fn count_timeout(&self) {
        self.0.state.shard.rq_timeout.inc();
    }
}

impl Labels for Inner {
    fn metadata(&self) -> &Arc<Metadata> {
        &self.endpoint.metadata
    }

    fn hostname(&self) -> &str {
        &self.endpoint.hostname
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.endpoint.identity.printed)
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Host) -> bool {
        Arc::ptr_eq(&self.0.endpoint.identity, &other.0.endpoint.identity)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Host({})", self.address())
    }
}

/// What one worker holds of one endpoint.
pub struct HostState {
    identity: Arc<Identity>,
    pub(super) active: Cell<u32>,
    shard: Arc<HostShard>,
    pools: RefCell<SmallVec<[Rc<Pool>; 1]>>,
    /// Those of TCP connections that are made beforehand.
    tcp_pools: RefCell<Vec<Rc<TcpPool>>>,
    /// Checks or outlier detection have found it ill, as far as this worker has seen.
    ill: Cell<bool>,
    /// Told when that begins.
    falls_ill: Notify,
}

impl HostState {
    /// Nothing under way.
    pub fn new(identity: &Arc<Identity>, worker: usize) -> Rc<HostState> {
        Rc::new(HostState {
            identity: Arc::clone(identity),
            active: Cell::new(0),
            shard: identity.shard(worker),
            pools: RefCell::default(),
            tcp_pools: RefCell::default(),
            ill: Cell::new(identity.flags().is_failed()),
            falls_ill: Notify::new(),
        })
    }

    /// What stays of it.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// This worker's counts.
    pub fn shard(&self) -> &Arc<HostShard> {
        &self.shard
    }

    /// The pool for a key, made when it is the first; the connection is that of the key's client, if it has one.
    pub fn pool(
        &self,
        core: &Rc<Core>,
        endpoint: &Arc<Endpoint>,
        key: KeyRef<'_>,
        client: Option<&Rc<ConnectionInfo>>,
    ) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.iter().find(|pool| key.is(pool.key())) {
            pool.renew(endpoint);
            return Rc::clone(pool);
        }
        let pool = Pool::new(Rc::clone(core), Arc::clone(endpoint), Arc::clone(&self.shard), key.owned(), client);
        pools.push(Rc::clone(&pool));
        pool
    }

    /// The pool of TCP connections for a key, likewise.
    pub fn tcp_pool(&self, core: &Rc<Core>, endpoint: &Arc<Endpoint>, key: KeyRef<'_>) -> Rc<TcpPool> {
        let mut pools = self.tcp_pools.borrow_mut();
        if let Some(pool) = pools.iter().find(|pool| key.is(pool.key())) {
            pool.renew(endpoint);
            return Rc::clone(pool);
        }
        let pool = TcpPool::new(Rc::clone(core), Arc::clone(endpoint), Arc::clone(&self.shard), key.owned());
        pools.push(Rc::clone(&pool));
        pool
    }

    /// What all pools of it carry now.
    pub fn streams(&self) -> Streams {
        let mut all = Streams::default();
        self.pools.borrow().iter().for_each(|pool| all.add(pool.streams()));
        self.tcp_pools.borrow().iter().for_each(|pool| all.add(pool.streams()));
        all
    }

    /// Closes what has been idle or alive for too long, and registers `cx` with what is idle.
    pub fn sweep(&self, now: Instant, cx: &mut Context<'_>) {
        for pool in self.pools() {
            pool.sweep(now, cx);
        }
        for pool in self.tcp_pools() {
            pool.sweep(now, cx);
        }
    }

    /// All pools of requests.
    pub fn pools(&self) -> SmallVec<[Rc<Pool>; 1]> {
        self.pools.borrow().clone()
    }

    fn tcp_pools(&self) -> Vec<Rc<TcpPool>> {
        self.tcp_pools.borrow().clone()
    }

    /// Forgets pools that hold nothing. Tells whether any is left.
    pub fn prune(&self) -> bool {
        let mut pools = self.pools.borrow_mut();
        pools.retain(|pool| Rc::strong_count(pool) > 1 || !pool.is_unused());
        let mut tcp_pools = self.tcp_pools.borrow_mut();
        tcp_pools.retain(|pool| Rc::strong_count(pool) > 1 || !pool.is_unused());
        !pools.is_empty() || !tcp_pools.is_empty()
    }

    /// Closes what is idle and lets the rest finish; new connections may be made.
    pub fn drain(&self) {
        self.pools().iter().for_each(|pool| pool.drain());
        self.tcp_pools().iter().for_each(|pool| pool.drain());
    }

    /// Whether this is another health than this worker has seen.
    pub fn is_news(&self, ill: bool) -> bool {
        self.ill.get() != ill
    }

    /// It falls ill, or is well again. Connections to one that falls ill are let go, idle ones now and others when they are done: new ones may
    /// lead to a server that is well.
    pub fn turns(&self) {
        let ill = !self.ill.get();
        self.ill.set(ill);
        if ill {
            self.drain();
            self.falls_ill.notify_waiters();
        }
    }

    /// Until it is found ill.
    pub async fn falls_ill(&self) {
        self.falls_ill.notified().await;
    }

    /// Its endpoint is gone: idle connections close, busy ones finish and close then.
    pub fn retire(&self) {
        self.pools().iter().for_each(|pool| pool.retire());
        self.tcp_pools().iter().for_each(|pool| pool.retire());
    }
}

/// One request (or TCP session) under way at a host; gives its places back when dropped.
pub struct Active {
    state: Rc<HostState>,
    core: Rc<Core>,
    _permit: Permit,
}

impl Active {
    /// Counts one.
    ///
    /// # Errors
    /// `max_requests` are under way.
    pub fn begin(core: &Rc<Core>, state: &Rc<HostState>, priority: Priority) -> Result<Active, ConnectFailure> {
        let Some(permit) = Permit::take(core, priority, Resource::Requests) else {
            core.stats.upstream_rq_active_overflow.inc();
            // There was a connection, so there is a host to name.
            return Err(ConnectFailure { names_host: true, ..ConnectFailure::new(ConnectFailureKind::Overflow) });
        };
        state.active.set(state.active.get() + 1);
        state.shard.rq_total.inc();
        state.shard.rq_active.inc();
        core.stats.upstream_rq_total.inc();
        core.stats.upstream_rq_active.inc();
        Ok(Active { state: Rc::clone(state), core: Rc::clone(core), _permit: permit })
    }
}

impl Active {
    /// Ends when its host is found ill, where the cluster wants connections closed then.
    pub fn is_to_close(&self) -> Option<Pin<Box<dyn Future<Output = ()> + '_>>> {
        self.core.shared.config().closes_on_failure.then(|| Box::pin(self.state.falls_ill()) as _)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.state.active.set(self.state.active.get().saturating_sub(1));
        self.state.shard.rq_active.dec();
        self.core.stats.upstream_rq_active.dec();
    }
}

#[cfg(test)]
mod tests;
