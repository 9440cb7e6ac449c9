//! Tests of `circuit_breaker`.

use std::sync::Arc;

use super::*;

fn breakers(limit: u32) -> Breakers {
    Breakers::new(&Thresholds {
        max_connections: limit,
        max_pending_requests: limit,
        max_requests: limit,
        max_retries: limit,
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
    assert!(breakers.give_back(Resource::Requests) == Change::Same);
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
