//! Zone-aware routing as Envoy does it: requests stay in the own zone as far as the cluster's share of hosts there allows, compared with the
//! share of proxies there. Built with a balancer, for its first priority alone; asked by [`super::level`] at each pick.

use config::cluster::{LocalZone, ZoneAware};
use config::endpoint::Locality;

use super::Group;
use crate::cluster::endpoints::{EndpointSet, Health};
use crate::stats::{Counter, Scope};

/// The members of the local cluster by locality.
#[derive(Debug)]
pub struct Members {
    localities: Vec<Member>,
    /// How many count at all, and how many of them are usable.
    total: u32,
    usable: u32,
}

/// A locality that has any.
#[derive(Debug)]
struct Member {
    locality: Locality,
    healthy: Share,
}

/// How much there is of something: hosts, or their weights.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    hosts: u64,
    weight: u64,
}

/// What has become of zones for one set of hosts.
#[derive(Debug)]
pub struct Zones {
    config: ZoneAware,
    /// Too few proxies are well to say anything of their shares.
    local_panics: bool,
    /// Numbers of groups, that of the own zone first if there is one.
    order: Vec<usize>,
    /// `None`: all stays in the own zone.
    residual: Option<Residual>,
    counters: ZoneCounters,
}

/// Not all can stay.
#[derive(Debug)]
struct Residual {
    /// Of ten thousand so many do.
    stays: u64,
    /// What each zone can take of the others, summed up along the order.
    capacity: Vec<u64>,
}

/// Where a request goes as far as zones are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Wherever a host is.
    Any,
    /// To hosts of this group.
    Of(usize),
    /// Nowhere: the local cluster is in panic, and that is to fail.
    None,
}

/// Of a cluster that has a local one beside it.
#[derive(Debug, Clone, Copy)]
pub struct ZoneCounters {
    recalculated: Counter,
    too_small: Counter,
    not_ok: Counter,
    directly: Counter,
    sampled: Counter,
    crossed: Counter,
    no_capacity: Counter,
}

impl ZoneCounters {
    /// Of a cluster.
    pub fn new(scope: &Scope) -> ZoneCounters {
        ZoneCounters {
            recalculated: scope.counter("lb_recalculate_zone_structures"),
            too_small: scope.counter("lb_zone_cluster_too_small"),
            not_ok: scope.counter("lb_local_cluster_not_ok"),
            directly: scope.counter("lb_zone_routing_all_directly"),
            sampled: scope.counter("lb_zone_routing_sampled"),
            crossed: scope.counter("lb_zone_routing_cross_zone"),
            no_capacity: scope.counter("lb_zone_no_capacity_left"),
        }
    }
}

impl Members {
    /// Of the local cluster's first priority.
    pub fn of(endpoints: &EndpointSet) -> Members {
        let mut members = Members { localities: Vec::new(), total: 0, usable: 0 };
        for group in endpoints.levels.first().into_iter().flatten() {
            if group.endpoints.is_empty() {
                continue;
            }
            let known = members.localities.iter().position(|member| member.locality == group.locality);
            let at = known.unwrap_or_else(|| {
                members.localities.push(Member { locality: group.locality.clone(), healthy: Share::default() });
                members.localities.len() - 1
            });
            for endpoint in &group.endpoints {
                members.total += u32::from(!endpoint.is_excluded());
                members.usable += u32::from(endpoint.health != Health::Unhealthy);
                if endpoint.health == Health::Healthy {
                    members.localities[at].healthy.add(endpoint.weight);
                }
            }
        }
        members
    }

    /// As few are well as the threshold of the asking cluster calls a panic.
    fn panics(&self, threshold: f64) -> bool {
        let usable = if self.total == 0 { 0.0 } else { 100.0 * f64::from(self.usable) / f64::from(self.total) };
        usable < threshold.round().clamp(0.0, 100.0)
    }

    /// Of this locality, as a share of ten thousand.
    fn share(&self, locality: &Locality, by_weight: bool) -> u64 {
        let all: u64 = self.localities.iter().map(|member| member.healthy.get(by_weight)).sum();
        let there = self.localities.iter().find(|member| member.locality == *locality);
        share(there.map_or(0, |member| member.healthy.get(by_weight)), all)
    }
}

