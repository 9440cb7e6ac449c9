//! Listeners that accept no more, as an operator has asked (`drain_listeners`): a direction stays stopped, whatever is pushed later.

use std::sync::Arc;
use std::time::Instant;

use config::listener::Direction;

use super::Listeners;

impl Listeners {
    /// Stops accepting on listeners of a direction (`None`: all), for admin's `drain_listeners`.
    pub fn stop_accepting(&mut self, direction: Option<Direction>) {
        if !self.stopped.contains(&direction) {
            self.stopped.push(direction);
        }
        let waiting = self.held.all_warming();
        let waiting = waiting.filter(|(_, warming)| self.is_stopped(warming.listener.config().direction));
        let waiting: Vec<Arc<str>> = waiting.map(|(name, _)| name.clone()).collect();
        for name in waiting {
            self.held.take_warming(&name);
        }
        for active in self.held.all_active_mut() {
            let config = active.listener.config();
            if direction.is_none_or(|wanted| config.direction == wanted) && !active.sockets.is_empty() {
                active.sockets.clear();
                self.parts.server.listener_stopped.inc();
            }
        }
        self.sweep();
    }

    pub(super) fn is_stopped(&self, direction: Direction) -> bool {
        self.stopped.iter().any(|stopped| stopped.is_none_or(|stopped| stopped == direction))
    }

    /// The same, later.
    pub fn stop_accepting_after(&mut self, direction: Option<Direction>, at: Instant) {
        self.stops.push((direction, at));
    }
}
