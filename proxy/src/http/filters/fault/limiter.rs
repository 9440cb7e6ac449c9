//! A response that is let through at so many octets a second, in steps of 50 ms: a bucket of tokens that holds a second's worth, and one
//! step's at the beginning. Used by the filter alone. While it waits nobody reads from the upstream: what is held is one frame.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::http::filters::filter::{Out, Step};
use crate::http::filters::wait::Wait;
use crate::wire::message::Frame;

const STEP: Duration = Duration::from_millis(50);

/// One response's.
#[derive(Debug)]
pub(super) struct Limiter {
    /// Octets a second.
    rate: f64,
    tokens: f64,
    filled: Instant,
    held: Bytes,
}

impl Limiter {
    /// Begins to fill now.
    pub fn new(rate: u64) -> Limiter {
        let rate = rate as f64;
        Limiter { rate, tokens: (rate * STEP.as_secs_f64()).floor(), filled: Instant::now(), held: Bytes::new() }
    }

    /// A frame comes. Nothing is held when it does.
    pub fn take(&mut self, frame: Frame, out: &mut Out<'_>) -> Step {
        match frame {
            Frame::Data(data) => {
                self.held = data;
                self.release(out)
            }
            last => {
                out.push(last);
                Step::Continue
            }
        }
    }

    /// Lets through what may go now.
    pub fn release(&mut self, out: &mut Out<'_>) -> Step {
        let now = Instant::now();
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(self.rate);
        self.filled = now;
        // No more octets than are held, so that it fits.
        let some = (self.tokens.floor()).min(self.held.len() as f64);
        self.tokens -= some;
        let piece = self.held.split_to(some as usize);
        if !piece.is_empty() {
            out.push(Frame::Data(piece));
        }
        if self.held.is_empty() { Step::Continue } else { Step::Wait(Wait::Until(now + STEP)) }
    }
}
