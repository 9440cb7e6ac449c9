//! HTTP/1 connections of a pool: one request at a time.

use std::rc::Rc;
use std::task::Context;

use tokio::time::Instant;

use super::{Connected, Counted, Facts, Pool};
use crate::cluster::core::Core;
use crate::wire::h1;

/// A connection, idle or busy. It stays where it is, on the heap, for it goes from hand to hand with each request.
pub struct Http1Connection(Box<Held>);

struct Held {
    codec: h1::client::Connection,
    facts: Facts,
    counted: Counted,
    idle_since: Instant,
}

impl Http1Connection {
    /// A fresh one.
    pub fn new(connected: Connected, counted: Counted, cluster: &config::cluster::Cluster) -> Http1Connection {
        let settings = h1::Settings::upstream(&cluster.http, cluster.buffer_limit);
        Http1Connection(Box::new(Held {
            codec: h1::client::Connection::new(connected.stream, &settings),
            facts: connected.facts,
            counted,
            idle_since: Instant::now(),
        }))
    }

    /// A request has come to its end, or was cut off.
    pub fn ends(&mut self, used: bool) {
        let held = &mut *self.0;
        let active = used && !held.codec.is_complete();
        if active && held.codec.is_ended_by_peer() {
            held.counted.closed_by_peer();
        }
        held.counted.ends(held.codec.requests(), active);
    }

    /// When it became idle.
    pub fn idle_since(&self) -> Instant {
        self.0.idle_since
    }

    /// It becomes idle now.
    pub fn rests(&mut self) {
        self.0.idle_since = Instant::now();
    }

    /// When it was begun.
    pub fn born(&self) -> Instant {
        self.0.counted.born()
    }

    /// Whether an idle connection may carry a request now. Idle timeouts are the sweep's matter: no clock is read for them here.
    pub fn is_usable(&mut self, cluster: &config::cluster::Cluster) -> bool {
        if cluster.http.max_connection_duration.is_some_and(|limit| self.0.counted.born().elapsed() >= limit) {
            return false;
        }
        let alive = self.0.codec.is_alive();
        if !alive {
            self.0.counted.closed_by_peer();
        }
        alive
    }

    /// Whether a connection that comes back may be kept.
    pub fn may_be_reused(&mut self, core: &Core) -> bool {
        if self.0.codec.is_told_to_close() {
            core.stats.upstream_cx_close_notify.inc();
        }
        if self.0.codec.is_violated() {
            core.stats.upstream_cx_protocol_error.inc();
        }
        if !self.0.codec.is_reusable() {
            return false;
        }
        let cluster = core.shared.config();
        if cluster
            .max_requests_per_connection
            .is_some_and(|limit| limit > 0 && self.0.codec.requests() >= u64::from(limit))
        {
            core.stats.upstream_cx_max_requests.inc();
            return false;
        }
        true
    }

    /// Whether the peer has closed it; otherwise `cx` is woken when it does.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> bool {
        let closed = self.0.codec.poll_closed(cx).is_ready();
        if closed {
            self.0.counted.closed_by_peer();
        }
        closed
    }
}

/// A connection while it carries a request; returns to its pool when dropped.
pub struct Http1Stream {
    connection: Option<Http1Connection>,
    /// The request has been begun. One that never is leaves the connection as good as it was.
    begun: bool,
    reused: bool,
    pool: Rc<Pool>,
}

impl Http1Stream {
    /// Lends the connection out.
    pub fn new(connection: Http1Connection, pool: Rc<Pool>) -> Http1Stream {
        let reused = connection.0.codec.requests() > 0;
        Http1Stream { connection: Some(connection), begun: false, reused, pool }
    }

    /// Facts of the connection.
    pub fn facts(&self) -> &Facts {
        &self.connection.as_ref().expect("present until dropped").0.facts
    }

    /// Whether the connection carried requests before.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// The codec, prepared for this request.
    pub fn codec(&mut self) -> &mut h1::client::Connection {
        let codec = &mut self.connection.as_mut().expect("present until dropped").0.codec;
        if !std::mem::replace(&mut self.begun, true) {
            codec.begin();
        }
        codec
    }
}

impl Drop for Http1Stream {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.give_back(connection, self.begun);
        }
    }
}
