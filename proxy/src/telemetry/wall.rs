//! The wall clock by way of the monotonic one: most requests have read the latter anyway, and a reading is a part of a request's cost.
//!
//! Called by `stream_info` and `http`. It is never more than a second behind a wall clock that was set.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

/// A moment on both clocks.
type Anchor = (Instant, SystemTime);

/// How long an anchor is believed.
const BELIEVED: Duration = Duration::from_secs(1);

thread_local! {
    static ANCHOR: Cell<Option<Anchor>> = const { Cell::new(None) };
}

/// What the wall clock showed at a moment that has been.
#[inline]
pub fn at(moment: Instant) -> SystemTime {
    let since = ANCHOR.get().and_then(|(instant, wall)| Some((moment.checked_duration_since(instant)?, wall)));
    match since {
        Some((since, wall)) if since < BELIEVED => wall + since,
        _ => elsewhere(moment),
    }
}

/// Before the anchor, or so long behind it that another one is needed.
#[cold]
fn elsewhere(moment: Instant) -> SystemTime {
    match ANCHOR.get() {
        Some((instant, wall)) if moment < instant => before(moment, instant, wall),
        _ => anew(moment),
    }
}

fn anew(moment: Instant) -> SystemTime {
    let (now, wall) = (Instant::now(), SystemTime::now());
    ANCHOR.set(Some((now, wall)));
    before(moment, now, wall)
}

fn before(moment: Instant, instant: Instant, wall: SystemTime) -> SystemTime {
    wall.checked_sub(instant.saturating_duration_since(moment)).unwrap_or(wall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_monotonic_clock_and_is_set_anew_after_a_second() {
        let begin = Instant::now();
        let first = at(begin);
        assert_eq!(at(begin + Duration::from_millis(999)), first + Duration::from_millis(999));
        ANCHOR.set(Some((begin, SystemTime::UNIX_EPOCH)));
        assert_eq!(at(begin + Duration::from_millis(1)), SystemTime::UNIX_EPOCH + Duration::from_millis(1));
        assert!(at(begin + BELIEVED) >= first, "read from the system again");
    }
}
