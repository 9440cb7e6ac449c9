//! Tests of `cookie`.

use super::*;

#[track_caller]
fn check(line: &'static str, expected: Option<&str>) {
    let mut headers = Headers::new();
    headers.append(Name::COOKIE, line);
    assert_eq!(value(&headers, b"a"), expected.map(str::as_bytes), "{line:?}");
}

#[test]
fn blanks_before_a_name_are_none_of_its_and_others_belong_where_they_stand() {
    check("a=v", Some("v"));
    check("b=w;  a=v", Some("v"));
    check("a=v ; c=1", Some("v "));
    check("a= v", Some(" v"));
    check("a =v", None);
    check("a=\"v\"; c", Some("v"));
    check("a=\"; c", Some("\""));
    check(" ; a=v", Some("v"));
    check("b; a", None);
}
