//! Tests of `retry`.

use bytes::Bytes;

use super::*;
use crate::wire::headers::Headers;
use crate::wire::message::{BodyLength, Protocol};

fn policy(conditions: u32) -> RetryPolicy {
    RetryPolicy {
        on: RetryOn(conditions),
        num_retries: 1,
        per_try_timeout: None,
        per_try_idle_timeout: None,
        status_codes: vec![418],
        base_interval: Duration::from_millis(25),
        max_interval: Duration::from_millis(250),
        avoid_previous_hosts: false,
        host_selection_attempts: 1,
        previous_priorities: None,
    }
}

fn retries(conditions: u32) -> Retries<()> {
    let policy = policy(conditions);
    Retries::begin(Wishes::of(Some(&policy)), Some(&policy)).unwrap()
}

fn head(status: u16, headers: &[(&str, &'static str)]) -> ResponseHead {
    let mut list = Headers::new();
    for (name, value) in headers {
        list.append(Name::new(name), *value);
    }
    let (reason, body) = (Bytes::new(), BodyLength::Empty);
    ResponseHead { protocol: Protocol::Http11, status, reason, headers: list, body, wire_size: 0 }
}

#[test]
fn responses_are_retried_by_their_condition() {
    type Case = (u32, u16, &'static [(&'static str, &'static str)], bool);
    let cases: &[Case] = &[
        (RetryOn::SERVER_ERROR, 500, &[], true),
        (RetryOn::SERVER_ERROR, 404, &[], false),
        (RetryOn::GATEWAY_ERROR, 500, &[], false),
        (RetryOn::GATEWAY_ERROR, 503, &[], true),
        (RetryOn::RETRIABLE_4XX, 409, &[], true),
        (RetryOn::CONNECT_FAILURE, 503, &[], false),
        (RetryOn::GRPC_UNAVAILABLE, 200, &[("grpc-status", "14")], true),
        (RetryOn::GRPC_CANCELLED, 200, &[("grpc-status", "1")], true),
        (RetryOn::GRPC_CANCELLED, 200, &[("grpc-status", "14")], false),
        (RetryOn::SERVER_ERROR, 503, &[("x-envoy-ratelimited", "true")], false),
        (RetryOn::ENVOY_RATELIMITED, 429, &[("x-envoy-ratelimited", "true")], true),
        (RetryOn::STATUS_CODES, 418, &[], true),
        (RetryOn::STATUS_CODES, 417, &[], false),
    ];
    for (conditions, status, headers, wanted) in cases {
        assert_eq!(retries(*conditions).wants_response(&head(*status, headers)), *wanted, "{conditions} {status}");
    }
}

#[test]
fn resets_are_retried_by_their_condition() {
    let cases = [
        (RetryOn::SERVER_ERROR, Reset::Connect, false, true),
        (RetryOn::GATEWAY_ERROR, Reset::Timeout, true, true),
        (RetryOn::RESET, Reset::Ended, true, true),
        (RetryOn::CONNECT_FAILURE, Reset::Connect, false, true),
        (RetryOn::CONNECT_FAILURE, Reset::Ended, true, false),
        (RetryOn::REFUSED_STREAM, Reset::Refused, true, true),
        (RetryOn::REFUSED_STREAM, Reset::Ended, true, false),
        (RetryOn::RESET_BEFORE_REQUEST, Reset::Connect, false, true),
        (RetryOn::RESET_BEFORE_REQUEST, Reset::Ended, true, false),
        (RetryOn::SERVER_ERROR | RetryOn::RESET, Reset::Overflow, false, false),
    ];
    for (conditions, reset, sent, wanted) in cases {
        assert_eq!(retries(conditions).wants_reset(reset, sent), wanted, "{conditions} {reset:?}");
    }
}

#[test]
fn retries_end_with_the_policy_or_the_circuit_breaker() {
    let flags = |decision| match decision {
        Decision::PassOn(flags) => flags,
        Decision::After(_) => ResponseFlags::NONE,
    };
    let mut retries = retries(RetryOn::SERVER_ERROR);
    assert!(matches!(retries.answered(&head(503, &[]), || Some(())), Decision::After(_)));
    assert!(retries.retried);
    let over = retries.answered(&head(503, &[]), || Some(()));
    assert_eq!(flags(over), ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
    let mut retries = self::retries(RetryOn::SERVER_ERROR);
    assert_eq!(flags(retries.failed(Reset::Ended, true, || None)), ResponseFlags::UPSTREAM_OVERFLOW);
    let none = Wishes::of(None);
    assert!(Retries::<()>::begin(none, None).is_none());
}
