//! Tests of `edf`.

use super::*;

fn counts(weights: &[f64], picks: usize) -> Vec<usize> {
    let mut schedule = Schedule::new(weights, 0);
    let mut counts = vec![0; weights.len()];
    for _ in 0..picks {
        counts[schedule.pick(|host| weights[host]).expect("hosts")] += 1;
    }
    counts
}

#[test]
fn picks_are_exactly_by_weight() {
    assert_eq!(counts(&[1.0, 2.0, 3.0, 4.0], 1000), [100, 200, 300, 400]);
    assert_eq!(counts(&[1.0, 99.0], 1000), [10, 990]);
}

#[test]
fn picks_interleave() {
    let mut schedule = Schedule::new(&[2.0, 1.0], 0);
    let picks: Vec<usize> = (0..6).filter_map(|_| schedule.pick(|host| [2.0, 1.0][host])).collect();
    assert_eq!(picks, [0, 1, 0, 0, 1, 0]);
}

#[test]
fn weight_zero_never_comes() {
    assert_eq!(counts(&[0.0, 1.0], 10), [0, 10]);
    assert_eq!(Schedule::new(&[0.0], 3).pick(|_| 1.0), None);
}

#[test]
fn a_weight_that_changes_counts_from_the_next_turn() {
    let mut schedule = Schedule::new(&[1.0, 1.0], 0);
    let mut first = 0;
    for _ in 0..100 {
        if schedule.pick(|host| if host == 0 { 0.1 } else { 1.0 }) == Some(0) {
            first += 1;
        }
    }
    assert_eq!(first, 10);
}
