//! Tests of `hashing`.

use super::*;

fn xx(key: &[u8]) -> u64 {
    xxh64(key, 0)
}

fn shares(found: impl Fn(u64) -> Option<usize>, hosts: usize) -> Vec<usize> {
    let mut shares = vec![0; hosts];
    for key in 0..20_000_u64 {
        shares[found(xxh64(&key.to_le_bytes(), 0)).expect("a host")] += 1;
    }
    shares
}

/// Reference values of the algorithm's authors: the empty input with seed 0, and "a".
#[test]
fn the_hash_is_xxh64() {
    assert_eq!(xxh64(b"", 0), 0xef46_db37_51d8_e999);
    assert_eq!(xxh64(b"a", 0), 0xd24e_c4f1_a98c_6e5b);
}

#[test]
fn a_ring_has_the_points_that_the_weights_ask_for() {
    let ring = Ring::from_shares(
        [("10.0.0.1:80", 1.0 / 3.0), ("10.0.0.2:80", 2.0 / 3.0)].into_iter(),
        (12, MAXIMUM_RING_SIZE),
        xx,
    );
    assert_eq!(ring.points.iter().filter(|(_, host)| *host == 0).count(), 4);
    assert_eq!(ring.points.iter().filter(|(_, host)| *host == 1).count(), 8);
}

#[test]
fn a_hash_finds_the_next_point_and_wraps() {
    let ring = Ring::from_shares([("10.0.0.1:80", 0.5), ("10.0.0.2:80", 0.5)].into_iter(), (8, MAXIMUM_RING_SIZE), xx);
    let (first, last) = (ring.points[0], ring.points[ring.points.len() - 1]);
    assert_eq!(ring.find(first.0, 0), Some(first.1 as usize));
    assert_eq!(ring.find(first.0 - 1, 0), Some(first.1 as usize));
    assert_eq!(ring.find(first.0 + 1, 0), Some(ring.points[1].1 as usize));
    assert_eq!(ring.find(last.0, 0), Some(last.1 as usize));
    assert_eq!(ring.find(u64::MAX, 0), Some(first.1 as usize));
    assert_eq!(ring.find(first.0, 1), Some(ring.points[1].1 as usize));
}

#[test]
fn a_key_stays_when_another_host_leaves() {
    let third = 1.0 / 3.0;
    let all = [("10.0.0.1:80", third), ("10.0.0.2:80", third), ("10.0.0.3:80", third)];
    let whole = Ring::from_shares(all.into_iter(), (3000, MAXIMUM_RING_SIZE), xx);
    let less = Ring::from_shares(all[..2].iter().map(|(host, _)| (*host, 0.5)), (2000, MAXIMUM_RING_SIZE), xx);
    for key in 0..1000_u64 {
        let hash = xxh64(&key.to_le_bytes(), 0);
        let before = whole.find(hash, 0).expect("a host");
        if before < 2 {
            assert_eq!(less.find(hash, 0), Some(before));
        }
    }
}

#[test]
fn maglev_fills_its_table_by_weight() {
    let maglev = Maglev::from_shares(&[("10.0.0.1:80", 0.25), ("10.0.0.2:80", 0.75)], 4001);
    let share = maglev.table.iter().filter(|host| **host == 1).count();
    assert!(maglev.table.iter().all(|host| *host < 2));
    assert!((2998..3004).contains(&share), "{share}");
    let shares = shares(|hash| maglev.find(hash, 0), 2);
    assert!((4_600..5_400).contains(&shares[0]), "{shares:?}");
}

#[test]
fn sizes_that_would_never_end_are_replaced() {
    for size in [0, 1, 4, 65_536, u64::MAX] {
        assert_eq!(Maglev::from_shares(&[("10.0.0.1:80", 1.0)], size).table.len() as u64, DEFAULT_TABLE_SIZE);
    }
    assert!(Maglev::from_shares(&[], 7).find(1, 0).is_none());
    assert!(Ring::from_shares([].into_iter(), (1024, 1024), xx).find(1, 0).is_none());
}

#[test]
fn an_attempt_looks_elsewhere() {
    let maglev = Maglev::from_shares(&[("a", 1.0), ("b", 1.0), ("c", 1.0)], 65_537);
    let moved = (0..100_u64).filter(|key| maglev.find(*key, 0) != maglev.find(*key, 1)).count();
    assert!(moved > 40, "{moved}");
}

#[test]
fn a_ring_is_no_larger_than_it_may_be() {
    let ring = Ring::from_shares([("10.0.0.1:80", 0.5), ("10.0.0.2:80", 0.5)].into_iter(), (1024, 10), xx);
    assert_eq!(ring.points.len(), 10);
}

#[test]
fn the_other_hash_gives_another_ring() {
    let hosts = || [("10.0.0.1:80", 0.5), ("10.0.0.2:80", 0.5)].into_iter();
    let one = Ring::from_shares(hosts(), (8, 8), xx);
    let other = Ring::from_shares(hosts(), (8, 8), murmur64a);
    assert_ne!(one.points, other.points);
}
