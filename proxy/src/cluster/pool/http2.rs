//! HTTP/2 connections of a pool: many requests at a time.

use std::rc::Rc;

use tokio::time::Instant;

use super::{Connected, Counted, Facts, Pool};

/// A connection.
pub struct Http2Connection {}

impl Http2Connection {
    pub fn drain(&self) {}
    pub fn is_draining(&self) -> bool {
        true
    }
    pub fn idle_since(&self) -> Option<Instant> {
        None
    }
    pub fn born(&self) -> Instant {
        Instant::now()
    }
    pub fn has_room(&self) -> bool {
        false
    }
    pub fn is_finished(&self) -> bool {
        true
    }
    pub fn open(self: Rc<Self>, _pool: &Rc<Pool>) -> Http2Stream {
        unreachable!("no connection has room")
    }
}

/// One stream.
pub struct Http2Stream {
    facts: Facts,
}

impl Http2Stream {
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Runs a connection to its end.
pub async fn run(pool: &Rc<Pool>, _connected: Connected, _counted: Counted) {
    pool.fail_waiting(&crate::cluster::ConnectFailure::because(
        crate::cluster::ConnectFailureKind::Local,
        "HTTP/2 towards hosts is not built yet",
    ));
}

impl Http2Stream {
    pub fn codec(&mut self) -> &mut crate::http::h1::client::Connection {
        unreachable!("no stream is ever opened")
    }
}
