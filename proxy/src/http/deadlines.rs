//! All the timeouts of one request behind one timer, armed only when one of them is set. Polled wherever the exchange waits.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use config::bootstrap::Timer;
use tokio::time::{Instant, Sleep};

use crate::overload;

/// A timeout that has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// `stream_idle_timeout`, or the route's `idle_timeout`.
    Idle,
    /// `max_stream_duration`.
    Duration,
    /// `request_timeout`: the request did not arrive in time.
    Request,
    /// The route's `timeout`.
    Response,
    /// `per_try_timeout`.
    Try,
    /// `per_try_idle_timeout`.
    TryIdle,
    /// The cluster's `max_stream_duration`.
    TryDuration,
}

const KINDS: [Expired; 7] = [
    Expired::Response,
    Expired::Try,
    Expired::TryIdle,
    Expired::TryDuration,
    Expired::Duration,
    Expired::Request,
    Expired::Idle,
];

/// The timeouts of one request.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// By the order of [`KINDS`]: of several that have run out the first is told.
    at: [Option<Instant>; KINDS.len()],
    /// One of them may be set.
    armed: bool,
    idle: Option<Duration>,
    try_idle: Option<Duration>,
    longest: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Which of them may become shorter while they run, where they may: those of connections, or of streams.
    shrinks: Option<Shrinks>,
}

/// Timeouts that `reduce_timeouts` may shorten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shrinks {
    /// Idle ones, and how long the connection may live.
    Connection,
    /// Idle ones.
    Stream,
}

impl Deadlines {
    /// Those of a connection.
    pub fn of_connection() -> Deadlines {
        let may = [Timer::ConnectionIdle, Timer::ConnectionMax].into_iter().any(overload::may_shorten);
        Deadlines { shrinks: may.then_some(Shrinks::Connection), ..Deadlines::default() }
    }

    /// Those of a stream.
    pub fn of_stream() -> Deadlines {
        Deadlines {
            shrinks: overload::may_shorten(Timer::StreamIdle).then_some(Shrinks::Stream),
            ..Deadlines::default()
        }
    }

    /// Sets, moves or (with `None`) takes away a timeout that counts from now.
    pub fn set(&mut self, kind: Expired, after: Option<Duration>) {
        match after {
            Some(_) => self.set_from(kind, after, Instant::now()),
            None => self.keep(kind, None, None),
        }
    }

    /// As [`set`](Deadlines::set), from another moment.
    pub fn set_from(&mut self, kind: Expired, after: Option<Duration>, from: Instant) {
        // A time too far away for the clock is never.
        self.keep(kind, after, after.and_then(|after| from.checked_add(after)));
    }

    /// As [`set`](Deadlines::set), for a time that nothing makes shorter or begins anew.
    pub fn set_fixed(&mut self, kind: Expired, after: Duration) {
        self.keep(kind, None, Instant::now().checked_add(after));
    }

    fn keep(&mut self, kind: Expired, after: Option<Duration>, at: Option<Instant>) {
        self.at[place(kind)] = at;
        self.armed |= at.is_some();
        match kind {
            Expired::Idle => self.idle = after,
            Expired::TryIdle => self.try_idle = after,
            Expired::Duration => self.longest = after,
            _ => {}
        }
    }

    /// Takes all away, but for the stream's idle timeout where `idle` says so.
    pub fn clear(&mut self, idle: bool) {
        let left = self.at[place(Expired::Idle)].filter(|_| idle);
        self.at = [None; KINDS.len()];
        self.at[place(Expired::Idle)] = left;
        self.idle = self.idle.filter(|_| idle);
        self.try_idle = None;
    }

    /// Something moved: idle timeouts begin anew. Free when there is none.
    pub fn touch(&mut self) {
        if let Some(idle) = self.idle {
            self.set_from(Expired::Idle, Some(idle), Instant::now());
        }
    }

    /// Something came from the upstream.
    pub fn touch_try(&mut self) {
        if let Some(idle) = self.try_idle {
            self.set_from(Expired::TryIdle, Some(idle), Instant::now());
        }
        self.touch();
    }

    /// Ready when one has run out; that one is then taken away.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        if !self.armed {
            return Poll::Pending;
        }
        loop {
            let Some(mut next) = self.at.iter().flatten().min().copied() else {
                self.armed = false;
                return Poll::Pending;
            };
            if self.shrinks.is_some() {
                if let Some(place) = self.shortened() {
                    self.at[place] = None;
                    return Poll::Ready(KINDS[place]);
                }
                // It may become less than it is.
                next = next.min(Instant::now() + overload::LOOK);
            }
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            // A timer that is set too early fires, finds nothing and is set again: cheaper than moving it at each octet.
            if sleep.deadline() > next {
                sleep.as_mut().reset(next);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if let Some(place) = self.at.iter().position(|at| at.is_some_and(|at| at <= now)) {
                self.at[place] = None;
                return Poll::Ready(KINDS[place]);
            }
            sleep.as_mut().reset(next);
        }
    }
}

impl Deadlines {
    /// Where one stands that has run out for it was shortened.
    #[cold]
    fn shortened(&self) -> Option<usize> {
        let (idle, longest) = match self.shrinks? {
            Shrinks::Connection => (Timer::ConnectionIdle, self.longest.map(|whole| (Timer::ConnectionMax, whole))),
            Shrinks::Stream => (Timer::StreamIdle, None),
        };
        let over = |kind: Expired, timer: Timer, whole: Duration| {
            let gained = whole.saturating_sub(overload::shortened(timer, whole));
            let at = self.at[place(kind)]?.checked_sub(gained)?;
            (at <= Instant::now()).then(|| place(kind))
        };
        let of_idle = self.idle.and_then(|whole| over(Expired::Idle, idle, whole));
        of_idle.or_else(|| longest.and_then(|(timer, whole)| over(Expired::Duration, timer, whole)))
    }
}

fn place(kind: Expired) -> usize {
    KINDS.iter().position(|other| *other == kind).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_is_told_first_and_activity_moves_idle() {
        let mut deadlines = Deadlines::default();
        let start = Instant::now();
        deadlines.set(Expired::Response, Some(Duration::from_secs(5)));
        deadlines.set(Expired::Idle, Some(Duration::from_secs(2)));
        tokio::time::advance(Duration::from_secs(1)).await;
        deadlines.touch();
        assert_eq!(poll_fn(|cx| deadlines.poll(cx)).await, Expired::Idle);
        assert_eq!(start.elapsed().as_secs(), 3);
        assert_eq!(poll_fn(|cx| deadlines.poll(cx)).await, Expired::Response);
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
