//! Tests of `normalize`.

use super::*;

#[track_caller]
fn check(path: &str, expected: Option<&str>) {
    let got = if needs_canonical(path.as_bytes()) { canonical(path.as_bytes()) } else { Some(path.into()) };
    assert_eq!(got.map(|path| String::from_utf8(path).unwrap()).as_deref(), expected, "{path}");
}

/// Every pair was measured with Envoy 1.40.
#[test]
fn paths_become_what_envoy_makes_of_them() {
    for (path, expected) in [
        ("/", "/"),
        ("/%", "/%"),
        ("/%z", "/%z"),
        ("/%4", "/%4"),
        ("/%zz", "/%zz"),
        ("/a/./b", "/a/b"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/..", "/"),
        ("/../..", "/"),
        ("/a//b", "/a//b"),
        ("//", "//"),
        ("/a/b/..//c", "/a//c"),
        ("/.a", "/.a"),
        ("/a/...", "/a/..."),
        ("/a/%2e./b", "/b"),
        ("/a/.%2E/b", "/b"),
        ("/a\\..\\b", "/b"),
        ("/\\", "//"),
        ("/a;b/../c", "/c"),
        ("/a%5c..%5cb", "/a%5c..%5cb"),
        ("/a%2f..%2fb", "/a%2f..%2fb"),
        ("/%2e%2e", "/"),
        ("/a/%2e%2e%2f", "/a/..%2f"),
        ("/%41%zz", "/A%zz"),
        ("/a\"b<c>^`{|}", "/a%22b%3Cc%3E%5E%60%7B%7C%7D"),
        ("/a/%%32%65%%32%65/b", "/a/%252e%252e/b"),
        ("/a/%%32e%%32e/b", "/a/%252e%252e/b"),
        ("/%%2e", "/%."),
        ("/a%%34%31", "/a%2541"),
        ("/%/../%2fx", "/%2fx"),
        ("/%2d%5f%7e%30%61", "/-_~0a"),
        ("/a/..;/b", "/b"),
        ("/a/.;/b", "/a/b"),
        ("/a/..;x=y/b", "/b"),
        ("/a/..;x%2fy/b", "/b"),
        ("/a/..;x;y/b", "/b"),
        ("/a/..;", "/"),
        ("/a/.;x", "/a/"),
        ("/..;/..;/b", "/b"),
        ("/a/b;/..;/c;d/.;/e", "/a/c;d/e"),
        ("/a//..;/b", "/a/b"),
        ("/a/..;\\b", "/"),
        ("/a/.;.;/b", "/a/b"),
        ("/a/..;/../b", "/b"),
        ("/a/%2e%2e;/b", "/a/..;/b"),
        ("/a/..%3b/b", "/a/..%3b/b"),
        ("/a/...;/b", "/a/...;/b"),
        ("/a/..\\;/b", "/;/b"),
        ("/a;..;/b", "/a;..;/b"),
        ("/;..;/b", "/;..;/b"),
    ] {
        check(path, Some(expected));
    }
    check("/a%00b", None);
    check("a/b", None);
    check("*", None);
}

#[test]
fn escaped_slashes_are_found_in_either_case() {
    assert_eq!(unescape_slashes(b"/a%2fb%5Cc%2").as_deref(), Some(&b"/a/b\\c%2"[..]));
    assert_eq!(unescape_slashes(b"/a%2"), None);
}

#[test]
fn nothing_in_a_path_makes_it_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let length = random.usize(..12);
        let path: Vec<u8> = (0..length).map(|_| *random.choice(b"/.;\\%2eE5cfF02346a?\xff").unwrap()).collect();
        if let Some(done) = canonical(&path) {
            assert!(done.starts_with(b"/"), "{path:?}");
            // Envoy takes parameters off raw dot segments only: another pass may see more of them.
            let parameters = path.contains(&b';');
            assert!(parameters || canonical(&done).as_deref() == Some(&done[..]), "not stable: {path:?}");
        }
        let _ = unescape_slashes(&path);
        let _ = needs_canonical(&path);
    }
}
