//! What others ask about listeners: the control loop, which waits for what is due, readiness and admin. Changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::address::Address;
use config::policy::HttpFilters;
use config::tls::SdsName;

use super::{Active, Listeners};
use crate::status::ListenerStatus;
use crate::store::Resources;

impl Listeners {
    /// Secrets that listeners of either state need.
    pub fn needed_secrets(&self) -> impl Iterator<Item = SdsName> {
        let active = self.held.all_active().flat_map(|(_, active)| active.listener.needed_secrets());
        active.chain(self.held.all_warming().flat_map(|(_, warming)| warming.needs.iter().cloned()))
    }

    /// The HTTP filters of listeners of either state, by name.
    pub fn http_filters(&self) -> HttpFilters {
        let mut filters = HttpFilters::default();
        self.held.bodies().for_each(|body| filters.add_listener(body));
        filters
    }

    /// How many wait.
    pub fn warming_count(&self) -> usize {
        self.held.all_warming().count()
    }

    /// How many are in use.
    pub fn active_count(&self) -> usize {
        self.held.all_active().count()
    }

    /// Active listeners by name, for admin.
    pub fn active(&self) -> Vec<ListenerStatus> {
        let status = |(name, active): (&Arc<str>, &Active)| ListenerStatus {
            name: name.clone(),
            addresses: active.addresses.clone(),
            stopped: self.is_stopped(active.listener.config().direction),
            path: match &active.listener.config().address {
                Some(Address::Pipe(path)) if !active.sockets.is_empty() => Some(path.to_path_buf()),
                _ => None,
            },
        };
        self.held.all_active().map(status).collect()
    }

    /// All versions, for admin.
    pub fn snapshot(&self) -> Resources {
        self.held.snapshot()
    }

    /// How long until something is due: a bind, or the end of a wait.
    pub fn next_timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let binds = self.retries.values().map(|retry| retry.at.saturating_duration_since(now));
        let stops = self.stops.iter().map(|(_, at)| at.saturating_duration_since(now));
        let waits = self.held.all_warming().filter_map(|(_, warming)| warming.next_timeout());
        let drains = self.draining.iter().map(|draining| draining.left(now));
        binds.chain(stops).chain(waits).chain(drains).min()
    }
}
