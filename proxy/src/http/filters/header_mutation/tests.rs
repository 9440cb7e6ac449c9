//! Which changes are made, and in which order.

use std::sync::Arc;

use config::access_log::{Format, Operator, Part};
use config::filters::header_mutation::{HeaderMutation, HeaderMutationPerRoute, Mutations, QueryMutation};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::header_mutation::HeaderMutation as Change;
use config::matcher::StringMatcher;
use config::route::AppendAction;

use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{add, fake::Script, get, with};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::Frame;

fn filter(most_specific_wins: bool, mutations: Mutations) -> [(&'static str, HttpFilterConfig); 1] {
    [("mutate", HttpFilterConfig::HeaderMutation(Arc::new(HeaderMutation { mutations, most_specific_wins })))]
}

fn level(mutations: Mutations) -> ScopedConfig {
    ScopedConfig::HeaderMutation(Arc::new(HeaderMutationPerRoute { mutations }))
}

fn set(name: &str, value: &str) -> Change {
    Change::Append(add(name, value, AppendAction::OverwriteOrAdd))
}

fn append(name: &str, value: &str) -> Change {
    Change::Append(add(name, value, AppendAction::AppendOrAdd))
}

#[tokio::test(start_paused = true)]
async fn requests_and_responses_are_changed_in_order() {
    let secret = StringMatcher::Prefix { value: "x-secret".into(), ignore_case: false };
    let copy = Format {
        parts: vec![Part::Operator { operator: Operator::RequestHeader("x-a".into(), None), limit: None }],
        omit_empty: true,
    };
    let mut copied = add("x-copy", "", AppendAction::OverwriteOrAdd);
    copied.value = copy;
    let mut bench = Filtered::new(filter(
        false,
        Mutations {
            request: vec![
                set("x-a", "1"),
                Change::Append(copied),
                Change::Remove("x-a".into()),
                Change::RemoveOnMatch(secret),
                Change::Append(add("x-there", "no", AppendAction::AddIfAbsent)),
                Change::Append(add("x-absent", "no", AppendAction::OverwriteIfExists)),
                append("x-empty", ""),
            ],
            query: vec![QueryMutation::Remove("q".into())],
            response: vec![Change::Remove("server".into()), append("x-r", "2")],
            ..Default::default()
        },
    ));
    bench.app(Script::answers(200, &[("x-r", "1"), ("x-gone", "1")], &["ok"]));
    let request = with(get("/p?q=1&r=2"), &[("x-secret-1", "s"), ("x-secret-2", "s"), ("x-there", "yes")]);
    let told = bench.send(request).await;
    let seen = bench.app_saw();
    assert_eq!(seen.head.path, "/p?r=2");
    assert_eq!(seen.header("x-copy").as_deref(), Some("1"), "the value as it was at that moment");
    assert_eq!(seen.header("x-there").as_deref(), Some("yes"));
    for gone in ["x-a", "x-secret-1", "x-secret-2", "x-absent", "x-empty"] {
        assert_eq!(seen.header(gone), None, "{gone}");
    }
    assert_eq!(told.header("x-r").as_deref(), Some("1"), "another value stands behind it");
    assert_eq!(told.header("x-gone").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn levels_follow_the_filter_and_one_of_them_wins() {
    for (most_specific_wins, winner) in [(false, "table"), (true, "weighted")] {
        let says = |text: &str| Mutations {
            request: vec![set("x-who", text), append("x-all", text)],
            response: vec![set("x-who", text)],
            ..Default::default()
        };
        let mut bench = Filtered::new(filter(most_specific_wins, says("filter")));
        for (at, text) in
            [(Level::Table, "table"), (Level::Host, "host"), (Level::Route, "route"), (Level::Weighted, "weighted")]
        {
            bench = bench.tell(at, "mutate", level(says(text)));
        }
        bench.app(Script::answers(200, &[], &["ok"]));
        let told = bench.send(get("/")).await;
        let seen = bench.app_saw();
        assert_eq!(seen.header("x-who").as_deref(), Some(winner));
        assert_eq!(told.header("x-who").as_deref(), Some(winner));
        let all: Vec<_> = seen.head.headers.iter().filter(|header| header.name.as_str() == "x-all").collect();
        let all: Vec<_> = all.iter().map(|header| std::str::from_utf8(&header.value).unwrap()).collect();
        let mut expected = vec!["table", "host", "route", "weighted"];
        if !most_specific_wins {
            expected.reverse();
        }
        expected.insert(0, "filter");
        assert_eq!(all, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_header_is_refused_on_its_way_to_the_application() {
    for (name, value, told) in [
        ("x-bad", "a\x01b", "invalid header value for: x-bad"),
        ("x-bad", "a\r\nx-evil: 1", "invalid header value for: x-bad"),
        ("x bad", "a", "invalid header name: x bad"),
    ] {
        let mutations = Mutations { request: vec![append(name, value)], ..Default::default() };
        let mut bench = Filtered::new(filter(false, mutations));
        bench.app(Script::answers(200, &[], &["ok"]));
        let outcome = bench.send(get("/")).await;
        assert_eq!((outcome.status(), outcome.body().as_str()), (503, told));
        let details = format!("filter_removed_required_request_headers{{{}}}", told.replace(' ', "_"));
        assert_eq!((outcome.flags().as_str(), outcome.details()), ("DPE", details.as_str()));
    }
    // What is taken out again does no harm.
    let request = vec![append("x-bad", "a\x01b"), Change::Remove("x-bad".into())];
    let mut bench = Filtered::new(filter(false, Mutations { request, ..Default::default() }));
    bench.app(Script::answers(200, &[], &["ok"]));
    assert_eq!(bench.send(get("/")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_header_is_left_out_of_responses_and_trailers() {
    let bad = || vec![append("x-bad", "a\r\nx-evil: 1"), append("x-worse", "a\0b"), append("x-good", "1")];
    let mutations = Mutations { response: bad(), response_trailers: bad(), ..Default::default() };
    let mut bench = Filtered::new(filter(false, mutations));
    let mut script = Script::answers(200, &[], &["ok"]);
    script.body.pop_back();
    script.body.push_back(Ok(Frame::Trailers(Headers::new())));
    bench.app(script);
    let outcome = bench.send(get("/")).await;
    let trailers = outcome.client.trailers.as_ref().expect("trailers");
    for (name, value) in [("x-good", Some("1")), ("x-bad", None), ("x-worse", None), ("x-evil", None)] {
        assert_eq!(outcome.header(name).as_deref(), value, "{name}");
        assert_eq!(trailers.get_str(name).map(|value| &value[..]), value.map(str::as_bytes), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_replies_are_changed_too() {
    let mutations = Mutations { response: vec![set("x-r", "1")], ..Default::default() };
    let bench = Filtered::with_routes(Vec::new(), filter(false, mutations));
    let told = bench.send(get("/")).await;
    assert_eq!((told.status(), told.header("x-r").as_deref()), (404, Some("1")));
}

#[tokio::test(start_paused = true)]
async fn trailers_are_changed() {
    let mutations =
        Mutations { response_trailers: vec![set("x-t", "2"), Change::Remove("x-old".into())], ..Default::default() };
    let mut bench = Filtered::new(filter(false, mutations));
    let mut script = Script::answers(200, &[], &["ok"]);
    let mut trailers = Headers::new();
    trailers.append(Name::new("x-old"), "1");
    script.body.pop_back();
    script.body.push_back(Ok(Frame::Trailers(trailers)));
    bench.app(script);
    let told = bench.send(get("/")).await;
    let trailers = told.client.trailers.as_ref().expect("trailers");
    assert_eq!(trailers.get_str("x-t").map(|value| &value[..]), Some(&b"2"[..]));
    assert_eq!(trailers.get_str("x-old"), None);
    assert_eq!(told.body(), "ok");
}
