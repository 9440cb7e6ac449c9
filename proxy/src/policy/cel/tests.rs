//! Expressions by their meaning. What is expected is what Envoy 1.40 says; random ones are held against it by `rbac_parity`.

use std::net::SocketAddr;

use bytes::Bytes;
use config::cel::Expr as E;
use config::metadata::Metadata;
use serde_json::{Value as Json, json};

use super::*;
use crate::tls::info::TlsInfo;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead, ResponseHead};

/// A request to `/a?x` with some headers, metadata and filter state; attributes that are asked for are written down.
struct Made {
    request: RequestHead,
    metadata: Json,
    route: Metadata,
}

impl Facts for Made {
    fn request(&self) -> Option<&RequestHead> {
        Some(&self.request)
    }
    fn request_trailers(&self) -> Option<&Headers> {
        None
    }
    fn response(&self) -> Option<&ResponseHead> {
        None
    }
    fn response_trailers(&self) -> Option<&Headers> {
        None
    }
    fn local(&self) -> SocketAddr {
        unreachable!("no expression asks for it in this way")
    }
    fn remote(&self) -> SocketAddr {
        self.local()
    }
    fn connection_remote(&self) -> SocketAddr {
        self.local()
    }
    fn direct_remote(&self) -> SocketAddr {
        self.local()
    }
    fn server_name(&self) -> Option<&[u8]> {
        None
    }
    fn tls(&self) -> Option<&TlsInfo> {
        None
    }
    fn metadata(&self, filter: &str, path: &[Arc<str>], see: &mut dyn FnMut(Option<&Json>)) {
        see(path.iter().fold(self.metadata.get(filter), |value, key| value?.get(&**key)));
    }
    fn route_metadata(&self) -> Option<&Metadata> {
        Some(&self.route)
    }
    fn listener_metadata(&self) -> Option<&Metadata> {
        None
    }
    fn filter_state(&self, key: &str) -> Option<Bytes> {
        (key == "k").then(|| Bytes::from_static(b"v"))
    }
    fn attribute(&self, attribute: Attribute) -> Fact<'_> {
        match attribute {
            Attribute::Path => Fact::Text(Cow::Borrowed(b"/a?x")),
            Attribute::RequestSize => Fact::Int(7),
            Attribute::Time => Fact::Time(std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * 59)),
            Attribute::RequestDuration => Fact::Duration(std::time::Duration::from_millis(90_061_500)),
            _ => Fact::Absent,
        }
    }
}

fn facts() -> Made {
    let mut headers = Headers::new();
    for (name, value) in [("x-a", "1"), ("x-a", "2"), ("x-b", "b\u{e9}")] {
        headers.append(Name::new(name), value);
    }
    let request = RequestHead {
        protocol: Protocol::Http11,
        method: Method::Get,
        path: "/a?x".into(),
        about_server: false,
        authority: "host".into(),
        scheme: Bytes::new(),
        headers,
        body: BodyLength::Empty,
        upgrade: None,
        wire_size: 0,
    };
    let metadata = json!({"f": {"text": "t", "number": 1.0, "list": ["a", 2], "null": null, "deep": {"x": true}}});
    Made { request, metadata, route: Metadata::from([("f", json!({"r": "s"}))]) }
}

fn text(value: &str) -> E {
    E::Literal(Literal::Text(value.into()))
}

fn int(value: i64) -> E {
    E::Literal(Literal::Int(value))
}

fn double(value: f64) -> E {
    E::Literal(Literal::Double(value))
}

fn uint(value: u64) -> E {
    E::Literal(Literal::Uint(value))
}

fn truth(value: bool) -> E {
    E::Literal(Literal::Bool(value))
}

fn call(function: Function, args: impl IntoIterator<Item = E>) -> E {
    E::Call(function, args.into_iter().collect())
}

fn equal(one: E, other: E) -> E {
    call(Function::Equal, [one, other])
}

/// Whether an expression is true; `None`: it is an error, or no truth value.
fn judged(expr: E) -> Option<bool> {
    let (expression, facts) = (Expression::compile(&expr), facts());
    let outcome = match expression.0.evaluate(&facts) {
        Ok(Value::Bool(value)) => Some(value),
        _ => None,
    };
    assert_eq!(expression.holds(&facts), outcome == Some(true));
    outcome
}

