//! Which paths a template matches. What is expected is what Envoy 1.40 does with the same ones.

use super::*;

#[test]
fn paths_that_match() {
    for (template, good, bad) in [
        ("/a", &["/a"][..], &["/", "/a/", "/b"][..]),
        ("/a/*/b", &["/a/x/b", "/a/%20/b", "/a/x.y@z/b"], &["/a/x/y/b", "/a//b", "/a/x/b/", "/a/x=/b"]),
        ("/a/*", &["/a/x"], &["/a/", "/a", "/a/x/y"]),
        ("/a/**", &["/a/x/b", "/a/x/y/b", "/a/", "/a//b", "/a/x/b/"], &["/a", "/b/a"]),
        ("/a/**/b", &["/a/x/b", "/a/x/y/b", "/a//b"], &["/a/b", "/a/x/b/"]),
        ("/**/b", &["/a/x/b", "/a//b", "/x/b"], &["/b", "/a/x"]),
        ("/a/{x}/b", &["/a/x/b"], &["/a/x/y/b"]),
        ("/a/{x=**}/b", &["/a/x/b", "/a/x/y/b"], &["/a"]),
        ("/a/{x=*/y}/b", &["/a/1/y/b"], &["/a/1/z/b"]),
        ("/*.html", &["/a.html"], &["/ahtml", "/.html/"]),
        ("/a/", &["/a/"], &["/a"]),
    ] {
        let regex = super::template(&At::root(), template).unwrap().regex;
        good.iter().for_each(|path| assert!(regex.is_match(path.as_bytes()), "{template} {path}"));
        bad.iter().for_each(|path| assert!(!regex.is_match(path.as_bytes()), "{template} {path}"));
    }
}

#[test]
fn templates_that_are_refused() {
    for template in [
        "",
        "a",
        "/a//b",
        "/a*",
        "/**/*",
        "/**/{x}",
        "/{x}/{x}",
        "/{1}",
        "/{x",
        "/{x=}",
        "/a b",
        "/a|b",
        "/[a]",
        "/***",
        "/{a_name_that_is_too_long}",
    ] {
        assert!(super::template(&At::root(), template).is_err(), "{template}");
    }
}

#[test]
fn what_is_made_of_what_was_matched() {
    let matched = template(&At::root(), "/{a}/x/{b=y/*}").unwrap();
    let pieces = rewrite(&At::root(), "/{b}-{a}/z", &matched).unwrap();
    let expected = [
        Piece::Literal("/".into()),
        Piece::Variable(2),
        Piece::Literal("-".into()),
        Piece::Variable(1),
        Piece::Literal("/z".into()),
    ];
    assert_eq!(pieces, expected);
    let captures = matched.regex.captures(b"/1/x/y/2").unwrap();
    assert_eq!((&captures[1], &captures[2]), (&b"1"[..], &b"y/2"[..]));
    for text in ["/{c}", "/{a", "a", "//", "/ "] {
        assert!(rewrite(&At::root(), text, &matched).is_err(), "{text}");
    }
}
