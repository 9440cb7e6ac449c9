//! Tests of `chooser`.

use config::cluster::Balancer;
use config::endpoint::HealthStatus;

use super::*;
use crate::cluster::testing::host;

fn hosts(weights: &[u32]) -> Vec<Host> {
    (1..).zip(weights).map(|(last, weight)| host(last, *weight, HealthStatus::Healthy)).collect()
}

fn counts(weights: &[u32], policy: &Balancer, picks: usize) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(7);
    let hosts = hosts(weights);
    let mut chooser = Chooser::new(hosts.clone(), policy, &Balancing::default(), &mut random);
    let mut counts = vec![0; weights.len()];
    for _ in 0..picks {
        let picked = chooser.pick(None, 0, &mut random).expect("hosts").clone();
        counts[hosts.iter().position(|host| *host == picked).expect("known")] += 1;
    }
    counts
}

#[test]
fn round_robin_is_exact() {
    assert_eq!(counts(&[5, 5, 5], &Balancer::RoundRobin, 300), [100, 100, 100]);
    assert_eq!(counts(&[1, 2, 7], &Balancer::RoundRobin, 1000), [100, 200, 700]);
}

#[test]
fn random_reaches_all_and_ignores_weights_as_envoy_does() {
    let counts = counts(&[1, 1000, 1], &Balancer::Random, 3000);
    assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
}

#[test]
fn no_host_and_one_host() {
    let mut random = fastrand::Rng::with_seed(7);
    for policy in [
        Balancer::RoundRobin,
        Balancer::LeastRequest { choices: 2 },
        Balancer::Random,
        Balancer::RingHash { minimum_ring_size: 16 },
        Balancer::Maglev { table_size: 7 },
        Balancer::ClusterProvided,
    ] {
        assert!(
            Chooser::new(Vec::new(), &policy, &Balancing::default(), &mut random).pick(None, 0, &mut random).is_none()
        );
        let one = hosts(&[3]);
        assert_eq!(
            Chooser::new(one.clone(), &policy, &Balancing::default(), &mut random).pick(Some(5), 2, &mut random),
            one.first()
        );
    }
}

#[test]
fn hash_policies_send_a_key_to_one_host_and_keys_to_all() {
    let mut random = fastrand::Rng::with_seed(7);
    for policy in [Balancer::RingHash { minimum_ring_size: 1024 }, Balancer::Maglev { table_size: 65_537 }] {
        let hosts = hosts(&[1, 1, 1]);
        let mut chooser = Chooser::new(hosts.clone(), &policy, &Balancing::default(), &mut random);
        let mut seen = [0; 3];
        for key in 0..300_u64 {
            let hash = xxhash_rust::xxh64::xxh64(&key.to_le_bytes(), 0);
            let first = chooser.pick(Some(hash), 0, &mut random).expect("hosts").clone();
            let again = chooser.pick(Some(hash), 0, &mut random).expect("hosts").clone();
            assert_eq!(first, again);
            seen[hosts.iter().position(|host| *host == first).expect("known")] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{policy:?}: {seen:?}");
    }
}

#[test]
fn a_full_scan_finds_the_idlest_host() {
    let mut random = fastrand::Rng::with_seed(7);
    let balancing = Balancing { full_scan: true, ..Balancing::default() };
    let hosts = hosts(&[1; 3]);
    let mut chooser = Chooser::new(hosts.clone(), &Balancer::LeastRequest { choices: 2 }, &balancing, &mut random);
    hosts[0].state().active.set(1);
    hosts[2].state().active.set(1);
    for _ in 0..20 {
        assert_eq!(chooser.pick(None, 0, &mut random), Some(&hosts[1]));
    }
}

#[test]
fn a_bias_of_nothing_leaves_the_weights_alone() {
    let mut random = fastrand::Rng::with_seed(7);
    let balancing = Balancing { active_request_bias: 0.0, ..Balancing::default() };
    let hosts = hosts(&[1, 3]);
    hosts[1].state().active.set(100);
    let mut chooser = Chooser::new(hosts.clone(), &Balancer::LeastRequest { choices: 2 }, &balancing, &mut random);
    let picks = (0..400).filter(|_| chooser.pick(None, 0, &mut random) == Some(&hosts[1])).count();
    assert!((299..=301).contains(&picks), "{picks}");
}

#[test]
fn a_host_with_too_much_gives_to_another_one_and_always_the_same() {
    let mut random = fastrand::Rng::with_seed(7);
    let balancing = Balancing { balance_factor: Some(120), ..Balancing::default() };
    let hosts = hosts(&[1; 4]);
    let policy = Balancer::Maglev { table_size: 65_537 };
    let mut chooser = Chooser::new(hosts.clone(), &policy, &balancing, &mut random);
    let first = chooser.pick(Some(42), 0, &mut random).expect("hosts").clone();
    first.state().active.set(10);
    let other = chooser.pick(Some(42), 0, &mut random).expect("hosts").clone();
    assert_ne!(first, other);
    assert_eq!(chooser.pick(Some(42), 0, &mut random), Some(&other));
}

/// Sums of weights are wider than a weight.
#[test]
fn weights_may_be_as_large_as_their_type() {
    let policies = [
        Balancer::RoundRobin,
        Balancer::LeastRequest { choices: 2 },
        Balancer::Random,
        Balancer::RingHash { minimum_ring_size: 16 },
        Balancer::Maglev { table_size: 1009 },
    ];
    for policy in policies {
        let hosts = (1..=4).map(|last| host(last, u32::MAX - u32::from(last), HealthStatus::Healthy)).collect();
        let balancing = Balancing { maximum_ring_size: 64, balance_factor: Some(150), ..Balancing::default() };
        let mut random = fastrand::Rng::with_seed(3);
        let mut chooser = Chooser::new(hosts, &policy, &balancing, &mut random);
        let mut seen = std::collections::BTreeSet::new();
        for key in 0..400_u64 {
            let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            seen.insert(chooser.pick(Some(hash), 0, &mut random).expect("a host").address().to_owned());
        }
        assert_eq!(seen.len(), 4, "{policy:?}");
    }
}
