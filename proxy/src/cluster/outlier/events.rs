//! `cluster_manager.outlier_detection.event_log_path`: a line of JSON for each host that is left out or comes back, as
//! `envoy.data.cluster.v3.OutlierDetectionEvent` is written by Envoy. Called by [`super::detector`] on the control thread.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::detector::Cause;
use crate::cluster::identity::Identity;
use crate::log_files::EventFile;
use crate::telemetry::clock;

/// What has happened to a host.
pub struct Event<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The host.
    pub host: &'a Arc<Identity>,
    /// Why it is to be left out, and whether it is; `None`: it comes back.
    pub cause: Option<(Cause, bool)>,
    /// How often it was left out.
    pub ejections: u32,
    /// Since it came back last, or was left out last.
    pub since: Option<Duration>,
    /// Averages and thresholds of the cluster.
    pub averages: [f64; 4],
}

/// A log of events.
#[derive(Clone)]
pub struct EventLog(pub EventFile);

impl EventLog {
    /// Adds one.
    pub fn write(&self, event: &Event<'_>) {
        self.0.write(&line(event, SystemTime::now()));
    }
}

// A structure and not a map: fields come in Envoy's order.
#[derive(serde::Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    // 64 bits are text in protobuf's JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    secs_since_last_action: Option<String>,
    cluster_name: &'a str,
    upstream_url: &'a str,
    action: &'static str,
    num_ejections: u32,
    enforced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    eject_success_rate_event: Option<SuccessRate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eject_consecutive_event: Option<Consecutive>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eject_failure_percentage_event: Option<FailurePercentage>,
}

#[derive(serde::Serialize)]
struct SuccessRate {
    host_success_rate: u32,
    cluster_average_success_rate: u32,
    cluster_success_rate_ejection_threshold: u32,
}

#[derive(serde::Serialize)]
struct Consecutive {}

#[derive(serde::Serialize)]
struct FailurePercentage {
    host_success_rate: u32,
}

/// The line, without its end.
pub(super) fn line(event: &Event<'_>, now: SystemTime) -> String {
    let mut line = Line {
        kind: event.cause.map_or("CONSECUTIVE_5XX", |(cause, _)| cause.name()),
        timestamp: clock::milliseconds(now),
        secs_since_last_action: event.since.map(|since| since.as_secs().to_string()),
        cluster_name: event.cluster,
        upstream_url: &event.host.printed,
        action: if event.cause.is_some() { "EJECT" } else { "UNEJECT" },
        num_ejections: event.ejections,
        enforced: event.cause.is_some_and(|(_, enforced)| enforced),
        eject_success_rate_event: None,
        eject_consecutive_event: None,
        eject_failure_percentage_event: None,
    };
    let rate = |local: bool| {
        let rates = event.host.monitor().map_or([-1.0; 2], |monitor| monitor.rates());
        whole(rates[usize::from(local)])
    };
    match event.cause.map(|(cause, _)| cause) {
        None => {}
        Some(Cause::Consecutive5xx | Cause::ConsecutiveGatewayFailure | Cause::ConsecutiveLocalOriginFailure) => {
            line.eject_consecutive_event = Some(Consecutive {});
        }
        Some(Cause::SuccessRate { local }) => {
            let at = if local { 2 } else { 0 };
            line.eject_success_rate_event = Some(SuccessRate {
                host_success_rate: rate(local),
                cluster_average_success_rate: whole(event.averages[at]),
                cluster_success_rate_ejection_threshold: whole(event.averages[at + 1]),
            });
        }
        Some(Cause::FailurePercentage { local }) => {
            line.eject_failure_percentage_event = Some(FailurePercentage { host_success_rate: rate(local) });
        }
    }
    // Text and numbers alone are always written.
    serde_json::to_string(&line).unwrap_or_default()
}

/// As a `uint32` holds it.
fn whole(percent: f64) -> u32 {
    percent as u32
}

impl Cause {
    /// Its name as an `OutlierEjectionType`.
    fn name(self) -> &'static str {
        match self {
            Cause::Consecutive5xx => "CONSECUTIVE_5XX",
            Cause::ConsecutiveGatewayFailure => "CONSECUTIVE_GATEWAY_FAILURE",
            Cause::ConsecutiveLocalOriginFailure => "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
            Cause::SuccessRate { local: false } => "SUCCESS_RATE",
            Cause::SuccessRate { local: true } => "SUCCESS_RATE_LOCAL_ORIGIN",
            Cause::FailurePercentage { local: false } => "FAILURE_PERCENTAGE",
            Cause::FailurePercentage { local: true } => "FAILURE_PERCENTAGE_LOCAL_ORIGIN",
        }
    }
}
