//! Statistics of one cluster, `cluster.<name>.…`, under Envoy's names. Made when the cluster is first used; a cluster that is only
//! pushed has its membership gauges alone.

use super::Priority;
use super::circuit_breaker::{BreakerGauges, Breakers, Resource};
use super::quiet::{QUIET, QUIET_TLS};
use crate::stats::{Counter, Gauge, Histogram, Scope};
use crate::transport::ByteCounts;

mod responses;

pub use responses::{Beside, Codes, ResponseCounters};

macro_rules! statistics {
    ($($kind:ident $method:ident: $($name:ident),+;)+) => {
        /// Handles of one cluster. Copying a handle is free; making them takes locks, so it is done once.
        #[derive(Debug, Clone, Copy)]
        pub struct ClusterStats {
            $($(#[doc = concat!("`", stringify!($name), "`.")] pub $name: $kind,)+)+
            breakers: [BreakerGauges; 2],
            remaining: [BreakerGauges; 2],
        }

        impl ClusterStats {
            /// All handles.
            pub fn new(scope: &Scope, tls: bool, limits: &[Breakers; 2]) -> ClusterStats {
                scope.quiet(QUIET);
                if tls {
                    scope.quiet(QUIET_TLS);
                }
                ClusterStats {
                    $($($name: scope.$method(stringify!($name)),)+)+
                    breakers: [breakers(scope, "default"), breakers(scope, "high")],
                    remaining: [remaining(scope, "default", &limits[0]), remaining(scope, "high", &limits[1])],
                }
            }
        }
    };
}

statistics! {
    Counter counter:
        bind_errors,
        lb_healthy_panic, retry_or_shadow_abandoned,
        upstream_cx_close_notify, upstream_cx_connect_fail, upstream_cx_connect_timeout, upstream_cx_destroy, upstream_cx_destroy_local,
        upstream_cx_destroy_remote, upstream_cx_http1_total, upstream_cx_http2_total, upstream_cx_idle_timeout,
        upstream_cx_max_duration_reached, upstream_cx_max_requests, upstream_cx_none_healthy, upstream_cx_overflow, upstream_cx_protocol_error,
        upstream_cx_rx_bytes_total, upstream_cx_total, upstream_cx_tx_bytes_total, upstream_cx_destroy_with_active_rq,
        upstream_cx_destroy_local_with_active_rq, upstream_cx_destroy_remote_with_active_rq,
        upstream_flow_control_backed_up_total, upstream_flow_control_drained_total,
        upstream_flow_control_paused_reading_total, upstream_flow_control_resumed_reading_total,
        upstream_internal_redirect_failed_total, upstream_internal_redirect_succeeded_total,
        upstream_rq_active_overflow, upstream_rq_cancelled, upstream_rq_completed, upstream_rq_max_duration_reached, upstream_rq_pending_failure_eject,
        upstream_rq_pending_overflow, upstream_rq_pending_total, upstream_rq_per_try_idle_timeout, upstream_rq_per_try_timeout, upstream_rq_retry,
        upstream_rq_retry_backoff_exponential, upstream_rq_retry_backoff_ratelimited, upstream_rq_retry_limit_exceeded, upstream_rq_retry_overflow,
        upstream_rq_retry_success, upstream_rq_rx_reset, upstream_rq_timeout, upstream_rq_total, upstream_rq_tx_reset;
    Gauge gauge:
        upstream_cx_active, upstream_rq_active, upstream_rq_pending_active;
    Histogram histogram:
        upstream_cx_connect_ms, upstream_cx_length_ms, upstream_rq_per_cx, upstream_rq_time;
}

impl ClusterStats {
    /// What counts the octets of connections.
    pub fn bytes(&self) -> ByteCounts {
        ByteCounts { read: self.upstream_cx_rx_bytes_total, written: self.upstream_cx_tx_bytes_total }
    }

    /// The gauge that is 1 while a breaker is open.
    pub fn breaker(&self, priority: Priority, resource: Resource) -> Gauge {
        self.breakers[priority as usize][resource as usize]
    }
}

impl ClusterStats {
    /// The gauge that shows how much is left below a limit; one that does nothing where nobody asks for it.
    pub fn remaining(&self, priority: Priority, resource: Resource) -> Gauge {
        self.remaining[priority as usize][resource as usize]
    }
}

fn remaining(scope: &Scope, priority: &str, breakers: &Breakers) -> BreakerGauges {
    Resource::ALL.map(|resource| {
        let Some(limit) = breakers.shows_remaining(resource) else { return Gauge::NONE };
        let name = match resource {
            Resource::Connections => "remaining_cx",
            Resource::Pending => "remaining_pending",
            Resource::Requests => "remaining_rq",
            Resource::Retries => "remaining_retries",
        };
        let gauge = scope.gauge(&format!("circuit_breakers.{priority}.{name}"));
        gauge.set(limit.into());
        gauge
    })
}

fn breakers(scope: &Scope, priority: &str) -> BreakerGauges {
    Resource::ALL.map(|resource| {
        let name = match resource {
            Resource::Connections => "cx_open",
            Resource::Pending => "rq_pending_open",
            Resource::Requests => "rq_open",
            Resource::Retries => "rq_retry_open",
        };
        scope.gauge(&format!("circuit_breakers.{priority}.{name}"))
    })
}

#[cfg(test)]
mod tests;
