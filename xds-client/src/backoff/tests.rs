//! The waits of [`Backoff`].

use super::*;

#[test]
fn doubles_up_to_the_maximum_and_never_overflows() {
    let mut backoff =
        Backoff::new(BackoffSettings { base: Duration::from_millis(100), max: Duration::from_millis(900) });
    for ceiling in [100, 200, 400, 800, 900, 900] {
        let wait = backoff.next_wait().as_millis();
        assert!((ceiling / 2..=ceiling).contains(&wait), "{wait} is not within {ceiling}");
    }
    for _ in 0..100 {
        assert!(backoff.next_wait() <= Duration::from_millis(900));
    }
    backoff.reset();
    assert!(backoff.next_wait() <= Duration::from_millis(100));
}

#[test]
fn is_never_zero() {
    let mut backoff = Backoff::new(BackoffSettings { base: Duration::ZERO, max: Duration::ZERO });
    assert!(backoff.next_wait() > Duration::ZERO);
}
