//! `OutlierDetection` to plain data: when a host is taken for an outlier, and for how long it is left out. Called by [`super::decode`].
//!
//! Each number has a runtime key of Envoy's, which counts in its place where the bootstrap's static layers name it.

use std::time::Duration;

use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, uint32, wkt};
use crate::rejection::{At, Rejection};

/// `OutlierDetection`.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlierDetection {
    /// `interval`: between two looks at all hosts.
    pub interval: Duration,
    /// `base_ejection_time`.
    pub base_ejection_time: Duration,
    /// `max_ejection_time`; the longer of 300 s and the base when unset.
    pub max_ejection_time: Duration,
    /// `max_ejection_time_jitter`.
    pub max_ejection_time_jitter: Duration,
    /// `max_ejection_percent`.
    pub max_ejection_percent: u32,
    /// `always_eject_one_host`: the first is left out whatever the percentage.
    pub always_eject_one_host: bool,
    /// `split_external_local_origin_errors`: what servers answer and what connections suffer are counted apart.
    pub split_local_origin: bool,
    /// `consecutive_5xx`.
    pub consecutive_5xx: Consecutive,
    /// `consecutive_gateway_failure`.
    pub consecutive_gateway_failure: Consecutive,
    /// `consecutive_local_origin_failure`.
    pub consecutive_local_origin_failure: Consecutive,
    /// `success_rate_*`.
    pub success_rate: SuccessRate,
    /// `failure_percentage_*`.
    pub failure_percentage: FailurePercentage,
    /// `successful_active_health_check_uneject_host`.
    pub active_check_unejects: bool,
    /// `detect_degraded_hosts`: by the header `x-envoy-degraded`.
    pub detect_degraded: bool,
}

/// So many failures in a row, and how likely they have a consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consecutive {
    /// How many.
    pub count: u32,
    /// Percent.
    pub enforcing: u32,
}

/// Hosts that succeed less often than the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuccessRate {
    /// Fewer hosts are not compared.
    pub minimum_hosts: u32,
    /// Hosts with fewer requests are not compared.
    pub request_volume: u32,
    /// Standard deviations below the mean, in thousandths.
    pub stdev_factor: u32,
    /// Percent.
    pub enforcing: u32,
    /// Percent, for what connections suffer.
    pub enforcing_local_origin: u32,
}

/// Hosts that fail in a share of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailurePercentage {
    /// That share.
    pub threshold: u32,
    /// Fewer hosts are not looked at.
    pub minimum_hosts: u32,
    /// Hosts with fewer requests are not looked at.
    pub request_volume: u32,
    /// Percent.
    pub enforcing: u32,
    /// Percent, for what connections suffer.
    pub enforcing_local_origin: u32,
}

const DEFAULT_LONGEST: Duration = Duration::from_secs(300);

/// An `OutlierDetection`.
pub(super) fn decode(
    at: &At<'_>,
    proto: &pb::OutlierDetection,
    options: &Options,
) -> Result<OutlierDetection, Rejection> {
    let reads = Reads { at, options };
    let base = reads.time("base_ejection_time", &proto.base_ejection_time, Duration::from_secs(30))?;
    Ok(OutlierDetection {
        interval: reads.time("interval", &proto.interval, Duration::from_secs(10))?,
        base_ejection_time: base,
        max_ejection_time: reads.time("max_ejection_time", &proto.max_ejection_time, DEFAULT_LONGEST.max(base))?,
        max_ejection_time_jitter: reads.time(
            "max_ejection_time_jitter",
            &proto.max_ejection_time_jitter,
            Duration::ZERO,
        )?,
        max_ejection_percent: reads.percent("max_ejection_percent", &proto.max_ejection_percent, 10),
        always_eject_one_host: proto::bool_or(&proto.always_eject_one_host, false),
        split_local_origin: proto.split_external_local_origin_errors,
        consecutive_5xx: Consecutive {
            count: reads.number("consecutive_5xx", &proto.consecutive_5xx, 5),
            enforcing: reads.percent("enforcing_consecutive_5xx", &proto.enforcing_consecutive_5xx, 100),
        },
        consecutive_gateway_failure: Consecutive {
            count: reads.number("consecutive_gateway_failure", &proto.consecutive_gateway_failure, 5),
            enforcing: reads.percent(
                "enforcing_consecutive_gateway_failure",
                &proto.enforcing_consecutive_gateway_failure,
                0,
            ),
        },
        consecutive_local_origin_failure: Consecutive {
            count: reads.number("consecutive_local_origin_failure", &proto.consecutive_local_origin_failure, 5),
            enforcing: reads.percent(
                "enforcing_consecutive_local_origin_failure",
                &proto.enforcing_consecutive_local_origin_failure,
                100,
            ),
        },
        success_rate: reads.success_rate(proto),
        failure_percentage: reads.failure_percentage(proto),
        active_check_unejects: proto::bool_or(&proto.successful_active_health_check_uneject_host, true),
        detect_degraded: proto::bool_or(&proto.detect_degraded_hosts, false),
    })
}

