//! Which host an attempt goes to: the one that a filter chose, the balancer's, or a restored original destination. The balancer follows the
//! endpoints that the control thread assigns. Part of [`WorkerCluster`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use config::cluster::Discovery;

use super::WorkerCluster;
use crate::cluster::balance::{Balancer, Group};
use crate::cluster::core::Core;
use crate::cluster::endpoints::{EndpointSet, Identity};
use crate::cluster::host::{Host, HostState};
use crate::cluster::{OverrideHost, Pick, PickFailure};

/// The balancer, and the endpoint set that it was built from.
pub(super) struct Balance {
    endpoints: Arc<EndpointSet>,
    balancer: Balancer,
}

impl Balance {
    /// For the endpoints of this moment. `hosts` gets what is not in it.
    pub(super) fn build(
        core: &Rc<Core>,
        endpoints: Arc<EndpointSet>,
        hosts: &mut HashMap<*const Identity, Rc<HostState>>,
        worker: usize,
    ) -> Balance {
        let balancer = build_balancer(core, &endpoints, hosts, worker);
        Balance { endpoints, balancer }
    }
}

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
        if result.is_err() {
            self.core.stats.upstream_cx_none_healthy.inc();
        }
        result
    }

    fn balanced(&self, want: &Pick<'_>) -> Result<Host, PickFailure> {
        let config = self.core.shared.config();
        match &config.discovery {
            Discovery::OriginalDst => self.destination(want.original_destination),
            Discovery::Inert(_) => Err(PickFailure::Inert),
            Discovery::Static(_) | Discovery::StrictDns(..) | Discovery::LogicalDns(..) | Discovery::Eds { .. } => {
                let balancer = &mut self.balance.borrow_mut().balancer;
                match balancer.pick(config, want) {
                    Some((host, panic)) => {
                        if panic {
                            self.core.stats.lb_healthy_panic.inc();
                        }
                        Ok(host)
                    }
                    None if !balancer.is_empty() => Err(PickFailure::NoHealthyEndpoint),
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
        if Arc::ptr_eq(&current, &self.balance.borrow().endpoints) {
            return;
        }
        let endpoints = self.core.shared.endpoints_owned();
        let gone = {
            let mut hosts = self.hosts.borrow_mut();
            let mut before = std::mem::take(&mut *hosts);
            for endpoint in endpoints.iter() {
                let identity = Arc::as_ptr(&endpoint.identity);
                if let Some(state) = before.remove(&identity) {
                    hosts.insert(identity, state);
                }
            }
            *self.balance.borrow_mut() = Balance::build(&self.core, endpoints, &mut hosts, self.worker);
            before
        };
        for state in gone.into_values() {
            state.retire();
        }
    }

    /// The host of a restored original destination. Never made up from the address that the client connected to: that is ourselves.
    fn destination(&self, address: Option<SocketAddr>) -> Result<Host, PickFailure> {
        let address = address.ok_or(PickFailure::NoOriginalDestination)?;
        let mut destinations = self.destinations.borrow_mut();
        if let Some(host) = destinations.get(&address) {
            return Ok(host.clone());
        }
        let transport = self.core.shared.transport_of(address).ok_or(PickFailure::NoOriginalDestination)?;
        let endpoint = EndpointSet::dynamic(address, transport);
        let state = HostState::new(&endpoint.identity, self.worker);
        let host = Host::new(endpoint, state);
        destinations.insert(address, host.clone());
        Ok(host)
    }
}

fn build_balancer(
    core: &Rc<Core>,
    endpoints: &EndpointSet,
    hosts: &mut HashMap<*const Identity, Rc<HostState>>,
    worker: usize,
) -> Balancer {
    let levels = endpoints.levels.iter().map(|groups| {
        let groups = groups.iter().map(|group| Group {
            weight: group.weight.unwrap_or(0),
            hosts: group
                .endpoints
                .iter()
                .map(|endpoint| {
                    let state = hosts
                        .entry(Arc::as_ptr(&endpoint.identity))
                        .or_insert_with(|| HostState::new(&endpoint.identity, worker));
                    Host::new(Arc::clone(endpoint), Rc::clone(state))
                })
                .collect(),
        });
        groups.collect()
    });
    let threshold = core.shared.config().panic_threshold;
    Balancer::new(levels.collect(), endpoints.overprovisioning, threshold, fastrand::Rng::new())
}

fn is_dns(discovery: &Discovery) -> bool {
    matches!(discovery, Discovery::StrictDns(..) | Discovery::LogicalDns(..))
}
