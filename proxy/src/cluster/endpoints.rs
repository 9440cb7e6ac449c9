//! The endpoints of a cluster at one moment: immutable, swapped as a whole. Made by the control thread out of an assignment,
//! read by workers and by admin. It never resolves names: endpoints of DNS clusters arrive resolved.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use config::address::Address;
use config::endpoint::{self, EndpointCheck, HealthStatus, LoadAssignment, Locality};
use config::metadata::Metadata;
use tokio::time::Instant;

use super::dns::Reached;
use super::identity::{Born, Identity};
use crate::status::HealthFlags;

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
    /// What its metadata says to transports. Boxed, for few say anything.
    pub told: Option<Box<Told>>,
    /// All metadata.
    pub metadata: Arc<Metadata>,
    /// `canary: true` below `envoy.lb`.
    pub canary: bool,
    /// How it is checked, where it says so itself.
    pub check: Option<Arc<EndpointCheck>>,
    /// Where it is.
    pub locality: Arc<Locality>,
    /// When it became healthy, for slow start.
    pub well_since: Option<Instant>,
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
    /// `weighted_priority_health`.
    pub weighted: bool,
    /// Of a million requests so many are not sent.
    pub drops: u32,
}

impl EndpointSet {
    /// None.
    pub fn empty() -> EndpointSet {
        EndpointSet { levels: Box::default(), overprovisioning: 140, weighted: false, drops: 0 }
    }

    /// Out of an assignment. Identities of `before` are kept for addresses that stay; of equal addresses the first counts, as in
    /// Envoy. `transport` chooses a transport, or `None` for endpoints that cannot be reached this way.
    pub fn new(
        assignment: &LoadAssignment,
        before: &EndpointSet,
        born: &Born<'_>,
        transport: impl Fn(&endpoint::Endpoint) -> Option<u16>,
    ) -> EndpointSet {
        let mut known: HashMap<&Address, &Arc<Identity>> = HashMap::new();
        for endpoint in before.iter() {
            known.insert(&endpoint.identity.address, &endpoint.identity);
        }
        let mut seen = HashSet::new();
        // The translation bounds priorities; Envoy's own limit is 128.
        let highest = assignment.localities.iter().map(|group| group.priority.min(MAX_PRIORITY)).max();
        let mut levels: Vec<Vec<LocalityGroup>> = Vec::new();
        levels.resize_with(highest.map_or(0, |highest| highest as usize + 1), Vec::new);
        for group in &assignment.localities {
            let priority = group.priority.min(MAX_PRIORITY);
            let mut endpoints = Vec::with_capacity(group.endpoints.len());
            let locality = Arc::new(group.locality.clone());
            for endpoint in &group.endpoints {
                if !seen.insert(&endpoint.address) {
                    continue;
                }
                let Some(transport) = transport(endpoint).filter(|_| is_reachable(&endpoint.address)) else { continue };
                let identity = match known.get(&endpoint.address) {
                    // One whose checks are switched on or off is another one, as in Envoy.
                    Some(identity) if identity.failing().is_some() == born.checks(endpoint.check.as_deref()) => {
                        Arc::clone(identity)
                    }
                    _ => Identity::new(endpoint.address.clone(), born, endpoint.check.as_deref()),
                };
                identity.set_flags(identity.flags().without(HealthFlags::PENDING_DYNAMIC_REMOVAL));
                endpoints.push(Arc::new(Endpoint::new(endpoint, identity, transport, priority, &locality)));
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
            weighted: assignment.weighted_priority_health,
            drops: assignment.drops,
        }
    }

    /// The one endpoint of a `LOGICAL_DNS` cluster: the name, reached at its first answer, the others behind. New answers change where new
    /// connections go; those that are there stay, as in Envoy.
    pub fn logical(
        assignment: &LoadAssignment,
        answers: &HashMap<Arc<str>, Vec<IpAddr>>,
        before: &EndpointSet,
        born: &Born<'_>,
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
            None => Identity::new(endpoint.address.clone(), born, endpoint.check.as_deref()),
        };
        let locality = Arc::new(group.locality.clone());
        let hostname = match &endpoint.address {
            Address::Name { host, .. } if endpoint.hostname.is_empty() => host,
            _ => &endpoint.hostname,
        };
        let endpoint = Endpoint {
            address: Address::Socket(*first),
            additional: rest.into(),
            hostname: Arc::clone(hostname),
            ..Endpoint::new(endpoint, identity, transport, 0, &locality)
        };
        let group = LocalityGroup {
            locality: group.locality.clone(),
            weight: group.weight,
            endpoints: Box::new([Arc::new(endpoint)]),
        };
        EndpointSet {
            levels: Box::new([Box::new([group])]),
            overprovisioning: assignment.overprovisioning_factor,
            weighted: assignment.weighted_priority_health,
            drops: assignment.drops,
        }
    }

