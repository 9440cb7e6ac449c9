//! Tests of `rate_limit`.

use std::rc::Rc;
use std::sync::Arc;

use config::access_log::{Format, Operator, Part};
use config::cel::{Attribute, Expr};
use config::matcher::{HeaderMatcher, HeaderRule, QueryParameterMatcher, QueryRule, StringMatcher};
use config::metadata::Metadata;
use config::rate_limit::{Action, MetadataSource};
use serde_json::json;

use super::*;
use crate::http::context::Context;
use crate::http::router;
use crate::http::testing::{Bench, get, to_app, with};

/// A limit with these actions.
fn limit(actions: Vec<Action>) -> plain::RateLimit {
    plain::RateLimit {
        stage: 0,
        disabled: false,
        actions,
        hits: None,
        on_stream_done: false,
        x_ratelimit_headers: None,
        limit: None,
    }
}

fn context() -> Context {
    let mut bench = Bench::new(to_app(|_| ()));
    let metadata = Metadata::from([("m", json!({"k": {"of": "route"}}))]);
    bench.host(|host| Arc::make_mut(&mut host.routes[0]).metadata = Arc::new(metadata));
    let cluster = bench.clusters.get_mut("app").and_then(Rc::get_mut).expect("nobody else has it");
    cluster.config.metadata = Arc::new(Metadata::from([("m", json!({"k": {"of": "cluster"}}))]));
    bench.context()
}

/// What a request makes of a limit: its entries, as text.
fn described(limit: &plain::RateLimit) -> Option<(String, Hits)> {
    let context = context();
    let table = context.table().expect("a table");
    let request = with(
        get("/a?x%20y=1%202&n="),
        &[("x-a", "1"), ("x-a", "2"), ("x-hits", "2.9"), ("x-no", "no"), ("x-empty", "")],
    );
    let pinned = Default::default();
    let mut stream = Stream::begin(&context, &pinned, request);
    stream.info.metadata.set("m", json!({"k": {"of": "request", "number": 1}}));
    router::choose(&mut stream, Some(&**table));
    let limits = RateLimit::compile(std::slice::from_ref(limit));
    let descriptor = limits[0].describe_counted(&stream)?;
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let entries: Vec<_> = descriptor.entries().map(|(key, value)| format!("{}={}", text(key), text(value))).collect();
    Some((entries.join(","), descriptor.hits))
}

#[track_caller]
fn makes(actions: Vec<Action>, expected: Option<&str>) {
    let found = described(&limit(actions.clone())).map(|(entries, _)| entries);
    assert_eq!(found.as_deref(), expected, "{actions:?}");
}

fn header(name: &str, skip_if_absent: bool) -> Action {
    Action::RequestHeader { name: name.into(), key: "h".into(), skip_if_absent }
}

fn query(name: &str, skip_if_absent: bool) -> Action {
    Action::QueryParameter { name: name.into(), key: "q".into(), skip_if_absent }
}

fn metadata(source: MetadataSource, path: &[&str], default: Option<&str>, skip_if_absent: bool) -> Action {
    let path = ["k"].iter().chain(path).map(|key| Arc::from(*key)).collect();
    Action::Metadata {
        key: "m".into(),
        source,
        filter: "m".into(),
        path,
        default: default.map(Arc::from),
        skip_if_absent,
    }
}

#[test]
fn what_the_request_says() {
    makes(vec![Action::SourceCluster("me".into())], Some("source_cluster=me"));
    makes(vec![Action::DestinationCluster], Some("destination_cluster=app"));
    makes(vec![Action::GenericKey { key: "g".into(), value: "1".into() }], Some("g=1"));
    makes(vec![header("x-a", false), header(":path", false)], Some("h=1,h=/a?x%20y=1%202&n="));
    makes(vec![header("x-a", false), header("x-b", false)], None);
    makes(vec![header("x-a", false), header("x-b", true)], Some("h=1"));
    makes(vec![query("x y", false), query("n", false)], Some("q=1 2,q="));
    makes(vec![query("x+y", false)], None);
    makes(vec![query("x+y", true)], Some(""));
    makes(vec![Action::RemoteAddress], Some("remote_address=127.0.0.1"));
    makes(vec![Action::MaskedRemoteAddress { v4: 8, v6: 128 }], Some("masked_remote_address=127.0.0.0/8"));
}

