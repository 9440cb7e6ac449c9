//! When a request is tried again, and how (`RetryPolicy`). Made by [`retry`](super::retry), read by the proxy's attempts and calls.

use std::sync::Arc;
use std::time::Duration;

use crate::matcher::HeaderMatcher;

/// `RetryPolicy`.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// When.
    pub on: RetryOn,
    /// How often; default 1.
    pub num_retries: u32,
    /// `per_try_timeout`; `None` = the route's.
    pub per_try_timeout: Option<Duration>,
    /// `per_try_idle_timeout`.
    pub per_try_idle_timeout: Option<Duration>,
    /// With `retriable-status-codes`.
    pub status_codes: Vec<u16>,
    /// With `retriable-headers`: a response that any of these fits.
    pub headers: Vec<HeaderMatcher>,
    /// `retriable_request_headers`: only requests that any of these fits; without one, all.
    pub request_headers: Vec<HeaderMatcher>,
    /// `retry_back_off.base_interval`; default 25 ms.
    pub base_interval: Duration,
    /// `retry_back_off.max_interval`; default ten times the base.
    pub max_interval: Duration,
    /// `rate_limited_retry_back_off`: when the response itself says how long to wait.
    pub rate_limited: Option<RateLimitedBackOff>,
    /// `retry_host_predicate`: hosts that a retry declines.
    pub predicates: Vec<HostPredicate>,
    /// `host_selection_retry_max_attempts`; default 1.
    pub host_selection_attempts: u32,
    /// `previous_priorities`, with its update frequency.
    pub previous_priorities: Option<u32>,
}

/// `RetryPolicy.RateLimitedRetryBackOff`.
#[derive(Debug, Clone, PartialEq)]
pub struct RateLimitedBackOff {
    /// Looked at in order; the first that gives a time within `max_interval` counts.
    pub headers: Vec<ResetHeader>,
    /// Longer waits are not believed; default 300 s.
    pub max_interval: Duration,
}

/// `RetryPolicy.ResetHeader`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetHeader {
    /// Lower case.
    pub name: Arc<str>,
    /// The value is a moment (`UNIX_TIMESTAMP`), not a number of seconds.
    pub is_timestamp: bool,
}

/// A predicate of `retry_host_predicate`.
#[derive(Debug, Clone, PartialEq)]
pub enum HostPredicate {
    /// `envoy.retry_host_predicates.previous_hosts`: those that were tried.
    PreviousHosts,
    /// `envoy.retry_host_predicates.omit_canary_hosts`.
    OmitCanaryHosts,
    /// `envoy.retry_host_predicates.omit_host_metadata`: those that have all of these under `envoy.lb`.
    OmitMetadata(Vec<(Arc<str>, serde_json::Value)>),
}

/// Conditions of `retry_on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryOn(pub u32);

impl RetryOn {
    /// `5xx`.
    pub const SERVER_ERROR: u32 = 1;
    /// `gateway-error`.
    pub const GATEWAY_ERROR: u32 = 1 << 1;
    /// `connect-failure`.
    pub const CONNECT_FAILURE: u32 = 1 << 2;
    /// `retriable-4xx`.
    pub const RETRIABLE_4XX: u32 = 1 << 3;
    /// `refused-stream`.
    pub const REFUSED_STREAM: u32 = 1 << 4;
    /// `retriable-status-codes`.
    pub const STATUS_CODES: u32 = 1 << 5;
    /// `reset`.
    pub const RESET: u32 = 1 << 6;
    /// `reset-before-request`.
    pub const RESET_BEFORE_REQUEST: u32 = 1 << 7;
    /// gRPC `cancelled`.
    pub const GRPC_CANCELLED: u32 = 1 << 8;
    /// gRPC `deadline-exceeded`.
    pub const GRPC_DEADLINE_EXCEEDED: u32 = 1 << 9;
    /// gRPC `resource-exhausted`.
    pub const GRPC_RESOURCE_EXHAUSTED: u32 = 1 << 10;
    /// gRPC `unavailable`.
    pub const GRPC_UNAVAILABLE: u32 = 1 << 11;
    /// gRPC `internal`.
    pub const GRPC_INTERNAL: u32 = 1 << 12;
    /// `retriable-headers`.
    pub const RETRIABLE_HEADERS: u32 = 1 << 13;
    /// `envoy-ratelimited`.
    pub const ENVOY_RATELIMITED: u32 = 1 << 14;

    /// Conditions on gRPC statuses.
    const GRPC: u32 = RetryOn::GRPC_CANCELLED
        | RetryOn::GRPC_DEADLINE_EXCEEDED
        | RetryOn::GRPC_RESOURCE_EXHAUSTED
        | RetryOn::GRPC_UNAVAILABLE
        | RetryOn::GRPC_INTERNAL;

    /// Those about gRPC statuses.
    pub fn grpc(self) -> RetryOn {
        RetryOn(self.0 & RetryOn::GRPC)
    }

    /// The others.
    pub fn http(self) -> RetryOn {
        RetryOn(self.0 & !RetryOn::GRPC)
    }

    /// Whether any of these conditions is asked for.
    pub fn has(self, conditions: u32) -> bool {
        self.0 & conditions != 0
    }
}
