//! Statistics of one cluster, `cluster.<name>.…`, under Envoy's names. Made when the cluster is first used; a cluster that is only
//! pushed has its membership gauges alone.

use std::cell::RefCell;

use smallvec::SmallVec;

use super::Priority;
use super::circuit_breaker::{BreakerGauges, Breakers, Resource};
use super::quiet::{QUIET, QUIET_TLS};
use crate::stats::{Counter, Gauge, Histogram, Scope};
use crate::transport::ByteCounts;

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

/// Where a response is counted by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// Under `internal.`, else under `external.`: the request's origin as the connection manager judges it.
    pub internal: bool,
    /// And without either: always, but where a router leaves the codes of gRPC out.
    pub own: bool,
}

impl Codes {
    /// Of a request that is counted everywhere.
    pub fn of(internal: bool) -> Codes {
        Codes { internal, own: true }
    }
}

/// Counters by response code, made as codes are seen: `upstream_rq_200`, `upstream_rq_2xx`, and the same under `internal.` and
/// `external.`, of canaries under `canary.`; those of answers that were retried are under `retry.` alone. One per worker and cluster.
#[derive(Debug, Default)]
pub struct ResponseCounters {
    /// What stands before each name.
    prefix: Box<str>,
    seen: RefCell<SmallVec<[Seen; 2]>>,
    retried: Apart,
    canary: Apart,
    times: RefCell<[Option<Histogram>; 3]>,
}

/// Those of one category: a status, whether it is counted itself, and what counts it.
type Apart = RefCell<SmallVec<[(u16, bool, [Counter; 3]); 1]>>;

/// A status and an origin that were seen, and what counts them.
type Seen = (u16, Codes, [Counter; 5]);

impl ResponseCounters {
    /// With this before each name.
    pub fn below(prefix: &str) -> ResponseCounters {
        ResponseCounters { prefix: prefix.into(), ..ResponseCounters::default() }
    }

    /// Counts one response.
    pub fn count(&self, scope: &Scope, status: u16, codes: Codes) {
        let mut seen = self.seen.borrow_mut();
        if let Some((_, _, counters)) = seen.iter().find(|(code, others, _)| *code == status && *others == codes) {
            return counters.iter().for_each(|counter| counter.inc());
        }
        // Codes come from upstreams, in three digits: at most a thousand of them.
        let origin = origin(codes.internal);
        let class = status / 100;
        let prefix = &self.prefix;
        let own = |name: String| if codes.own { scope.counter(&name) } else { Counter::NONE };
        let counters = [
            own(format!("{prefix}upstream_rq_{status}")),
            own(format!("{prefix}upstream_rq_{class}xx")),
            scope.counter(&format!("{prefix}{origin}.upstream_rq_completed")),
            scope.counter(&format!("{prefix}{origin}.upstream_rq_{status}")),
            scope.counter(&format!("{prefix}{origin}.upstream_rq_{class}xx")),
        ];
        counters.iter().for_each(|counter| counter.inc());
        seen.push((status, codes, counters));
    }

    /// Counts a response that is not passed on, for the request is tried again.
    pub fn count_retried(&self, scope: &Scope, status: u16, codes: Codes) {
        self.count_apart(scope, &self.retried, "retry", status, codes.own);
    }

    /// Counts a canary's response, and how long it took in milliseconds.
    pub fn count_canary(&self, scope: &Scope, status: u16, milliseconds: Option<u64>) {
        // All of its codes, as for origins.
        self.count_apart(scope, &self.canary, "canary", status, true);
        if let Some(milliseconds) = milliseconds {
            self.record(scope, 2, "canary", milliseconds);
        }
    }

    fn count_apart(&self, scope: &Scope, category: &Apart, name: &str, status: u16, own: bool) {
        let mut seen = category.borrow_mut();
        let known = seen.iter().position(|(code, others, _)| *code == status && *others == own);
        let known = known.unwrap_or_else(|| {
            let (prefix, class) = (&self.prefix, status / 100);
            let coded = |code: String| {
                if own { scope.counter(&format!("{prefix}{name}.upstream_rq_{code}")) } else { Counter::NONE }
            };
            let completed = scope.counter(&format!("{prefix}{name}.upstream_rq_completed"));
            seen.push((status, own, [completed, coded(status.to_string()), coded(format!("{class}xx"))]));
            seen.len() - 1
        });
        seen[known].2.iter().for_each(|counter| counter.inc());
    }

    /// Records how long the upstream took, in milliseconds, under `internal.` or `external.`.
    pub fn time(&self, scope: &Scope, internal: bool, milliseconds: u64) {
        self.record(scope, usize::from(internal), origin(internal), milliseconds);
    }

    fn record(&self, scope: &Scope, index: usize, category: &str, milliseconds: u64) {
        let mut times = self.times.borrow_mut();
        let name = || format!("{}{category}.upstream_rq_time", self.prefix);
        times[index].get_or_insert_with(|| scope.histogram(&name())).record(milliseconds);
    }
}

fn origin(internal: bool) -> &'static str {
    if internal { "internal" } else { "external" }
}

/// A cluster's name as it stands in statistics: Envoy's replacement of what would break the lines.
pub fn sanitize(name: &str) -> String {
    name.replace("://", "_").replace(":/", "_").replace([':', '\0'], "_")
}

#[cfg(test)]
mod tests;
