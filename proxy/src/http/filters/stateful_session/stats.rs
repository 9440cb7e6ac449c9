//! Statistics of sessions, `http.<prefix>.stateful_session.<stat_prefix>.*`; those of a route have no manager's prefix, as in Envoy.
//! Used by the filter alone.

use super::Outcome;

crate::stats::counters! {
    /// What is counted.
    pub(super) struct Counts { routed failed_open failed_closed no_session }
}

impl Counts {
    /// A session has come to this.
    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Routed => self.routed.inc(),
            Outcome::FailedOpen => self.failed_open.inc(),
            Outcome::FailedClosed => self.failed_closed.inc(),
            Outcome::NoSession => self.no_session.inc(),
        }
    }
}
