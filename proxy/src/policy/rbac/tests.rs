//! Verdicts. What is expected is what Envoy 1.40 says with the same rules.

use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use config::matcher::{HeaderMatcher, HeaderRule, MetadataMatcher, StringMatcher, ValueMatcher};
use config::metadata::Metadata;
use config::rbac::{Action, Engine as Config, Policy as PolicyConfig, Rule as R};
use serde_json::{Value, json};

use super::*;
use crate::tls::info::{PeerCertificate, PeerName, TlsInfo};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead, ResponseHead};

/// Facts that a test makes up.
pub(super) struct Made {
    request: Option<RequestHead>,
    pub(super) local: SocketAddr,
    remote: SocketAddr,
    connection: SocketAddr,
    direct: SocketAddr,
    server_name: Option<&'static str>,
    pub(super) tls: Option<TlsInfo>,
    metadata: Option<Value>,
    route: Option<Metadata>,
    state: Option<&'static str>,
    address: Option<SocketAddr>,
}

impl Facts for Made {
    fn request(&self) -> Option<&RequestHead> {
        self.request.as_ref()
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
        self.local
    }
    fn remote(&self) -> SocketAddr {
        self.remote
    }
    fn connection_remote(&self) -> SocketAddr {
        self.connection
    }
    fn direct_remote(&self) -> SocketAddr {
        self.direct
    }
    fn server_name(&self) -> Option<&[u8]> {
        self.server_name.map(str::as_bytes)
    }
    fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }
    fn metadata(&self, filter: &str, path: &[Arc<str>], see: &mut dyn FnMut(Option<&Value>)) {
        let start = self.metadata.as_ref().and_then(|all| all.get(filter));
        see(path.iter().fold(start, |value, key| value?.get(&**key)));
    }
    fn route_metadata(&self) -> Option<&Metadata> {
        self.route.as_ref()
    }
    fn listener_metadata(&self) -> Option<&Metadata> {
        None
    }
    fn attribute(&self, _: config::cel::Attribute) -> crate::policy::facts::Fact<'_> {
        crate::policy::facts::Fact::Absent
    }
    fn filter_state(&self, key: &str) -> Option<Bytes> {
        self.state.filter(|_| key == "k").map(|value| value.as_bytes().into())
    }
    fn filter_state_address(&self, key: &str) -> Option<SocketAddr> {
        self.address.filter(|_| key == "k")
    }
}

/// A connection without a request.
pub(super) fn connection() -> Made {
    let address = |text: &str| text.parse().unwrap();
    Made {
        request: None,
        local: address("10.0.0.1:80"),
        remote: address("10.0.0.2:1"),
        connection: address("10.0.0.3:1"),
        direct: address("10.0.0.4:1"),
        server_name: None,
        tls: None,
        metadata: None,
        route: None,
        state: None,
        address: None,
    }
}

pub(super) fn request(path: &'static str, list: &[(&str, &'static str)]) -> Made {
    let mut headers = Headers::new();
    list.iter().for_each(|(name, value)| headers.append(Name::new(name), *value));
    let head = RequestHead {
        protocol: Protocol::Http11,
        method: Method::Get,
        path: path.into(),
        about_server: false,
        authority: "host".into(),
        scheme: "http".into(),
        headers,
        body: BodyLength::Empty,
        upgrade: None,
        wire_size: 0,
    };
    Made { request: Some(head), ..connection() }
}

pub(super) fn exact(value: &str) -> StringMatcher {
    StringMatcher::Exact { value: value.into(), ignore_case: false }
}

pub(super) fn prefix(value: &str) -> StringMatcher {
    StringMatcher::Prefix { value: value.into(), ignore_case: false }
}

