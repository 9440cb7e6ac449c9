//! Whether a failed attempt is tried again, when, and where: one [`Retries`] a request or call, by the [`Rules`] of its policy. `http` and
//! `call` ask it, and do what it says; `P` is what they hold while a retry is under way, so that the circuit breaker counts it.

mod again;
mod back_off;
mod rules;

use std::time::Duration;

use config::route::{HostPredicate, RetryOn};

use super::host::Host;
use crate::failure::ResponseFlags;
use crate::wire::grpc;
use crate::wire::headers::Name;
use crate::wire::message::ResponseHead;

pub use self::again::{Again, PreviousPriorities};
pub use self::back_off::BackOff;
pub use self::rules::Rules;

use self::back_off::Pace;

/// The retries of one request.
pub struct Retries<'p, P> {
    rules: Option<&'p Rules>,
    on: RetryOn,
    left: u32,
    /// Of the request, beside those of the policy.
    status_codes: Vec<u16>,
    headers: Vec<Name>,
    pace: Pace,
    /// The hosts of earlier attempts, where the policy wants to know.
    tried: Vec<Host>,
    previous: Option<PreviousPriorities>,
    /// Counts this retry against the circuit breaker while it lasts.
    permit: Option<P>,
    /// At least one retry was made.
    pub retried: bool,
    /// And the last answer is one that the policy does not want to try again.
    pub succeeded: bool,
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
    After(BackOff),
}

/// `retry_on` and what belongs to it, where a request may have its say beside the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// When.
    pub on: RetryOn,
    /// How often.
    pub retries: u32,
    /// With `retriable-status-codes`, beside those of the policy.
    pub status_codes: Vec<u16>,
    /// With `retriable-headers`, likewise.
    pub headers: Vec<Name>,
}

impl Wishes {
    /// What a policy says; without one nothing is retried.
    pub fn of(rules: Option<&Rules>) -> Wishes {
        let policy = rules.map(|rules| &rules.policy);
        Wishes {
            on: policy.map_or(RetryOn::default(), |policy| policy.on),
            retries: policy.map_or(1, |policy| policy.num_retries),
            status_codes: Vec::new(),
            headers: Vec::new(),
        }
    }
}

const SERVER_ERRORS: u32 = RetryOn::SERVER_ERROR;

impl<'p, P> Retries<'p, P> {
    /// By these wishes, at the policy's pace. `None` when there is no chance of a retry.
    pub fn begin(wishes: Wishes, rules: Option<&'p Rules>) -> Option<Retries<'p, P>> {
        let Wishes { on, retries, status_codes, headers } = wishes;
        let policy = rules.map(|rules| &*rules.policy);
        (on.0 != 0).then(|| Retries {
            rules,
            on,
            left: retries,
            status_codes,
            headers,
            pace: Pace::of(policy),
            tried: Vec::new(),
            previous: policy.and_then(|policy| policy.previous_priorities).map(PreviousPriorities::new),
            permit: None,
            retried: false,
            succeeded: false,
        })
    }

    /// The policy's wishes about the host of a retry; none about that of the first attempt.
    pub fn again(&self) -> Option<Again<'_>> {
        let policy = self.rules.filter(|_| self.retried).map(|rules| &*rules.policy)?;
        Again::new(policy, &self.tried, self.previous.as_ref())
    }

    /// An attempt that is not the last had this host.
    pub fn attempted(&mut self, host: &Host) {
        let minds = |rules: &Rules| rules.policy.predicates.contains(&HostPredicate::PreviousHosts);
        if self.previous.is_some() || self.rules.is_some_and(minds) {
            self.tried.push(host.clone());
        }
    }

    /// About a response. `permit` asks the circuit breaker, if it comes to a retry.
    pub fn answered(&mut self, head: &ResponseHead, permit: impl FnOnce() -> Option<P>) -> Decision {
        self.permit = None;
        if !self.wants_response(head) {
            self.succeeded = self.retried;
            return Decision::PassOn(ResponseFlags::NONE);
        }
        let told = self.rules.and_then(|rules| rules.told_to_wait(head));
        self.decide(told, permit)
    }

    /// About an attempt that failed before its response. `sent` tells whether any octet of the request went out.
    pub fn failed(&mut self, reset: Reset, sent: bool, permit: impl FnOnce() -> Option<P>) -> Decision {
        self.permit = None;
        if !self.wants_reset(reset, sent) {
            return Decision::PassOn(ResponseFlags::NONE);
        }
        self.decide(None, permit)
    }

    /// About an attempt that is late: another one may overtake it, whatever the policy retries.
    pub fn late(&mut self, permit: impl FnOnce() -> Option<P>) -> Decision {
        self.permit = None;
        self.decide(None, permit)
    }

    /// Whether a response calls for a retry, be there any left or not.
    pub fn wants_response(&self, head: &ResponseHead) -> bool {
        if head.headers.contains(&Name::X_ENVOY_RATELIMITED) {
            return self.on.has(RetryOn::ENVOY_RATELIMITED);
        }
        (self.on.has(SERVER_ERRORS) && head.status / 100 == 5)
            || (self.on.has(RetryOn::GATEWAY_ERROR) && (502..=504).contains(&head.status))
            || (self.on.has(RetryOn::RETRIABLE_4XX) && head.status == 409)
            || (self.on.has(RetryOn::STATUS_CODES) && self.wants_status(head.status))
            || (self.on.has(RetryOn::RETRIABLE_HEADERS) && self.wants_headers(head))
            || grpc::status(&head.headers).is_some_and(|status| self.wants_grpc(status))
    }

    fn wants_status(&self, status: u16) -> bool {
        self.rules.is_some_and(|rules| rules.policy.status_codes.contains(&status))
            || self.status_codes.contains(&status)
    }

    fn wants_headers(&self, head: &ResponseHead) -> bool {
        self.rules.is_some_and(|rules| rules.headers.any_of_response(head))
            || self.headers.iter().any(|name| head.headers.contains(name))
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

    fn decide(&mut self, told: Option<Duration>, permit: impl FnOnce() -> Option<P>) -> Decision {
        if self.left == 0 {
            return Decision::PassOn(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
        }
        self.left -= 1;
        self.permit = permit();
        if self.permit.is_none() {
            return Decision::PassOn(ResponseFlags::UPSTREAM_OVERFLOW);
        }
        self.retried = true;
        Decision::After(self.pace.next(told))
    }
}

#[cfg(test)]
mod tests;
