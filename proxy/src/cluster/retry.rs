//! Whether a failed attempt is tried again, and when: one [`Retries`] a request or call. `http` and `call` ask it, and do what it says;
//! `P` is what they hold while a retry is under way, so that the circuit breaker counts it.

use std::time::Duration;

use config::route::{RetryOn, RetryPolicy};

use crate::failure::ResponseFlags;
use crate::wire::grpc;
use crate::wire::headers::Name;
use crate::wire::message::ResponseHead;

/// The retries of one request.
pub struct Retries<P> {
    on: RetryOn,
    left: u32,
    status_codes: Vec<u16>,
    /// The longest wait before the next retry.
    interval: Duration,
    longest: Duration,
    /// Counts this retry against the circuit breaker while it lasts.
    permit: Option<P>,
    /// Earlier hosts are avoided, so many times in a pick.
    pub avoid: Option<u32>,
    /// At least one retry was made.
    pub retried: bool,
}

/// How an attempt failed before a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
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
#[derive(Debug)]
pub enum Decision {
    /// Pass the failure on; these flags tell why it is not retried.
    PassOn(ResponseFlags),
    /// Try again after this time.
    After(Duration),
}

/// `retry_on` and what belongs to it, where a request may have its say beside the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// When.
    pub on: RetryOn,
    /// How often.
    pub retries: u32,
    /// With `retriable-status-codes`.
    pub status_codes: Vec<u16>,
}

impl Wishes {
    /// What a policy says; without one nothing is retried.
    pub fn of(policy: Option<&RetryPolicy>) -> Wishes {
        Wishes {
            on: policy.map_or(RetryOn::default(), |policy| policy.on),
            retries: policy.map_or(1, |policy| policy.num_retries),
            status_codes: policy.map_or_else(Vec::new, |policy| policy.status_codes.clone()),
        }
    }
}

const SERVER_ERRORS: u32 = RetryOn::SERVER_ERROR;
const BASE_INTERVAL: Duration = Duration::from_millis(25);

impl<P> Retries<P> {
    /// By these wishes, at the policy's pace. `None` when there is no chance of a retry.
    pub fn begin(wishes: Wishes, policy: Option<&RetryPolicy>) -> Option<Retries<P>> {
        let Wishes { on, retries, status_codes } = wishes;
        (on.0 != 0).then(|| Retries {
            on,
            left: retries,
            status_codes,
            interval: policy.map_or(BASE_INTERVAL, |policy| policy.base_interval),
            longest: policy.map_or(BASE_INTERVAL * 10, |policy| policy.max_interval),
            permit: None,
            avoid: policy.filter(|policy| policy.avoid_previous_hosts).map(|policy| policy.host_selection_attempts),
            retried: false,
        })
    }

    /// About a response. `permit` asks the circuit breaker, if it comes to a retry.
    pub fn answered(&mut self, head: &ResponseHead, permit: impl FnOnce() -> Option<P>) -> Decision {
        self.permit = None;
        if !self.wants_response(head) {
            return Decision::PassOn(ResponseFlags::NONE);
        }
        self.decide(permit)
    }

    /// About an attempt that failed before its response. `sent` tells whether any octet of the request went out.
    pub fn failed(&mut self, reset: Reset, sent: bool, permit: impl FnOnce() -> Option<P>) -> Decision {
        self.permit = None;
        if !self.wants_reset(reset, sent) {
            return Decision::PassOn(ResponseFlags::NONE);
        }
        self.decide(permit)
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

    fn decide(&mut self, permit: impl FnOnce() -> Option<P>) -> Decision {
        if self.left == 0 {
            return Decision::PassOn(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
        }
        self.left -= 1;
        self.permit = permit();
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

#[cfg(test)]
mod tests;
