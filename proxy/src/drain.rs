//! Draining: who must finish, how insistently, and until when.
//!
//! The control thread starts drains (admin's `drain_listeners`, a removed or changed listener, SIGTERM). Connections ask
//! [`DrainWatch::should_close`] before they answer, and end when [`DrainWatch::deadline`] fires. Nothing here closes sockets.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use config::listener::Direction;
use tokio_util::sync::CancellationToken;

/// `--drain-strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The share of requests that are asked to close grows over the drain time.
    #[default]
    Gradual,
    /// Every request is asked at once.
    Immediate,
}

/// How this process drains, fixed at start.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `--drain-time-s`; Envoy's default is 600 s.
    pub time: Duration,
    /// `--drain-strategy`.
    pub strategy: Strategy,
}

/// The time, and by chance at most such a share of it more: not all that began together ends together.
pub fn jittered(time: Duration, share: f64) -> Duration {
    if share > 0.0 { time.saturating_add(time.mul_f64(share * fastrand::f64())) } else { time }
}

impl Default for Settings {
    fn default() -> Self {
        Settings { time: Duration::from_secs(600), strategy: Strategy::Gradual }
    }
}

/// One thing that can be drained: the whole process, its inbound side, a listener or one of its filter chains.
#[derive(Debug)]
pub struct Drain {
    settings: Settings,
    origin: Instant,
    /// Milliseconds after `origin` plus one at which the drain began; 0 while it has not.
    began: AtomicU64,
    /// Set before `end` is cancelled, so that looking costs no lock.
    ended: AtomicBool,
    end: CancellationToken,
}

impl Drain {
    /// Not draining yet.
    pub fn new(settings: Settings) -> Arc<Drain> {
        Arc::new(Drain {
            settings,
            origin: Instant::now(),
            began: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            end: CancellationToken::new(),
        })
    }

    /// Begins. A second call changes nothing; tells whether this one began it.
    pub fn begin(&self) -> bool {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        self.began.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.began.load(Ordering::Relaxed) != 0
    }

    /// Ends it: connections that are still open close now.
    pub fn finish(&self) {
        self.ended.store(true, Ordering::Release);
        self.end.cancel();
    }

    /// How long connections may take.
    pub fn time(&self) -> Duration {
        self.settings.time
    }

    /// A stale read costs one more kept-alive request.
    fn should_close(&self) -> bool {
        let began = self.began.load(Ordering::Relaxed);
        if began == 0 {
            return false;
        }
        match self.settings.strategy {
            Strategy::Immediate => true,
            Strategy::Gradual => {
                let began = Duration::from_millis(began - 1);
                let elapsed = self.origin.elapsed().saturating_sub(began);
                elapsed >= self.settings.time
                    || fastrand::f64() * self.settings.time.as_secs_f64() < elapsed.as_secs_f64()
            }
        }
    }
}

/// The drains that concern the process as a whole.
#[derive(Debug)]
pub struct ServerDrain {
    /// Inbound listeners only (`drain_listeners?inboundonly`).
    pub inbound: Arc<Drain>,
    /// Everything.
    pub all: Arc<Drain>,
    /// An operator made health checks fail: whoever balances should find another instance.
    unhealthy: AtomicBool,
}

impl ServerDrain {
    /// Neither has begun.
    pub fn new(settings: Settings) -> Arc<ServerDrain> {
        let (inbound, all) = (Drain::new(settings), Drain::new(settings));
        Arc::new(ServerDrain { inbound, all, unhealthy: AtomicBool::new(false) })
    }

    /// What `healthcheck/fail` and `healthcheck/ok` said last. A stale read costs one more kept-alive request.
    pub fn set_healthy(&self, healthy: bool) {
        self.unhealthy.store(!healthy, Ordering::Relaxed);
    }
}

/// What one connection watches: the drain of its filter chain and those of the process that apply to it.
#[derive(Debug, Clone)]
pub struct DrainWatch {
    server: Arc<ServerDrain>,
    listener: Arc<Drain>,
    direction: Direction,
    modify_only: bool,
    heeds_overload: bool,
}

impl DrainWatch {
    /// For connections of a listener.
    pub fn new(server: Arc<ServerDrain>, listener: Arc<Drain>, direction: Direction) -> DrainWatch {
        DrainWatch { server, listener, direction, modify_only: false, heeds_overload: true }
    }

    /// `drain_type: MODIFY_ONLY`: failing health checks are no reason to close.
    pub fn modify_only(self, modify_only: bool) -> DrainWatch {
        DrainWatch { modify_only, ..self }
    }

    /// Of a listener that bypasses the overload manager, where it does.
    pub fn bypassing_overload(mut self, bypasses: bool) -> DrainWatch {
        self.heeds_overload = !bypasses;
        self
    }

    /// Whether requests are refused, and connections end, when there is too little of something.
    pub fn heeds_overload(&self) -> bool {
        self.heeds_overload
    }

    /// A watch that never fires, for tests.
    pub fn never() -> DrainWatch {
        let settings = Settings::default();
        DrainWatch::new(ServerDrain::new(settings), Drain::new(settings), Direction::Unspecified)
    }

    /// Whether the answer that is about to be sent should be the connection's last.
    pub fn should_close(&self) -> bool {
        self.listener.should_close()
            || (!self.modify_only && self.server.unhealthy.load(Ordering::Relaxed))
            || self.server.all.should_close()
            || (self.direction == Direction::Inbound && self.server.inbound.should_close())
    }

    /// Whether an operator made health checks fail.
    pub fn fails_health_checks(&self) -> bool {
        self.server.unhealthy.load(Ordering::Relaxed)
    }

    /// The value, unless the connection must end before it is there. Costs nothing where it is there at once.
    pub async fn before_end<T>(&self, wanted: impl Future<Output = T>) -> Option<T> {
        let (mut wanted, mut end) = (pin!(wanted), pin!(self.deadline()));
        poll_fn(|cx| match wanted.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => end.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// Fires when the connection must end now. Costs one waker a connection, and one load each time the same task polls it again.
    pub async fn deadline(&self) {
        let drain = &self.listener;
        let mut cancelled = pin!(drain.end.cancelled());
        let mut registered: Option<Waker> = None;
        poll_fn(|cx| {
            let known = registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if known && !drain.ended.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            registered = Some(cx.waker().clone());
            cancelled.as_mut().poll(cx)
        })
        .await;
    }
}

#[cfg(test)]
mod tests;
