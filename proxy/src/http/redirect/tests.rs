//! Tests of `redirect`.

use super::*;
use crate::http::testing::get;

fn redirect() -> Redirect {
    Redirect { status: 301, scheme: None, host: None, port: None, path: None, prefix: None, strip_query: false }
}

#[track_caller]
fn check(redirect: Redirect, prefix: &str, target: &str, authority: &'static str, expected: &str) {
    let mut request = get(target);
    request.authority = Bytes::from_static(authority.as_bytes());
    let matched = crate::http::testing::prefix_match(prefix);
    let reply = reply(&redirect, &matched, &request);
    assert_eq!(std::str::from_utf8(&reply.location.unwrap()).unwrap(), expected);
}

#[test]
fn each_part_is_replaced_by_itself() {
    let https = Redirect { scheme: Some("https".into()), ..redirect() };
    check(https.clone(), "/", "/a?b=c", "svc", "https://svc/a?b=c");
    check(https.clone(), "/", "/a", "svc:80", "https://svc/a");
    check(https, "/", "/a", "svc:8080", "https://svc:8080/a");
    check(Redirect { host: Some("h.example".into()), ..redirect() }, "/", "/a", "svc:80", "http://h.example/a");
    check(Redirect { port: Some(8443), ..redirect() }, "/", "/redport", "svc", "http://svc:8443/redport");
    check(Redirect { path: Some("/x".into()), ..redirect() }, "/", "/a?k=v", "svc", "http://svc/x?k=v");
    check(Redirect { path: Some("/x?y=1".into()), ..redirect() }, "/", "/a?k=v", "svc", "http://svc/x?y=1");
    check(Redirect { prefix: Some("/n/".into()), ..redirect() }, "/o/", "/o/z?k=v", "svc", "http://svc/n/z?k=v");
    check(Redirect { strip_query: true, ..redirect() }, "/", "/a?k=v", "svc", "http://svc/a");
}
