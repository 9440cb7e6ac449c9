//! What tests of balancers do to hosts.

use super::HostState;

impl HostState {
    /// Makes it look busy.
    pub fn pretend_active(&self, count: u32) {
        self.active.set(count);
    }
}
