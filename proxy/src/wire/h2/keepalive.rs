//! Sends a PING every interval and notices when one stays unanswered and nothing else comes. Polled by the connection's task of either side.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::Settings;
use super::connection::Connection;

/// The PINGs of one connection.
#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Option<Duration>,
    jitter: Duration,
    timeout: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Keepalive {
    /// `None` if no PING is ever wanted.
    pub(super) fn new(settings: &Settings) -> Option<Keepalive> {
        let interval = settings.keepalive_interval;
        if interval.is_none() && settings.idle_interval.is_none() {
            return None;
        }
        let jitter = interval.unwrap_or_default().mul_f64(settings.keepalive_jitter.clamp(0.0, 100.0) / 100.0);
        let mut keepalive =
            Keepalive { interval, jitter, timeout: settings.keepalive_timeout, sleep: None, waiting: false };
        keepalive.rest();
        Some(keepalive)
    }

    /// Ready when a PING was not answered in time.
    pub(super) fn poll_dead(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match (self.waiting, connection.pings.is_waiting()) {
                (true, false) => self.rest(),
                // Somebody else has sent one.
                (false, true) => self.wait_until(Instant::now() + self.timeout),
                _ => {}
            }
            let Some(sleep) = &mut self.sleep else { return Poll::Pending };
            ready!(sleep.as_mut().poll(cx));
            if !self.waiting {
                connection.say_ping();
                continue;
            }
            // What comes says that the peer lives: its answer may stand behind that.
            let until = connection.now() + self.timeout;
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            self.wait_until(until);
        }
    }

    fn rest(&mut self) {
        self.waiting = false;
        match self.interval {
            Some(interval) => self.sleep_until(Instant::now() + interval + self.jitter.mul_f64(fastrand::f64())),
            None => self.sleep = None,
        }
    }

    fn wait_until(&mut self, end: Instant) {
        self.waiting = true;
        self.sleep_until(end);
    }

    fn sleep_until(&mut self, end: Instant) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(end),
            sleep => *sleep = Some(Box::pin(tokio::time::sleep_until(end))),
        }
    }
}
