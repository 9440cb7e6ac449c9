//! The balancer of one cluster on one worker: priority, then locality, then host. Rebuilt when the endpoints change; its lists are made
//! when they are first needed.

use std::collections::HashMap;

use config::cluster;
use config::endpoint::Locality;

use super::chooser::Chooser;
use super::edf::Schedule;
use super::hashing;
use super::load::{LevelHealth, PriorityLoad, Weights};
use super::zones::{Zone, Zones};
use crate::cluster::endpoints::Health;
use crate::cluster::host::Host;
use crate::cluster::pick::Pick;
use crate::stats::Counter;

/// Balancer state over one endpoint set.
#[derive(Debug)]
pub struct Balancer {
    /// Of the first priority.
    zones: Option<Zones>,
    /// Counts picks of priorities in panic; they get nothing where that is to fail.
    panics: Counter,
    /// Whether a priority without any host is in panic: it counts as one, and gets nothing.
    panics_empty: bool,
    fails_in_panic: bool,
    weighs_localities: bool,
    load: PriorityLoad,
    sizes: Vec<LevelHealth>,
    levels: Vec<Level>,
    /// All hosts by their address, made when one is first asked for.
    addresses: Option<HashMap<Box<str>, Host>>,
    random: fastrand::Rng,
}

/// One priority.
#[derive(Debug)]
struct Level {
    groups: Vec<Group>,
    overprovisioning: u32,
    /// Few, most often one: searched, not hashed.
    lists: Vec<(List, Chooser)>,
    /// By availability: whether made, and the schedule over localities if weights allow one.
    localities: Vec<(Health, Option<Schedule>)>,
}

/// One locality.
#[derive(Debug)]
pub struct Group {
    /// Where it is.
    pub locality: Locality,
    /// `load_balancing_weight`, 0 when unset.
    pub weight: u32,
    /// Its hosts.
    pub hosts: Vec<Host>,
}

/// Which hosts of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum List {
    /// All, whatever their health: panic.
    All,
    /// Those of one health.
    Of(Health),
    /// Those of one health in one locality.
    In(Health, usize),
    /// For policies that hash: the healthy ones, or all in panic, each with the share that its locality gives it.
    Hashed { panic: bool },
}

/// What of cluster and endpoint set decides how priorities share the load.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `overprovisioning_factor`, percent.
    pub overprovisioning: u32,
    /// `weighted_priority_health`: how healthy a priority is counts by weights.
    pub weighted: bool,
    /// `healthy_panic_threshold`, percent.
    pub panic_threshold: f64,
    /// `fail_traffic_on_panic`.
    pub fails_in_panic: bool,
    /// Localities are chosen by their weights.
    pub weighs_localities: bool,
}

impl Balancer {
    /// Over these priorities; within each, localities. `panics` counts picks of priorities in panic.
    pub fn new(
        levels: Vec<Vec<Group>>,
        limits: Limits,
        zones: Option<Zones>,
        panics: Counter,
        random: fastrand::Rng,
    ) -> Balancer {
        let overprovisioning = limits.overprovisioning;
        let sizes: Vec<LevelHealth> = levels.iter().map(|groups| count(groups, limits.weighted)).collect();
        let levels = levels.into_iter().map(|groups| Level {
            groups,
            overprovisioning,
            lists: Vec::new(),
            localities: Vec::new(),
        });
        Balancer {
            zones,
            panics,
            panics_empty: limits.panic_threshold > 0.0,
            fails_in_panic: limits.fails_in_panic,
            weighs_localities: limits.weighs_localities,
            load: PriorityLoad::new(&sizes, overprovisioning, limits.panic_threshold),
            sizes,
            levels: levels.collect(),
            addresses: None,
            random,
        }
    }

    /// Whether it has any host at all.
    pub fn is_empty(&self) -> bool {
        self.levels.iter().all(|level| level.groups.iter().all(|group| group.hosts.is_empty()))
    }

    /// The host of an address, whatever its health.
    pub fn host(&mut self, address: &str) -> Option<&Host> {
        let hosts = self.levels.iter().flat_map(|level| &level.groups).flat_map(|group| &group.hosts);
        let addresses = self.addresses.get_or_insert_with(|| {
            let mut addresses = HashMap::new();
            for host in hosts {
                // Of equal addresses the first counts.
                addresses.entry(host.address().into()).or_insert_with(|| host.clone());
            }
            addresses
        });
        addresses.get(address)
    }

    /// Picks a host; a retry picks again and again while it is one to decline and attempts are left, then takes that one after all.
    pub fn pick(&mut self, cluster: &cluster::Cluster, want: &Pick<'_>) -> Option<Host> {
        let mut picked = self.pick_once(cluster, want, 0)?;
        let Some(again) = want.again else { return Some(picked) };
        for attempt in 1..=again.attempts() {
            if !again.declines(&picked) {
                break;
            }
            picked = self.pick_once(cluster, want, attempt)?;
        }
        Some(picked)
    }

    /// The load without priorities that a retry would rather not have again.
    fn other_priorities(&self, want: &Pick<'_>) -> Option<PriorityLoad> {
        let overprovisioning = self.levels.first()?.overprovisioning;
        want.again?.load(|excluded| self.load.without(&self.sizes, overprovisioning, excluded))
    }

