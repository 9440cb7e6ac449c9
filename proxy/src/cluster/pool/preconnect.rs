//! Connections before anybody needs them (`preconnect_policy`): so many that the requests of a host, or those of the cluster, would find room
//! if there were more of them by a ratio. Called by the pool and by [`WorkerCluster`](crate::cluster::WorkerCluster).

use std::rc::Rc;
use std::sync::Arc;

use super::{Key, Pool, State};
use crate::cluster::circuit_breaker::Permit;
use crate::cluster::core::Core;
use crate::cluster::endpoints::{Endpoint, Health};

/// Streams of pools: what is carried, and what there is room for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streams {
    /// Requests that wait.
    pub(super) waiting: usize,
    /// Requests under way.
    pub(super) active: usize,
    /// So many more could be carried, by connections that stand and by those that are being made.
    pub(super) room: usize,
}

impl Streams {
    /// Of all.
    pub fn add(&mut self, other: Streams) {
        self.waiting += other.waiting;
        self.active += other.active;
        self.room += other.room;
    }

    /// Whether there is too little room for that many times the requests, `more` of which are about to come.
    pub fn are_short(&self, ratio: f64, more: usize) -> bool {
        (self.waiting + self.active + more) as f64 * ratio > (self.room + self.active) as f64
    }
}

impl Pool {
    fn count(&self, state: &State) -> Streams {
        let (mut active, mut room) = (state.busy, state.idle.len());
        for connection in &state.multiplexed {
            active += connection.open_streams();
            room += connection.room();
        }
        room += state.connecting.saturating_mul(self.streams_expected(state));
        Streams { waiting: state.waiting.len(), active, room }
    }
}

/// A pool that makes connections before anybody needs them.
pub trait Ahead {
    /// What its connections have in common.
    fn key(&self) -> &Key;

    /// The cluster.
    fn core(&self) -> &Rc<Core>;

    /// The host, as it is now.
    fn endpoint(&self) -> Arc<Endpoint>;

    /// The host or the cluster is gone.
    fn is_retired(&self) -> bool;

    /// What it carries now.
    fn streams(&self) -> Streams;

    /// Begins one more connection.
    fn begin(self: &Rc<Self>, permit: Permit);

    /// Permission for one more connection.
    fn permit(&self) -> Option<Permit> {
        Permit::connection(self.core(), self.key().priority, &self.endpoint().identity)
    }

    /// Connections for those that its own let expect.
    fn connect_ahead(self: &Rc<Self>) {
        let ratio = self.core().shared.config().preconnect.per_host;
        if ratio > 1.0 {
            self.preconnect(ratio, 0, MOST_AT_ONCE);
        }
    }

    /// Makes connections while there are too few for that ratio, `most` of them. Tells whether it made one.
    fn preconnect(self: &Rc<Self>, ratio: f64, more: usize, most: usize) -> bool {
        let mut made = false;
        for _ in 0..most {
            // A host that is not well is not troubled further.
            let is_well = self.endpoint().health == Health::Healthy && !self.is_retired();
            if !is_well || !self.streams().are_short(ratio, more) {
                break;
            }
            let Some(permit) = self.permit() else { break };
            self.begin(permit);
            made = true;
        }
        made
    }
}

impl Ahead for Pool {
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
        self.count(&self.state.borrow())
    }

    fn begin(self: &Rc<Self>, permit: Permit) {
        self.connect(permit);
    }
}

/// So many connections are begun for one request, as in Envoy.
pub const MOST_AT_ONCE: usize = 3;

#[cfg(test)]
mod tests;
