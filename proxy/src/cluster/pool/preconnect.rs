//! Connections before anybody needs them (`preconnect_policy`): so many that the requests of a host, or those of the cluster, would find room
//! if there were more of them by a ratio. Called by the pool and by [`WorkerCluster`](crate::cluster::WorkerCluster).

use std::rc::Rc;

use super::{Pool, State};
use crate::cluster::endpoints::Health;

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
    /// What it carries now.
    fn streams(&self) -> Streams;

    /// Its host is well, and nobody has retired it: one that is not well is not troubled further.
    fn is_well(&self) -> bool;

    /// `per_upstream_preconnect_ratio`.
    fn ratio(&self) -> f64;

    /// Begins one more connection, unless breakers are open.
    fn begin_one(self: &Rc<Self>) -> bool;

    /// Connections for those that its own let expect.
    fn connect_ahead(self: &Rc<Self>) {
        let ratio = self.ratio();
        if ratio > 1.0 {
            self.preconnect(ratio, 0, MOST_AT_ONCE);
        }
    }

    /// Makes connections while there are too few for that ratio, `most` of them. Tells whether it made one.
    fn preconnect(self: &Rc<Self>, ratio: f64, more: usize, most: usize) -> bool {
        let wants_one = || self.is_well() && self.streams().are_short(ratio, more);
        (0..most).take_while(|_| wants_one() && self.begin_one()).count() > 0
    }
}

impl Ahead for Pool {
    fn streams(&self) -> Streams {
        self.count(&self.state.borrow())
    }

    fn is_well(&self) -> bool {
        self.endpoint.borrow().health == Health::Healthy && !self.state.borrow().retired
    }

    fn ratio(&self) -> f64 {
        self.core.shared.config().preconnect.per_host
    }

    fn begin_one(self: &Rc<Self>) -> bool {
        self.permit().is_some_and(|permit| {
            self.connect(permit);
            true
        })
    }
}

/// So many connections are begun for one request, as in Envoy.
pub const MOST_AT_ONCE: usize = 3;

#[cfg(test)]
mod tests;
