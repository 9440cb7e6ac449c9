//! Statistics of sessions, `http.<prefix>.stateful_session.<stat_prefix>.*`; those of a route have no manager's prefix, as in Envoy.
//! Used by the filter alone.

use super::Outcome;
use crate::http::filters::filter::FilterDeps;
use crate::stats::Counter;

/// What is counted.
#[derive(Debug)]
pub(super) struct Counts {
    routed: Counter,
    failed_open: Counter,
    failed_closed: Counter,
    no_session: Counter,
}

impl Counts {
    /// Registers the names.
    pub fn new(deps: &FilterDeps<'_>, stat_prefix: &str) -> Counts {
        let counter = |name: &str| deps.stats.counter(&format!("{}stateful_session.{stat_prefix}.{name}", deps.scope));
        Counts {
            routed: counter("routed"),
            failed_open: counter("failed_open"),
            failed_closed: counter("failed_closed"),
            no_session: counter("no_session"),
        }
    }

    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Routed => self.routed.inc(),
            Outcome::FailedOpen => self.failed_open.inc(),
            Outcome::FailedClosed => self.failed_closed.inc(),
            Outcome::NoSession => self.no_session.inc(),
        }
    }
}
