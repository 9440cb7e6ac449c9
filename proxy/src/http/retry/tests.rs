//! Tests of `retry`.

use super::*;
use crate::http::testing::get;
use crate::wire::headers::Headers;

#[test]
fn only_internal_callers_have_a_say() {
    let request = || {
        let mut request = get("/");
        request.headers = Headers::new();
        request.headers.append(Name::X_ENVOY_RETRY_ON, "5xx, unknown");
        request.headers.append(Name::X_ENVOY_RETRY_GRPC_ON, "cancelled");
        request.headers.append(Name::X_ENVOY_MAX_RETRIES, "7");
        request.headers.append(Name::X_ENVOY_RETRIABLE_STATUS_CODES, "418, 17x");
        request
    };
    assert!(Retry::new(None, &mut request(), false).is_none());
    let mut internal = request();
    assert!(Retry::new(None, &mut internal, true).is_some());
    assert!(internal.headers.is_empty());
    let mut wishes = Wishes::of(None);
    read_headers(&mut request(), &mut wishes);
    let on = RetryOn(RetryOn::SERVER_ERROR | RetryOn::GRPC_CANCELLED);
    assert_eq!(wishes, Wishes { on, retries: 7, status_codes: vec![418] });
}
