//! The clock of entries that are written again and again while something goes on. Held by requests and connections.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// When something is written again.
#[derive(Debug)]
pub(crate) struct Again {
    interval: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Again {
    /// After that time, and then each time.
    pub fn new(interval: Duration) -> Again {
        Again { interval, timer: Box::pin(sleep(interval)) }
    }

    /// Whether it is time. Else the task is woken then.
    pub fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self.timer.as_mut().poll(cx).is_ready();
        if due {
            self.timer.as_mut().reset(Instant::now() + self.interval);
        }
        due
    }
}
