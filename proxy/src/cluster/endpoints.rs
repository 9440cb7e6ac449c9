//! The endpoints of a cluster at one moment: immutable, swapped as a whole. Made by the control thread out of an assignment,
//! read by workers and by admin. It never resolves names: endpoints of DNS clusters arrive resolved.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use config::address::Address;
use config::endpoint::{self, HealthStatus, LoadAssignment, Locality};
use config::metadata::Metadata;

use super::host_stats::HostShard;
use super::outlier::{Monitor, Watch};
use crate::status::HealthFlags;

/// What an endpoint keeps across assignments as long as its address stays: its counts, and with them its pools.
pub struct Identity {
    /// Where it is reached.
    pub address: Address,
    /// The same, printed as Envoy prints it.
    pub printed: Arc<str>,
    /// Each worker's counts, by worker index. Locked when a worker first uses the endpoint and by admin, never per request.
    shards: Mutex<Vec<(usize, Arc<HostShard>)>>,
    /// What was found out of its health. Written by the control thread alone; workers read what is in their endpoint set.
    flags: AtomicU16,
    /// Where outlier detection counts.
    monitor: Option<Box<Monitor>>,
}

impl Identity {
    /// A new one, of a cluster with that outlier detection.
    pub fn new(address: Address, outliers: Option<&Arc<Watch>>) -> Arc<Identity> {
        let printed = print(&address);
        let monitor = outliers.map(|watch| Box::new(Monitor::new(watch)));
        Arc::new(Identity { address, printed, shards: Mutex::default(), flags: AtomicU16::new(0), monitor })
    }

    /// What was found out of its health. A stale read shows the moment before; what workers heed comes with an endpoint set.
    pub fn flags(&self) -> HealthFlags {
        HealthFlags::from_bits(self.flags.load(Ordering::Relaxed))
    }

    /// Changes that. For the control thread alone, which publishes the endpoints then.
    pub fn set_flags(&self, flags: HealthFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    /// What outlier detection counts of it.
    pub fn monitor(&self) -> Option<&Monitor> {
        self.monitor.as_deref()
    }

    /// The counts that this worker writes.
    pub fn shard(&self, worker: usize) -> Arc<HostShard> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shard)) = shards.iter().find(|(index, _)| *index == worker) {
            return Arc::clone(shard);
        }
        let shard = Arc::<HostShard>::default();
        shards.push((worker, Arc::clone(&shard)));
        shard
    }

    /// All workers' counts.
    pub fn shards(&self) -> Vec<Arc<HostShard>> {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.iter().map(|(_, shard)| Arc::clone(shard)).collect()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.printed)
    }
}

/// Health, as far as balancing cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Takes requests.
    Healthy,
    /// Takes requests when too few are healthy.
    Degraded,
    /// Takes requests in panic only.
    Unhealthy,
}

impl Health {
    /// Of what the control plane says and of what was found out here.
    pub fn of(status: HealthStatus, flags: HealthFlags) -> Health {
        match status {
            HealthStatus::Unhealthy | HealthStatus::Draining | HealthStatus::Timeout => Health::Unhealthy,
            _ if flags.is_failed() => Health::Unhealthy,
            HealthStatus::Degraded => Health::Degraded,
            HealthStatus::Unknown | HealthStatus::Healthy if flags.is_degraded() => Health::Degraded,
            HealthStatus::Unknown | HealthStatus::Healthy => Health::Healthy,
        }
    }
}

/// One endpoint of one assignment.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What stays when the assignment changes.
    pub identity: Arc<Identity>,
    /// Where to connect. Differs from the identity's address for `LOGICAL_DNS` alone, whose identity is the name.
    pub address: Address,
    /// Further addresses, tried when the first does not answer.
    pub additional: Box<[SocketAddr]>,
    /// Health for balancing.
    pub health: Health,
    /// Health as the control plane said it, for admin.
    pub status: HealthStatus,
    /// What was found out of it when the set was made.
    pub flags: HealthFlags,
    /// At least 1.
    pub weight: u32,
    /// 0 is the highest.
    pub priority: u32,
    /// `hostname`; for names of DNS clusters the name.
    pub hostname: Arc<str>,
    /// Which of the cluster's transports carries it.
    pub transport: u16,
    /// All metadata.
    pub metadata: Arc<Metadata>,
}