#[test]
fn what_is_matched() {
    let exact = |text: &str| StringMatcher::Exact { value: text.into(), ignore_case: false };
    let headers = |value: &str, expect| {
        let rule = HeaderRule::String(exact(value));
        let headers = vec![HeaderMatcher { name: "x-a".into(), rule, invert: false, missing_is_empty: false }];
        vec![Action::HeaderMatch { key: "hm".into(), value: "v".into(), expect, headers }]
    };
    makes(headers("1,2", true), None);
    makes(headers("2", true), Some("hm=v"));
    makes(headers("3", false), Some("hm=v"));
    let queries = |name: &str, rule, expect| {
        let query = vec![QueryParameterMatcher { name: name.into(), rule }];
        vec![Action::QueryMatch { key: "qm".into(), value: "v".into(), expect, query }]
    };
    makes(queries("x y", QueryRule::String(exact("1 2")), true), Some("qm=v"));
    makes(queries("x y", QueryRule::Present(true), false), None);
    makes(queries("z", QueryRule::Present(false), true), Some("qm=v"));
    let address = |range: &str, invert| {
        let ranges = vec![range.parse().unwrap()];
        let value = Format { parts: vec![Part::Literal("v".into())], omit_empty: true };
        vec![Action::AddressMatch { key: "am".into(), value, default: None, ranges, invert }]
    };
    makes(address("127.0.0.0/8", false), Some("am=v"));
    makes(address("10.0.0.0/8", false), None);
    makes(address("10.0.0.0/8", true), Some("am=v"));
    let format = |header: &str, default: Option<&str>| {
        let operator = Operator::RequestHeader(header.into(), None);
        let parts = vec![Part::Operator { operator, limit: None }];
        let value = Format { parts, omit_empty: true };
        let ranges = vec!["0.0.0.0/0".parse().unwrap()];
        vec![Action::AddressMatch { key: "am".into(), value, default: default.map(Into::into), ranges, invert: false }]
    };
    makes(format("x-a", None), Some("am=1"));
    makes(format("x-none", None), None);
    makes(format("x-none", Some("d")), Some("am=d"));
}

#[test]
fn what_metadata_says() {
    for (source, expected) in [
        (MetadataSource::Dynamic, Some("m=request")),
        (MetadataSource::Route, Some("m=route")),
        (MetadataSource::Cluster, Some("m=cluster")),
        (MetadataSource::Locality, None),
    ] {
        makes(vec![metadata(source, &["of"], None, false)], expected);
    }
    let dynamic = |path: &[&str], default, skip| vec![metadata(MetadataSource::Dynamic, path, default, skip)];
    makes(dynamic(&["number"], None, false), None);
    makes(dynamic(&["number"], Some("d"), false), Some("m=d"));
    makes(dynamic(&["none"], None, true), Some(""));
}

#[test]
fn what_extensions_say() {
    let header = |name: &str| Action::HeaderInput { name: name.into(), key: "in".into() };
    let last = || Action::GenericKey { key: "g".into(), value: "1".into() };
    makes(vec![header("x-a"), last()], Some("in=1,2,g=1"));
    makes(vec![header(":path"), last()], Some("in=/a?x%20y=1%202&n=,g=1"));
    makes(vec![header("x-b"), last()], None);
    makes(vec![header("x-empty"), last()], Some("g=1"));
    let method = || Box::new(Expr::Attribute(Attribute::Method));
    let unknown = || Box::new(Expr::Unknown);
    let expression = |value, skip_if_error| Action::Expression { key: "e".into(), value, skip_if_error };
    makes(vec![expression(method(), false), last()], Some("e=GET,g=1"));
    makes(vec![expression(unknown(), false), last()], None);
    makes(vec![expression(unknown(), true), last()], Some("g=1"));
}

#[test]
fn how_many_hits_it_is() {
    let operator = |name: &str| Part::Operator { operator: Operator::RequestHeader(name.into(), None), limit: None };
    let format = |name: &str| Count::Format(Format { parts: vec![operator(name)], omit_empty: true });
    let counted = |count, negative| {
        let hits = Some(plain::Hits { count, negative });
        described(&plain::RateLimit { hits, ..limit(vec![Action::RemoteAddress]) }).map(|(_, hits)| hits)
    };
    assert_eq!(described(&limit(vec![Action::RemoteAddress])).map(|(_, hits)| hits), Some(Hits::Taken(1)));
    assert_eq!(counted(Count::Number(7), false), Some(Hits::Taken(7)));
    assert_eq!(counted(Count::Number(7), true), Some(Hits::GivenBack(7)));
    assert_eq!(counted(format("x-hits"), false), Some(Hits::Taken(2)));
    assert_eq!(counted(format("x-no"), false), None);
    assert_eq!(counted(format("x-none"), false), None);
}
