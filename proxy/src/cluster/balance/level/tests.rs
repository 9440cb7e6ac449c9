//! Tests of `level`.

use std::collections::BTreeMap;

use config::endpoint::HealthStatus::{self, Degraded, Healthy, Unhealthy};

use config::metadata::Metadata;
use config::route::HostPredicate;
use serde_json::json;

use super::*;
use crate::cluster::retry::{Again, PreviousPriorities};
use crate::cluster::testing::{address, config, eds, endpoint, host, host_of, retrying};

fn group(weight: u32, hosts: &[(u8, HealthStatus)]) -> Group {
    Group {
        locality: Locality::default(),
        weight,
        hosts: hosts.iter().map(|(last, health)| host(*last, 1, *health)).collect(),
    }
}

fn balancer(levels: Vec<Vec<Group>>, panic_threshold: f64) -> Balancer {
    let limits = Limits { panic_threshold, ..LIMITS };
    Balancer::new(levels, limits, None, Counter::NONE, fastrand::Rng::with_seed(1))
}

/// One whose localities have weights.
fn weighing(levels: Vec<Vec<Group>>) -> Balancer {
    let limits = Limits { weighs_localities: true, ..LIMITS };
    Balancer::new(levels, limits, None, Counter::NONE, fastrand::Rng::with_seed(1))
}

const LIMITS: Limits = Limits {
    overprovisioning: 140,
    weighted: false,
    panic_threshold: 50.0,
    fails_in_panic: false,
    weighs_localities: false,
};

/// Picks by the last number of the host's address.
fn counts(balancer: &mut Balancer, cluster: &cluster::Cluster, picks: usize) -> BTreeMap<u8, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..picks {
        let host = balancer.pick(cluster, &Pick::default()).expect("a host");
        let last = host.address().trim_end_matches(":80").rsplit('.').next().and_then(|last| last.parse().ok());
        *counts.entry(last.expect("a test address")).or_default() += 1;
    }
    counts
}

#[test]
fn localities_of_a_priority_are_one_pool_without_locality_weights() {
    let levels = vec![vec![group(9, &[(1, Healthy)]), group(1, &[(2, Healthy), (3, Healthy)])]];
    let counts = counts(&mut balancer(levels, 50.0), &config(eds()), 300);
    assert_eq!(counts, BTreeMap::from([(1, 100), (2, 100), (3, 100)]));
}

#[test]
fn locality_weights_count_when_asked_for() {
    let cluster = config(eds());
    let levels = vec![vec![
        group(9, &[(1, Healthy)]),
        group(1, &[(2, Healthy), (3, Healthy)]),
        group(0, &[(4, Healthy)]),
        group(5, &[]),
    ]];
    let counts = counts(&mut weighing(levels), &cluster, 1000);
    assert_eq!(counts, BTreeMap::from([(1, 900), (2, 50), (3, 50)]));
}

/// Envoy's documentation, "Locality weighted load balancing": with weights 1 and 2 and locality Y at 50 % of its hosts, Y's effective
/// weight is 2 × 0.7.
#[test]
fn a_sick_locality_weighs_less() {
    let cluster = config(eds());
    let levels = vec![vec![group(1, &[(1, Healthy)]), group(2, &[(2, Healthy), (3, Unhealthy)])]];
    let counts = counts(&mut weighing(levels), &cluster, 2400);
    assert_eq!(counts, BTreeMap::from([(1, 1000), (2, 1400)]));
}

#[test]
fn without_any_locality_weight_all_are_one_pool() {
    let cluster = config(eds());
    let levels = vec![vec![group(0, &[(1, Healthy)]), group(0, &[(2, Healthy)])]];
    assert_eq!(counts(&mut weighing(levels), &cluster, 10), BTreeMap::from([(1, 5), (2, 5)]));
}

#[test]
fn the_second_priority_takes_what_the_first_cannot() {
    let first = group(1, &[(1, Healthy), (2, Unhealthy), (3, Unhealthy), (4, Unhealthy)]);
    let levels = vec![vec![first], vec![group(1, &[(5, Healthy)])]];
    let mut balancer = balancer(levels, 0.0);
    let counts = counts(&mut balancer, &config(eds()), 10_000);
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [1, 5]);
    assert!((3_300..3_700).contains(&counts[&1]), "35 % expected: {counts:?}");
}

#[test]
fn panic_uses_every_host() {
    let levels = vec![vec![group(1, &[(1, Healthy), (2, Unhealthy), (3, Unhealthy)])]];
    let mut panicking = balancer(levels, 50.0);
    assert_eq!(counts(&mut panicking, &config(eds()), 30), BTreeMap::from([(1, 10), (2, 10), (3, 10)]));
}

#[test]
fn without_panic_no_unhealthy_host_is_used() {
    let mut sick = balancer(vec![vec![group(1, &[(1, Unhealthy)])]], 0.0);
    assert!(sick.pick(&config(eds()), &Pick::default()).is_none());
    assert!(!sick.is_empty());
    let mut degraded = balancer(vec![vec![group(1, &[(1, Degraded), (2, Unhealthy)])]], 0.0);
    assert_eq!(counts(&mut degraded, &config(eds()), 5), BTreeMap::from([(1, 5)]));
}

