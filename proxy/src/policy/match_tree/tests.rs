//! Tests of match trees. What is expected is what Envoy 1.40 does with the same trees.

use std::net::SocketAddr;
use std::rc::Rc;

use config::match_tree::{Condition, Input, Matcher, OnMatch, Predicate, Rules};
use config::matcher::{Fraction, StringMatcher, ValueMatcher};
use serde_json::{Value, json};

use super::*;
use crate::tls::info::{PeerCertificate, TlsInfo};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead, ResponseHead};

mod custom;

/// Facts that a test makes up.
#[derive(Default)]
struct Made {
    request: Option<RequestHead>,
    request_trailers: Option<Headers>,
    response: Option<ResponseHead>,
    response_trailers: Option<Headers>,
    addresses: Option<[SocketAddr; 3]>,
    server_name: Option<&'static str>,
    tls: Option<TlsInfo>,
    metadata: Option<Value>,
    state: Option<&'static str>,
}

impl Facts for Made {
    fn request(&self) -> Option<&RequestHead> {
        self.request.as_ref()
    }
    fn request_trailers(&self) -> Option<&Headers> {
        self.request_trailers.as_ref()
    }
    fn response(&self) -> Option<&ResponseHead> {
        self.response.as_ref()
    }
    fn response_trailers(&self) -> Option<&Headers> {
        self.response_trailers.as_ref()
    }
    fn local(&self) -> SocketAddr {
        self.addresses.expect("addresses")[0]
    }
    fn remote(&self) -> SocketAddr {
        self.addresses.expect("addresses")[1]
    }
    fn connection_remote(&self) -> SocketAddr {
        self.remote()
    }
    fn direct_remote(&self) -> SocketAddr {
        self.addresses.expect("addresses")[2]
    }
    fn server_name(&self) -> Option<&[u8]> {
        self.server_name.map(str::as_bytes)
    }
    fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }
    fn metadata(&self, filter: &str, path: &[std::sync::Arc<str>], see: &mut dyn FnMut(Option<&Value>)) {
        let start = self.metadata.as_ref().and_then(|all| all.get(filter));
        see(path.iter().fold(start, |value, key| value?.get(&**key)));
    }
    fn route_metadata(&self) -> Option<&config::metadata::Metadata> {
        None
    }
    fn listener_metadata(&self) -> Option<&config::metadata::Metadata> {
        None
    }
    fn attribute(&self, _: config::cel::Attribute) -> crate::policy::facts::Fact<'_> {
        crate::policy::facts::Fact::Absent
    }
    fn filter_state(&self, key: &str) -> Option<bytes::Bytes> {
        self.state.filter(|_| key == "key").map(|value| value.as_bytes().into())
    }
}

fn headers(list: &[(&str, &'static str)]) -> Headers {
    let mut headers = Headers::new();
    list.iter().for_each(|(name, value)| headers.append(Name::new(name), *value));
    headers
}

fn request(path: &'static str, list: &[(&str, &'static str)]) -> Made {
    let head = RequestHead {
        protocol: Protocol::Http11,
        method: Method::Get,
        path: path.into(),
        about_server: false,
        authority: "host".into(),
        scheme: "http".into(),
        headers: headers(list),
        body: BodyLength::Empty,
        upgrade: None,
        wire_size: 0,
    };
    Made { request: Some(head), ..Made::default() }
}

