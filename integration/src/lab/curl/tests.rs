//! Tests of `curl`.

use super::*;

#[test]
fn interim_responses_are_passed_over() {
    let reply =
        parse(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nserver: envoy\r\nX-a:  b\r\n\r\nbody\r\n\r\nmore");
    assert_eq!((reply.status, reply.status_line.as_str()), (200, "HTTP/1.1 200 OK"));
    assert_eq!(reply.header_names(), ["server", "X-a"]);
    assert_eq!(reply.header("x-A").unwrap(), "b");
    assert_eq!(reply.body, "body\r\n\r\nmore");
}

#[test]
fn no_response_is_status_zero() {
    assert_eq!(parse(b"").status, 0);
}

#[test]
fn a_repeated_header_is_not_one_header() {
    let reply = parse(b"HTTP/1.1 200 OK\r\nserver: a\r\nserver: b\r\n\r\n");
    assert!(reply.header("server").unwrap_err().to_string().contains("more than once"));
    assert!(reply.header("date").is_err());
}
