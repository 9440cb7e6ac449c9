//! `/clusters`: endpoints with their health and counts.

use std::fmt::Write;

use axum::http::StatusCode;
use axum::response::Response;
use config::address::Address;
use config::cluster::Thresholds;
use config::endpoint::HealthStatus;
use config::matcher::re2;
use serde_json::{Value, json};

use super::query::Query;
use super::source::ClusterStatus;
use super::{Admin, reply};
use crate::status::{HealthFlags, HostStatus, Shown};

/// `cluster::address::fact::value` lines, or JSON.
pub fn show(admin: &Admin, query: &Query, shown: &Shown) -> Response {
    let filter = match query.get("filter").map(re2::asked).transpose() {
        Ok(filter) => filter,
        Err(reason) => return reply::failure(StatusCode::BAD_REQUEST, format!("Invalid re2 regex: {reason}")),
    };
    let mut clusters = admin.source.clusters(shown);
    clusters.retain(|cluster| filter.as_ref().is_none_or(|filter| filter.is_match(cluster.name.as_bytes())));
    if query.get("format") == Some("json") {
        let cluster_statuses: Vec<_> = clusters.iter().map(cluster_json).collect();
        return match cluster_statuses.is_empty() {
            true => reply::json("{}\n"),
            false => reply::pretty(&Clusters { cluster_statuses }),
        };
    }
    let mut out = String::new();
    for cluster in &clusters {
        cluster_text(cluster, &mut out);
    }
    reply::text(out)
}

fn cluster_text(cluster: &ClusterStatus, out: &mut String) {
    let name = &cluster.name;
    // A string takes all that is written to it.
    let mut line = |fact: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(out, "{name}::{fact}::{value}");
    };
    line("observability_name", &cluster.observability_name);
    for (name, rate) in OUTLIER_RATES.iter().zip(cluster.outlier_rates.iter().flatten()) {
        line(&format!("outlier::{name}"), &number(*rate));
    }
    for (priority, thresholds) in ["default_priority", "high_priority"].iter().zip(&cluster.thresholds) {
        for (limit, value) in limits(thresholds) {
            line(&format!("{priority}::{limit}"), &value);
        }
    }
    line("added_via_api", &cluster.added_via_api);
    if let Some(service) = &cluster.eds_service_name {
        line("eds_service_name", service);
    }
    for host in &cluster.hosts {
        host_text(name, host, out);
    }
}

fn host_text(cluster: &str, host: &HostStatus, out: &mut String) {
    let counts = &host.counts;
    let facts: [(&str, &dyn std::fmt::Display); 19] = [
        ("cx_active", &counts.cx_active),
        ("cx_connect_fail", &counts.cx_connect_fail),
        ("cx_total", &counts.cx_total),
        ("rq_active", &counts.rq_active),
        ("rq_error", &counts.rq_error),
        ("rq_pending_active", &0),
        ("rq_success", &counts.rq_success),
        ("rq_timeout", &counts.rq_timeout),
        ("rq_total", &counts.rq_total),
        ("hostname", &host.hostname),
        ("health_flags", &health_flags(host)),
        ("weight", &host.weight),
        ("region", &host.locality.region),
        ("zone", &host.locality.zone),
        ("sub_zone", &host.locality.sub_zone),
        ("canary", &host.canary),
        ("priority", &host.priority),
        ("success_rate", &number(host.success_rates[0])),
        ("local_origin_success_rate", &number(host.success_rates[1])),
    ];
    for (fact, value) in facts {
        let _ = writeln!(out, "{cluster}::{}::{fact}::{value}", host.address);
    }
}

const OUTLIER_RATES: [&str; 4] = [
    "success_rate_average",
    "success_rate_ejection_threshold",
    "local_origin_success_rate_average",
    "local_origin_success_rate_ejection_threshold",
];

/// As C++ streams print a `double`: six significant digits.
fn number(value: f64) -> String {
    let digits = 5 - value.abs().max(1.0).log10().floor() as i32;
    let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// In Envoy's order.
fn health_flags(host: &HostStatus) -> String {
    use HealthStatus::{Degraded, Draining, Timeout, Unhealthy};
    let has = |flag| host.flags.has(flag);
    let flags = [
        ("/failed_active_hc", has(HealthFlags::FAILED_ACTIVE_HC)),
        ("/failed_outlier_check", has(HealthFlags::FAILED_OUTLIER_CHECK)),
        ("/failed_eds_health", matches!(host.health, Unhealthy | Timeout)),
        ("/degraded_active_hc", has(HealthFlags::DEGRADED_ACTIVE_HC)),
        ("/degraded_eds_health", host.health == Degraded),
        ("/pending_dynamic_removal", has(HealthFlags::PENDING_DYNAMIC_REMOVAL)),
        ("/pending_active_hc", has(HealthFlags::PENDING_ACTIVE_HC)),
        ("/excluded_via_immediate_hc_fail", has(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL)),
        ("/active_hc_timeout", has(HealthFlags::ACTIVE_HC_TIMEOUT)),
        ("/eds_status_draining", host.health == Draining),
        ("/degraded_outlier_detection", has(HealthFlags::DEGRADED_OUTLIER_DETECTION)),
    ];
    let set: String = flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
    if set.is_empty() { "healthy".to_owned() } else { set }
}

fn limits(thresholds: &Thresholds) -> [(&'static str, u32); 4] {
    [
        ("max_connections", thresholds.max_connections),
        ("max_pending_requests", thresholds.max_pending_requests),
        ("max_requests", thresholds.max_requests),
        ("max_retries", thresholds.max_retries),
    ]
}

// Structures and not maps: fields come in Envoy's order.

#[derive(serde::Serialize)]
struct Clusters<'a> {
    cluster_statuses: Vec<Cluster<'a>>,
}

#[derive(serde::Serialize)]
struct Cluster<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    added_via_api: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_rate_ejection_threshold: Option<Percent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    host_statuses: Vec<Host<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_origin_success_rate_ejection_threshold: Option<Percent>,
    circuit_breakers: Breakers,
    observability_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    eds_service_name: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct Breakers {
    thresholds: [Limits; 2],
}

#[derive(serde::Serialize)]
struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<&'static str>,
    max_connections: u32,
    max_pending_requests: u32,
    max_requests: u32,
    max_retries: u32,
}

