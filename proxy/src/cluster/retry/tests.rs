//! Tests of `retry`.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use config::matcher::{HeaderMatcher, HeaderRule};
use config::route::{RateLimitedBackOff, ResetHeader, RetryPolicy};

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
        headers: Vec::new(),
        request_headers: Vec::new(),
        rate_limited: None,
        predicates: Vec::new(),
        host_selection_attempts: 1,
        previous_priorities: None,
    }
}

fn retries(conditions: u32) -> Retries<'static, ()> {
    by(policy(conditions))
}

fn by(policy: RetryPolicy) -> Retries<'static, ()> {
    let rules: &Rules = Box::leak(Box::new(Rules::compile(&Arc::new(policy))));
    Retries::begin(Wishes::of(Some(rules)), Some(rules)).unwrap()
}

fn head(status: u16, headers: &[(&str, &'static str)]) -> ResponseHead {
    let mut list = Headers::new();
    for (name, value) in headers {
        list.append(Name::new(name), *value);
    }
    let (reason, body) = (Bytes::new(), BodyLength::Empty);
    ResponseHead { protocol: Protocol::Http11, status, reason, headers: list, body, wire_size: 0 }
}

fn present(name: &str) -> HeaderMatcher {
    HeaderMatcher { name: name.into(), rule: HeaderRule::Present(true), invert: false, missing_is_empty: false }
}

/// `Retry-After: 1` and its like, as Envoy reads them.
#[test]
fn a_response_says_how_long_to_wait() {
    let header = |name: &str, is_timestamp| ResetHeader { name: name.into(), is_timestamp };
    let back_off = RateLimitedBackOff {
        headers: vec![header("retry-after", false), header("x-reset", true)],
        max_interval: Duration::from_secs(60),
    };
    let wait = |headers: &[(&str, String)]| {
        let mut retries = by(RetryPolicy { rate_limited: Some(back_off.clone()), ..policy(RetryOn::SERVER_ERROR) });
        let mut answer = head(503, &[]);
        for (name, value) in headers {
            answer.headers.append(Name::new(name), value.clone().into_bytes());
        }
        match retries.answered(&answer, || Some(())) {
            Decision::After(wait) if wait.rate_limited => {
                let time = wait.time.as_millis();
                Some(time)
            }
            Decision::After(wait) => {
                assert!(wait.time < Duration::from_millis(25));
                None
            }
            Decision::PassOn(flags) => panic!("{flags:?}"),
        }
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let second = wait(&[("retry-after", "1".into())]).unwrap();
    assert!((1000..1500).contains(&second), "{second}");
    let moment = wait(&[("x-reset", (now + 31).to_string())]).unwrap();
    assert!((28_000..46_500).contains(&moment), "{moment}");
    // Too long, too late, no number: the next header, or the usual.
    let next = wait(&[("retry-after", "61".into()), ("x-reset", (now + 31).to_string())]).unwrap();
    assert!((28_000..46_500).contains(&next), "{next}");
    for (name, value) in [("retry-after", "61"), ("retry-after", "soon"), ("retry-after", "0"), ("x-reset", "1")] {
        assert_eq!(wait(&[(name, value.into())]), None, "{name} {value}");
    }
    assert_eq!(wait(&[("retry-after", "0".into()), ("x-reset", (now + 31).to_string())]), None, "the first counts");
    assert_eq!(wait(&[]), None);
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
        (RetryOn::RETRIABLE_HEADERS, 200, &[("x-again", "1")], true),
        (RetryOn::RETRIABLE_HEADERS, 200, &[("x-again-too", "1")], true),
        (RetryOn::RETRIABLE_HEADERS, 201, &[], true),
        (RetryOn::RETRIABLE_HEADERS, 503, &[("x-else", "1")], false),
        (RetryOn::SERVER_ERROR, 200, &[("x-again", "1")], false),
    ];
    for (conditions, status, headers, wanted) in cases {
        let created = HeaderMatcher { rule: HeaderRule::Range { start: 201, end: 202 }, ..present(":status") };
        let mut policy = policy(*conditions);
        policy.headers = vec![present("x-again"), present("x-again-too"), created];
        assert_eq!(by(policy).wants_response(&head(*status, headers)), *wanted, "{conditions} {status}");
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
    let none = Wishes::of(None::<&Rules>);
    assert!(Retries::<()>::begin(none, None).is_none());
}
