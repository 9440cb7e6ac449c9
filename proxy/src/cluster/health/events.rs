//! `event_log_path` of health checks and its file sinks: a line of JSON for each change, as `envoy.data.core.v3.HealthCheckEvent` is
//! written by Envoy. Called by [`super::state`].

use std::sync::Arc;
use std::time::SystemTime;

use config::address::Address;
use config::cluster::Asks;
use config::endpoint::Locality;
use serde_json::{Value, json};

use super::state::{Failure, Kind};
use crate::cluster::endpoints::Endpoint;
use crate::log_files::EventFile;
use crate::telemetry::clock;

/// The logs of one cluster's checks.
pub struct Log {
    /// Where lines go.
    pub files: Vec<EventFile>,
    /// The cluster's name.
    pub cluster: Arc<str>,
    /// `health_checker_type`.
    pub kind: &'static str,
}

/// What has happened.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// `eject_unhealthy_event`.
    Unhealthy(Failure),
    /// `add_healthy_event`.
    Healthy {
        /// It was the first check.
        first: bool,
    },
    /// `health_check_failure_event`.
    Failure {
        /// Why.
        failure: Failure,
        /// It was the first check.
        first: bool,
    },
    /// `degraded_healthy_host`.
    Degraded,
    /// `no_longer_degraded_host`.
    NoLongerDegraded,
    /// `successful_health_check_event`.
    Success,
}

impl Log {
    /// Adds a line, and tells changes in the process log.
    pub fn write(&self, endpoint: &Endpoint, what: What) {
        let (cluster, host) = (&*self.cluster, &*endpoint.identity.printed);
        match what {
            What::Unhealthy(failure) => {
                tracing::info!(target: "hc", cluster, host, "health check: unhealthy ({})", failure.kind.name());
            }
            What::Healthy { .. } => tracing::info!(target: "hc", cluster, host, "health check: healthy"),
            _ => tracing::debug!(target: "hc", cluster, host, "health check: {what:?}"),
        }
        if !self.files.is_empty() {
            let line = self.line(endpoint, what, SystemTime::now());
            self.files.iter().for_each(|file| file.write(&line));
        }
    }

    /// Fields come in the order of their numbers.
    pub(super) fn line(&self, endpoint: &Endpoint, what: What, now: SystemTime) -> String {
        let mut fields: Vec<(u8, &str, String)> = vec![
            (1, "health_checker_type", text(self.kind)),
            (2, "host", address(&endpoint.identity.address)),
            (3, "cluster_name", text(&self.cluster)),
            (6, "timestamp", text(&clock::milliseconds(now))),
            (11, "locality", locality(&endpoint.locality)),
        ];
        let metadata = endpoint.metadata.all();
        if !metadata.is_empty() {
            let all = metadata.iter().map(|(name, value)| (name.to_string(), value.clone()));
            let all = Value::Object(all.collect());
            fields.push((10, "metadata", format!("{{\"filter_metadata\":{all},\"typed_filter_metadata\":{{}}}}")));
        }
        fields.push(match what {
            What::Unhealthy(failure) => {
                let (kind, status) = (failure.kind.name(), failure.status);
                (4, "eject_unhealthy_event", format!("{{\"failure_type\":\"{kind}\",\"http_status_code\":{status}}}"))
            }
            What::Healthy { first } => (5, "add_healthy_event", format!("{{\"first_check\":{first}}}")),
            What::Failure { failure, first } => {
                let (kind, status) = (failure.kind.name(), failure.status);
                let event =
                    format!("{{\"failure_type\":\"{kind}\",\"first_check\":{first},\"http_status_code\":{status}}}");
                (7, "health_check_failure_event", event)
            }
            What::Degraded => (8, "degraded_healthy_host", "{}".to_owned()),
            What::NoLongerDegraded => (9, "no_longer_degraded_host", "{}".to_owned()),
            What::Success => (12, "successful_health_check_event", "{}".to_owned()),
        });
        fields.sort_by_key(|(number, ..)| *number);
        let fields: Vec<String> = fields.iter().map(|(_, name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// `health_checker_type` of a check.
pub fn kind_of(asks: &Asks) -> &'static str {
    match asks {
        Asks::Http(_) => "HTTP",
        Asks::Tcp(_) => "TCP",
        Asks::Grpc(_) => "GRPC",
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Active => "ACTIVE",
            Kind::Passive => "PASSIVE",
            Kind::Network => "NETWORK",
            Kind::Timeout => "NETWORK_TIMEOUT",
        }
    }
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

/// As it is told of a host: all its fields.
fn address(address: &Address) -> String {
    let socket = |host: &str, port: u16| {
        format!(
            "{{\"socket_address\":{{\"protocol\":\"TCP\",\"address\":{},\"port_value\":{port},\"resolver_name\":\"\",\"ipv4_compat\":false,\"network_namespace_filepath\":\"\"}}}}",
            text(host)
        )
    };
    match address {
        Address::Socket(address) => socket(&address.ip().to_string(), address.port()),
        Address::Name { host, port } => socket(host, *port),
        Address::Pipe(path) => json!({ "pipe": { "mode": 0, "path": path.to_string_lossy() } }).to_string(),
        Address::Internal { listener, .. } => {
            json!({ "envoy_internal_address": { "server_listener_name": &**listener } }).to_string()
        }
    }
}

fn locality(locality: &Locality) -> String {
    let Locality { region, zone, sub_zone } = locality;
    format!("{{\"region\":{},\"zone\":{},\"sub_zone\":{}}}", text(region), text(zone), text(sub_zone))
}
