//! A listener that waits for its routes, secrets, filters and what these have fetched.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use config::tls::SdsName;

use crate::discoveries::{Discoveries, Wanted};
use crate::fetches::{self, Fetch};
use crate::listener::Listener;
use crate::xds::routes::Routes;
use crate::xds::secrets::{self, SecretWatches};

pub(super) struct Warming {
    pub listener: Arc<Listener>,
    /// The sockets that it begins with: those of the active version, of one that is gone, and new ones.
    pub sockets: Vec<u64>,
    pub since: Instant,
    pub needs: Vec<SdsName>,
    pub routes: Vec<(Arc<str>, Option<Duration>)>,
    /// Filters that are discovered.
    pub extensions: Vec<Wanted>,
    /// What its filters have fetched before they are asked.
    pub fetches: Vec<Weak<dyn Fetch>>,
}

impl Warming {
    pub fn is_warm(&self, secrets: &SecretWatches, routes: &Routes, discoveries: &Discoveries) -> bool {
        let waited = self.since.elapsed();
        secrets.are_ready(&self.needs, self.since)
            && self.extensions.iter().all(|wanted| wanted.is_ready(discoveries))
            && fetches::are_settled(&self.fetches)
            && self
                .routes
                .iter()
                .all(|(name, timeout)| routes.is_settled(name) || timeout.is_some_and(|timeout| waited >= timeout))
    }

    pub fn next_timeout(&self) -> Option<Duration> {
        let waited = self.since.elapsed();
        let routes =
            self.routes.iter().filter_map(|(_, timeout)| *timeout).map(|timeout| timeout.saturating_sub(waited));
        routes.chain(secrets::next_timeout(&self.needs, self.since)).filter(|left| !left.is_zero()).min()
    }
}
