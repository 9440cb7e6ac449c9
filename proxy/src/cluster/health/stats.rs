//! `cluster.NAME.health_check.…`, under Envoy's names.

use crate::stats::{Counter, Gauge, Scope};

/// Handles of one cluster.
#[derive(Debug, Clone, Copy)]
pub struct HealthStats {
    /// `attempt`: checks that were begun.
    pub attempt: Counter,
    /// `success`.
    pub success: Counter,
    /// `failure`.
    pub failure: Counter,
    /// `passive_failure`: endpoints that said it in an answer to a request.
    pub passive_failure: Counter,
    /// `network_failure`.
    pub network_failure: Counter,
    /// `verify_cluster`: answers whose service name was looked at.
    pub verify_cluster: Counter,
    /// `healthy`.
    pub healthy: Gauge,
    /// `degraded`.
    pub degraded: Gauge,
}

impl HealthStats {
    /// All of them.
    pub fn new(scope: &Scope) -> HealthStats {
        let counter = |name: &str| scope.counter(&format!("health_check.{name}"));
        let gauge = |name: &str| scope.gauge(&format!("health_check.{name}"));
        HealthStats {
            attempt: counter("attempt"),
            success: counter("success"),
            failure: counter("failure"),
            passive_failure: counter("passive_failure"),
            network_failure: counter("network_failure"),
            verify_cluster: counter("verify_cluster"),
            healthy: gauge("healthy"),
            degraded: gauge("degraded"),
        }
    }
}
