//! Tests of `retry`.

use std::sync::Arc;

use config::matcher::{HeaderMatcher, HeaderRule};
use config::route::RetryPolicy;

use super::*;
use crate::http::testing::{get, retry_on, with};
use crate::wire::headers::Headers;

#[test]
fn headers_have_a_say_and_are_taken_away() {
    let request = || {
        let mut request = get("/");
        request.headers = Headers::new();
        request.headers.append(Name::X_ENVOY_RETRY_ON, "5xx, unknown, unavailable");
        request.headers.append(Name::X_ENVOY_RETRY_GRPC_ON, "cancelled, reset");
        request.headers.append(Name::X_ENVOY_MAX_RETRIES, "7");
        // What a route adds stands in a line of its own.
        request.headers.append(Name::X_ENVOY_RETRIABLE_STATUS_CODES, "418");
        request.headers.append(Name::X_ENVOY_RETRIABLE_STATUS_CODES, "17x");
        request.headers.append(Name::X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, "5");
        request.headers.append(Name::X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT, "true");
        request.headers.append(Name::X_ENVOY_RETRIABLE_HEADER_NAMES, "X-One, x-two");
        request
    };
    let mut asks = request();
    assert!(Retry::new(None, &mut asks).is_some());
    assert!(asks.headers.is_empty());
    assert!(Retry::new(None, &mut get("/")).is_none());
    let mut wishes = Wishes::of(None);
    read_headers(&mut request(), &mut wishes);
    let on = RetryOn(RetryOn::SERVER_ERROR | RetryOn::GRPC_CANCELLED);
    assert_eq!(
        wishes,
        Wishes { on, retries: 7, status_codes: vec![418], headers: vec![Name::new("x-one"), Name::new("x-two")] }
    );
}

/// `retriable_request_headers`: whoever does not have one is not retried, whatever he says.
#[test]
fn only_requests_with_one_of_the_headers_are_retried() {
    let one = |name: &str| HeaderMatcher {
        name: name.into(),
        rule: HeaderRule::Present(true),
        invert: false,
        missing_is_empty: false,
    };
    let request_headers = vec![one("x-a"), one("x-b")];
    let policy = Arc::new(RetryPolicy { request_headers, ..retry_on(RetryOn::SERVER_ERROR, 1) });
    let rules = Rules::compile(&policy);
    assert!(Retry::new(Some(&rules), &mut with(get("/"), &[("x-b", "1")])).is_some());
    assert!(Retry::new(Some(&rules), &mut get("/")).is_none());
    let mut asks = with(get("/"), &[("x-envoy-retry-on", "5xx")]);
    assert!(Retry::new(Some(&rules), &mut asks).is_none());
    assert!(!asks.headers.contains(&Name::X_ENVOY_RETRY_ON), "it is not passed on");
}
