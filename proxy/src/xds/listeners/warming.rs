//! A listener that waits for its routes, secrets, filters and what these have fetched.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use config::tls::SdsName;

use crate::discoveries::{Discoveries, Wanted};
use crate::fetches::{self, Fetch};
use crate::listener::Listener;
use crate::xds::routes::{Missing, Routes};
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
    /// `serves`: a version before it does. Then, as in Envoy, the word that something does not exist is no reason to begin without it.
    pub fn is_warm(&self, secrets: &SecretWatches, routes: &Routes, discoveries: &Discoveries, serves: bool) -> bool {
        secrets.are_ready(&self.needs, self.since)
            && self.extensions.iter().all(|wanted| self.has(wanted, discoveries, serves))
            && fetches::are_settled(&self.fetches)
            && self.routes.iter().all(|(name, timeout)| match routes.missing(name) {
                _ if routes.is_filled(name) => true,
                Some(Missing::Withheld) => true,
                Some(Missing::Unknown) => !serves,
                None => self.has_waited(*timeout),
            })
    }

    fn has(&self, wanted: &Wanted, discoveries: &Discoveries, serves: bool) -> bool {
        let begins_without = serves && wanted.default.is_none() && discoveries.is_absent(&wanted.key);
        wanted.is_ready(discoveries) && (!begins_without || self.has_waited(wanted.timeout))
    }

    fn has_waited(&self, timeout: Option<Duration>) -> bool {
        timeout.is_some_and(|timeout| self.since.elapsed() >= timeout)
    }

    pub fn next_timeout(&self) -> Option<Duration> {
        let waited = self.since.elapsed();
        let routes = self.routes.iter().filter_map(|(_, timeout)| *timeout);
        let all = routes.chain(self.extensions.iter().filter_map(|wanted| wanted.timeout));
        all.map(|timeout| timeout.saturating_sub(waited))
            .chain(secrets::next_timeout(&self.needs, self.since))
            .filter(|left| !left.is_zero())
            .min()
    }
}
