//! A listener that waits for its routes and secrets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::tls::SdsName;

use crate::listener::Listener;
use crate::listener::bind::Bound;
use crate::xds::routes::Routes;
use crate::xds::secrets::{self, SecretWatches};

pub(super) struct Warming {
    pub listener: Arc<Listener>,
    /// New sockets, when the address is new; otherwise those of the active version are kept.
    pub bound: Option<Bound>,
    pub since: Instant,
    pub needs: Vec<SdsName>,
    pub routes: Vec<(Arc<str>, Option<Duration>)>,
}

impl Warming {
    pub fn is_warm(&self, secrets: &SecretWatches, routes: &Routes) -> bool {
        let waited = self.since.elapsed();
        secrets.are_ready(&self.needs, self.since)
            && self
                .routes
                .iter()
                .all(|(name, timeout)| routes.is_filled(name) || timeout.is_some_and(|timeout| waited >= timeout))
    }

    pub fn next_timeout(&self) -> Option<Duration> {
        let waited = self.since.elapsed();
        let routes =
            self.routes.iter().filter_map(|(_, timeout)| *timeout).map(|timeout| timeout.saturating_sub(waited));
        routes.chain(secrets::next_timeout(&self.needs, self.since)).filter(|left| !left.is_zero()).min()
    }
}
