//! Tests of `circuit_breaker`.

use std::sync::Arc;

use super::*;

fn breakers(limit: u32) -> Breakers {
    Breakers::new(&Thresholds {
        max_connections: limit,
        max_pending_requests: limit,
        max_requests: limit,
        max_retries: limit,
        ..Thresholds::default()
    })
}

#[test]
fn a_place_above_the_limit_is_refused_unless_forced() {
    let breakers = breakers(2);
    let take = |over| breakers.take(Resource::Requests, over).map(|change| change == Change::Crossed);
    assert_eq!(take(false), Some(false));
    assert_eq!(take(false), Some(true), "the second place opens the breaker");
    assert_eq!(take(false), None);
    assert_eq!(take(true), Some(false));
    assert_eq!(breakers.count(Resource::Requests), 3);
    assert!(breakers.give_back(Resource::Requests) == Change::Above);
    assert!(breakers.give_back(Resource::Requests) == Change::Crossed, "below the limit again");
    assert!(breakers.give_back(Resource::Requests) == Change::Same);
    assert_eq!(breakers.count(Resource::Requests), 0);
    assert_eq!(breakers.count(Resource::Connections), 0);
}

#[test]
fn a_limit_of_zero_refuses_all() {
    assert!(breakers(0).take(Resource::Retries, false).is_none());
}

/// Threads that fight for places never hold more than there are.
#[test]
fn workers_share_the_limit() {
    let breakers = Arc::new(breakers(3));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let breakers = Arc::clone(&breakers);
            std::thread::spawn(move || {
                let mut most = 0;
                for _ in 0..10_000 {
                    if breakers.take(Resource::Pending, false).is_some() {
                        most = most.max(breakers.count(Resource::Pending));
                        breakers.give_back(Resource::Pending);
                    }
                }
                most
            })
        })
        .collect();
    let most = threads.into_iter().map(|thread| thread.join().expect("no panic")).max();
    assert!(most.expect("threads") <= 3);
    assert_eq!(breakers.count(Resource::Pending), 0);
}

#[test]
fn a_budget_is_a_share_of_what_is_under_way() {
    let budget = RetryBudget { percent: 20.0, minimum: 1 };
    let breakers =
        Breakers::new(&Thresholds { retry_budget: Some(budget), max_requests: u32::MAX, ..Thresholds::default() });
    let retry = || breakers.take(Resource::Retries, false).is_some();
    assert!(retry(), "one is always allowed");
    assert!(!retry());
    for _ in 0..6 {
        breakers.take(Resource::Requests, false);
    }
    for _ in 0..9 {
        breakers.take(Resource::Pending, false);
    }
    assert!(retry() && retry(), "a fifth of fifteen is three");
    assert!(!retry());
    assert!(breakers.is_counted(Resource::Requests), "although it has no limit");
    assert!(
        !Breakers::new(&Thresholds { max_requests: u32::MAX, ..Thresholds::default() }).is_counted(Resource::Requests)
    );
}

#[test]
fn what_is_left_is_shown_by_the_version_in_use() {
    let breakers = Breakers::new(&Thresholds { track_remaining: true, ..Thresholds::default() });
    assert!(breakers.shows(Change::Same) && breakers.shows(Change::Crossed) && !breakers.shows(Change::Above));
    breakers.replaced();
    assert!(!breakers.shows(Change::Same) && !breakers.shows(Change::Crossed));
}
