//! Tests of `route`.

use std::sync::Arc;

use config::matcher::{Fraction, HeaderMatcher, HeaderRule, QueryParameterMatcher, QueryRule, StringMatcher};
use config::route::{HeaderChanges, PathMatch, RouteMatch};

use super::*;
use crate::http::testing::{connection, forward, get, prefix_match, route, virtual_host, with};

fn stats() -> Arc<crate::stats::Stats> {
    crate::stats::Stats::new(crate::stats::StatsSettings::default())
}

fn table(hosts: &[&[&str]], ignore_port: bool) -> Arc<RouteTable> {
    let hosts = hosts.iter().enumerate().map(|(index, domains)| {
        Arc::new(virtual_host(&index.to_string(), domains, vec![route("/", forward("app", |_| {}))]))
    });
    RouteTable::compile(
        &RouteConfiguration {
            name: "t".into(),
            virtual_hosts: hosts.collect(),
            ignore_port_in_host: ignore_port,
            host_header: None,
            internal_only_headers: Vec::new(),
            headers: HeaderChanges::default(),
            most_specific_headers_win: false,
            mirrors: Vec::new(),
            per_filter: Vec::new(),
            validate_clusters: None,
        },
        &stats(),
    )
    .unwrap()
}

#[track_caller]
fn finds(table: &RouteTable, host: &str, expected: Option<&str>) {
    assert_eq!(table.virtual_host(host.as_bytes()).map(|host| &*host.config.name), expected, "{host}");
}

#[test]
fn the_most_specific_domain_wins() {
    let table = table(
        &[&["a.foo.com"], &["*.foo.com"], &["*.b.foo.com", "*-x.org"], &["foo.*"], &["foo.bar.*"], &["*"]],
        false,
    );
    finds(&table, "a.foo.com", Some("0"));
    finds(&table, "A.FOO.com", Some("0"));
    finds(&table, "z.foo.com", Some("1"));
    finds(&table, "z.b.foo.com", Some("2"));
    finds(&table, "y-x.org", Some("2"));
    finds(&table, "-x.org", Some("5"));
    finds(&table, ".foo.com", Some("5"));
    finds(&table, "foo.com", Some("3"));
    finds(&table, "foo.bar.com", Some("4"));
    finds(&table, "a.foo.com:80", Some("5"));
    finds(&table, "a.foo.com.", Some("5"));
    finds(&table, "", Some("5"));
    finds(&table, &"x".repeat(5000), Some("5"));
}

#[test]
fn ports_are_ignored_where_configured_but_for_domains_that_have_one() {
    let table = table(&[&["svc"], &["svc:8080", "other:8080"], &["[::1]"], &["*"]], true);
    finds(&table, "svc:99", Some("0"));
    finds(&table, "svc:8080", Some("1"));
    finds(&table, "other:8080", Some("1"));
    finds(&table, "OTHER:8080", Some("1"));
    finds(&table, "other:81", Some("3"));
    finds(&table, "[::1]:80", Some("2"));
    finds(&table, "[::1]", Some("2"));
}

#[test]
fn a_domain_stands_once_in_a_table() {
    let refused = RouteTable::compile(
        &RouteConfiguration {
            name: "t".into(),
            virtual_hosts: vec![
                Arc::new(virtual_host("a", &["x"], Vec::new())),
                Arc::new(virtual_host("b", &["y", "X"], Vec::new())),
            ],
            ignore_port_in_host: false,
            host_header: None,
            internal_only_headers: Vec::new(),
            headers: HeaderChanges::default(),
            most_specific_headers_win: false,
            mirrors: Vec::new(),
            per_filter: Vec::new(),
            validate_clusters: None,
        },
        &stats(),
    );
    assert_eq!(refused.unwrap_err().path, "virtual_hosts[1].domains[1]");
}

fn compiled_route(config: config::route::Route) -> compiled::Route {
    let stats = stats();
    let deps = crate::http::filters::filter::FilterDeps {
        stats: &stats,
        scope: "",
        discoveries: None,
        secrets: None,
        behind: false,
    };
    compiled::Route::compile(&config::At::root(), &Arc::new(config), &deps).unwrap()
}