#[test]
fn hosts_of_earlier_attempts_are_avoided_while_picks_are_left() {
    let levels = vec![vec![group(1, &[(1, Healthy), (2, Healthy), (3, Healthy)])]];
    let mut balancer = balancer(levels, 50.0);
    let cluster = config(eds());
    let first = balancer.pick(&cluster, &Pick::default()).expect("a host");
    let second = balancer.pick(&cluster, &Pick::default()).expect("a host");
    let tried = [first, second];
    let policy = retrying(vec![HostPredicate::PreviousHosts]);
    for _ in 0..9 {
        let want = Pick { again: Again::new(&policy, &tried, None), ..Pick::default() };
        assert!(!tried.contains(&balancer.pick(&cluster, &want).expect("a host")));
    }
}

#[test]
fn when_only_avoided_hosts_are_left_one_of_them_is_taken() {
    let mut balancer = balancer(vec![vec![group(1, &[(1, Healthy)])]], 50.0);
    let cluster = config(eds());
    let only = balancer.pick(&cluster, &Pick::default()).expect("a host");
    let tried = [only.clone()];
    let policy = retrying(vec![HostPredicate::PreviousHosts]);
    let want = Pick { again: Again::new(&policy, &tried, None), ..Pick::default() };
    assert_eq!(balancer.pick(&cluster, &want).expect("a host"), only);
}

#[test]
fn retries_decline_canaries_and_hosts_of_some_metadata() {
    let labelled = |last: u8, labels: serde_json::Value| {
        let metadata = Metadata::from([("envoy.lb", labels)]);
        host_of(config::endpoint::Endpoint { metadata: metadata.into(), ..endpoint(address(last)) }, 0)
    };
    let hosts = [
        labelled(1, json!({ "canary": true, "tier": "a" })),
        labelled(2, json!({ "canary": false, "tier": ["a", "b"] })),
        labelled(3, json!({ "tier": "b" })),
    ];
    let metadata = |tier: &str| HostPredicate::OmitMetadata(vec![("tier".into(), json!(tier))]);
    let cases = [
        (vec![HostPredicate::OmitCanaryHosts], [true, false, false]),
        (vec![metadata("a")], [true, true, false]),
        (vec![metadata("b")], [false, true, true]),
        (vec![HostPredicate::OmitCanaryHosts, metadata("b")], [true, true, true]),
    ];
    for (predicates, declined) in cases {
        let policy = retrying(predicates);
        let again = Again::new(&policy, &[], None).expect("it wishes something");
        assert_eq!(hosts.each_ref().map(|host| again.declines(host)), declined, "{policy:?}");
    }
}

/// `previous_priorities`: after each attempt (or every other) the priorities of all before are left out, until none is left.
#[test]
fn retries_go_to_other_priorities() {
    let level = |last: u8, priority: u32| {
        let host = host_of(endpoint(address(last)), priority);
        vec![Group { locality: Locality::default(), weight: 1, hosts: vec![host] }]
    };
    let cluster = config(eds());
    for (frequency, expected) in [(1, [0, 1, 2, 0, 1]), (2, [0, 0, 1, 1, 2])] {
        let mut balancer = balancer(vec![level(1, 0), level(2, 1), level(3, 2)], 50.0);
        let policy = retrying(Vec::new());
        let previous = PreviousPriorities::new(frequency);
        let mut tried = Vec::new();
        let picked = expected.map(|_| {
            let want = Pick { again: Again::new(&policy, &tried, Some(&previous)), ..Pick::default() };
            let host = balancer.pick(&cluster, &want).expect("a host");
            tried.push(host);
            tried[tried.len() - 1].priority()
        });
        assert_eq!(picked, expected, "{frequency}");
    }
}

#[test]
fn least_request_prefers_the_less_busy() {
    let cluster = cluster::Cluster { balancer: cluster::Balancer::LeastRequest { choices: 64 }, ..config(eds()) };
    let mut balancer = balancer(vec![vec![group(1, &[(1, Healthy), (2, Healthy)])]], 50.0);
    let busy = balancer.pick(&cluster, &Pick::default()).expect("a host");
    busy.state().pretend_active(1);
    for _ in 0..20 {
        assert_ne!(balancer.pick(&cluster, &Pick::default()).expect("a host"), busy);
    }
}

/// A key has one host whatever the weights of localities, and localities have their shares whatever their health.
#[test]
fn keys_stay_with_their_hosts_where_localities_have_weights() {
    let cluster = cluster::Cluster { balancer: cluster::Balancer::Maglev { table_size: 1009 }, ..config(eds()) };
    let levels =
        vec![vec![group(1, &[(1, Healthy)]), group(3, &[(2, Healthy), (3, Unhealthy)]), group(0, &[(4, Healthy)])]];
    let mut balancer = weighing(levels);
    let mut counts = BTreeMap::new();
    for key in 0..4000_u64 {
        let hash = Some(key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let want = Pick { hash, ..Pick::default() };
        let host = balancer.pick(&cluster, &want).expect("a host");
        assert_eq!(balancer.pick(&cluster, &want).expect("a host"), host);
        *counts.entry(host.address().to_owned()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert!((900..1100).contains(&counts["10.0.0.1:80"]), "{counts:?}");
}

#[test]
fn degraded_hosts_have_no_place_on_a_ring() {
    let ring = cluster::Balancer::RingHash { minimum_ring_size: 16 };
    let cluster = cluster::Cluster { balancer: ring, ..config(eds()) };
    let mut balancer = balancer(vec![vec![group(1, &[(1, Degraded), (2, Unhealthy), (3, Degraded)])]], 50.0);
    assert!(balancer.pick(&cluster, &Pick { hash: Some(1), ..Pick::default() }).is_none());
}