/// Reads fields, or what the runtime has in their place.
struct Reads<'a> {
    at: &'a At<'a>,
    options: &'a Options,
}

impl Reads<'_> {
    fn runtime(&self, key: &str) -> Option<u64> {
        self.options.runtime.get(&format!("outlier_detection.{key}"))
    }

    fn number(&self, field: &str, value: &Option<wkt::UInt32Value>, default: u32) -> u32 {
        let value = self.runtime(field).unwrap_or_else(|| uint32(value).unwrap_or(default).into());
        u32::try_from(value).unwrap_or(u32::MAX)
    }

    fn percent(&self, field: &str, value: &Option<wkt::UInt32Value>, default: u32) -> u32 {
        self.number(field, value, default).min(100)
    }

    /// In whole milliseconds, as Envoy keeps them; a timer that is always over would never let go of the thread.
    fn time(&self, field: &str, value: &Option<wkt::Duration>, default: Duration) -> Result<Duration, Rejection> {
        let configured = proto::duration(&self.at.field(field), value)?.unwrap_or(default);
        let milliseconds = u64::try_from(configured.as_millis()).unwrap_or(u64::MAX);
        Ok(Duration::from_millis(self.runtime(&format!("{field}_ms")).unwrap_or(milliseconds)))
    }

    fn success_rate(&self, proto: &pb::OutlierDetection) -> SuccessRate {
        SuccessRate {
            minimum_hosts: self.number("success_rate_minimum_hosts", &proto.success_rate_minimum_hosts, 5),
            request_volume: self.number("success_rate_request_volume", &proto.success_rate_request_volume, 100),
            stdev_factor: self.number("success_rate_stdev_factor", &proto.success_rate_stdev_factor, 1900),
            enforcing: self.percent("enforcing_success_rate", &proto.enforcing_success_rate, 100),
            enforcing_local_origin: self.percent(
                "enforcing_local_origin_success_rate",
                &proto.enforcing_local_origin_success_rate,
                100,
            ),
        }
    }

    fn failure_percentage(&self, proto: &pb::OutlierDetection) -> FailurePercentage {
        let (hosts, volume) = (&proto.failure_percentage_minimum_hosts, &proto.failure_percentage_request_volume);
        FailurePercentage {
            threshold: self.number("failure_percentage_threshold", &proto.failure_percentage_threshold, 85),
            minimum_hosts: self.number("failure_percentage_minimum_hosts", hosts, 5),
            request_volume: self.number("failure_percentage_request_volume", volume, 50),
            enforcing: self.percent("enforcing_failure_percentage", &proto.enforcing_failure_percentage, 0),
            enforcing_local_origin: self.percent(
                "enforcing_failure_percentage_local_origin",
                &proto.enforcing_failure_percentage_local_origin,
                0,
            ),
        }
    }
}

#[cfg(test)]
mod tests;
