//! What is done while there is too little of something: shares that the overload manager (`app`) sets and that are asked here where
//! connections are taken, requests begin, answers end and timeouts run. Atomics, read once each; a stale read is one connection, request or
//! answer of the moment before.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use config::bootstrap::{Least, ScaledTimer, Timer};

use crate::stats::Counter;

/// Something that is done to a share of what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Requests are answered 503 (`stop_accepting_requests`).
    StopRequests,
    /// Answers are their connection's last (`disable_http_keepalive`).
    EndKeepalive,
    /// Connections are taken and closed (`reject_incoming_connections`).
    Reject,
    /// The same, by `tcp_listener_accept`.
    ShedAccept,
    /// Requests are answered 503, by `http_connection_manager_decode_headers`.
    ShedRequest,
    /// Connections are closed when they say something, by `hcm_ondata_creating_codec`.
    ShedCodec,
    /// Requests that would be forwarded are answered 503, by `http_downstream_filter_check`.
    ShedRouter,
}

const ACTS: usize = 7;
/// All of what comes.
const FULL: u32 = 1 << 24;

static SHARES: [AtomicU32; ACTS] = [const { AtomicU32::new(0) }; ACTS];
/// Who is told that it was done.
static COUNTS: [OnceLock<Counter>; ACTS] = [const { OnceLock::new() }; ACTS];

/// From now on it is done to this share, between nothing (0) and all (1).
pub fn set(act: Act, share: f64) {
    SHARES[act as usize].store((share.clamp(0.0, 1.0) * f64::from(FULL)) as u32, Ordering::Relaxed);
}

/// Counts each time it is done. Once a process.
pub fn count(act: Act, counter: Counter) {
    // A second one would be the same.
    let _ = COUNTS[act as usize].set(counter);
}

/// Whether it is done to what has come.
#[inline]
pub fn does(act: Act) -> bool {
    let share = SHARES[act as usize].load(Ordering::Relaxed);
    share != 0 && meets(act, share)
}

#[cold]
fn meets(act: Act, share: u32) -> bool {
    let met = share >= FULL || fastrand::u32(..FULL) < share;
    if met && let Some(counter) = COUNTS[act as usize].get() {
        counter.inc();
    }
    met
}

/// How far timeouts are shortened.
static SHORTENED: AtomicU32 = AtomicU32::new(0);
static TIMERS: OnceLock<Vec<ScaledTimer>> = OnceLock::new();
/// Between two looks at a timeout that runs and may be shortened.
pub const LOOK: Duration = Duration::from_secs(1);

/// Which timeouts may be shortened, and how far at most (`reduce_timeouts`). Once a process.
pub fn shorten(timers: Vec<ScaledTimer>) {
    // A second one would be the same.
    let _ = TIMERS.set(timers);
}

/// From now on they are shortened so far, between not at all (0) and to their least (1).
pub fn set_shortened(share: f64) {
    SHORTENED.store((share.clamp(0.0, 1.0) * f64::from(FULL)) as u32, Ordering::Relaxed);
}

/// Whether such timeouts may become shorter while they run.
#[inline]
pub fn may_shorten(timer: Timer) -> bool {
    TIMERS.get().is_some_and(|timers| timers.iter().any(|one| one.timer == timer))
}

/// What a timeout is at this moment.
pub fn shortened(timer: Timer, timeout: Duration) -> Duration {
    let share = SHORTENED.load(Ordering::Relaxed);
    if share == 0 {
        return timeout;
    }
    let of_timer = TIMERS.get().and_then(|timers| timers.iter().find(|one| one.timer == timer));
    of_timer.map_or(timeout, |one| between(one.least, timeout, f64::from(share) / f64::from(FULL)))
}

fn between(least: Least, timeout: Duration, share: f64) -> Duration {
    let least = match least {
        Least::Time(least) => least.min(timeout),
        Least::Share(of) => timeout.mul_f64(of.clamp(0.0, 1.0)),
    };
    timeout.saturating_sub(timeout.saturating_sub(least).mul_f64(share))
}

#[cfg(test)]
mod tests;