/// Endpoints of one locality at one priority.
#[derive(Debug)]
pub struct LocalityGroup {
    /// Where.
    pub locality: Locality,
    /// Its weight; `None` when unset.
    pub weight: Option<u32>,
    /// Members that can be connected to.
    pub endpoints: Box<[Arc<Endpoint>]>,
}

/// All endpoints of a cluster.
#[derive(Debug, Default)]
pub struct EndpointSet {
    /// By priority, 0 first. A gap in the numbers is an empty level.
    pub levels: Box<[Box<[LocalityGroup]>]>,
    /// `overprovisioning_factor`, percent.
    pub overprovisioning: u32,
}

impl EndpointSet {
    /// None.
    pub fn empty() -> EndpointSet {
        EndpointSet { levels: Box::default(), overprovisioning: 140 }
    }

    /// Out of an assignment. Identities of `before` are kept for addresses that stay; of equal addresses the first counts, as in
    /// Envoy. `transport` chooses a transport, or `None` for endpoints that cannot be reached this way.
    pub fn new(
        assignment: &LoadAssignment,
        before: &EndpointSet,
        outliers: Option<&Arc<Watch>>,
        transport: impl Fn(&endpoint::Endpoint) -> Option<u16>,
    ) -> EndpointSet {
        let mut known: HashMap<&Address, &Arc<Identity>> = HashMap::new();
        for endpoint in before.iter() {
            known.insert(&endpoint.identity.address, &endpoint.identity);
        }
        let mut seen = std::collections::HashSet::new();
        // The translation bounds priorities; Envoy's own limit is 128.
        let highest = assignment.localities.iter().map(|group| group.priority.min(MAX_PRIORITY)).max();
        let mut levels: Vec<Vec<LocalityGroup>> = Vec::new();
        levels.resize_with(highest.map_or(0, |highest| highest as usize + 1), Vec::new);
        for group in &assignment.localities {
            let priority = group.priority.min(MAX_PRIORITY);
            let mut endpoints = Vec::with_capacity(group.endpoints.len());
            for endpoint in &group.endpoints {
                if !seen.insert(&endpoint.address) {
                    continue;
                }
                let Some(transport) = transport(endpoint).filter(|_| is_reachable(&endpoint.address)) else { continue };
                let identity = match known.get(&endpoint.address) {
                    Some(identity) => Arc::clone(identity),
                    None => Identity::new(endpoint.address.clone(), outliers),
                };
                endpoints.push(Arc::new(Endpoint::new(endpoint, identity, transport, priority)));
            }
            levels[priority as usize].push(LocalityGroup {
                locality: group.locality.clone(),
                weight: group.weight,
                endpoints: endpoints.into(),
            });
        }
        EndpointSet {
            levels: levels.into_iter().map(Vec::into_boxed_slice).collect(),
            overprovisioning: assignment.overprovisioning_factor,
        }
    }

    /// The one endpoint of a `LOGICAL_DNS` cluster: the name, reached at its first answer, the others behind. New answers change where new
    /// connections go; those that are there stay, as in Envoy.
    pub fn logical(
        assignment: &LoadAssignment,
        answers: &HashMap<Arc<str>, Vec<IpAddr>>,
        before: &EndpointSet,
        outliers: Option<&Arc<Watch>>,
        transport: impl Fn(&endpoint::Endpoint) -> Option<u16>,
    ) -> EndpointSet {
        let group = assignment.localities.iter().find(|group| !group.endpoints.is_empty());
        let Some((group, endpoint)) = group.and_then(|group| Some((group, group.endpoints.first()?))) else {
            return EndpointSet::empty();
        };
        let addresses = match &endpoint.address {
            Address::Name { host, port } => super::dns::addresses(host, *port, answers),
            Address::Socket(address) => vec![*address],
            Address::Pipe(_) | Address::Internal { .. } => Vec::new(),
        };
        let Some((first, rest)) = addresses.split_first() else { return EndpointSet::empty() };
        let Some(transport) = transport(endpoint) else { return EndpointSet::empty() };
        let known = before.iter().find(|known| known.identity.address == endpoint.address);
        let identity = match known {
            Some(known) => Arc::clone(&known.identity),
            None => Identity::new(endpoint.address.clone(), outliers),
        };
        let endpoint = Endpoint {
            address: Address::Socket(*first),
            additional: rest.into(),
            ..Endpoint::new(endpoint, identity, transport, 0)
        };
        let group = LocalityGroup {
            locality: group.locality.clone(),
            weight: group.weight,
            endpoints: Box::new([Arc::new(endpoint)]),
        };
        EndpointSet { levels: Box::new([Box::new([group])]), overprovisioning: assignment.overprovisioning_factor }
    }

