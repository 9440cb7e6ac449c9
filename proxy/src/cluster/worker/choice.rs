//! Which host an attempt goes to: the one that a filter chose, the balancer's, or the one that a request names (original destinations, dynamic forward proxies). The balancer follows the
//! endpoints that the control thread assigns. Part of [`WorkerCluster`].

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use config::cluster::Discovery;

use super::WorkerCluster;
use crate::cluster::endpoints::{EndpointSet, Health};
use crate::cluster::host::{Host, HostState};
use crate::cluster::pool::{Ahead as _, KeyRef, MOST_AT_ONCE, Speaks, Streams};
use crate::cluster::{Destination, OverrideHost, Pick, PickFailure};
use crate::telemetry::stream_info::ConnectionInfo;

impl WorkerCluster {
    /// Chooses a host for one attempt.
    ///
    /// # Errors
    /// There is none: 503 `UH`.
    pub fn pick(&self, want: &Pick<'_>) -> Result<Host, PickFailure> {
        self.follow_endpoints();
        let result = match want.prefer {
            Some(wanted) => self.preferred(wanted).unwrap_or_else(|| self.balanced(want)),
            None => self.balanced(want),
        };
        // As in Envoy: a name that was waited for in vain does not count.
        let waited = want.destination.is_some() && matches!(result, Err(PickFailure::NobodyResolves));
        if result.is_err() && !waited {
            self.core.stats.upstream_cx_none_healthy.inc();
        }
        result
    }

    fn balanced(&self, want: &Pick<'_>) -> Result<Host, PickFailure> {
        let config = self.core.shared.config();
        match &config.discovery {
            Discovery::OriginalDst(_) => match want.destination {
                Some(Destination::Address(address)) => self.destination(Some(*address)),
                Some(Destination::Name(_)) | None => self.destination(None),
            },
            Discovery::DynamicForward(_) => match want.destination {
                Some(Destination::Name(name)) => match self.balance.borrow_mut().balancer.host(name) {
                    Some(host) if host.health() == Health::Unhealthy => Err(PickFailure::NoHealthyEndpoint),
                    Some(host) => Ok(host.clone()),
                    None => Err(PickFailure::NobodyResolves),
                },
                Some(Destination::Address(_)) | None => Err(PickFailure::NobodyResolves),
            },
            Discovery::Inert(_) => Err(PickFailure::Inert),
            Discovery::Static(_) | Discovery::StrictDns(..) | Discovery::LogicalDns(..) | Discovery::Eds { .. } => {
                let mut balance = self.balance.borrow_mut();
                match balance.pick(config, want) {
                    Some(host) => Ok(host),
                    None if !balance.balancer.is_empty() => Err(PickFailure::NoHealthyEndpoint),
                    None if is_dns(&config.discovery) => Err(PickFailure::Unresolved),
                    None => Err(PickFailure::NoEndpoints),
                }
            }
        }
    }

    /// The host that a filter has chosen; `None` where the balancer is to choose another.
    fn preferred(&self, wanted: &OverrideHost) -> Option<Result<Host, PickFailure>> {
        let statuses = &self.core.shared.config().override_host_statuses;
        let mut balance = self.balance.borrow_mut();
        match (balance.balancer.host(&wanted.address), wanted.strict) {
            (Some(host), _) if statuses.contains(&host.status()) => Some(Ok(host.clone())),
            // As in Envoy: the status is for those that there are not.
            (Some(_), Some(_)) => Some(Err(PickFailure::NoHealthyEndpoint)),
            (None, Some(status)) => Some(Err(PickFailure::OverrideHost(status))),
            (_, None) => None,
        }
    }

    /// Rebuilds the balancer if the endpoints have changed, and lets go of those that are gone.
    pub(in crate::cluster) fn follow_endpoints(&self) {
        let current = self.core.shared.endpoints();
        if self.balance.borrow().is_of(&current) {
            return;
        }
        let endpoints = self.core.shared.endpoints_owned();
        let mut found = Vec::new();
        let known;
        let gone = {
            let mut hosts = self.hosts.borrow_mut();
            known = hosts.len();
            let mut before = std::mem::take(&mut *hosts);
            for endpoint in endpoints.iter() {
                let identity = Arc::as_ptr(&endpoint.identity);
                if let Some(state) = before.remove(&identity) {
                    if state.is_news(endpoint.flags.is_failed()) {
                        found.push(Rc::clone(&state));
                    }
                    hosts.insert(identity, state);
                }
            }
            self.balance.borrow_mut().rebuild(&self.core, endpoints, &mut hosts, self.worker);
            before
        };
        if self.core.shared.config().closes_on_change && (!gone.is_empty() || self.hosts.borrow().len() != known) {
            self.hosts.borrow().values().for_each(|state| state.drain());
        }
        for state in found {
            state.turns();
        }
        for state in gone.into_values() {
            state.retire();
        }
    }

    /// Makes connections to the hosts that come next, until there is room for so many more requests as the cluster says. A request is about to
    /// come; those that are made ahead are for requests like it.
    pub(super) fn connect_ahead(&self, key: KeyRef<'_>, client: Option<&Rc<ConnectionInfo>>) {
        let config = self.core.shared.config();
        let ratio = config.preconnect.ahead;
        for _ in 0..MOST_AT_ONCE {
            let mut streams = Streams::default();
            let hosts = self.hosts.borrow();
            hosts.values().for_each(|state| streams.add(state.streams()));
            if !streams.are_short(ratio, 1) {
                return;
            }
            let Some(next) = self.balance.borrow_mut().peek(config, hosts.len()) else { return };
            drop(hosts);
            let (state, endpoint) = (next.state(), next.endpoint());
            let made = match key.speaks {
                Speaks::Bytes => state.tcp_pool(&self.core, endpoint, key).preconnect(ratio, 1, 1),
                _ => state.pool(&self.core, endpoint, key, client).preconnect(ratio, 1, 1),
            };
            if !made {
                return;
            }
        }
    }

    /// The host of a restored original destination. Never made up from the address that the client connected to: that is ourselves.
    fn destination(&self, address: Option<SocketAddr>) -> Result<Host, PickFailure> {
        let address = address.ok_or(PickFailure::NoOriginalDestination)?;
        let mut destinations = self.destinations.borrow_mut();
        if let Some(host) = destinations.get(&address) {
            return Ok(host.clone());
        }
        if destinations.len() >= MOST_DESTINATIONS {
            // Callers may name what they like.
            destinations.retain(|_, host| host.state().prune() || host.active() > 0);
            if destinations.len() >= MOST_DESTINATIONS {
                return Err(PickFailure::TooManyDestinations);
            }
        }
        let transport = self.core.shared.transport_of(address).ok_or(PickFailure::NoOriginalDestination)?;
        let endpoint = EndpointSet::dynamic(address, transport);
        let state = HostState::new(&endpoint.identity, self.worker);
        let host = Host::new(endpoint, state);
        destinations.insert(address, host.clone());
        Ok(host)
    }
}

fn is_dns(discovery: &Discovery) -> bool {
    matches!(discovery, Discovery::StrictDns(..) | Discovery::LogicalDns(..))
}

/// So many original destinations are connected to at a time, of each worker and cluster.
const MOST_DESTINATIONS: usize = 4096;
