//! Tests of `sound`: what is a header, and who finds out.

use super::*;
use crate::wire::message::Protocol;

fn request(headers: Headers) -> RequestHead {
    let [path, authority, scheme] = ["/", "app", "http"].map(Bytes::from);
    RequestHead { path, authority, scheme, headers, ..RequestHead::unread(Protocol::Http11) }
}

#[test]
fn values_are_without_control_characters_but_the_tabulator() {
    for sound in [&b""[..], b"a b", b"a\tb", b"\x80\xff", "é".as_bytes()] {
        assert!(is_value(sound), "{sound:?}");
    }
    for octet in (0..b' ').filter(|octet| *octet != b'\t').chain([0x7f]) {
        assert!(!is_value(&[b'a', octet, b'b']), "{octet}");
    }
}

#[test]
fn names_are_tokens() {
    assert!(is_name(b"x-a_b.c!"));
    for none in [&b""[..], b"x y", b"x:y", b":path", b"x\n", "xé".as_bytes()] {
        assert!(!is_name(none), "{none:?}");
    }
}

#[test]
fn what_was_said_is_doubted_if_it_is_no_header() {
    let mut headers = Headers::new();
    headers.append_said(Name::new("x-a"), &b"sound"[..]);
    assert!(!headers.is_doubted());
    assert_eq!(flaw_of_request(&request(headers.clone())), None);
    headers.append_said(Name::new("x-role"), &b"ad\0min"[..]);
    assert!(headers.is_doubted());
    assert_eq!(flaw_of_request(&request(headers.clone())).as_deref(), Some("invalid header value for: x-role"));
    // Octet for octet as it was said: rules that look at it see that.
    assert_eq!(headers.get(&Name::new("x-role")).unwrap()[..], b"ad\0min"[..]);
    // What is replaced does no harm.
    headers.set_said(Name::new("x-role"), &b"user"[..]);
    assert_eq!(flaw_of_request(&request(headers)), None);
}

#[test]
fn names_and_the_request_line_are_looked_at_too() {
    let mut headers = Headers::new();
    headers.append_said(Name::new("x y\n"), &b"a"[..]);
    assert_eq!(flaw_of_request(&request(headers)).as_deref(), Some("invalid header name: x y\\n"));
    let mut head = request(Headers::new());
    head.path = Bytes::from_static(b"/a\r\nx-evil: 1");
    head.headers.doubt_unless(is_value(&head.path));
    assert_eq!(flaw_of_request(&head).as_deref(), Some("invalid header value for: :path"));
}

#[test]
fn unsound_lines_can_be_taken_out_and_the_rest_stays() {
    let mut headers = Headers::new();
    headers.append(Name::new("x-a"), &b"1"[..]);
    headers.append_said(Name::new("x-b"), &b"2\r\nx-evil: 3"[..]);
    headers.append_said(Name::new("x-c"), &b"4"[..]);
    let mut told = Vec::new();
    headers.take_out_unsound(|header| told.push(header.name.as_str().to_owned()));
    assert_eq!(told, ["x-b"]);
    assert!(!headers.is_doubted());
    let left: Vec<_> = headers.iter().map(|header| header.name.as_str().to_owned()).collect();
    assert_eq!(left, ["x-a", "x-c"]);
}