#[test]
fn errors_are_outvoted_by_what_decides() {
    let error = || E::Unknown;
    let and = |one, other| E::And(Box::new([one, other]));
    let or = |one, other| E::Or(Box::new([one, other]));
    for (expr, want) in [
        (and(truth(true), truth(true)), Some(true)),
        (and(truth(false), error()), Some(false)),
        (and(error(), truth(false)), Some(false)),
        (and(error(), truth(true)), None),
        (and(truth(true), int(1)), None),
        (and(int(1), truth(false)), Some(false)),
        (or(truth(true), error()), Some(true)),
        (or(error(), truth(true)), Some(true)),
        (or(truth(false), error()), None),
        (or(error(), truth(false)), None),
        (call(Function::Not, [error()]), None),
        (call(Function::Not, [int(1)]), None),
        (E::Choice(Box::new([truth(true), truth(true), error()])), Some(true)),
        (E::Choice(Box::new([error(), truth(true), truth(true)])), None),
        (E::Attribute(Attribute::Mtls), None),
        (int(1), None),
    ] {
        assert_eq!(judged(expr.clone()), want, "{expr:?}");
    }
}

#[test]
fn numbers_compare_by_what_they_are_and_other_types_never_equal() {
    for (one, other, want) in [
        (int(1), uint(1), true),
        (int(1), double(1.0), true),
        (int(-1), uint(u64::MAX), false),
        (int(i64::MAX), double(9_223_372_036_854_775_807.0), false),
        (uint(1), text("1"), false),
        (double(f64::NAN), double(f64::NAN), false),
        (E::Literal(Literal::Null), truth(false), false),
        (E::Literal(Literal::Octets(b"a".as_slice().into())), text("a"), false),
        (E::List(vec![int(1)]), E::List(vec![double(1.0)]), true),
        (E::Map(vec![(text("a"), int(1))]), E::Map(vec![(text("a"), uint(1))]), true),
        (E::Map(vec![(text("a"), int(1))]), E::Map(vec![(text("b"), int(1))]), false),
    ] {
        assert_eq!(judged(equal(one.clone(), other.clone())), Some(want), "{one:?} {other:?}");
    }
    let less = |one, other| judged(call(Function::Less, [one, other]));
    assert_eq!(less(int(1), double(1.5)), Some(true));
    assert_eq!(less(double(-1.5), int(-1)), Some(true));
    assert_eq!(less(uint(u64::MAX), double(1e300)), Some(true));
    assert_eq!(less(text("a"), text("b")), Some(true));
    assert_eq!(less(text("a"), int(1)), None);
    assert_eq!(less(double(f64::NAN), int(1)), Some(false));
}

#[test]
fn arithmetic_keeps_to_its_type_and_its_range() {
    use Function as F;
    let is = |function, one, other, want| assert_eq!(judged(equal(call(function, [one, other]), want)), Some(true));
    is(F::AddNumbers, int(1), int(2), int(3));
    is(F::Divide, int(-7), int(2), int(-3));
    is(F::Modulo, int(-7), int(2), int(-1));
    is(F::Divide, double(1.0), double(0.0), double(f64::INFINITY));
    is(F::Add, text("a"), text("b"), text("ab"));
    for (function, one, other) in [
        (F::AddNumbers, int(i64::MAX), int(1)),
        (F::Subtract, uint(0), uint(1)),
        (F::Divide, int(1), int(0)),
        (F::Divide, int(i64::MIN), int(-1)),
        (F::Modulo, double(1.0), double(1.0)),
        (F::AddNumbers, int(1), uint(1)),
        (F::AddNumbers, text("a"), text("b")),
        (F::Add, E::List(vec![]), E::List(vec![])),
    ] {
        assert_eq!(
            judged(equal(call(function, [one.clone(), other.clone()]), int(0))),
            None,
            "{function:?} {one:?} {other:?}"
        );
    }
}