#[derive(serde::Serialize)]
struct Host<'a> {
    address: Value,
    stats: [Count; 9],
    health_status: Health,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_rate: Option<Percent>,
    weight: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    hostname: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    priority: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_origin_success_rate: Option<Percent>,
    locality: Place<'a>,
}

#[derive(serde::Serialize)]
struct Count {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    name: &'static str,
}

#[derive(serde::Serialize)]
struct Health {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed_active_health_check: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed_outlier_check: bool,
    eds_health_status: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed_active_degraded_check: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pending_dynamic_removal: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pending_active_hc: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    excluded_via_immediate_hc_fail: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    active_hc_timeout: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed_degraded_outlier_detection: bool,
}

#[derive(serde::Serialize)]
struct Percent {
    #[serde(skip_serializing_if = "is_none")]
    value: f64,
}

impl Percent {
    /// There is one.
    fn of(value: f64) -> Option<Percent> {
        (value >= 0.0).then_some(Percent { value })
    }

    /// There is one that means something.
    fn above_zero(value: f64) -> Option<Percent> {
        (value > 0.0).then_some(Percent { value })
    }
}

fn is_none(value: &f64) -> bool {
    *value == 0.0
}

#[derive(serde::Serialize)]
struct Place<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    zone: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub_zone: &'a str,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn cluster_json(cluster: &ClusterStatus) -> Cluster<'_> {
    let limits = |priority, thresholds: &Thresholds| Limits {
        priority,
        max_connections: thresholds.max_connections,
        max_pending_requests: thresholds.max_pending_requests,
        max_requests: thresholds.max_requests,
        max_retries: thresholds.max_retries,
    };
    let [default, high] = &cluster.thresholds;
    Cluster {
        name: &cluster.name,
        added_via_api: cluster.added_via_api,
        success_rate_ejection_threshold: cluster.outlier_rates.and_then(|rates| Percent::above_zero(rates[1])),
        host_statuses: cluster.hosts.iter().map(host_json).collect(),
        local_origin_success_rate_ejection_threshold: cluster
            .outlier_rates
            .and_then(|rates| Percent::above_zero(rates[3])),
        circuit_breakers: Breakers { thresholds: [limits(None, default), limits(Some("HIGH"), high)] },
        observability_name: &cluster.observability_name,
        eds_service_name: cluster.eds_service_name.as_deref(),
    }
}

fn host_json(host: &HostStatus) -> Host<'_> {
    let count = |kind, name, value: u64| Count { kind, value: (value != 0).then(|| value.to_string()), name };
    let counts = &host.counts;
    let has = |flag| host.flags.has(flag);
    Host {
        address: address_json(&host.target),
        stats: [
            count(None, "cx_connect_fail", counts.cx_connect_fail),
            count(None, "cx_total", counts.cx_total),
            count(None, "rq_error", counts.rq_error),
            count(None, "rq_success", counts.rq_success),
            count(None, "rq_timeout", counts.rq_timeout),
            count(None, "rq_total", counts.rq_total),
            count(Some("GAUGE"), "cx_active", counts.cx_active),
            count(Some("GAUGE"), "rq_active", counts.rq_active),
            count(Some("GAUGE"), "rq_pending_active", 0),
        ],
        health_status: Health {
            failed_active_health_check: has(HealthFlags::FAILED_ACTIVE_HC),
            failed_outlier_check: has(HealthFlags::FAILED_OUTLIER_CHECK),
            failed_active_degraded_check: has(HealthFlags::DEGRADED_ACTIVE_HC),
            pending_dynamic_removal: has(HealthFlags::PENDING_DYNAMIC_REMOVAL),
            pending_active_hc: has(HealthFlags::PENDING_ACTIVE_HC),
            excluded_via_immediate_hc_fail: has(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL),
            active_hc_timeout: has(HealthFlags::ACTIVE_HC_TIMEOUT),
            failed_degraded_outlier_detection: has(HealthFlags::DEGRADED_OUTLIER_DETECTION),
            eds_health_status: match host.health {
                HealthStatus::Unknown | HealthStatus::Healthy => "HEALTHY",
                HealthStatus::Degraded => "DEGRADED",
                HealthStatus::Draining => "DRAINING",
                HealthStatus::Unhealthy | HealthStatus::Timeout => "UNHEALTHY",
            },
        },
        success_rate: Percent::of(host.success_rates[0]),
        weight: host.weight,
        hostname: &host.hostname,
        priority: host.priority,
        local_origin_success_rate: Percent::of(host.success_rates[1]),
        locality: Place { region: &host.locality.region, zone: &host.locality.zone, sub_zone: &host.locality.sub_zone },
    }
}

fn address_json(address: &Address) -> Value {
    match address {
        Address::Socket(address) => {
            json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
        }
        Address::Name { host, port } => json!({ "socket_address": { "address": &**host, "port_value": port } }),
        Address::Pipe(path) => json!({ "pipe": { "path": path.display().to_string() } }),
        Address::Internal { listener, endpoint_id } => json!({
            "envoy_internal_address": { "server_listener_name": &**listener, "endpoint_id": &**endpoint_id }
        }),
    }
}
