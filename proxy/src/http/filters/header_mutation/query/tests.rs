//! What becomes of a query.

use config::access_log::Part;

use super::*;

fn changed(path: &str, mutations: &[QueryMutation]) -> String {
    let render = |format: &Format, out: &mut Vec<u8>| {
        for part in &format.parts {
            if let Part::Literal(text) = part {
                out.extend_from_slice(text.as_bytes());
            }
        }
    };
    String::from_utf8(QueryMutations::compile(mutations).apply(path.as_bytes(), render)).unwrap()
}

fn set(key: &str, value: &str, action: AppendAction) -> QueryMutation {
    let value = Format { parts: vec![Part::Literal(value.into())], omit_empty: true };
    QueryMutation::Append { key: key.into(), value, action }
}

#[test]
fn each_action() {
    use AppendAction::{AddIfAbsent, AppendOrAdd, OverwriteIfExists, OverwriteOrAdd};
    for (action, there, absent) in [
        (AppendOrAdd, "/p?a=1&a=2&a=n", "/p?a=n"),
        (AddIfAbsent, "/p?a=1&a=2", "/p?a=n"),
        (OverwriteOrAdd, "/p?a=n", "/p?a=n"),
        (OverwriteIfExists, "/p?a=n", "/p"),
    ] {
        assert_eq!(changed("/p?a=1&a=2", &[set("a", "n", action)]), there, "{action:?}");
        assert_eq!(changed("/p", &[set("a", "n", action)]), absent, "{action:?}");
    }
    assert_eq!(changed("/p?a=1&b=2&a=3", &[QueryMutation::Remove("a".into())]), "/p?b=2");
    assert_eq!(changed("/p?a=1", &[QueryMutation::Remove("a".into())]), "/p");
}

#[test]
fn the_query_is_written_anew() {
    let nothing = [QueryMutation::Remove("none".into())];
    // As the real one writes it, but for what is not printable, `%` and what ends a parameter.
    assert_eq!(changed("/p?z&a=%2f%zz&&b=x%20y=&B=1&c=a+b", &nothing), "/p?=&B=1&a=/%25zz&b=x%20y=&c=a+b&z=");
    assert_eq!(changed("/p?a=%41%26%3d%25%23%0d%0a&", &nothing), "/p?a=A%26=%25%23%0D%0A");
    assert_eq!(changed("/p?a%3db=1", &nothing), "/p?a%3Db=1");
    assert_eq!(changed("/p?", &nothing), "/p");
    let value = "!*+-./:@_~%é z";
    let added = changed("/p", &[set("k", value, AppendAction::AppendOrAdd)]);
    assert_eq!(added, "/p?k=%21*%2B-.%2F%3A%40_%7E%25%C3%A9%20z");
}
