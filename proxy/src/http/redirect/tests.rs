//! Tests of `redirect`.

use super::*;
use crate::http::testing::get;

fn redirect() -> Redirect {
    Redirect {
        status: 301,
        scheme: None,
        host: None,
        port: None,
        path: None,
        prefix: None,
        regex: None,
        path_format: None,
        strip_query: false,
    }
}

#[track_caller]
fn check(redirect: Redirect, prefix: &str, target: &str, authority: &'static str, expected: &str) {
    let mut request = get(target);
    request.authority = Bytes::from_static(authority.as_bytes());
    request.headers.append(Name::X_FORWARDED_PROTO, "http");
    let matched = crate::http::testing::prefix_match(prefix);
    let location = location(&redirect, &matched, &request, None);
    assert_eq!(std::str::from_utf8(&location).unwrap(), expected);
}

#[test]
fn each_part_is_replaced_by_itself() {
    let https = Redirect { scheme: Some("https".into()), ..redirect() };
    check(https.clone(), "/", "/a?b=c", "svc", "https://svc/a?b=c");
    check(https.clone(), "/", "/a", "svc:80", "https://svc/a");
    check(https.clone(), "/", "/a", "[::1]:80", "https://[::1]/a");
    let both = Redirect { host: Some("h:81".into()), port: Some(8443), ..redirect() };
    check(both, "/", "/a", "svc:80", "http://h:81:8443/a");
    check(https, "/", "/a", "svc:8080", "https://svc:8080/a");
    check(Redirect { host: Some("h.example".into()), ..redirect() }, "/", "/a", "svc:80", "http://h.example/a");
    check(Redirect { port: Some(8443), ..redirect() }, "/", "/redport", "svc", "http://svc:8443/redport");
    check(Redirect { path: Some("/x".into()), ..redirect() }, "/", "/a?k=v", "svc", "http://svc/x?k=v");
    check(Redirect { path: Some("/x?y=1".into()), ..redirect() }, "/", "/a?k=v", "svc", "http://svc/x?y=1");
    check(Redirect { prefix: Some("/n/".into()), ..redirect() }, "/o/", "/o/z?k=v", "svc", "http://svc/n/z?k=v");
    check(Redirect { path: Some("x".into()), ..redirect() }, "/", "/a?k=v", "svc", "http://svc/x?k=v");
    check(Redirect { path: Some("?y".into()), ..redirect() }, "/", "/a?k=v", "svc", "http://svc/?y");
    check(Redirect { prefix: Some("n".into()), ..redirect() }, "/o", "/o/z?k=v", "svc", "http://svc/n/z?k=v");
    check(Redirect { strip_query: true, ..redirect() }, "/", "/a?k=v", "svc", "http://svc/a");
}