    /// The endpoints of a dynamic forward proxy: names, each reached at its first address, the others behind. As for `LOGICAL_DNS`, new addresses
    /// change where new connections go.
    pub fn named(names: &[Reached], before: &EndpointSet, born: &Born<'_>, transport: u16) -> EndpointSet {
        let known: HashMap<&Address, &Arc<Endpoint>> =
            before.iter().map(|endpoint| (&endpoint.identity.address, endpoint)).collect();
        let endpoints = names.iter().filter_map(|name| {
            let mut addresses = name.addresses.iter().map(|address| SocketAddr::new(*address, name.port));
            let (first, additional) = (Address::Socket(addresses.next()?), addresses.collect::<Box<[SocketAddr]>>());
            let named = Address::Name { host: Arc::clone(&name.host), port: name.port };
            let unchanged = |known: &&Arc<Endpoint>| known.address == first && known.additional == additional;
            Some(match known.get(&named) {
                Some(known) if unchanged(known) => Arc::clone(known),
                found => {
                    let identity = found.map(|known| Arc::clone(&known.identity));
                    let identity = identity.unwrap_or_else(|| Identity::new(named, born, None));
                    let endpoint = Endpoint::of(identity, transport);
                    Arc::new(Endpoint { address: first, additional, hostname: Arc::clone(&name.host), ..endpoint })
                }
            })
        });
        let group = LocalityGroup { locality: Locality::default(), weight: None, endpoints: endpoints.collect() };
        EndpointSet { levels: Box::new([Box::new([group])]), ..EndpointSet::empty() }
    }

    /// An endpoint outside any assignment (original destinations).
    pub fn dynamic(address: SocketAddr, transport: u16) -> Arc<Endpoint> {
        Arc::new(Endpoint::of(Identity::new(Address::Socket(address), &Born::default(), None), transport))
    }

    /// The same endpoints, with what is known of their health now.
    pub fn with_health_of_now(&self) -> EndpointSet {
        let again = |endpoint: &Arc<Endpoint>| {
            let flags = endpoint.identity.flags();
            if flags == endpoint.flags {
                return Arc::clone(endpoint);
            }
            let (health, well_since) = (Health::of(endpoint.status, flags), endpoint.identity.well_since());
            Arc::new(Endpoint { flags, health, well_since, ..Endpoint::clone(endpoint) })
        };
        let group = |group: &LocalityGroup| LocalityGroup {
            locality: group.locality.clone(),
            weight: group.weight,
            endpoints: group.endpoints.iter().filter(|endpoint| !endpoint.is_to_go()).map(again).collect(),
        };
        let levels = self.levels.iter().map(|level| level.iter().map(group).collect());
        EndpointSet { levels: levels.collect(), ..*self }
    }

    /// With those of `before` that are not in it, and whose active health checks succeed.
    pub fn with_healthy_of(self, before: &EndpointSet) -> EndpointSet {
        let there: HashSet<*const Identity> = self.iter().map(|endpoint| Arc::as_ptr(&endpoint.identity)).collect();
        let stays = |endpoint: &&Arc<Endpoint>| {
            let failed = matches!(endpoint.status, HealthStatus::Unhealthy | HealthStatus::Timeout);
            let ill = failed || endpoint.identity.flags().has(HealthFlags::FAILED_ACTIVE_HC);
            endpoint.is_checked() && !ill && !there.contains(&Arc::as_ptr(&endpoint.identity))
        };
        if !before.iter().any(|endpoint| stays(&endpoint)) {
            return self;
        }
        let mut levels: Vec<Vec<LocalityGroup>> = self.levels.into_iter().map(Vec::from).collect();
        for (level, groups) in before.levels.iter().enumerate() {
            for group in groups {
                let kept = group.endpoints.iter().filter(stays).map(|endpoint| {
                    let identity = &endpoint.identity;
                    identity.set_flags(identity.flags().with(HealthFlags::PENDING_DYNAMIC_REMOVAL));
                    Arc::new(Endpoint { flags: identity.flags(), ..Endpoint::clone(endpoint) })
                });
                let kept: Vec<Arc<Endpoint>> = kept.collect();
                if kept.is_empty() {
                    continue;
                }
                if levels.len() <= level {
                    levels.resize_with(level + 1, Vec::new);
                }
                let at = levels[level].iter().position(|known| known.locality == group.locality);
                match at {
                    Some(at) => {
                        let known = &mut levels[level][at];
                        known.endpoints = known.endpoints.iter().cloned().chain(kept).collect();
                    }
                    None => levels[level].push(LocalityGroup {
                        locality: group.locality.clone(),
                        weight: group.weight,
                        endpoints: kept.into(),
                    }),
                }
            }
        }
        EndpointSet { levels: levels.into_iter().map(Vec::into_boxed_slice).collect(), ..self }
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
            counts.excluded += u64::from(endpoint.is_excluded());
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
    /// Those that count for nothing.
    pub excluded: u64,
}

impl Endpoint {
    /// Whether active health checks ask it.
    pub fn is_checked(&self) -> bool {
        self.identity.failing().is_some()
    }