#[test]
fn headers_metadata_and_filter_state() {
    let header = |name: &str| E::Header(HeadersOf::Request, name.into());
    let headers = || Box::new(E::Headers(HeadersOf::Request));
    let at =
        |path: &[&str]| E::Metadata(MetadataOf::Stream, "f".into(), path.iter().map(|key| Arc::from(*key)).collect());
    let has = |path: &[&str], key: &str| E::Has(Box::new(at(path)), key.into());
    for (expr, want) in [
        (equal(header("x-a"), text("1,2")), Some(true)),
        (equal(header(":path"), text("/a?x")), Some(true)),
        (equal(header("host"), text("host")), Some(true)),
        (equal(header("x-none"), text("")), None),
        (
            equal(call(Function::Index, [*headers(), call(Function::LowerAscii, [text("X-B")])]), text("b\u{e9}")),
            Some(true),
        ),
        (equal(call(Function::Size, [header("x-b")]), int(2)), Some(true)),
        (equal(call(Function::Size, [*headers()]), int(5)), Some(true)),
        (E::Has(headers(), "X-A".into()), Some(true)),
        (E::Has(headers(), "x-none".into()), Some(false)),
        (call(Function::In, [text("x-a"), *headers()]), Some(true)),
        (call(Function::In, [int(1), *headers()]), Some(false)),
        (equal(at(&["text"]), text("t")), Some(true)),
        (equal(at(&["number"]), int(1)), Some(true)),
        (equal(at(&["null"]), E::Literal(Literal::Null)), Some(true)),
        (equal(at(&["none"]), text("t")), None),
        (equal(at(&["text", "below"]), text("t")), None),
        (at(&["deep", "x"]), Some(true)),
        (equal(call(Function::Index, [at(&["list"]), int(1)]), int(2)), Some(true)),
        (equal(call(Function::Index, [at(&["list"]), int(2)]), int(2)), None),
        (equal(call(Function::Index, [at(&["list"]), int(-1)]), int(2)), None),
        (has(&[], "text"), Some(true)),
        (has(&["deep"], "y"), Some(false)),
        (has(&["none"], "y"), None),
        (E::Has(Box::new(E::FilterMetadata(MetadataOf::Stream)), "f".into()), Some(true)),
        (E::Has(Box::new(E::FilterMetadata(MetadataOf::Listener)), "f".into()), Some(false)),
        (equal(E::Metadata(MetadataOf::Route, "f".into(), vec!["r".into()]), text("s")), Some(true)),
        (
            equal(
                call(Function::Index, [E::FilterState, text("k")]),
                E::Literal(Literal::Octets(b"v".as_slice().into())),
            ),
            Some(true),
        ),
        (call(Function::In, [text("none"), E::FilterState]), Some(false)),
        (E::HasAttribute(Attribute::Path), Some(true)),
        (E::HasAttribute(Attribute::Referer), Some(false)),
    ] {
        assert_eq!(judged(expr.clone()), want, "{expr:?}");
    }
}

#[test]
fn texts_and_conversions() {
    use Function as F;
    let path = || E::Attribute(Attribute::Path);
    for (expr, want) in [
        (call(F::StartsWith, [path(), text("/a")]), Some(true)),
        (call(F::Contains, [path(), int(1)]), None),
        (E::Matches(Box::new(path()), regex::bytes::Regex::new("a.x$").unwrap()), Some(true)),
        (E::Matches(Box::new(int(1)), regex::bytes::Regex::new("1").unwrap()), None),
        (call(F::In, [path(), E::List(vec![int(1), text("/a?x")])]), Some(true)),
        (call(F::In, [path(), E::List(vec![int(1), path()])]), Some(true)),
        (call(F::In, [E::Unknown, E::List(vec![])]), None),
        (equal(call(F::Int, [text(" 12 ")]), int(12)), Some(true)),
        (equal(call(F::Int, [double(1e30)]), int(0)), None),
        (equal(call(F::Uint, [int(-1)]), int(0)), None),
        (equal(call(F::Type, [path()]), E::Literal(Literal::Type("string"))), Some(true)),
        (equal(call(F::Text, [uint(3)]), text("3")), Some(true)),
        (equal(call(F::Replace, [path(), text("a"), text("bb")]), text("/bb?x")), Some(true)),
        (equal(call(F::Replace, [text("ab"), text(""), text("-")]), text("-a-b-")), Some(true)),
        (equal(call(F::Size, [call(F::Split, [text("a,b,c"), text(",")])]), int(3)), Some(true)),
        (equal(call(F::Split, [text("a,b,c"), text(","), int(2)]), E::List(vec![text("a"), text("b,c")])), Some(true)),
        (equal(call(F::Split, [text("a\u{e9}"), text("")]), E::List(vec![text("a"), text("\u{e9}")])), Some(true)),
    ] {
        assert_eq!(judged(expr.clone()), want, "{expr:?}");
    }
    let mut bomb = text("aaaaaaaaaaaaaaaa");
    for _ in 0..12 {
        bomb = call(F::Replace, [bomb.clone(), text("a"), text("aaaaaaaaaaaaaaaa")]);
    }
    assert_eq!(judged(call(F::Contains, [bomb, text("a")])), None, "a text that grows without end is an error");
}

