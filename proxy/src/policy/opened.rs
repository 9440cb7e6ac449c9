//! A service that gives no answer, where that lets everything pass: said when it begins, once a minute while it lasts, and when it is over.
//! Kept by filters that ask a service and may fail open; the workers share it.

use std::fmt::Display;

use crate::outage::Outage;

/// Whether everything passes.
#[derive(Debug, Default)]
pub(crate) struct Opened(Outage);

impl Opened {
    /// Somebody passes who was not judged. `who` names the filter.
    pub fn failed(&self, who: impl Display, why: &str) {
        if self.0.failed() {
            tracing::warn!(target: "filter", "{who}: what it should judge passes without its judgement: {why}");
        }
    }

    /// The service has answered.
    pub fn answered(&self, who: impl Display) {
        if self.0.is_ended() {
            tracing::warn!(target: "filter", "{who}: judges again");
        }
    }
}