fn range(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

fn policies(action: Action, list: Vec<(&str, Vec<R>, Vec<R>)>) -> Engine<()> {
    let one = |(name, permissions, principals): (&str, _, _)| {
        (name.into(), PolicyConfig { permissions, principals, condition: None })
    };
    Engine::compile(&Config::Rules(action, list.into_iter().map(one).collect()), None, &|_, _| ()).unwrap()
}

/// Whether a rule holds, as permission and as principal.
fn holds(rule: R, facts: &Made) -> bool {
    let permission = policies(Action::Allow, vec![("p", vec![rule.clone()], vec![R::Any])]);
    let principal = policies(Action::Allow, vec![("p", vec![R::Any], vec![rule])]);
    let allowed = permission.judge(facts).allowed;
    assert_eq!(principal.judge(facts).allowed, allowed);
    allowed
}

#[test]
fn each_line_of_a_header_is_looked_at() {
    let matcher = |rule, invert, missing_is_empty| {
        R::Header(HeaderMatcher { name: "x-a".into(), rule, invert, missing_is_empty })
    };
    let text = |value| HeaderRule::String(exact(value));
    let requests = [&[][..], &["a"], &["b"], &["a", "b"], &["b", "a"], &[""], &["3"]];
    for (rule, want) in [
        (matcher(text("a"), false, false), [false, true, false, true, true, false, false]),
        (matcher(text("a"), true, false), [false, false, true, false, false, true, true]),
        (matcher(text("a,b"), false, false), [false; 7]),
        (
            matcher(HeaderRule::Range { start: 1, end: 5 }, false, false),
            [false, false, false, false, false, false, true],
        ),
        (matcher(HeaderRule::Present(true), false, false), [false, true, true, true, true, true, true]),
        (matcher(HeaderRule::Present(false), false, false), [true, false, false, false, false, false, false]),
        (matcher(HeaderRule::Present(true), true, false), [true, false, false, false, false, false, false]),
        (matcher(text(""), false, true), [true, false, false, false, false, true, false]),
        (R::Not(Box::new(matcher(text("a"), false, false))), [true, false, true, false, false, true, true]),
    ] {
        for (values, want) in requests.iter().zip(want) {
            let list: Vec<_> = values.iter().map(|value| ("x-a", *value)).collect();
            assert_eq!(holds(rule.clone(), &request("/", &list)), want, "{rule:?} {values:?}");
        }
    }
}

#[test]
fn paths_are_without_query() {
    for (rule, good, bad) in [
        (R::UrlPath(exact("/p")), &["/p", "/p?x=1", "/p#f"][..], &["/", "/p/q"][..]),
        (R::UrlPath(prefix("/p")), &["/p", "/p?x", "/p/q"], &["/"]),
        (R::UriTemplate(regex::bytes::Regex::new(r"\A/a/[a-z]+\z").unwrap()), &["/a/x", "/a/x?q"], &["/a", "/a/x/y"]),
        (
            R::Header(HeaderMatcher {
                name: ":path".into(),
                rule: HeaderRule::String(exact("/p?x")),
                invert: false,
                missing_is_empty: false,
            }),
            &["/p?x"],
            &["/p"],
        ),
    ] {
        good.iter().for_each(|path| assert!(holds(rule.clone(), &request(path, &[])), "{rule:?} {path}"));
        bad.iter().for_each(|path| assert!(!holds(rule.clone(), &request(path, &[])), "{rule:?} {path}"));
        assert!(!holds(rule.clone(), &connection()), "{rule:?} without a request");
        assert!(holds(R::Not(Box::new(rule)), &connection()));
    }
}

#[test]
fn addresses_and_ports() {
    let facts = connection();
    for (rule, want) in [
        (R::DestinationIp(range("10.0.0.1/32")), true),
        (R::DestinationIp(range("10.0.0.2/32")), false),
        (R::RemoteIp(range("10.0.0.2/32")), true),
        (R::SourceIp(range("10.0.0.3/32")), true),
        (R::SourceIp(range("10.0.0.2/32")), false),
        (R::DirectRemoteIp(range("10.0.0.4/32")), true),
        (R::DirectRemoteIp(range("10.0.0.3/32")), false),
        (R::RemoteIp(range("::/0")), false),
        (R::DestinationPort(80), true),
        (R::DestinationPort(81), false),
        (R::DestinationPorts(80..81), true),
        (R::DestinationPorts(1..80), false),
        (R::ServerName(exact("")), true),
        (R::ServerName(exact("a")), false),
        (R::All(vec![R::Any, R::DestinationPort(80)]), true),
        (R::All(vec![R::Any, R::DestinationPort(81)]), false),
        (R::OneOf(vec![R::DestinationPort(81), R::DestinationPort(80)]), true),
    ] {
        assert_eq!(holds(rule.clone(), &facts), want, "{rule:?}");
    }
    assert!(holds(R::ServerName(exact("a")), &Made { server_name: Some("a"), ..connection() }));
}

#[test]
fn names_of_peers() {
    let peer = |uris: &[&str], names: &[&str], subject: &str| {
        let list = |list: &[&str]| list.iter().map(|one| PeerName::from(*one)).collect();
        let peer = PeerCertificate {
            uri_sans: list(uris),
            dns_sans: list(names),
            subject: subject.into(),
            ..Default::default()
        };
        Made { tls: Some(TlsInfo { peer: Some(Rc::new(peer)), ..TlsInfo::default() }), ..connection() }
    };
    let nobody = Made { tls: Some(TlsInfo::default()), ..connection() };
    let spiffe = || R::Authenticated(Some(prefix("spiffe://td/")));
    assert!(holds(spiffe(), &peer(&["x", "spiffe://td/a"], &[], "")));
    assert!(!holds(spiffe(), &peer(&["spiffe://td.evil/a"], &[], "")));
    assert!(holds(R::Authenticated(Some(exact("dns"))), &peer(&["x"], &["dns"], "CN=me")));
    assert!(holds(R::Authenticated(Some(exact("CN=me"))), &peer(&["x"], &["dns"], "CN=me")));
    assert!(!holds(spiffe(), &nobody) && !holds(spiffe(), &connection()));
    assert!(holds(R::Authenticated(None), &nobody), "TLS is enough where no name is asked for");
    assert!(!holds(R::Authenticated(None), &connection()));
}

#[test]
fn names_of_peers_are_octets() {
    let peer = PeerCertificate { uri_sans: vec![PeerName::new(b"spiffe://mesh/\xff")], ..Default::default() };
    let tls = TlsInfo { peer: Some(Rc::new(peer)), validated: true, ..TlsInfo::default() };
    let peer = Made { tls: Some(tls), ..connection() };
    let called = |matcher| R::Authenticated(Some(matcher));
    assert!(holds(called(prefix("spiffe://mesh/")), &peer));
    assert!(!holds(called(exact("spiffe://mesh/\u{fffd}")), &peer), "what is printed of it is not its name");
    let regex = |text: &str| StringMatcher::Regex(regex::bytes::Regex::new(text).unwrap());
    let (one, three) = (r"(?s-u)\Aspiffe://mesh/.\z", r"(?s-u)\Aspiffe://mesh/...\z");
    assert!(holds(called(regex(one)), &peer) && !holds(called(regex(three)), &peer));
    let proven = |matcher| {
        R::MtlsAuthenticated(Some(config::tls::SanMatcher {
            kind: Some(config::tls::SanKind::Uri),
            matcher,
            oid: None,
        }))
    };
    assert!(holds(proven(regex(one)), &peer));
    assert!(!holds(proven(exact("spiffe://mesh/\u{fffd}")), &peer));
}

#[test]
fn metadata_and_filter_state() {
    let matcher =
        |value, invert| MetadataMatcher { filter: "f".into(), path: vec!["a".into(), "b".into()], value, invert };
    let list = || ValueMatcher::OneOf(Box::new(ValueMatcher::String(exact("x"))));
    let written = Made { metadata: Some(json!({"f": {"a": {"b": ["y", "x"]}}})), ..connection() };
    assert!(holds(R::Metadata(matcher(list(), false)), &written));
    assert!(!holds(R::Metadata(matcher(list(), true)), &written));
    assert!(!holds(R::Metadata(matcher(list(), false)), &connection()));
    assert!(holds(R::Metadata(matcher(list(), true)), &connection()), "inverted, what is missing holds");
    let route = Metadata::from([("f", json!({"a": {"b": ["x"]}}))]);
    assert!(holds(R::RouteMetadata(matcher(list(), false)), &Made { route: Some(route), ..connection() }));
    assert!(
        !holds(R::RouteMetadata(matcher(list(), true)), &connection()),
        "without a route there is nothing to invert"
    );
    let state = || R::FilterState("k".into(), exact("v"));
    assert!(holds(state(), &Made { state: Some("v"), ..connection() }));
    assert!(!holds(state(), &Made { state: Some("w"), ..connection() }) && !holds(state(), &connection()));
}

#[test]
fn only_an_object_that_is_an_address_is_in_a_range() {
    let of = |invert| R::FilterStateIp { key: "k".into(), ranges: vec![range("10.0.0.0/8")], invert };
    let address = |text: &str| Made { address: Some(text.parse().unwrap()), ..connection() };
    assert!(holds(of(false), &address("10.1.2.3:80")) && !holds(of(true), &address("10.1.2.3:80")));
    assert!(!holds(of(false), &address("11.1.2.3:80")) && holds(of(true), &address("11.1.2.3:80")));
    for text in ["10.1.2.3", "10.1.2.3:80", "11.1.2.3:80"] {
        let text = Made { state: Some(text), ..connection() };
        assert!(!holds(of(false), &text) && !holds(of(true), &text));
    }
    assert!(!holds(R::Nothing, &address("10.1.2.3:80")) && holds(R::Not(Box::new(R::Nothing)), &connection()));
}

#[test]
fn actions_and_who_says_so() {
    let judged = |engine: &Engine<()>, facts: &Made| {
        let decision = engine.judge(facts);
        (decision.allowed, decision.policy.map(|policy| policy.name.to_string()), decision.log)
    };
    let port = |port| vec![R::DestinationPort(port)];
    let list = || vec![("z", port(80), vec![R::Any]), ("a b", port(80), vec![R::Any]), ("0", port(81), vec![R::Any])];
    let name = || Some("a b".to_owned());
    assert_eq!(judged(&policies(Action::Allow, list()), &connection()), (true, name(), None));
    assert_eq!(judged(&policies(Action::Deny, list()), &connection()), (false, name(), None));
    assert_eq!(judged(&policies(Action::Log, list()), &connection()), (true, name(), Some(true)));
    assert_eq!(judged(&policies(Action::Allow, vec![]), &connection()), (false, None, None));
    assert_eq!(judged(&policies(Action::Deny, vec![]), &connection()), (true, None, None));
    assert_eq!(judged(&policies(Action::Log, vec![]), &connection()), (true, None, Some(false)));
    let nobody = vec![("p", vec![R::Any], port(81))];
    assert_eq!(judged(&policies(Action::Deny, nobody), &connection()), (true, None, None), "both must match");
    let details = |engine: Engine<()>| engine.judge(&connection()).details();
    assert_eq!(details(policies(Action::Deny, list())), "rbac_access_denied_matched_policy[a_b]");
    assert_eq!(details(policies(Action::Allow, vec![])), "rbac_access_denied_matched_policy[none]");
}

#[test]
fn trees_deny_what_they_do_not_say() {
    use config::match_tree::{Condition, Input, Matcher, OnMatch, Predicate, Rules};
    use config::rbac::Named;
    let tree = |input: &dyn Fn() -> Input, values: &[(&str, Action)], no_match| {
        let one = |(value, action): &(&str, Action)| {
            let predicate = Predicate::Single(input(), Condition::Text(exact(value)));
            (predicate, OnMatch::Action(Named { name: format!("is {value}").into(), action: *action }))
        };
        let matcher = Matcher { rules: Rules::List(values.iter().map(one).collect()), no_match };
        Engine::compile(&Config::Tree(matcher), None, &|_, _| ()).unwrap()
    };
    let judged = |engine: &Engine<()>, facts: &Made| {
        let decision = engine.judge(facts);
        (decision.allowed, decision.policy.map(|policy| policy.name.to_string()), decision.log)
    };
    let header = || Input::RequestHeader("x-a".into());
    let values = [("a", Action::Allow), ("b", Action::Deny), ("c", Action::Log)];
    let engine = tree(&header, &values, None);
    for (value, want) in [
        ("a", (true, Some("is a".to_owned()), Some(false))),
        ("b", (false, Some("is b".to_owned()), Some(false))),
        ("c", (true, Some("is c".to_owned()), Some(true))),
        ("d", (false, None, None)),
    ] {
        assert_eq!(judged(&engine, &request("/", &[("x-a", value)])), want);
    }
    // Without TLS there will never be a certificate to look at: denied, whatever stands behind.
    let rest = OnMatch::Action(Named { name: "rest".into(), action: Action::Allow });
    let engine = tree(&|| Input::UriSan, &[("a", Action::Deny)], Some(rest));
    assert_eq!(judged(&engine, &request("/", &[])), (false, None, None));
}