/// As in Envoy, whose evaluator gives up: an error would let another side of `||` decide.
#[test]
fn a_pattern_that_is_asked_of_no_text_ends_the_expression() {
    let (yes, no) = (|| E::Literal(Literal::Bool(true)), || E::Literal(Literal::Bool(false)));
    let asked = |of: E| E::Matches(Box::new(of), regex::bytes::Regex::new("1").unwrap());
    let ends = || asked(E::Attribute(Attribute::Referer));
    let or = |one: E, other: E| E::Or(Box::new([one, other]));
    let and = |one: E, other: E| E::And(Box::new([one, other]));
    for (expr, want) in [
        (ends(), None),
        (asked(int(1)), None),
        (or(ends(), yes()), None),
        (or(yes(), ends()), Some(true)),
        (and(ends(), no()), None),
        (and(no(), ends()), Some(false)),
        (or(or(E::Unknown, ends()), yes()), None),
        (or(equal(E::Unknown, ends()), yes()), None),
        (or(call(Function::In, [E::Unknown, E::List(vec![E::Unknown, ends()])]), yes()), None),
        (or(E::Unknown, yes()), Some(true)),
    ] {
        assert_eq!(judged(expr.clone()), want, "{expr:?}");
    }
}

#[test]
fn times_and_durations() {
    use Function as F;
    let time = || E::Attribute(Attribute::Time);
    let parts =
        [(F::FullYear, 1970), (F::Month, 2), (F::Date, 1), (F::DayOfMonth, 0), (F::DayOfYear, 59), (F::DayOfWeek, 0)];
    for (part, want) in parts {
        assert_eq!(judged(equal(call(part, [time()]), int(want))), Some(true), "{part:?}");
    }
    let duration = || E::Attribute(Attribute::RequestDuration);
    for (part, want) in [(F::Hours, 25), (F::Minutes, 1501), (F::Seconds, 90_061), (F::Milliseconds, 500)] {
        assert_eq!(judged(equal(call(part, [duration()]), int(want))), Some(true), "{part:?}");
    }
    let read = |value: &str| call(F::Timestamp, [text(value)]);
    assert_eq!(judged(equal(time(), read("1970-03-01T02:00:00+02:00"))), Some(true));
    for wrong in ["1970-02-29T00:00:00Z", "1970-03-01", "1970-03-01T24:00:00Z", "x", "1970-03-01T00:00:00", ""] {
        assert_eq!(judged(equal(time(), read(wrong))), None, "{wrong}");
    }
    let lasts = |value: &str| call(F::Duration, [text(value)]);
    assert_eq!(judged(equal(lasts("1h1.5s"), lasts("3601500ms"))), Some(true));
    assert_eq!(judged(equal(call(F::Subtract, [time(), time()]), lasts("0"))), Some(true));
    assert_eq!(judged(call(F::Greater, [call(F::AddNumbers, [time(), lasts("1s")]), time()])), Some(true));
    assert_eq!(judged(equal(call(F::Text, [time()]), text("1970-03-01T00:00:00Z"))), Some(true));
    for wrong in ["", "1", "s", "1x", "1.2.3s", "99999999999999999999999999h"] {
        assert_eq!(judged(equal(lasts(wrong), lasts("0"))), None, "{wrong}");
    }
}