fn info() -> StreamInfo {
    StreamInfo::begin(connection().into(), None)
}

#[track_caller]
fn matches(config: RouteMatch, target: &str, headers: &[(&str, &'static str)]) -> bool {
    let mut route = route("/", forward("app", |_| {}));
    route.matches = config;
    compiled_route(route).matches(&with(get(target), headers), &info(), 0)
}

fn path(path: PathMatch) -> RouteMatch {
    RouteMatch { path, ..prefix_match("/") }
}

#[test]
fn paths() {
    let regex = || path(PathMatch::Regex(regex::bytes::Regex::new("^(?:/a[0-9]+)$").unwrap()));
    for (config, target, expected) in [
        (prefix_match("/a"), "/ab?x", true),
        (prefix_match("/a"), "/b", false),
        (prefix_match("/a?x"), "/a?x", false),
        (RouteMatch { case_sensitive: false, ..prefix_match("/A") }, "/ab", true),
        (path(PathMatch::Exact("/a".into())), "/a?x=1", true),
        (path(PathMatch::Exact("/a".into())), "/ab", false),
        (path(PathMatch::SeparatedPrefix("/a".into())), "/a", true),
        (path(PathMatch::SeparatedPrefix("/a".into())), "/a/b", true),
        (path(PathMatch::SeparatedPrefix("/a".into())), "/ab", false),
        (regex(), "/a12?x", true),
        (regex(), "/a12/", false),
        (path(PathMatch::Connect), "/", false),
    ] {
        assert_eq!(matches(config.clone(), target, &[]), expected, "{config:?} {target}");
    }
    assert!(matches(path(PathMatch::Connect), "", &[]));
    assert!(!matches(prefix_match(""), "", &[]));
}

#[test]
fn headers_queries_grpc_and_shares() {
    let header = |name: &str, rule, invert, missing_is_empty| RouteMatch {
        headers: vec![HeaderMatcher { name: name.into(), rule, invert, missing_is_empty }],
        ..prefix_match("/")
    };
    let exact = |value: &str| HeaderRule::String(StringMatcher::Exact { value: value.into(), ignore_case: false });
    let both: &[(&str, &'static str)] = &[("x", "a"), ("x", "b")];
    // One line is enough.
    assert!(matches(header("x", exact("b"), false, false), "/", both));
    assert!(!matches(header("x", exact("a,b"), false, false), "/", both));
    assert!(!matches(header("x", exact("b"), true, false), "/", both));
    assert!(matches(header(":method", exact("GET"), false, false), "/", &[]));
    assert!(matches(header(":authority", exact("svc"), false, false), "/", &[]));
    assert!(matches(header("x", HeaderRule::Present(true), false, false), "/", both));
    assert!(matches(header("x", HeaderRule::Present(false), false, false), "/", &[]));
    assert!(matches(header("x", HeaderRule::Present(true), true, false), "/", &[]));
    assert!(matches(header("x", exact("a"), true, true), "/", &[]));
    assert!(matches(header("x", HeaderRule::Range { start: -3, end: 5 }, false, false), "/", &[("x", "-3")]));
    assert!(!matches(header("x", HeaderRule::Range { start: -3, end: 5 }, false, false), "/", &[("x", "5")]));

    let query =
        |rule| RouteMatch { query: vec![QueryParameterMatcher { name: "q".into(), rule }], ..prefix_match("/") };
    assert!(matches(query(QueryRule::Present(true)), "/?a&q", &[]));
    assert!(!matches(query(QueryRule::Present(true)), "/?aq=1", &[]));
    let one = StringMatcher::Exact { value: "1".into(), ignore_case: false };
    assert!(matches(query(QueryRule::String(one)), "/?q=1&q=2", &[]));

    let grpc = RouteMatch { grpc: true, ..prefix_match("/") };
    assert!(matches(grpc.clone(), "/", &[("content-type", "application/grpc+proto")]));
    assert!(!matches(grpc, "/", &[("content-type", "application/grpc-web")]));
    let share =
        |numerator| RouteMatch { fraction: Some(Fraction { numerator, denominator: 100 }.into()), ..prefix_match("/") };
    assert!(!matches(share(0), "/", &[]));
    assert!(matches(share(1), "/", &[]));
}

#[test]
fn weights_divide_the_dice() {
    let cluster = |name: &str, weight: u32| config::route::WeightedCluster {
        name: name.into(),
        header: None,
        weight: weight.into(),
        metadata_match: None,
        headers: HeaderChanges::default(),
        host_rewrite: None,
        per_filter: Vec::new(),
    };
    let action = forward("", |forward| {
        forward.cluster =
            config::route::ClusterChoice::Weighted(vec![cluster("a", 1), cluster("none", 0), cluster("b", 3)]);
    });
    let route = compiled_route(route("/", action));
    let forwarding = route.forwarding.as_ref().unwrap();
    let chosen: Vec<_> = (0..4).map(|random| forwarding.choose(random).unwrap().name.to_string()).collect();
    assert_eq!(chosen, ["a", "b", "b", "b"]);
}

#[test]
fn metadata_of_filters_chooses() {
    use config::matcher::{MetadataMatcher, ValueMatcher};
    let says = |value, invert| MetadataMatcher {
        filter: "f".into(),
        path: vec!["a".into(), "b".into()],
        value: ValueMatcher::String(StringMatcher::Exact { value, ignore_case: false }),
        invert,
    };
    let matches = |condition: MetadataMatcher, metadata: serde_json::Value| {
        let mut route = route("/", forward("c", |_| ()));
        route.matches.dynamic_metadata = vec![condition];
        let mut info = info();
        info.metadata.merge("f", &metadata);
        compiled_route(route).matches(&get("/"), &info, 0)
    };
    let one = serde_json::json!({"a": {"b": "1"}});
    assert!(matches(says("1".into(), false), one.clone()));
    assert!(!matches(says("2".into(), false), one.clone()));
    assert!(!matches(says("1".into(), true), one));
    assert!(!matches(says("1".into(), false), serde_json::json!({})));
    assert!(matches(says("1".into(), true), serde_json::json!({})));
}

#[test]
fn cookies_certificates_and_state() {
    use config::matcher::{CookieMatcher, FilterStateMatcher, FilterStateRule};
    let exact = |value: &str| StringMatcher::Exact { value: value.into(), ignore_case: false };
    let cookie = |invert| RouteMatch {
        cookies: vec![CookieMatcher { name: "a".into(), value: exact("1"), invert }],
        ..prefix_match("/")
    };
    for (value, expected) in [("a=1", true), ("b=2; a=1", true), ("a=\"1\"", true), ("a=2; a=1", false), ("A=1", false)]
    {
        assert_eq!(matches(cookie(false), "/", &[("cookie", value)]), expected, "{value}");
        assert_eq!(matches(cookie(true), "/", &[("cookie", value)]), !expected, "{value}");
    }
    assert!(matches(cookie(true), "/", &[]));
    let presented = |wanted| RouteMatch { certificate_presented: Some(wanted), ..prefix_match("/") };
    assert!(matches(presented(false), "/", &[]) && !matches(presented(true), "/", &[]));
    let rule = FilterStateRule::String(exact("v"));
    let state = RouteMatch { filter_state: vec![FilterStateMatcher { key: "k".into(), rule }], ..prefix_match("/") };
    assert!(!matches(state, "/", &[]));
}

#[test]
fn parameters_are_left_out_where_the_table_says_so() {
    let config = RouteMatch { ignores_parameters: true, ..path(PathMatch::Exact("/a".into())) };
    assert!(matches(config.clone(), "/a;b=c?d", &[]));
    assert!(!matches(RouteMatch { ignores_parameters: false, ..config }, "/a;b=c?d", &[]));
}
