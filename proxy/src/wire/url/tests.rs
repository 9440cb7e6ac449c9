//! Tests of `url`. Verdicts are Envoy's.

use super::*;

#[test]
fn what_is_an_absolute_url_has_a_host() {
    for (text, host) in [
        ("http://h", "h"),
        ("HTTPS://h:80/a?b", "h:80"),
        ("http+x://h", "h"),
        ("a.b://h?", "h"),
        ("h1://h-x.y", "h-x.y"),
        ("http://a:b:c@h/", "h"),
        ("http://@h", "h"),
        ("http://user%40@h", "h"),
        ("http://h?x#y", "h"),
        ("http://h/a#b#c", "h"),
        ("http://h/a?b??#", "h"),
        ("http://h/{}<>\\^`|\"%zz", "h"),
        ("http://[::1]:80", "[::1]:80"),
        ("http://h:00000080", "h:00000080"),
        ("http://h:65535", "h:65535"),
    ] {
        let found = Url::parse(text.as_bytes()).map(|url| url.host_and_port);
        assert_eq!(found, Some(host.as_bytes()), "{text}");
    }
}

#[test]
fn what_is_none_has_none() {
    for text in [
        "",
        "h",
        "/h",
        "//h",
        "*",
        "http:/h",
        "http:h",
        "http://",
        "http://?",
        "http:////h",
        "://h",
        "1x://h",
        "+x://h",
        "-://h",
        "ht tp://h",
        "http://h#f",
        "http://h#@evil",
        "http://u#@h",
        "http://u[@h",
        "http://a@b@h",
        "http://h ",
        "http://h/ x",
        "http://h/\x7f",
        "http://h]",
        "http://[h",
        "http://[zz]",
        "http://[::1%25eth0]",
        "http://[::1]x",
        "http://h\\",
        "http://h,x",
        "http://h_x",
        "http://h%41",
        "http://h:",
        "http://h:/",
        "http://h:a",
        "http://h:65536",
        "http://h:18446744073709551616",
        "h://h://h",
        "file:///h",
    ] {
        assert_eq!(Url::parse(text.as_bytes()), None, "{text}");
    }
    for octets in [&b"http://h/\x80"[..], b"http://h/a?b\xc3\xa9", b"http://h\x80", b"http://h/\t"] {
        assert_eq!(Url::parse(octets), None, "{octets:?}");
    }
}

#[test]
fn users_and_fragments_are_told() {
    let told = |text: &'static str| Url::parse(text.as_bytes()).map(|url| (url.has_user, url.has_fragment));
    assert_eq!(told("http://a@h"), Some((true, false)));
    assert_eq!(told("http://:@h/#"), Some((true, false)));
    assert_eq!(told("http://@h?x#y"), Some((false, true)));
    assert_eq!(Url::parse(b"http://h:1?x").map(|url| url.path_and_rest), Some(&b"?x"[..]));
}
