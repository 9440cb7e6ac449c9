//! Tests of `masque`.

use super::target;

#[test]
fn where_it_goes() {
    for (path, expected) in [
        ("a.test/53/", Some("a.test:53")),
        ("%31.2.3.4/53/", Some("1.2.3.4:53")),
        ("2001%3Adb8%3A%3A1/443/", Some("[2001:db8::1]:443")),
        ("fe80%3A%3A1%25eth0/443/", None),
        ("a/53", None),
        ("a/53/x", None),
        ("a/53//", None),
        ("/53/", None),
        ("a//", None),
        ("a b/53/", None),
        ("a%0d%0ab/53/", None),
    ] {
        let path = format!("/.well-known/masque/udp/{path}");
        assert_eq!(target(path.as_bytes()).as_deref(), expected.map(str::as_bytes), "{path}");
    }
    assert_eq!(target(b"/a/53/"), None);
}
