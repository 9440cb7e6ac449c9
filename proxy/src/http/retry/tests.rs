//! Tests of `retry`.

use super::*;
use crate::http::testing::{fake::Script, get, retry_on};
use crate::wire::headers::Headers;

fn retry(conditions: u32) -> Retry {
    Retry::new(Some(&retry_on(conditions, 1)), &mut get("/"), false).unwrap()
}

#[test]
fn responses_are_retried_by_their_condition() {
    let head = |status, headers: &[(&str, &'static str)]| Script::answers(status, headers, &[]).head.unwrap();
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
    ];
    for (conditions, status, headers, wanted) in cases {
        assert_eq!(retry(*conditions).wants_response(&head(*status, headers)), *wanted, "{conditions} {status}");
    }
    let mut codes = retry(RetryOn::STATUS_CODES);
    codes.status_codes = vec![418];
    assert!(codes.wants_response(&head(418, &[])));
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
        assert_eq!(retry(conditions).wants_reset(reset, sent), wanted, "{conditions} {reset:?}");
    }
}

#[test]
fn only_internal_callers_have_a_say() {
    let request = || {
        let mut request = get("/");
        request.headers = Headers::new();
        request.headers.append(Name::X_ENVOY_RETRY_ON, "5xx, unknown");
        request.headers.append(Name::X_ENVOY_RETRY_GRPC_ON, "cancelled");
        request.headers.append(Name::X_ENVOY_MAX_RETRIES, "7");
        request
    };
    assert!(Retry::new(None, &mut request(), false).is_none());
    let mut internal = request();
    let retry = Retry::new(None, &mut internal, true).unwrap();
    assert_eq!(retry.left, 7);
    assert!(retry.on.has(RetryOn::SERVER_ERROR) && retry.on.has(RetryOn::GRPC_CANCELLED));
    assert!(internal.headers.is_empty());
}
