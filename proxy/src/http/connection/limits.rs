//! The limits of one downstream connection: `idle_timeout`, `max_connection_duration`, what bounds a head that has begun, and the drain
//! that the first two begin: the client is told that the connection ends, has `drain_timeout` to finish, and requests under way end in their own
//! time. Polled by the connection's task; it closes nothing itself.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use config::bootstrap::Timer;
use tokio::time::Instant;

use crate::drain::jittered;
use crate::http::context::Context;
use crate::http::deadlines::{Deadlines, Expired};
use crate::overload;

/// What a connection waited for.
pub(super) enum Event<T> {
    /// It came.
    Ready(T),
    /// It did not come in time.
    Expired(Expired),
    /// The connection must end now.
    Drained,
}

/// How far the end of a connection that is too old or was idle for too long has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It does not end.
    No,
    /// The client is told that no more requests are wanted.
    Told,
    /// It has had its time: the connection ends with the last request under way.
    Over,
}

/// The limits of one connection.
pub(super) struct Limits {
    deadlines: Deadlines,
    idle: Option<Duration>,
    drain: Duration,
    head_began: Option<Instant>,
    /// What a head runs out of first: `None` is `request_headers_timeout`.
    first: Option<Expired>,
    /// The head that is awaited has a time of its own.
    bounded: bool,
    /// There is a limit to the connection's life: it is looked at before each request, for a client that pipelines never lets us wait.
    mortal: bool,
    ending: Ending,
    /// An old connection ends with the answer to its next request, and never without one.
    safe: bool,
}

impl Limits {
    pub(super) fn new(context: &Context) -> Limits {
        let config = &context.manager.config;
        let mut deadlines = Deadlines::of_connection();
        if let Some(longest) = config.max_connection_duration {
            deadlines.set(Expired::Duration, Some(jittered(longest, config.duration_jitter)));
        }
        let mut limits = Limits {
            deadlines,
            idle: config.idle_timeout,
            drain: jittered(config.drain_timeout, config.drain_jitter),
            safe: false,
            head_began: None,
            first: None,
            bounded: false,
            mortal: config.max_connection_duration.is_some(),
            ending: Ending::No,
        };
        limits.begin_idle(None);
        limits
    }

    /// The connection speaks HTTP/1, where nobody can tell a client that it ends but by an answer: `http1_safe_max_connection_duration`.
    pub(super) fn of_http1(mut self, context: &Context) -> Limits {
        self.safe = context.manager.config.safe_max_duration;
        self
    }

    /// Of HTTP/1: an old connection ends with a request that begins when it is old.
    pub(super) fn is_safe(&self) -> bool {
        self.safe
    }

    pub(super) fn ending(&self) -> Ending {
        self.ending
    }

    /// Idle from that moment, or from now on.
    pub(super) fn begin_idle(&mut self, since: Option<Instant>) {
        if self.idle.is_some() && self.ending == Ending::No {
            self.deadlines.set_from(Expired::Idle, self.idle, since.unwrap_or_else(Instant::now));
        }
    }

    /// A request of a connection that takes one at a time: it is not idle now.
    pub(super) fn end_idle(&mut self) {
        if self.idle.is_some() {
            self.deadlines.set(Expired::Idle, None);
        }
    }

    /// Some of a head is here, and not all. As in Envoy the request has begun: its own timeouts bound it, too.
    pub(super) fn head_begins(&mut self, context: &Context) {
        if self.head_began.is_none() {
            self.await_head(context, Instant::now());
        }
    }

    /// The same of a connection with several streams, where the head that is awaited may be another one each time.
    pub(super) fn heads_of_streams(&mut self, context: &Context, began: Option<Instant>) {
        if began == self.head_began {
            return;
        }
        if self.head_ends().is_some() {
            self.begin_idle(None);
        }
        if let Some(began) = began {
            self.await_head(context, began);
        }
    }