    /// An endpoint outside any assignment (original destinations).
    pub fn dynamic(address: SocketAddr, transport: u16) -> Arc<Endpoint> {
        let identity = Identity::new(Address::Socket(address), None);
        Arc::new(Endpoint {
            address: identity.address.clone(),
            identity,
            additional: Box::default(),
            health: Health::Healthy,
            status: HealthStatus::Unknown,
            flags: HealthFlags::NONE,
            weight: 1,
            priority: 0,
            hostname: "".into(),
            transport,
            metadata: Arc::default(),
        })
    }

    /// The same endpoints, with what is known of their health now.
    pub fn with_health_of_now(&self) -> EndpointSet {
        let again = |endpoint: &Arc<Endpoint>| {
            let flags = endpoint.identity.flags();
            if flags == endpoint.flags {
                return Arc::clone(endpoint);
            }
            Arc::new(Endpoint { flags, health: Health::of(endpoint.status, flags), ..Endpoint::clone(endpoint) })
        };
        let group = |group: &LocalityGroup| LocalityGroup {
            locality: group.locality.clone(),
            weight: group.weight,
            endpoints: group.endpoints.iter().map(again).collect(),
        };
        let levels = self.levels.iter().map(|level| level.iter().map(group).collect());
        EndpointSet { levels: levels.collect(), overprovisioning: self.overprovisioning }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// All endpoints, by priority and locality.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.levels.iter().flat_map(|level| level.iter()).flat_map(|group| group.endpoints.iter())
    }

    /// Whether hosts were added or removed since that set. Health, weights and metadata may differ and are no such change.
    pub fn has_other_hosts(&self, before: &EndpointSet) -> bool {
        let identities = |set: &EndpointSet| -> HashSet<*const Identity> {
            set.iter().map(|endpoint| Arc::as_ptr(&endpoint.identity)).collect()
        };
        identities(self) != identities(before)
    }

    /// How many there are, and how many of them are healthy.
    pub fn counts(&self) -> Membership {
        let mut counts = Membership::default();
        for endpoint in self.iter() {
            counts.total += 1;
            match endpoint.health {
                Health::Healthy => counts.healthy += 1,
                Health::Degraded => counts.degraded += 1,
                Health::Unhealthy => {}
            }
        }
        counts
    }
}

/// Sizes of an endpoint set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Membership {
    /// All.
    pub total: u64,
    /// Healthy ones.
    pub healthy: u64,
    /// Degraded ones.
    pub degraded: u64,
}

impl Endpoint {
    fn new(endpoint: &endpoint::Endpoint, identity: Arc<Identity>, transport: u16, priority: u32) -> Endpoint {
        let additional = endpoint.additional_addresses.iter().filter_map(|address| match address {
            Address::Socket(address) => Some(*address),
            Address::Name { .. } | Address::Pipe(_) | Address::Internal { .. } => None,
        });
        let flags = identity.flags();
        Endpoint {
            address: identity.address.clone(),
            identity,
            additional: additional.collect(),
            health: Health::of(endpoint.health, flags),
            status: endpoint.health,
            flags,
            weight: endpoint.weight.max(1),
            priority,
            hostname: Arc::clone(&endpoint.hostname),
            transport,
            metadata: Arc::clone(&endpoint.metadata),
        }
    }
}

/// Names are resolved before they come here, and internal listeners are not ours.
fn is_reachable(address: &Address) -> bool {
    matches!(address, Address::Socket(_) | Address::Pipe(_))
}

/// As Envoy prints it in logs and in `/clusters`.
pub fn print(address: &Address) -> Arc<str> {
    match address {
        Address::Socket(address) => address.to_string().into(),
        Address::Name { host, port } => format!("{host}:{port}").into(),
        Address::Pipe(path) => path.to_string_lossy().into(),
        Address::Internal { listener, endpoint_id } => format!("envoy://{listener}/{endpoint_id}").into(),
    }
}

/// Envoy's limit.
const MAX_PRIORITY: u32 = 128;

#[cfg(test)]
mod tests;
