//! Whether a failed attempt is tried again, and when. One [`Retry`] a request; decided by `attempt`, which also does it.

use std::time::Duration;

use config::route::{RetryOn, RetryPolicy};

use super::grpc;
use super::upstreams::{Permit, UpstreamCluster};
use crate::cluster::Priority;
use crate::failure::ResponseFlags;
use crate::wire::headers::Name;
use crate::wire::message::{RequestHead, ResponseHead};

/// The retries of one request.
pub(super) struct Retry {
    on: RetryOn,
    left: u32,
    status_codes: Vec<u16>,
    /// The longest wait before the next retry.
    interval: Duration,
    longest: Duration,
    /// Counts this retry against the circuit breaker while it lasts.
    permit: Option<Permit>,
    /// Earlier hosts are avoided, so many times in a pick.
    pub avoid: Option<u32>,
    /// At least one retry was made.
    pub retried: bool,
}

/// How an attempt failed before a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    /// A circuit breaker is open.
    Overflow,
    /// No connection.
    Connect,
    /// The stream was refused before it was processed.
    Refused,
    /// The stream or the connection ended.
    Ended,
    /// We gave up waiting.
    Timeout,
}

/// What is to be done about a failed attempt.
pub(super) enum Decision {
    /// Pass the failure on; these flags tell why it is not retried.
    PassOn(ResponseFlags),
    /// Try again after this time.
    After(Duration),
}

const SERVER_ERRORS: u32 = RetryOn::SERVER_ERROR;
const BASE_INTERVAL: Duration = Duration::from_millis(25);

impl Retry {
    /// From the route's policy and, for internal callers, the request's own headers. Takes those headers away. `None` when there is no
    /// chance of a retry.
    pub fn new(policy: Option<&RetryPolicy>, request: &mut RequestHead, internal: bool) -> Option<Retry> {
        let mut on = policy.map_or(RetryOn::default(), |policy| policy.on);
        let mut left = policy.map_or(1, |policy| policy.num_retries);
        let mut status_codes = policy.map_or_else(Vec::new, |policy| policy.status_codes.clone());
        if internal {
            read_headers(request, &mut on, &mut left, &mut status_codes);
        }
        if on.0 == 0 {
            return None;
        }
        let interval = policy.map_or(BASE_INTERVAL, |policy| policy.base_interval);
        Some(Retry {
            on,
            left,
            status_codes,
            interval,
            longest: policy.map_or(BASE_INTERVAL * 10, |policy| policy.max_interval),
            permit: None,
            avoid: policy.filter(|policy| policy.avoid_previous_hosts).map(|policy| policy.host_selection_attempts),
            retried: false,
        })
    }

    /// About a response.
    pub fn on_response(&mut self, head: &ResponseHead, cluster: &UpstreamCluster, priority: Priority) -> Decision {
        self.permit = None;
        if !self.wants_response(head) {
            return Decision::PassOn(ResponseFlags::NONE);
        }
        self.decide(cluster, priority)
    }

    /// About an attempt that failed before its response. `sent` tells whether any octet of the request went out.
    pub fn on_reset(&mut self, reset: Reset, sent: bool, cluster: &UpstreamCluster, priority: Priority) -> Decision {
        self.permit = None;
        if !self.wants_reset(reset, sent) {
            return Decision::PassOn(ResponseFlags::NONE);
        }
        self.decide(cluster, priority)
    }

    fn wants_response(&self, head: &ResponseHead) -> bool {
        if head.headers.contains(&Name::X_ENVOY_RATELIMITED) {
            return self.on.has(RetryOn::ENVOY_RATELIMITED);
        }
        (self.on.has(SERVER_ERRORS) && head.status / 100 == 5)
            || (self.on.has(RetryOn::GATEWAY_ERROR) && (502..=504).contains(&head.status))
            || (self.on.has(RetryOn::RETRIABLE_4XX) && head.status == 409)
            || (self.on.has(RetryOn::STATUS_CODES) && self.status_codes.contains(&head.status))
            || grpc::status(&head.headers).is_some_and(|status| self.wants_grpc(status))
    }

    fn wants_grpc(&self, status: u8) -> bool {
        self.on.has(match status {
            1 => RetryOn::GRPC_CANCELLED,
            4 => RetryOn::GRPC_DEADLINE_EXCEEDED,
            8 => RetryOn::GRPC_RESOURCE_EXHAUSTED,
            13 => RetryOn::GRPC_INTERNAL,
            14 => RetryOn::GRPC_UNAVAILABLE,
            _ => 0,
        })
    }

    fn wants_reset(&self, reset: Reset, sent: bool) -> bool {
        if reset == Reset::Overflow {
            return false;
        }
        // A reset would be answered with a 5xx, so those who retry 5xx retry it.
        self.on.has(RetryOn::SERVER_ERROR | RetryOn::GATEWAY_ERROR | RetryOn::RESET)
            || (self.on.has(RetryOn::RESET_BEFORE_REQUEST) && !sent)
            || (self.on.has(RetryOn::REFUSED_STREAM) && reset == Reset::Refused)
            || (self.on.has(RetryOn::CONNECT_FAILURE) && reset == Reset::Connect)
    }

    fn decide(&mut self, cluster: &UpstreamCluster, priority: Priority) -> Decision {
        if self.left == 0 {
            return Decision::PassOn(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
        }
        self.left -= 1;
        self.permit = cluster.retry_permit(priority);
        if self.permit.is_none() {
            return Decision::PassOn(ResponseFlags::UPSTREAM_OVERFLOW);
        }
        self.retried = true;
        // Full jitter, so that clients that failed together do not come back together.
        let wait = self.interval.mul_f64(fastrand::f64());
        self.interval = (self.interval * 2).min(self.longest);
        Decision::After(Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }
}

fn read_headers(request: &mut RequestHead, on: &mut RetryOn, left: &mut u32, status_codes: &mut Vec<u16>) {
    let mut take = |name: &Name| {
        let value = request.headers.get(name).cloned();
        request.headers.remove(name);
        value.and_then(|value| String::from_utf8(value.to_vec()).ok())
    };
    let words = |value: Option<String>| value.map_or(0, |value| RetryOn::parse(&value).0);
    on.0 |= words(take(&Name::X_ENVOY_RETRY_ON));
    on.0 |= words(take(&Name::X_ENVOY_RETRY_GRPC_ON));
    if let Some(retries) = take(&Name::X_ENVOY_MAX_RETRIES).and_then(|value| value.parse().ok()) {
        *left = retries;
    }
    if let Some(codes) = take(&Name::X_ENVOY_RETRIABLE_STATUS_CODES) {
        status_codes.extend(codes.split(',').filter_map(|code| code.trim().parse::<u16>().ok()));
    }
    let _ = take(&Name::X_ENVOY_RETRIABLE_HEADER_NAMES);
    let _ = take(&Name::X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT);
}

#[cfg(test)]
mod tests;
