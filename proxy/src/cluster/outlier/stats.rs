//! `cluster.NAME.outlier_detection.…`, under Envoy's names; some of them are older words for the same.

use super::detector::Cause;
use crate::stats::{Counter, Gauge, Scope};

macro_rules! statistics {
    ($($name:ident)*) => {
        /// Handles of one cluster.
        #[derive(Debug, Clone, Copy)]
        pub struct OutlierStats {
            /// `ejections_active`.
            pub ejections_active: Gauge,
            $(#[doc = concat!("`", stringify!($name), "`.")] pub $name: Counter,)*
        }

        impl OutlierStats {
            /// All of them.
            pub fn new(scope: &Scope) -> OutlierStats {
                OutlierStats {
                    ejections_active: scope.gauge("outlier_detection.ejections_active"),
                    $($name: scope.counter(concat!("outlier_detection.", stringify!($name))),)*
                }
            }
        }
    };
}

statistics! {
    ejections_consecutive_5xx
    ejections_detected_consecutive_5xx
    ejections_detected_consecutive_gateway_failure
    ejections_detected_consecutive_local_origin_failure
    ejections_detected_degradation
    ejections_detected_failure_percentage
    ejections_detected_local_origin_failure_percentage
    ejections_detected_local_origin_success_rate
    ejections_detected_success_rate
    ejections_enforced_consecutive_5xx
    ejections_enforced_consecutive_gateway_failure
    ejections_enforced_consecutive_local_origin_failure
    ejections_enforced_failure_percentage
    ejections_enforced_local_origin_failure_percentage
    ejections_enforced_local_origin_success_rate
    ejections_enforced_success_rate
    ejections_enforced_total
    ejections_overflow
    ejections_success_rate
    ejections_total
}

impl OutlierStats {
    /// A host was found to be an outlier.
    pub fn detected(&self, cause: Cause) {
        let counter = match cause {
            Cause::Consecutive5xx => self.ejections_detected_consecutive_5xx,
            Cause::ConsecutiveGatewayFailure => self.ejections_detected_consecutive_gateway_failure,
            Cause::ConsecutiveLocalOriginFailure => self.ejections_detected_consecutive_local_origin_failure,
            Cause::SuccessRate { local: false } => self.ejections_detected_success_rate,
            Cause::SuccessRate { local: true } => self.ejections_detected_local_origin_success_rate,
            Cause::FailurePercentage { local: false } => self.ejections_detected_failure_percentage,
            Cause::FailurePercentage { local: true } => self.ejections_detected_local_origin_failure_percentage,
        };
        counter.inc();
    }

    /// And is left out for it.
    pub fn enforced(&self, cause: Cause) {
        self.ejections_enforced_total.inc();
        self.ejections_active.inc();
        let counter = match cause {
            Cause::Consecutive5xx => self.ejections_enforced_consecutive_5xx,
            Cause::ConsecutiveGatewayFailure => self.ejections_enforced_consecutive_gateway_failure,
            Cause::ConsecutiveLocalOriginFailure => self.ejections_enforced_consecutive_local_origin_failure,
            Cause::SuccessRate { local: false } => self.ejections_enforced_success_rate,
            Cause::SuccessRate { local: true } => self.ejections_enforced_local_origin_success_rate,
            Cause::FailurePercentage { local: false } => self.ejections_enforced_failure_percentage,
            Cause::FailurePercentage { local: true } => self.ejections_enforced_local_origin_failure_percentage,
        };
        counter.inc();
    }
}
