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
    let mut chooser = Chooser::new(hosts.clone(), policy, &mut random);
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
        assert!(Chooser::new(Vec::new(), &policy, &mut random).pick(None, 0, &mut random).is_none());
        let one = hosts(&[3]);
        assert_eq!(Chooser::new(one.clone(), &policy, &mut random).pick(Some(5), 2, &mut random), one.first());
    }
}

#[test]
fn hash_policies_send_a_key_to_one_host_and_keys_to_all() {
    let mut random = fastrand::Rng::with_seed(7);
    for policy in [Balancer::RingHash { minimum_ring_size: 1024 }, Balancer::Maglev { table_size: 65_537 }] {
        let hosts = hosts(&[1, 1, 1]);
        let mut chooser = Chooser::new(hosts.clone(), &policy, &mut random);
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
