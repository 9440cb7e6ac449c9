//! Sends a PING every interval and notices when one stays unanswered. Polled by the connection's task of either side.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep};

/// The PINGs of one connection.
pub(super) struct Keepalive {
    pings: PingPong,
    interval: Duration,
    timeout: Duration,
    sleep: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Keepalive {
    pub(super) fn new(pings: PingPong, interval: Duration, timeout: Duration) -> Keepalive {
        Keepalive { pings, interval, timeout, sleep: Box::pin(tokio::time::sleep(interval)), waiting: false }
    }

    /// Ready when a PING was not answered in time.
    pub(super) fn poll_dead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.waiting && self.pings.poll_pong(cx).is_ready() {
                self.waiting = false;
                self.sleep.as_mut().reset(Instant::now() + self.interval);
            }
            ready!(self.sleep.as_mut().poll(cx));
            if self.waiting {
                return Poll::Ready(());
            }
            self.waiting = self.pings.send_ping(Ping::opaque()).is_ok();
            let wait = if self.waiting { self.timeout } else { self.interval };
            self.sleep.as_mut().reset(Instant::now() + wait);
        }
    }
}