fn response(mut made: Made, status: u16, list: &[(&str, &'static str)]) -> Made {
    made.response = Some(ResponseHead {
        protocol: Protocol::Http11,
        status,
        reason: "".into(),
        headers: headers(list),
        body: BodyLength::Empty,
        wire_size: 0,
    });
    made
}

fn is(value: &str) -> Condition {
    Condition::Text(StringMatcher::Exact { value: value.into(), ignore_case: false })
}

fn header(name: &str, value: &str) -> Predicate {
    Predicate::Single(Input::RequestHeader(name.into()), is(value))
}

fn act(name: &'static str) -> OnMatch<&'static str> {
    OnMatch::Action(name)
}

fn list(rules: Vec<(Predicate, OnMatch<&'static str>)>) -> Matcher<&'static str> {
    Matcher { rules: Rules::List(rules), no_match: None }
}

fn inside(tree: Matcher<&'static str>) -> OnMatch<&'static str> {
    OnMatch::Matcher(Box::new(tree))
}

/// The action; `-` where nothing matches, `?` where that is not known yet.
fn judged(tree: &Matcher<&'static str>, facts: &Made) -> &'static str {
    let tree = Tree::compile(&At::root(), tree, &mut |_, action| Ok(*action)).unwrap();
    match tree.judge(facts) {
        Verdict::Later => "?",
        Verdict::Nothing => "-",
        Verdict::Action(action) => action,
    }
}

/// Whether one condition holds: `yes`, `-`, or `?`.
fn holds(predicate: Predicate, facts: &Made) -> &'static str {
    judged(&list(vec![(predicate, act("yes"))]), facts)
}

#[test]
fn the_first_of_a_list_and_what_lies_behind_it() {
    let tree = list(vec![
        (header("a", "1"), inside(list(vec![(header("b", "1"), act("both"))]))),
        (header("c", "1"), act("c")),
    ]);
    assert_eq!(judged(&tree, &request("/", &[("a", "1"), ("b", "1"), ("c", "1")])), "both");
    assert_eq!(judged(&tree, &request("/", &[("a", "1"), ("c", "1")])), "c", "the inner tree gives it back");
    assert_eq!(judged(&tree, &request("/", &[("a", "1")])), "-");
    let tree = Matcher { no_match: Some(act("none")), ..tree };
    assert_eq!(judged(&tree, &request("/", &[])), "none");
    assert_eq!(judged(&tree, &Made::default()), "?", "no head yet");
}

#[test]
fn maps_by_value_and_by_the_longest_prefix() {
    let map = |keys: Vec<(&str, OnMatch<&'static str>)>| keys.into_iter().map(|(key, one)| (key.into(), one)).collect();
    let input = || Input::RequestHeader("a".into());
    let inner = || inside(list(vec![(header("b", "1"), act("inner"))]));
    let exact = Matcher {
        rules: Rules::Exact(input(), map(vec![("1", inner()), ("2", act("two"))])),
        no_match: Some(act("none")),
    };
    for (values, want) in [
        (&[("a", "2")][..], "two"),
        (&[("a", "1"), ("b", "1")], "inner"),
        (&[("a", "1")], "none"),
        (&[("a", "22")], "none"),
        (&[], "none"),
        (&[("a", "1"), ("a", "2")], "none"),
    ] {
        assert_eq!(judged(&exact, &request("/", values)), want, "{values:?}");
    }
    let prefix = Matcher {
        rules: Rules::Prefix(input(), map(vec![("abc", inner()), ("a", act("a")), ("abd", act("abd")), ("", inner())])),
        no_match: None,
    };
    for (values, want) in [
        (&[("a", "abcd"), ("b", "1")][..], "inner"),
        (&[("a", "abcd")], "a"),
        (&[("a", "abd")], "abd"),
        (&[("a", "abz")], "a"),
        (&[("a", "a")], "a"),
        (&[("a", "z"), ("b", "1")], "inner"),
        (&[("a", "z")], "-"),
        (&[], "-"),
    ] {
        assert_eq!(judged(&prefix, &request("/", values)), want, "{values:?}");
    }
}

#[test]
fn what_is_not_known_yet_waits_and_what_never_comes_meets_nothing() {
    let later = || Predicate::Single(Input::ResponseHeader("r".into()), is("1"));
    let not = |one| Predicate::Not(Box::new(one));
    let seen = request("/", &[("a", "1")]);
    assert_eq!(holds(later(), &seen), "?");
    assert_eq!(holds(not(later()), &seen), "?");
    assert_eq!(holds(Predicate::Any(vec![later(), header("a", "1")]), &seen), "yes");
    assert_eq!(holds(Predicate::Any(vec![later(), header("a", "2")]), &seen), "?");
    assert_eq!(holds(Predicate::All(vec![header("a", "2"), later()]), &seen), "-");
    assert_eq!(holds(Predicate::All(vec![later(), header("a", "2")]), &seen), "?", "it stops at what is not known");
    assert_eq!(holds(not(header("absent", "1")), &seen), "yes");
    let answered = response(seen, 200, &[("r", "1")]);
    assert_eq!(holds(later(), &answered), "yes");
    // A list stops at a condition that is not known, whatever comes behind it.
    let tree = list(vec![(later(), act("later")), (header("a", "1"), act("now"))]);
    assert_eq!(judged(&tree, &request("/", &[("a", "1")])), "?");
    let tree = Tree::compile(&At::root(), &tree, &mut |_, action| Ok(*action)).unwrap();
    assert!(tree.comes().has(Comes::WITH_RESPONSE) && !tree.comes().has(Comes::WITH_REQUEST_TRAILERS));
}

#[test]
fn every_input() {
    let mut facts = response(request("/p?a%20b=c%20d&e", &[("h", "1"), ("h", "2")]), 204, &[("r", "x")]);
    facts.request_trailers = Some(headers(&[("t", "1")]));
    facts.response_trailers = Some(headers(&[("grpc-status", "0")]));
    facts.addresses = Some(["[::1]:80", "10.0.0.1:4000", "10.0.0.2:5000"].map(|one| one.parse().unwrap()));
    facts.server_name = Some("sni");
    facts.state = Some("value");
    facts.tls = Some(TlsInfo {
        peer: Some(Rc::new(PeerCertificate {
            uri_sans: vec!["spiffe://a".into(), "spiffe://b".into()],
            dns_sans: vec!["dns".into()],
            subject: "CN=me".into(),
            ..PeerCertificate::default()
        })),
        ..TlsInfo::default()
    });
    for (input, value) in [
        (Input::RequestHeader("h".into()), "1,2"),
        (Input::RequestHeader(":path".into()), "/p?a%20b=c%20d&e"),
        (Input::RequestHeader("host".into()), "host"),
        (Input::RequestTrailer("t".into()), "1"),
        (Input::ResponseHeader("r".into()), "x"),
        (Input::ResponseHeader(":status".into()), "204"),
        (Input::ResponseTrailer("grpc-status".into()), "0"),
        (Input::QueryParameter("a b".into()), "c d"),
        (Input::QueryParameter("e".into()), ""),
        (Input::StatusCode, "204"),
        (Input::StatusCodeClass, "2xx"),
        (Input::DestinationIp, "::1"),
        (Input::DestinationPort, "80"),
        (Input::SourceIp, "10.0.0.1"),
        (Input::SourcePort, "4000"),
        (Input::DirectSourceIp, "10.0.0.2"),
        (Input::ServerName, "sni"),
        (Input::FilterState("key".into()), "value"),
        (Input::UriSan, "spiffe://a,spiffe://b"),
        (Input::DnsSan, "dns"),
        (Input::Subject, "CN=me"),
    ] {
        assert_eq!(holds(Predicate::Single(input.clone(), is(value)), &facts), "yes", "{input:?}");
        assert_eq!(holds(Predicate::Single(input.clone(), is("other")), &facts), "-", "{input:?}");
        let map = Matcher { rules: Rules::Exact(input.clone(), [(value.into(), act("yes"))].into()), no_match: None };
        assert_eq!(judged(&map, &facts), "yes", "{input:?}");
    }
    let local = || Predicate::Single(Input::SourceType, is("local"));
    assert_eq!(holds(local(), &facts), "-");
    facts.addresses = Some(["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:5000"].map(|one| one.parse().unwrap()));
    assert_eq!(holds(local(), &facts), "yes");
}

#[test]
fn certificates_without_tls_are_never_known() {
    let plain = request("/", &[]);
    let mut without_peer = request("/", &[]);
    without_peer.tls = Some(TlsInfo::default());
    for input in [Input::UriSan, Input::DnsSan, Input::Subject] {
        let not = Predicate::Not(Box::new(Predicate::Single(input.clone(), is("x"))));
        assert_eq!(holds(not.clone(), &plain), "?", "{input:?}");
        assert_eq!(holds(not, &without_peer), "yes", "{input:?}");
    }
}

#[test]
fn ranges_metadata_and_shares() {
    let mut facts = request("/", &[("ip", "10.1.2.3"), ("no", "x")]);
    facts.addresses = Some(["1.1.1.1:80", "10.0.0.1:4000", "10.0.0.2:5000"].map(|one| one.parse().unwrap()));
    facts.metadata = Some(json!({"f": {"a": {"b": true}}}));
    let ranges = || Condition::Ip(vec!["10.0.0.0/8".parse().unwrap()]);
    let single = Predicate::Single;
    assert_eq!(holds(single(Input::SourceIp, ranges()), &facts), "yes");
    assert_eq!(holds(single(Input::DestinationIp, ranges()), &facts), "-");
    assert_eq!(holds(single(Input::RequestHeader("ip".into()), ranges()), &facts), "yes");
    assert_eq!(holds(single(Input::RequestHeader("no".into()), ranges()), &facts), "-");
    let metadata = |path: &[&str], invert| {
        let path = path.iter().map(|key| (*key).into()).collect();
        single(Input::DynamicMetadata("f".into(), path), Condition::Metadata(ValueMatcher::Bool(true), invert))
    };
    assert_eq!(holds(metadata(&["a", "b"], false), &facts), "yes");
    assert_eq!(holds(metadata(&["a", "b"], true), &facts), "-");
    assert_eq!(holds(metadata(&["a", "c"], false), &facts), "-");
    assert_eq!(holds(metadata(&["a", "c"], true), &facts), "yes", "a value that is missing is judged, too");
    let share = |numerator| Condition::Fraction(Fraction { numerator, denominator: 100 }.into(), 7);
    assert_eq!(holds(single(Input::RequestHeader("ip".into()), share(100)), &facts), "yes");
    assert_eq!(holds(single(Input::RequestHeader("ip".into()), share(0)), &facts), "-");
    assert_eq!(holds(single(Input::RequestHeader("absent".into()), share(100)), &facts), "-");
}

/// Envoy matches none of its values: see known.md.
#[test]
fn a_variable_of_the_environment_is_matched_by_its_value() {
    let path = std::env::var("PATH").unwrap();
    let variable = || Input::Environment("PATH".into());
    assert_eq!(holds(Predicate::Single(variable(), is(&path)), &request("/", &[])), "yes");
    assert_eq!(holds(Predicate::Single(variable(), is("another")), &request("/", &[])), "-");
}

#[test]
fn a_refused_action_is_told_with_its_place() {
    let map = [("k".into(), act("bad"))].into();
    let inner = Matcher { rules: Rules::Exact(Input::StatusCode, map), no_match: None };
    let tree = list(vec![(header("a", "1"), act("good")), (header("a", "2"), inside(inner))]);
    let refused = Tree::compile(&At::root().field("xds_matcher"), &tree, &mut |at, action| match *action {
        "bad" => Err(at.reject("no")),
        other => Ok(other),
    });
    let path = "xds_matcher.matcher_list.matchers[1].on_match.matcher.matcher_tree.exact_match_map.map[\"k\"].action.typed_config";
    assert_eq!(refused.unwrap_err().path, path);
}