impl Share {
    fn add(&mut self, weight: u32) {
        self.hosts += 1;
        self.weight += u64::from(weight);
    }

    fn get(&self, by_weight: bool) -> u64 {
        if by_weight { self.weight } else { self.hosts }
    }
}

impl Zones {
    /// Of the first priority; `None` where zones do not count.
    pub fn of(
        groups: &[Group],
        local: (&LocalZone, &Members),
        config: ZoneAware,
        threshold: f64,
        counters: ZoneCounters,
    ) -> Option<Zones> {
        let (own, members) = (&local.0.locality, local.1);
        counters.recalculated.inc();
        if groups.len() < 2 || (members.localities.len() < 2 && config.forced_from.is_none()) {
            return None;
        }
        if !members.localities.iter().any(|member| member.locality == *own) {
            counters.not_ok.inc();
            return None;
        }
        let healthy: Vec<Share> = groups.iter().map(healthy).collect();
        if healthy.iter().map(|share| share.hosts).sum::<u64>() < config.min_cluster_size {
            counters.too_small.inc();
            return None;
        }
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by_key(|group| (groups[*group].locality != *own, &groups[*group].locality));
        let has_own = groups[order[0]].locality == *own;
        let all: u64 = healthy.iter().map(|share| share.get(config.by_weight)).sum();
        let shares: Vec<(u64, u64)> = order
            .iter()
            .map(|group| match healthy[*group].hosts {
                0 => (0, 0),
                _ => {
                    let upstream = share(healthy[*group].get(config.by_weight), all);
                    (members.share(&groups[*group].locality, config.by_weight), upstream)
                }
            })
            .collect();
        let (here, there) = shares[0];
        let forced = config.forced_from.is_some_and(|least| healthy[order[0]].hosts >= u64::from(least));
        let directly = has_own && ((there > 0 && there >= here) || forced);
        let residual = (!directly).then(|| Residual {
            stays: if has_own { (there * WHOLE).checked_div(here).unwrap_or(0) } else { 0 },
            capacity: capacity(&shares, has_own),
        });
        Some(Zones { config, local_panics: members.panics(threshold), order, residual, counters })
    }

    /// Where the next request goes.
    pub fn choose(&self, fails_in_panic: bool, random: &mut fastrand::Rng) -> Zone {
        let enabled = self.config.enabled;
        if random.u32(..) % enabled.denominator >= enabled.numerator {
            return Zone::Any;
        }
        if self.local_panics {
            self.counters.not_ok.inc();
            return if fails_in_panic { Zone::None } else { Zone::Any };
        }
        let Some(residual) = &self.residual else {
            self.counters.directly.inc();
            return Zone::Of(self.order[0]);
        };
        if random.u64(..WHOLE) < residual.stays {
            self.counters.sampled.inc();
            return Zone::Of(self.order[0]);
        }
        self.counters.crossed.inc();
        let all = residual.capacity.last().copied().unwrap_or(0);
        if all == 0 {
            // Rounding has left nothing: any zone will do.
            self.counters.no_capacity.inc();
            return Zone::Of(self.order[random.usize(..self.order.len())]);
        }
        let point = random.u64(..all);
        Zone::Of(self.order[residual.capacity.partition_point(|sum| *sum <= point)])
    }
}

/// What each zone has beyond the share of proxies there, summed up. The own zone has got what it can take.
fn capacity(shares: &[(u64, u64)], has_own: bool) -> Vec<u64> {
    let mut sum = 0;
    let own = |index: usize| index == 0 && has_own;
    let zone = |(index, (here, there)): (usize, &(u64, u64))| {
        if !own(index) {
            sum += there.saturating_sub(*here);
        }
        sum
    };
    shares.iter().enumerate().map(zone).collect()
}

fn healthy(group: &Group) -> Share {
    let mut share = Share::default();
    group.hosts.iter().filter(|host| host.health() == Health::Healthy).for_each(|host| share.add(host.weight()));
    share
}

fn share(part: u64, all: u64) -> u64 {
    (WHOLE * part).checked_div(all).unwrap_or(0)
}

/// Shares are of ten thousand.
const WHOLE: u64 = 10_000;

#[cfg(test)]
mod tests;
