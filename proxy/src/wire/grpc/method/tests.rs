//! Tests of `method`.

use super::*;

#[test]
fn a_path_of_two_parts_is_a_method() {
    for path in ["/pkg.Svc/Call", "/pkg.Svc/Call?a=/b", "//pkg.Svc///Call/", "pkg.Svc/Call"] {
        let method = Method::of(path.as_bytes()).unwrap();
        assert_eq!((method.names(), method.key()), (("pkg.Svc", "Call"), "pkg.Svc/Call"), "{path}");
    }
    for path in [&b""[..], b"/", b"/pkg.Svc", b"/pkg.Svc/", b"/a/b/c", b"/a//b/c", b"/\xff/b", b"?/a/b"] {
        assert_eq!(Method::of(path), None, "{}", path.escape_ascii());
    }
}