    fn await_head(&mut self, context: &Context, began: Instant) {
        self.head_began = Some(began);
        let config = &context.manager.config;
        let silence = config.stream_idle_timeout.map(|limit| overload::shortened(Timer::StreamIdle, limit));
        let limits = [
            (None, config.request_headers_timeout),
            (Some(Expired::Duration), config.max_stream_duration),
            (Some(Expired::Request), config.request_timeout),
            (Some(Expired::Idle), silence),
        ];
        let first =
            limits.into_iter().filter_map(|(which, limit)| Some((which, limit?))).min_by_key(|(_, limit)| *limit);
        if let Some((which, limit)) = first {
            // It is idle no more, and has a time of its own.
            self.end_idle();
            (self.first, self.bounded) = (which, true);
            self.deadlines.set_from(Expired::Request, Some(limit), began);
        }
    }

    /// A head is awaited, and no longer than it may be.
    pub(super) fn awaits_head(&self) -> bool {
        self.bounded
    }

    /// Which of a request's own timeouts ran out while its head was awaited; `None` is `request_headers_timeout`.
    pub(super) fn first(&self) -> Option<Expired> {
        self.first
    }

    /// The rest of the head is here, or never will be: since when it was awaited.
    pub(super) fn head_ends(&mut self) -> Option<Instant> {
        let began = self.head_began.take();
        self.bounded = false;
        if began.is_some() {
            self.deadlines.set(Expired::Request, None);
        }
        began
    }

    /// Whether a connection with several streams was idle for all the time; if not, the timeout is set anew.
    pub(super) fn was_idle(&mut self, idle: bool, last_end: Instant) -> bool {
        let Some(timeout) = self.idle else { return false };
        if !idle {
            // It is asked again then, and sooner where the timeout may have become shorter by the time the last stream ends.
            let may_shrink = overload::may_shorten(Timer::ConnectionIdle);
            let again = if may_shrink { timeout.min(overload::LOOK) } else { timeout };
            self.deadlines.set_fixed(Expired::Idle, again);
            return false;
        }
        if last_end.elapsed() >= overload::shortened(Timer::ConnectionIdle, timeout) {
            return true;
        }
        self.deadlines.set_from(Expired::Idle, Some(timeout), last_end);
        false
    }

    /// Ready when a time has run out. One that only ends the connection takes its first step: see [`ending`](Limits::ending).
    pub(super) fn poll(&mut self, context: &Context, cx: &mut Task<'_>) -> Poll<Expired> {
        let Poll::Ready(expired) = self.deadlines.poll(cx) else { return Poll::Pending };
        Poll::Ready(self.step(context, expired))
    }

    /// As [`poll`](Limits::poll), for nothing where the connection may live for ever.
    pub(super) fn poll_age(&mut self, context: &Context, cx: &mut Task<'_>) -> Poll<Expired> {
        if self.mortal { self.poll(context, cx) } else { Poll::Pending }
    }

    fn step(&mut self, context: &Context, expired: Expired) -> Expired {
        match (expired, self.ending) {
            (Expired::Duration, Ending::No) if self.safe => {
                self.count(context, expired);
                self.ending = Ending::Told;
            }
            (Expired::Duration, Ending::No) => self.tell(context, expired),
            (Expired::Duration, _) => self.ending = Ending::Over,
            _ => {}
        }
        expired
    }

    /// The connection was idle for too long, or is too old.
    pub(super) fn tell(&mut self, context: &Context, expired: Expired) {
        self.count(context, expired);
        self.ending = Ending::Told;
        self.mortal = true;
        self.end_idle();
        self.deadlines.set_fixed(Expired::Duration, self.drain);
    }

    pub(super) fn count(&self, context: &Context, expired: Expired) {
        let stats = &context.manager.stats;
        match expired {
            Expired::Idle => stats.downstream_cx_idle_timeout.inc(),
            Expired::Duration => stats.downstream_cx_max_duration_reached.inc(),
            _ => {}
        }
    }

    /// Waits for something on an otherwise idle connection.
    pub(super) async fn idle<T>(
        &mut self,
        mut wanted: Pin<&mut impl Future<Output = T>>,
        mut end: Pin<&mut impl Future<Output = ()>>,
    ) -> Event<T> {
        poll_fn(|cx| {
            if let Poll::Ready(value) = wanted.as_mut().poll(cx) {
                return Poll::Ready(Event::Ready(value));
            }
            if end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Drained);
            }
            self.deadlines.poll(cx).map(Event::Expired)
        })
        .await
    }
}