    fn pick_once(&mut self, cluster: &cluster::Cluster, want: &Pick<'_>, attempt: u32) -> Option<Host> {
        let others = self.other_priorities(want);
        let random = &mut self.random;
        let (priority, degraded) = match self.levels.len() {
            0 => {
                if self.panics_empty {
                    self.panics.inc();
                }
                return None;
            }
            1 if self.load.healthy[0] == 100 => (0, false),
            _ => others.as_ref().unwrap_or(&self.load).choose(want.hash.unwrap_or_else(|| random.u64(..))),
        };
        let level = &mut self.levels[priority];
        let health = if degraded { Health::Degraded } else { Health::Healthy };
        let panic = self.load.panic[priority];
        if panic {
            self.panics.inc();
        }
        let list = if hashes(&cluster.balancer) {
            // As in Envoy there is nothing for degraded hosts.
            List::Hashed { panic }
        } else if panic {
            if self.fails_in_panic {
                return None;
            }
            List::All
        } else {
            let locality = self.weighs_localities.then(|| level.locality(health, random)).flatten();
            let zones = self.zones.as_ref().filter(|_| priority == 0 && locality.is_none());
            match zones.map_or(Zone::Any, |zones| zones.choose(self.fails_in_panic, random)) {
                Zone::Any => locality.map_or(List::Of(health), |locality| List::In(health, locality)),
                Zone::Of(group) => List::In(health, group),
                Zone::None => return None,
            }
        };
        let weighs = self.weighs_localities;
        level.list(list, weighs, cluster, random).pick(want.hash, attempt, random).cloned()
    }
}

impl Level {
    fn list(
        &mut self,
        list: List,
        weighs: bool,
        cluster: &cluster::Cluster,
        random: &mut fastrand::Rng,
    ) -> &mut Chooser {
        let groups = &self.groups;
        find_or_make(&mut self.lists, list, || {
            if let List::Hashed { panic } = list {
                let (hosts, shares) = shared(groups, weighs, panic);
                return Chooser::hashed(hosts, shares, &cluster.balancer, &cluster.balancing);
            }
            let hosts = groups.iter().enumerate().flat_map(|(index, group)| {
                group.hosts.iter().filter(move |host| match list {
                    List::All => true,
                    List::Of(health) => host.health() == health,
                    List::In(health, locality) => index == locality && host.health() == health,
                    List::Hashed { .. } => false,
                })
            });
            Chooser::new(hosts.cloned().collect(), &cluster.balancer, &cluster.balancing, random)
        })
    }

    /// The next locality by effective weight: its weight, less when too few of its hosts are of this health.
    fn locality(&mut self, health: Health, random: &mut fastrand::Rng) -> Option<usize> {
        let (groups, overprovisioning) = (&self.groups, self.overprovisioning);
        let weights = |locality: usize| effective_weight(&groups[locality], health, overprovisioning);
        let schedule = find_or_make(&mut self.localities, health, || {
            let weights: Vec<f64> = (0..groups.len()).map(weights).collect();
            weights.iter().any(|weight| *weight > 0.0).then(|| Schedule::new(&weights, random.usize(..groups.len())))
        });
        schedule.as_mut()?.pick(weights)
    }
}

fn find_or_make<K: PartialEq, V>(all: &mut Vec<(K, V)>, key: K, make: impl FnOnce() -> V) -> &mut V {
    let at = all.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        all.push((key, make()));
        all.len() - 1
    });
    &mut all[at].1
}

fn count(groups: &[Group], weighted: bool) -> LevelHealth {
    let mut health = LevelHealth { weights: weighted.then(Weights::default), ..LevelHealth::default() };
    for host in groups.iter().flat_map(|group| &group.hosts) {
        if let Some(weights) = &mut health.weights {
            let weight = u64::from(host.weight());
            weights.total += if host.is_excluded() { 0 } else { weight };
            match host.health() {
                Health::Healthy => weights.healthy += weight,
                Health::Degraded => weights.degraded += weight,
                Health::Unhealthy => {}
            }
        }
        health.total += u32::from(!host.is_excluded());
        match host.health() {
            Health::Healthy => health.healthy += 1,
            Health::Degraded => health.degraded += 1,
            Health::Unhealthy => {}
        }
    }
    health
}

fn hashes(policy: &cluster::Balancer) -> bool {
    matches!(policy, cluster::Balancer::RingHash { .. } | cluster::Balancer::Maglev { .. })
}

/// The hosts of a ring or table, and what part of it each is: by its weight, and where localities have weights by its share of its locality. As
/// in Envoy those count whatever the health of the locality.
fn shared(groups: &[Group], weighs: bool, panic: bool) -> (Vec<Host>, Vec<f64>) {
    let usable = |host: &&Host| panic || host.health() == Health::Healthy;
    let of = |group: &Group| -> Vec<Host> { group.hosts.iter().filter(usable).cloned().collect() };
    if !weighs {
        let hosts: Vec<Host> = groups.iter().flat_map(of).collect();
        let shares = hashing::shares(&hosts);
        return (hosts, shares);
    }
    let all: f64 = groups.iter().map(|group| f64::from(group.weight)).sum();
    let (mut hosts, mut shares) = (Vec::new(), Vec::new());
    for group in groups.iter().filter(|group| group.weight > 0) {
        let members = of(group);
        shares.extend(hashing::shares(&members).into_iter().map(|share| share * (f64::from(group.weight) / all)));
        hosts.extend(members);
    }
    (hosts, shares)
}

fn effective_weight(group: &Group, health: Health, overprovisioning: u32) -> f64 {
    let eligible = group.hosts.iter().filter(|host| host.health() == health).count();
    let count = group.hosts.iter().filter(|host| !host.is_excluded()).count();
    if count == 0 {
        return 0.0;
    }
    let ratio = f64::from(overprovisioning) / 100.0 * eligible as f64 / count as f64;
    f64::from(group.weight) * ratio.min(1.0)
}

#[cfg(test)]
mod tests;
