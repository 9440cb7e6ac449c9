//! Tests of `load`.

use super::*;

/// Priorities with this percentage of healthy hosts, of 100 each.
fn healthy(percents: &[u32]) -> Vec<LevelHealth> {
    percents.iter().map(|percent| LevelHealth { total: 100, healthy: *percent, ..LevelHealth::default() }).collect()
}

fn loads(percents: &[u32]) -> Vec<u32> {
    PriorityLoad::new(&healthy(percents), 140, 0.0).healthy
}

/// Envoy's documentation, "Priority levels", two levels: health of P=0, then load of P=0 and P=1, P=1 all healthy.
#[test]
fn spill_over_to_a_healthy_second_priority() {
    for (health, expected) in
        [(100, [100, 0]), (72, [100, 0]), (71, [99, 1]), (50, [70, 30]), (25, [35, 65]), (0, [0, 100])]
    {
        assert_eq!(loads(&[health, 100]), expected, "{health} % of P=0 healthy");
    }
}

/// The same with a second level that is not whole: 25 % of P=1 healthy.
#[test]
fn a_sick_second_priority_is_scaled() {
    // 35 + 35 = 70 % in all: each takes half.
    assert_eq!(loads(&[25, 25]), [50, 50]);
    assert_eq!(loads(&[100, 25]), [100, 0]);
    assert_eq!(loads(&[50, 0]), [100, 0]);
}

/// The documentation's three-level table.
#[test]
fn three_priorities() {
    for (health, expected) in [
        ([100, 100, 100], [100, 0, 0]),
        ([72, 72, 100], [100, 0, 0]),
        ([71, 71, 100], [99, 1, 0]),
        ([50, 50, 100], [70, 30, 0]),
        ([25, 100, 100], [35, 65, 0]),
        ([25, 25, 100], [35, 35, 30]),
        // The documentation rounds to 36/36/28; the code gives what integer division leaves to the first.
        ([25, 25, 20], [37, 35, 28]),
    ] {
        assert_eq!(loads(&health), expected, "{health:?}");
    }
}

/// The documentation's example with degraded hosts: 10/20/10 % healthy and 20/10/0 % degraded, before overprovisioning.
#[test]
fn degraded_hosts_take_what_the_healthy_leave() {
    let levels = [(10, 20), (20, 10), (10, 0)];
    let levels = levels.map(|(healthy, degraded)| LevelHealth { total: 100, healthy, degraded, weights: None });
    let load = PriorityLoad::new(&levels, 100, 0.0);
    assert_eq!(load.healthy, [16, 28, 14]);
    assert_eq!(load.degraded, [28, 14, 0]);
}

#[test]
fn degraded_hosts_alone() {
    let levels = [LevelHealth { total: 4, degraded: 4, ..LevelHealth::default() }];
    let load = PriorityLoad::new(&levels, 140, 50.0);
    assert_eq!((load.healthy, load.degraded, load.panic), (vec![0], vec![100], vec![false]));
}

#[test]
fn one_priority_panics_below_its_threshold() {
    let panics = |healthy, threshold: f64| {
        PriorityLoad::new(&[LevelHealth { total: 10, healthy, ..LevelHealth::default() }], 140, threshold).panic[0]
    };
    assert!(!panics(10, 50.0));
    assert!(!panics(5, 50.0));
    assert!(panics(4, 50.0));
    assert!(panics(0, 50.0));
    assert!(!panics(0, 0.0), "a threshold of 0 turns panic off");
    assert!(!panics(8, 100.0), "overprovisioned to 100 %: no panic whatever the threshold");
    assert!(panics(7, 100.0));
}

/// The documentation's panic table: a priority below the threshold does not panic while the others make 100 % together.
#[test]
fn panic_is_for_when_all_together_are_too_few() {
    let load = |percents: &[u32]| PriorityLoad::new(&healthy(percents), 140, 50.0);
    assert_eq!(load(&[72, 72]).panic, [false, false]);
    assert_eq!(load(&[71, 71]).panic, [false, false]);
    assert_eq!(load(&[50, 60]).panic, [false, false]);
    assert_eq!(load(&[25, 100]).panic, [false, false]);
    let both = load(&[25, 25]);
    assert_eq!((both.panic, both.healthy), (vec![true, true], vec![50, 50]));
    // The documentation rounds to 7/93.
    let one = load(&[5, 65]);
    assert_eq!((one.panic, one.healthy), (vec![true, false], vec![8, 92]));
}

#[test]
fn in_total_panic_load_goes_by_size() {
    let levels =
        [LevelHealth { total: 1, ..LevelHealth::default() }, LevelHealth { total: 2, ..LevelHealth::default() }];
    let load = PriorityLoad::new(&levels, 140, 50.0);
    assert_eq!((load.panic, load.healthy), (vec![true, true], vec![34, 66]));
}

#[test]
fn nothing_at_all_still_adds_up() {
    for threshold in [0.0, 50.0] {
        let load = PriorityLoad::new(&[LevelHealth::default(), LevelHealth::default()], 140, threshold);
        assert_eq!(load.healthy, [100, 0]);
        assert_eq!(load.choose(99), (0, false));
    }
    assert_eq!(PriorityLoad::new(&[], 140, 50.0).choose(5), (0, false));
}

#[test]
fn an_empty_first_priority_is_skipped() {
    let levels = [LevelHealth::default(), LevelHealth { total: 3, healthy: 3, ..LevelHealth::default() }];
    let load = PriorityLoad::new(&levels, 140, 50.0);
    assert_eq!(load.healthy, [0, 100]);
    assert_eq!(load.panic, [false, false]);
}

#[test]
fn every_point_finds_its_share() {
    let load = PriorityLoad::new(&healthy(&[25, 25, 100]), 140, 50.0);
    let mut counts = [0; 3];
    for point in 0..100 {
        counts[load.choose(point).0] += 1;
    }
    assert_eq!(counts, [35, 35, 30]);
}

#[test]
fn weights_count_where_they_are_there() {
    // One of two hosts is well, and it has a tenth of the weight.
    let weights = Some(Weights { total: 10, healthy: 1, degraded: 0 });
    let first = LevelHealth { total: 2, healthy: 1, degraded: 0, weights };
    let second =
        LevelHealth { total: 1, healthy: 1, degraded: 0, weights: Some(Weights { total: 1, healthy: 1, degraded: 0 }) };
    assert_eq!(PriorityLoad::new(&[first, second], 140, 50.0).healthy, [14, 86]);
    let counted = [first, second].map(|level| LevelHealth { weights: None, ..level });
    assert_eq!(PriorityLoad::new(&counted, 140, 50.0).healthy, [70, 30]);
}