    /// It counts for nothing: neither for the load that its priority can take nor for panic.
    pub fn is_excluded(&self) -> bool {
        self.flags.has(HealthFlags::PENDING_ACTIVE_HC.with(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL))
    }

    /// It was taken away, and no longer has the health for which it was kept.
    fn is_to_go(&self) -> bool {
        let flags = self.identity.flags();
        flags.has(HealthFlags::PENDING_DYNAMIC_REMOVAL) && flags.has(HealthFlags::FAILED_ACTIVE_HC)
    }

    /// One of which nothing is said.
    fn of(identity: Arc<Identity>, transport: u16) -> Endpoint {
        let flags = identity.flags();
        Endpoint {
            address: identity.address.clone(),
            additional: Box::default(),
            health: Health::of(HealthStatus::Unknown, flags),
            status: HealthStatus::Unknown,
            flags,
            weight: 1,
            priority: 0,
            hostname: "".into(),
            transport,
            told: None,
            metadata: Arc::default(),
            canary: false,
            check: None,
            locality: Arc::default(),
            well_since: identity.well_since(),
            identity,
        }
    }

    fn new(
        endpoint: &endpoint::Endpoint,
        identity: Arc<Identity>,
        transport: u16,
        priority: u32,
        locality: &Arc<Locality>,
    ) -> Endpoint {
        let additional = endpoint.additional_addresses.iter().filter_map(|address| match address {
            Address::Socket(address) => Some(*address),
            Address::Name { .. } | Address::Pipe(_) | Address::Internal { .. } => None,
        });
        let flags = identity.flags();
        Endpoint {
            address: identity.address.clone(),
            well_since: identity.well_since(),
            identity,
            additional: additional.collect(),
            health: Health::of(endpoint.health, flags),
            status: endpoint.health,
            flags,
            weight: endpoint.weight.max(1),
            priority,
            hostname: Arc::clone(&endpoint.hostname),
            transport,
            told: Told::of(endpoint).map(Box::new),
            canary: is_canary(&endpoint.metadata),
            metadata: Arc::clone(&endpoint.metadata),
            check: endpoint.check.clone(),
            locality: Arc::clone(locality),
        }
    }
}

/// What an endpoint's metadata says to transports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The HTTP proxy that it is reached by.
    pub http_proxy: Option<SocketAddr>,
    /// What a header of the PROXY protocol tells it.
    pub tlvs: Arc<[u8]>,
}

impl Told {
    fn of(endpoint: &endpoint::Endpoint) -> Option<Told> {
        let told = Told { http_proxy: endpoint.http_proxy, tlvs: Arc::clone(&endpoint.tlvs) };
        (told.http_proxy.is_some() || !told.tlvs.is_empty()).then_some(told)
    }
}

fn is_canary(metadata: &Metadata) -> bool {
    metadata.get("envoy.lb", "canary") == Some(&serde_json::Value::Bool(true))
}

/// Names are resolved before they come here, and internal listeners are not ours.
fn is_reachable(address: &Address) -> bool {
    matches!(address, Address::Socket(_) | Address::Pipe(_))
}

/// Envoy's limit.
const MAX_PRIORITY: u32 = 128;

#[cfg(test)]
mod tests;
