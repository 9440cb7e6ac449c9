//! Tests of `zones`.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::endpoint::HealthStatus::{self, Healthy, Unhealthy};
use config::endpoint::{Endpoint, LoadAssignment};

use super::*;
use crate::cluster::testing::{address, assignment, endpoint, host, locality};
use crate::stats::{Stats, StatsSettings};

/// Hosts of one zone.
fn group(zone: &str, hosts: &[HealthStatus]) -> Group {
    let hosts = hosts.iter().enumerate().map(|(number, health)| host(number as u8, 1, *health)).collect();
    Group { locality: locality(zone, None, 0, Vec::new()).locality, weight: 0, hosts }
}

/// The local cluster: so many in each zone, all well but for the first `ill`.
fn members(zones: &[(&str, u8)], ill: u8) -> Members {
    let mut last = 0;
    let mut endpoints = |count: u8| -> Vec<Endpoint> {
        let next = |_| {
            last += 1;
            let health = if last <= ill { Unhealthy } else { Healthy };
            Endpoint { health, ..endpoint(address(last)) }
        };
        (0..count).map(next).collect()
    };
    let localities = zones.iter().map(|(zone, count)| locality(zone, None, 0, endpoints(*count))).collect();
    let assignment = LoadAssignment { localities, ..assignment(Vec::new()) };
    Members::of(&EndpointSet::new(&assignment, &EndpointSet::empty(), &Default::default(), |_| Some(0)))
}

struct Bench {
    stats: Arc<Stats>,
    /// What is counted lives as long as this.
    _scope: Scope,
    zones: Option<Zones>,
}

fn bench(groups: &[Group], members: &Members, config: ZoneAware) -> Bench {
    let stats = Stats::new(StatsSettings::default());
    let own = LocalZone { cluster: "me".into(), locality: locality("a", None, 0, Vec::new()).locality };
    let scope = stats.scope("cluster.app.");
    let counters = ZoneCounters::new(&scope);
    let zones = Zones::of(groups, (&own, members), config, 50.0, counters);
    Bench { stats, _scope: scope, zones }
}

impl Bench {
    fn count(&self, name: &str) -> u64 {
        self.stats.value(&format!("cluster.app.{name}")).unwrap_or(0)
    }

    /// Of ten thousand requests, by group.
    fn shares(&self) -> BTreeMap<usize, usize> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut shares = BTreeMap::new();
        for _ in 0..10_000 {
            let Zone::Of(group) = self.zones.as_ref().expect("zones count").choose(false, &mut random) else {
                continue;
            };
            *shares.entry(group).or_default() += 1;
        }
        shares
    }
}

const TWO: &[HealthStatus] = &[Healthy, Healthy];
const SIX: &[HealthStatus] = &[Healthy; 6];

#[test]
fn all_stays_where_there_are_enough_hosts() {
    let bench = bench(&[group("b", TWO), group("a", SIX)], &members(&[("a", 1), ("b", 1)], 0), ZoneAware::default());
    assert_eq!(bench.shares(), BTreeMap::from([(1, 10_000)]));
    assert_eq!(bench.count("lb_zone_routing_all_directly"), 10_000);
}

/// Half of the proxies and a quarter of the hosts are here: half of the requests stay, and the others go to the one zone that has more hosts
/// than proxies.
#[test]
fn what_cannot_stay_goes_where_there_is_room() {
    let groups = [group("a", TWO), group("b", TWO), group("c", &[Healthy; 4])];
    let bench = bench(&groups, &members(&[("a", 2), ("b", 1), ("c", 1)], 0), ZoneAware::default());
    let shares = bench.shares();
    assert_eq!(shares.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert!((4_800..5_200).contains(&shares[&0]), "{shares:?}");
    assert_eq!(bench.count("lb_zone_routing_sampled"), shares[&0] as u64);
    assert_eq!(bench.count("lb_zone_routing_cross_zone"), shares[&2] as u64);
}

#[test]
fn a_zone_of_our_own_can_be_demanded() {
    let forced = |size| ZoneAware { forced_from: Some(size), ..ZoneAware::default() };
    let groups = [group("b", SIX), group("a", &[Healthy, Unhealthy])];
    let alone = members(&[("a", 3)], 0);
    assert_eq!(bench(&groups, &alone, forced(1)).shares(), BTreeMap::from([(1, 10_000)]));
    let fewer = bench(&groups, &alone, forced(2)).shares();
    assert!(fewer[&0] > fewer[&1], "{fewer:?}");
    assert!(bench(&groups, &alone, ZoneAware::default()).zones.is_none());
}

#[test]
fn zones_do_not_count_where_too_little_is_known() {
    let all = members(&[("a", 1), ("b", 1)], 0);
    let small = bench(&[group("a", TWO), group("b", TWO)], &all, ZoneAware::default());
    assert_eq!((small.zones.is_none(), small.count("lb_zone_cluster_too_small")), (true, 1));
    let groups = [group("a", SIX), group("b", SIX)];
    let stranger = bench(&groups, &members(&[("b", 1), ("c", 1)], 0), ZoneAware::default());
    assert_eq!((stranger.zones.is_none(), stranger.count("lb_local_cluster_not_ok")), (true, 1));
    assert!(bench(&groups[..1], &all, ZoneAware::default()).zones.is_none());
    assert!(bench(&groups, &members(&[("a", 2)], 0), ZoneAware::default()).zones.is_none());
}

#[test]
fn proxies_in_panic_say_nothing_of_zones() {
    let bench = bench(&[group("a", SIX), group("b", SIX)], &members(&[("a", 2), ("b", 1)], 2), ZoneAware::default());
    let zones = bench.zones.as_ref().expect("zones");
    let mut random = fastrand::Rng::with_seed(7);
    assert_eq!(zones.choose(false, &mut random), Zone::Any);
    assert_eq!(zones.choose(true, &mut random), Zone::None);
    assert_eq!(bench.count("lb_local_cluster_not_ok"), 2);
}

#[test]
fn a_share_of_requests_looks_at_zones() {
    let config = ZoneAware { enabled: config::matcher::Fraction::percent(30), ..ZoneAware::default() };
    let bench = bench(&[group("a", SIX), group("b", TWO)], &members(&[("a", 1), ("b", 1)], 0), config);
    let shares = bench.shares();
    assert!((2_800..3_200).contains(&shares[&0]), "{shares:?}");
}

#[test]
fn weights_count_where_they_are_the_basis() {
    let mut heavy = group("a", TWO);
    heavy.hosts = vec![host(1, 8, Healthy)];
    let groups = [heavy, group("b", &[Healthy; 5])];
    let by = |by_weight| ZoneAware { by_weight, ..ZoneAware::default() };
    let all = members(&[("a", 1), ("b", 1)], 0);
    assert_eq!(bench(&groups, &all, by(true)).shares(), BTreeMap::from([(0, 10_000)]));
    assert_eq!(bench(&groups, &all, by(false)).shares().len(), 2);
}
