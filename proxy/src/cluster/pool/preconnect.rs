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
    /// What it carries now.
    pub fn streams(&self) -> Streams {
        let state = self.state.borrow();
        self.count(&state)
    }

    fn count(&self, state: &State) -> Streams {
        let (mut active, mut room) = (state.busy, state.idle.len());
        for connection in &state.multiplexed {
            active += connection.open_streams();
            room += connection.room();
        }
        room += state.connecting.saturating_mul(self.streams_expected(state));
        Streams { waiting: state.waiting.len(), active, room }
    }

    /// Connections for the requests that its own let expect.
    pub(super) fn connect_ahead(self: &Rc<Self>) {
        let ratio = self.core.shared.config().preconnect.per_host;
        if ratio > 1.0 {
            self.preconnect(ratio, 0, MOST_AT_ONCE);
        }
    }

    /// Makes connections while there are too few for that ratio, `most` of them. Tells whether it made one.
    pub fn preconnect(self: &Rc<Self>, ratio: f64, more: usize, most: usize) -> bool {
        let mut made = false;
        for _ in 0..most {
            // A host that is not well is not troubled further.
            let is_well = self.endpoint.borrow().health == Health::Healthy && !self.state.borrow().retired;
            if !is_well || !self.streams().are_short(ratio, more) {
                break;
            }
            let Some(permit) = self.permit() else { break };
            self.connect(permit);
            made = true;
        }
        made
    }
}

/// So many connections are begun for one request, as in Envoy.
pub const MOST_AT_ONCE: usize = 3;

#[cfg(test)]
mod tests;
