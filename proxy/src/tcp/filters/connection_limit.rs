//! `envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit`: at most so many connections of a filter chain at a time.
//! Honoured: all fields. Those above the limit are counted while they wait for their end, as in Envoy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use config::Rejection;
use config::filters::network::connection_limit as plain;
use config::runtime::Live;
use tokio::time::Instant;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::call::wait::Wait;
use crate::failure::ResponseFlags;
use crate::stats::{Counter, Gauge, OneMore};

/// The filter.
pub(super) struct ConnectionLimit {
    most: u64,
    delay: Option<Duration>,
    enabled: Live<bool>,
    /// Of all workers: one addition a connection.
    active: Arc<AtomicU64>,
    limited_connections: Counter,
    active_connections: Gauge,
}

/// A connection that is counted.
pub(super) struct Counted {
    active: Arc<AtomicU64>,
    _shown: OneMore,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl NetworkFilter for ConnectionLimit {
    type Config = plain::ConnectionLimit;
    type State = Option<Counted>;

    fn compile(config: &plain::ConnectionLimit, deps: &FilterDeps<'_>) -> Result<ConnectionLimit, Rejection> {
        let name = |name: &str| format!("connection_limit.{}.{name}", config.stat_prefix);
        Ok(ConnectionLimit {
            most: config.max_connections,
            delay: config.delay,
            enabled: config.enabled.clone(),
            active: Arc::default(),
            limited_connections: deps.stats.counter(&name("limited_connections")),
            active_connections: deps.stats.gauge(&name("active_connections")),
        })
    }

    fn wants(&self) -> Hooks {
        Hooks::CONNECTED
    }

    fn connected(&self, turn: &mut Turn<'_, Option<Counted>>) -> Step {
        if !self.enabled.get() {
            return Step::Continue;
        }
        let before = self.active.fetch_add(1, Ordering::Relaxed);
        *turn.state = Some(Counted { active: self.active.clone(), _shown: self.active_connections.hold() });
        if before < self.most {
            return Step::Continue;
        }
        self.limited_connections.inc();
        match self.delay.and_then(|delay| Instant::now().checked_add(delay)) {
            Some(then) => Step::Wait(Wait::Until(then)),
            None => Step::Close(ResponseFlags::NONE),
        }
    }
}
