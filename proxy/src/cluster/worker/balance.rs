//! The balancer of a cluster on one worker, its subsets, and the endpoints that both were built from. Part of [`WorkerCluster`](super::WorkerCluster).

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use config::cluster::{Cluster as Config, LocalZone};
use config::endpoint::Locality;
use foldhash::fast::FixedState;

use crate::cluster::balance::{Balancer, Group, Limits, Members, Subsets, Zones};
use crate::cluster::core::Core;
use crate::cluster::endpoints::{Endpoint, EndpointSet};
use crate::cluster::host::{Host, HostState};
use crate::cluster::identity::Identity;
use crate::cluster::{Cluster, Pick};

/// What a worker has made of an endpoint set.
pub(super) struct Balance {
    pub endpoints: Arc<EndpointSet>,
    pub balancer: Balancer,
    subsets: Option<Box<Subsets>>,
    local: Option<Local>,
    /// Hosts that were chosen before there was a request for them, where connections are made ahead.
    peeked: VecDeque<Host>,
}

/// The cluster of which the proxy is a member, where it says how much traffic stays in its zone.
pub(super) struct Local {
    zone: Arc<LocalZone>,
    cluster: Arc<Cluster>,
    endpoints: Arc<EndpointSet>,
}

impl Local {
    /// As it is now.
    pub fn new(zone: &Arc<LocalZone>, cluster: Arc<Cluster>) -> Local {
        Local { zone: Arc::clone(zone), endpoints: cluster.endpoints_owned(), cluster }
    }
}

impl Balance {
    /// For the endpoints of this moment. `hosts` gets what is not in it.
    pub fn build(
        core: &Rc<Core>,
        endpoints: Arc<EndpointSet>,
        hosts: &mut HashMap<*const Identity, Rc<HostState>>,
        worker: usize,
        local: Option<Local>,
    ) -> Balance {
        let (balancer, subsets) = build(core, &endpoints, hosts, worker, local.as_ref(), None);
        Balance { endpoints, balancer, subsets, local, peeked: VecDeque::new() }
    }

    /// Builds it anew, for these endpoints and what the local cluster has now.
    pub fn rebuild(
        &mut self,
        core: &Rc<Core>,
        endpoints: Arc<EndpointSet>,
        hosts: &mut HashMap<*const Identity, Rc<HostState>>,
        worker: usize,
    ) {
        if let Some(local) = &mut self.local {
            local.endpoints = local.cluster.endpoints_owned();
        }
        self.peeked.clear();
        let before = self.subsets.take();
        (self.balancer, self.subsets) = build(core, &endpoints, hosts, worker, self.local.as_ref(), before);
        self.endpoints = endpoints;
    }

    /// Whether it was made of what there is now.
    pub fn is_of(&self, current: &Arc<EndpointSet>) -> bool {
        let same = |local: &Local| Arc::ptr_eq(&local.cluster.endpoints(), &local.endpoints);
        Arc::ptr_eq(current, &self.endpoints) && self.local.as_ref().is_none_or(same)
    }

    /// The host of a request that is still to come: of `hosts` no more than each once. As in Envoy none where requests are hashed or
    /// choose among subsets, for it is they who say where they go.
    pub fn peek(&mut self, config: &Config, hosts: usize) -> Option<Host> {
        use config::cluster::Balancer;
        let any = matches!(config.balancer, Balancer::RoundRobin | Balancer::LeastRequest { .. } | Balancer::Random);
        if !any || self.subsets.is_some() || self.peeked.len() >= hosts {
            return None;
        }
        let host = self.balancer.pick(config, &Pick::default())?;
        self.peeked.push_back(host.clone());
        Some(host)
    }

    /// The next host.
    pub fn pick(&mut self, config: &Config, want: &Pick<'_>) -> Option<Host> {
        if want.again.is_none()
            && let Some(host) = self.peeked.pop_front()
        {
            return Some(host);
        }
        match &mut self.subsets {
            Some(subsets) => subsets.pick(config, want),
            None => self.balancer.pick(config, want),
        }
    }
}

fn build(
    core: &Rc<Core>,
    endpoints: &EndpointSet,
    hosts: &mut HashMap<*const Identity, Rc<HostState>>,
    worker: usize,
    local: Option<&Local>,
    before: Option<Box<Subsets>>,
) -> (Balancer, Option<Box<Subsets>>) {
    let config = core.shared.config();
    let limits = Limits {
        overprovisioning: endpoints.overprovisioning,
        weighted: endpoints.weighted,
        panic_threshold: config.panic_threshold,
        fails_in_panic: config.balancing.fails_in_panic,
        weighs_localities: config.locality_weighted,
    };
    let zones = local.map(|local| (&*local.zone, Members::of(&local.endpoints), core.zone_counters()));
    let make = |levels: Vec<Vec<Group>>, limits: Limits| {
        let zones = zones.as_ref().zip(levels.first()).and_then(|((zone, members, counters), first)| {
            Zones::of(first, (zone, members), config.balancing.zones, config.panic_threshold, *counters)
        });
        Balancer::new(levels, limits, zones, core.stats.lb_healthy_panic, fastrand::Rng::new())
    };
    let levels = levels(endpoints, hosts, worker);
    let subsets = config.subsets.as_ref().map(|subsets| {
        let counters = core.subset_counters();
        let weighs_localities = limits.weighs_localities && subsets.weighs_localities;
        let mut make = |levels| make(levels, Limits { weighs_localities, ..limits });
        Box::new(Subsets::new(subsets, &levels, before.map(|before| *before), counters, &mut make))
    });
    (make(levels, limits), subsets)
}

/// Localities without endpoints are none, and one that is told twice is one: what the last says of its weight counts.
fn levels(
    endpoints: &EndpointSet,
    hosts: &mut HashMap<*const Identity, Rc<HostState>>,
    worker: usize,
) -> Vec<Vec<Group>> {
    let mut host = |endpoint: &Arc<Endpoint>| {
        let identity = &endpoint.identity;
        let state = hosts.entry(Arc::as_ptr(identity)).or_insert_with(|| HostState::new(identity, worker));
        Host::new(Arc::clone(endpoint), Rc::clone(state))
    };
    let levels = endpoints.levels.iter().map(|level| {
        let mut groups: Vec<Group> = Vec::with_capacity(level.len());
        let mut places: HashMap<&Locality, usize, FixedState> = HashMap::default();
        for one in level.iter().filter(|one| !one.endpoints.is_empty()) {
            let place = *places.entry(&one.locality).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Group { locality: one.locality.clone(), weight: 0, hosts: Vec::new() });
            }
            let group = &mut groups[place];
            group.weight = one.weight.unwrap_or(group.weight);
            group.hosts.extend(one.endpoints.iter().map(&mut host));
        }
        groups
    });
    levels.collect()
}
