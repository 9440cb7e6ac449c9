//! Drains that an operator asks for (admin's `drain_listeners`). Called by the control loop.

use std::time::Instant;

use config::listener::Direction;

use super::Control;

impl Control {
    /// Connections are told to end; and listeners accept no more, now, later or never.
    pub(super) fn drain_listeners(&mut self, inbound_only: bool, graceful: bool, skip_exit: bool) {
        let drain = if inbound_only { &self.drain.inbound } else { &self.drain.all };
        let direction = inbound_only.then_some(Direction::Inbound);
        let which = if inbound_only { "inbound listeners" } else { "all listeners" };
        let began = drain.begin();
        if graceful && !began {
            return tracing::info!(target: "main", "{which} are draining already");
        }
        let seconds = drain.time().as_secs();
        tracing::info!(target: "main", "{which} {}", told(seconds, graceful, skip_exit));
        match (skip_exit, graceful) {
            (true, _) => {}
            (false, true) => self.listeners.stop_accepting_after(direction, Instant::now() + drain.time()),
            (false, false) => self.listeners.stop_accepting(direction),
        }
    }
}

/// What becomes of listeners that drain.
pub(super) fn told(seconds: u64, graceful: bool, skip_exit: bool) -> String {
    match (skip_exit, graceful) {
        (true, _) => format!(
            "drain: connections are told to end within {seconds} s, and new ones are accepted for good (skip_exit)"
        ),
        (false, true) => {
            format!("drain: connections are told to end, and new ones are accepted for {seconds} s (graceful)")
        }
        (false, false) => format!("accept no more, at once: connections are told to end within {seconds} s"),
    }
}
