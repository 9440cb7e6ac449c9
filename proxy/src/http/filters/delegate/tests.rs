//! Tests of match_delegate and composite. What is expected is what Envoy 1.40 does with the same configuration.

use std::sync::Arc;

use config::filters::buffer::{Buffer, BufferPerRoute};
use config::filters::composite::{Composite, CompositePerRoute, Execute, ExecuteFilter, NamedFilter};
use config::filters::discovery::{Discovery, Typed};
use config::filters::fault::{Abort, AbortWith, Fault, Share};
use config::filters::header_mutation::{HeaderMutation, Mutations};
use config::filters::match_delegate::{DelegateAction, MatchDelegate, MatchDelegatePerRoute};
use config::filters::{HttpFilterConfig, ScopedConfig};
use config::header_mutation::HeaderMutation as Change;
use config::match_tree::{Condition, Input, Matcher, OnMatch, Predicate, Rules};
use config::matcher::{Fraction, StringMatcher};
use config::route::AppendAction;
use config::runtime::Key;

use super::*;
use crate::discoveries::{self, State};
use crate::http::filters::bench::{Filtered, Level};
use crate::http::testing::{Client, add, fake::Script, get, post, with};
use crate::stats::{Stats, StatsSettings};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::Frame;

/// Says that it was here: in the request, in the response, in both trailers.
fn mark(tag: &str) -> HttpFilterConfig {
    let mark = |name| vec![Change::Append(add(name, tag, AppendAction::AppendOrAdd))];
    let mutations = Mutations {
        request: mark("x-req"),
        request_trailers: mark("x-req-trailer"),
        response: mark("x-resp"),
        response_trailers: mark("x-resp-trailer"),
        ..Mutations::default()
    };
    HttpFilterConfig::HeaderMutation(Arc::new(HeaderMutation { mutations, most_specific_wins: false }))
}

fn when<A>(input: Input, value: &str, action: A) -> (Predicate, OnMatch<A>) {
    let condition = Condition::Text(StringMatcher::Exact { value: value.into(), ignore_case: false });
    (Predicate::Single(input, condition), OnMatch::Action(action))
}

fn list<A>(rules: Vec<(Predicate, OnMatch<A>)>) -> Matcher<A> {
    Matcher { rules: Rules::List(rules), no_match: None }
}

fn request() -> Input {
    Input::RequestHeader("x-a".into())
}

fn response() -> Input {
    Input::ResponseHeader("x-answer".into())
}

fn skips(input: Input, value: &str) -> Matcher<DelegateAction> {
    list(vec![when(input, value, DelegateAction::Skip)])
}

fn becomes(filter: HttpFilterConfig) -> Arc<ExecuteFilter> {
    executes(Execute::Filter(NamedFilter { name: "action".into(), config: filter }))
}

fn executes(what: Execute) -> Arc<ExecuteFilter> {
    Arc::new(ExecuteFilter { what, sample: None })
}

fn delegate(filter: HttpFilterConfig, matcher: Option<Matcher<DelegateAction>>) -> HttpFilterConfig {
    HttpFilterConfig::MatchDelegate(Arc::new(MatchDelegate {
        name: "inner".into(),
        filter,
        matcher,
        deprecated: false,
    }))
}

fn composite(matcher: Option<Matcher<Arc<ExecuteFilter>>>) -> HttpFilterConfig {
    HttpFilterConfig::Composite(Arc::new(Composite { chains: Vec::new(), matcher }))
}

fn chain(tags: &[&str]) -> Vec<NamedFilter> {
    tags.iter().map(|tag| NamedFilter { name: (*tag).into(), config: mark(tag) }).collect()
}

fn aborts() -> (&'static str, HttpFilterConfig) {
    let share = Share { percentage: Fraction { numerator: 100, denominator: 100 }, of_runtime: Key::none() };
    let with = AbortWith::Http(503);
    let fault = Fault {
        delay: None,
        abort: Some(Abort { with, http_of_runtime: Key::none(), grpc_of_runtime: Key::none(), share, body: None }),
        response_rate_limit: None,
        upstream_cluster: None,
        headers: Vec::new(),
        downstream_nodes: Vec::new(),
        max_active_faults: None,
        most_of_runtime: Key::none(),
        disable_downstream_cluster_stats: true,
        metadata: None,
    };
    ("fault", HttpFilterConfig::Fault(Arc::new(fault)))
}

/// The marks that the application and the client saw, after a request with this `x-a`; the answer says `x-answer: 1`.
async fn marks(bench: &mut Filtered, value: &'static str) -> (Option<String>, Option<String>) {
    bench.app(Script::answers(200, &[("x-answer", "1")], &[]));
    let outcome = bench.send(with(get("/"), &[("x-a", value)])).await;
    assert_eq!(outcome.status(), 200);
    (bench.app_saw().header("x-req"), outcome.header("x-resp"))
}

fn both(tag: &str) -> (Option<String>, Option<String>) {
    (Some(tag.into()), Some(tag.into()))
}

#[tokio::test]
async fn a_filter_acts_unless_its_tree_skips_it() {
    let mut bench = Filtered::new([("d", delegate(mark("1"), Some(skips(request(), "1"))))]);
    assert_eq!(marks(&mut bench, "1").await, (None, None));
    assert_eq!(marks(&mut bench, "2").await, both("1"));
    // An action that is not for it is none.
    let other = list(vec![when(request(), "1", DelegateAction::Execute(becomes(mark("2"))))]);
    let mut bench = Filtered::new([("d", delegate(mark("1"), Some(other)))]);
    assert_eq!(marks(&mut bench, "1").await, both("1"));
}

/// Whose tree, its own or a route's, makes a chain of what is no composite filter: that acts, and once.
#[tokio::test]
async fn a_filter_acts_once_whatever_is_executed() {
    let chain =
        || list(vec![when(request(), "1", DelegateAction::Execute(executes(Execute::Chain(chain(&["a", "b"])))))]);
    let told = ScopedConfig::MatchDelegate(Arc::new(MatchDelegatePerRoute { matcher: Some(chain()) }));
    for bench in [
        Filtered::new([("d", delegate(mark("1"), Some(chain())))]),
        Filtered::new([("d", delegate(mark("1"), Some(skips(request(), "2"))))]).tell(Level::Route, "d", told),
    ] {
        let mut bench = bench;
        bench.app(Script::answers(200, &[], &[]));
        bench.send(with(get("/"), &[("x-a", "1")])).await;
        let seen = bench.app_saw();
        assert_eq!(seen.head.headers.get_all(&Name::new("x-req")).collect::<Vec<_>>(), ["1"]);
    }
}

#[tokio::test]
async fn without_a_tree_it_is_skipped() {
    let mut bench = Filtered::new([("d", delegate(mark("1"), None))]);
    assert_eq!(marks(&mut bench, "1").await, (None, None));
    // A route's settings without one say that nothing skips it.
    let settings = ScopedConfig::MatchDelegate(Arc::new(MatchDelegatePerRoute { matcher: None }));
    let mut bench = Filtered::new([("d", delegate(mark("1"), None))]).tell(Level::Route, "d", settings);
    assert_eq!(marks(&mut bench, "1").await, both("1"));
}

#[tokio::test]
async fn what_the_response_says_skips_the_response() {
    let mut bench = Filtered::new([("d", delegate(mark("1"), Some(skips(response(), "1"))))]);
    assert_eq!(marks(&mut bench, "1").await, (Some("1".into()), None));
    let mut bench = Filtered::new([("d", delegate(mark("1"), Some(skips(Input::StatusCodeClass, "5xx"))))]);
    assert_eq!(marks(&mut bench, "1").await, both("1"));
}

#[tokio::test]
async fn routes_have_trees_of_their_own_at_each_level() {
    for level in [Level::Table, Level::Host, Level::Route, Level::Weighted] {
        let told =
            ScopedConfig::MatchDelegate(Arc::new(MatchDelegatePerRoute { matcher: Some(skips(request(), "2")) }));
        let mut bench = Filtered::new([("d", delegate(mark("1"), Some(skips(request(), "1"))))]).tell(level, "d", told);
        assert_eq!(marks(&mut bench, "1").await, both("1"), "{level:?}");
        assert_eq!(marks(&mut bench, "2").await, (None, None), "{level:?}");
        let told = CompositePerRoute { matcher: list(vec![when(request(), "2", becomes(mark("2")))]) };
        let own = composite(Some(list(vec![when(request(), "1", becomes(mark("1")))])));
        let mut bench = Filtered::new([("c", own)]).tell(level, "c", ScopedConfig::Composite(Arc::new(told)));
        assert_eq!(marks(&mut bench, "1").await, (None, None), "{level:?}");
        assert_eq!(marks(&mut bench, "2").await, both("2"), "{level:?}");
    }
}

#[tokio::test]
async fn a_place_is_switched_off_and_on_as_any_other() {
    let config = || [("d", delegate(mark("1"), Some(skips(request(), "1"))))];
    let mut bench = Filtered::new(config()).disable("d");
    assert_eq!(marks(&mut bench, "2").await, (None, None));
    let mut bench = Filtered::new(config()).disable("d").switch(Level::Route, "d", true);
    assert_eq!(marks(&mut bench, "2").await, both("1"));
    assert_eq!(marks(&mut bench, "1").await, (None, None));
    let mut bench = Filtered::new(config()).switch(Level::Host, "d", false);
    assert_eq!(marks(&mut bench, "2").await, (None, None));
}

#[tokio::test]
async fn the_filter_inside_has_the_settings_of_its_place() {
    let buffer = HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: 1 }));
    let config = || [("d", delegate(buffer.clone(), Some(skips(request(), "1"))))];
    let mut bench = Filtered::new(config());
    assert_eq!(bench.send_pieces(post("/"), &["01"]).await.status(), 413);
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &[]) });
    assert_eq!(bench.send_pieces(with(post("/"), &[("x-a", "1")]), &["01"]).await.status(), 200);
    assert_eq!(bench.app_saw().header("content-length"), None);
    let off = ScopedConfig::Buffer(Arc::new(BufferPerRoute::Disabled));
    let mut bench = Filtered::new(config()).tell(Level::Route, "d", off);
    bench.app(Script { after_request: true, ..Script::answers(200, &[], &[]) });
    assert_eq!(bench.send_pieces(post("/"), &["01"]).await.status(), 200);
}

#[tokio::test]
async fn a_composite_becomes_what_the_tree_says() {
    let tree = list(vec![
        when(request(), "1", DelegateAction::Execute(becomes(mark("1")))),
        when(request(), "2", DelegateAction::Execute(becomes(mark("2")))),
        when(request(), "3", DelegateAction::Skip),
        when(
            Input::RequestHeader("x-a".into()),
            "4",
            DelegateAction::Execute(executes(Execute::Chain(chain(&["a", "b"])))),
        ),
    ]);
    let mut bench = Filtered::new([("d", delegate(composite(None), Some(tree)))]);
    assert_eq!(marks(&mut bench, "1").await, both("1"));
    assert_eq!(marks(&mut bench, "2").await, both("2"));
    assert_eq!(marks(&mut bench, "3").await, (None, None));
    assert_eq!(marks(&mut bench, "5").await, (None, None));
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &[("x-a", "4")])).await;
    let all = |headers: &Headers, name| headers.get_all(&Name::new(name)).cloned().collect::<Vec<_>>();
    assert_eq!(all(&bench.app_saw().head.headers, "x-req"), ["a", "b"], "in order");
    assert_eq!(all(&outcome.client.head.unwrap().headers, "x-resp"), ["b", "a"], "and back");
    assert_eq!(bench.stat("http.test.composite.filter_delegation_success"), 3);
    assert_eq!(bench.stat("http.test.composite.filter_delegation_error"), 0);
}

#[tokio::test]
async fn chains_have_names() {
    let tree = list(vec![
        when(request(), "1", executes(Execute::NamedChain("n".into()))),
        when(request(), "2", executes(Execute::NamedChain("unknown".into()))),
    ]);
    let config = Composite { chains: vec![("n".into(), chain(&["n"]))], matcher: Some(tree) };
    let mut bench = Filtered::new([("c", HttpFilterConfig::Composite(Arc::new(config)))]);
    assert_eq!(marks(&mut bench, "1").await, both("n"));
    assert_eq!(marks(&mut bench, "2").await, (None, None));
    assert_eq!(bench.stat("http.test.composite.filter_delegation_success"), 1);
}

#[tokio::test]
async fn a_composite_may_begin_with_the_response() {
    let tree = || list(vec![when(response(), "1", DelegateAction::Execute(becomes(mark("1"))))]);
    let mut bench = Filtered::new([("d", delegate(composite(None), Some(tree())))]);
    assert_eq!(marks(&mut bench, "x").await, (None, Some("1".into())));
    let mut bench = Filtered::new([("c", composite(Some(list(vec![when(response(), "1", becomes(mark("1")))]))))]);
    assert_eq!(marks(&mut bench, "x").await, (None, Some("1".into())));
}

#[tokio::test]
async fn answers_to_requests_that_it_has_not_seen() {
    let answered = async |config| {
        let bench = Filtered::new([aborts(), ("d", config)]);
        let outcome = bench.send(with(get("/"), &[("x-a", "1")])).await;
        assert_eq!(outcome.status(), 503);
        outcome.header("x-resp")
    };
    // The tree has nothing to judge by, and so nothing is skipped and nothing chosen.
    assert_eq!(answered(delegate(mark("1"), Some(skips(request(), "1")))).await, Some("1".into()));
    let tree = list(vec![when(request(), "1", DelegateAction::Execute(becomes(mark("1"))))]);
    assert_eq!(answered(delegate(composite(None), Some(tree))).await, None);
    // A composite filter with its own tree looks at the request all the same.
    let tree = list(vec![when(request(), "1", becomes(mark("1")))]);
    assert_eq!(answered(composite(Some(tree))).await, Some("1".into()));
}

#[tokio::test]
async fn what_became_of_it_stands_in_the_filter_state() {
    let first = list(vec![when(request(), "1", DelegateAction::Execute(becomes(mark("1"))))]);
    let second = list(vec![when(request(), "1", executes(Execute::Chain(chain(&["2"]))))]);
    let bench = &mut Filtered::new([("d", delegate(composite(None), Some(first))), ("e", composite(Some(second)))]);
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &[("x-a", "1")])).await;
    let state = outcome.info.filter_state.get(MATCHED_ACTIONS).map(|object| object.value.clone()).unwrap();
    assert_eq!(state, r#"{"d":"action","e":"filter_chain"}"#);
    bench.app(Script::answers(200, &[], &[]));
    assert!(bench.send(get("/")).await.info.filter_state.get(MATCHED_ACTIONS).is_none());
}

#[tokio::test]
async fn a_share_of_nothing_becomes_nothing() {
    for (numerator, want) in [(0, (None, None)), (100, both("1"))] {
        let what = Execute::Filter(NamedFilter { name: "a".into(), config: mark("1") });
        let action = Arc::new(ExecuteFilter { what, sample: Some(Fraction { numerator, denominator: 100 }.into()) });
        let mut bench = Filtered::new([("c", composite(Some(list(vec![when(request(), "1", action)]))))]);
        assert_eq!(marks(&mut bench, "1").await, want);
        assert_eq!(bench.stat("http.test.composite.filter_delegation_success"), u64::from(numerator / 100));
    }
}

/// The marks in both trailers.
async fn trailer_marks(filters: Vec<(&'static str, HttpFilterConfig)>) -> (Option<String>, Option<String>) {
    let trailers = |name| {
        let mut trailers = Headers::new();
        trailers.append(Name::new(name), "1");
        Frame::Trailers(trailers)
    };
    let mut client = Client::sending(&["body"]);
    client.pieces.pop_back();
    client.pieces.push_back(Ok(trailers("x-t")));
    let mut script = Script { after_request: true, ..Script::answers(200, &[], &["answer"]) };
    script.body.pop_back();
    script.body.push_back(Ok(trailers("x-answer")));
    let mut bench = Filtered::new(filters);
    bench.app(script);
    let outcome = bench.send_from(client, post("/")).await;
    let value = |trailers: &Headers, name| {
        trailers.get(&Name::new(name)).map(|value| String::from_utf8(value.to_vec()).unwrap())
    };
    let seen = bench.app_saw();
    assert_eq!(seen.body, b"body");
    assert_eq!(outcome.body(), "answer");
    (value(&seen.trailers.unwrap(), "x-req-trailer"), value(&outcome.client.trailers.unwrap(), "x-resp-trailer"))
}

#[tokio::test]
async fn trailers_decide_of_trailers() {
    let trailer = || Input::RequestTrailer("x-t".into());
    let chosen = || list(vec![when(trailer(), "1", becomes(mark("1")))]);
    let buffer = || ("b", HttpFilterConfig::Buffer(Arc::new(Buffer { max_request_bytes: 100 })));
    assert_eq!(trailer_marks(vec![("c", composite(Some(chosen())))]).await, both("1"));
    assert_eq!(trailer_marks(vec![buffer(), ("c", composite(Some(chosen())))]).await, both("1"));
    assert_eq!(trailer_marks(vec![("c", composite(Some(chosen()))), buffer()]).await, both("1"));
    let skipped = delegate(mark("1"), Some(skips(trailer(), "1")));
    assert_eq!(trailer_marks(vec![("d", skipped)]).await, (None, None));
    let answer = || Input::ResponseTrailer("x-answer".into());
    let skipped = delegate(mark("1"), Some(skips(answer(), "1")));
    assert_eq!(trailer_marks(vec![("d", skipped)]).await, (Some("1".into()), None));
    // What came with the request is known at the end of the response.
    let and = Predicate::All(vec![when(trailer(), "1", ()).0, when(answer(), "1", ()).0]);
    let tree = list(vec![(and, OnMatch::Action(becomes(mark("1"))))]);
    assert_eq!(trailer_marks(vec![("c", composite(Some(tree)))]).await, (None, Some("1".into())));
}

#[tokio::test(start_paused = true)]
async fn what_it_becomes_may_be_discovered() {
    let discovery = Discovery {
        type_names: vec!["mark".into()],
        default: None,
        without_warming: false,
        initial_fetch_timeout: None,
    };
    let later = executes(Execute::Discovered("later".into(), discovery));
    let mut bench = Filtered::new([("c", composite(Some(list(vec![when(request(), "1", later)]))))]);
    assert_eq!(bench.send(with(get("/"), &[("x-a", "1")])).await.flags(), "NFCF");
    let is = |tag: &str| State::Is(Typed { type_name: "mark".into(), config: mark(tag), policy: Arc::default() });
    for tag in ["a", "b"] {
        let change = discoveries::Change { http: Some(is(tag)), ..Default::default() };
        bench.discoveries.change(&"later".into(), change).unwrap();
        assert_eq!(marks(&mut bench, "1").await, both(tag));
    }
}

fn refused(config: &HttpFilterConfig) -> Rejection {
    let stats = Stats::new(StatsSettings::default());
    let compiled = Filter::compile(
        config,
        &"d".into(),
        &FilterDeps { stats: &stats, scope: "http.test.", discoveries: None, secrets: None, behind: false },
    );
    compiled.map(|_| ()).unwrap_err()
}

#[test]
fn what_is_refused_is_named() {
    let own = composite(Some(list(vec![when(request(), "1", becomes(mark("1")))])));
    let says = list(vec![when(request(), "1", DelegateAction::Execute(becomes(mark("1"))))]);
    assert_eq!(refused(&delegate(own, Some(says))).path, "extension_config.typed_config.matcher");
}

fn inner() -> Input {
    Input::RequestHeader("x-b".into())
}

/// The marks on the response to a request with this `x-a` and `x-b`.
async fn nested(filter: &HttpFilterConfig, outer: &'static str, inner: &'static str) -> Option<String> {
    let mut bench = Filtered::new([("d", filter.clone())]);
    bench.app(Script::answers(200, &[], &[]));
    let outcome = bench.send(with(get("/"), &[("x-a", outer), ("x-b", inner)])).await;
    assert_eq!(outcome.status(), 200);
    let seen = outcome.header("x-resp");
    assert_eq!(bench.app_saw().header("x-req"), seen);
    seen
}

#[tokio::test]
async fn trees_stand_inside_trees() {
    let by_inner = |filter| composite(Some(list(vec![when(inner(), "1", becomes(filter))])));
    let by_outer = |filter| composite(Some(list(vec![when(request(), "1", becomes(filter))])));
    let unless_inner = |filter| delegate(filter, Some(skips(inner(), "0")));
    let unless_outer = |filter| delegate(filter, Some(skips(request(), "0")));
    let says = |filter| Some(list(vec![when(request(), "1", DelegateAction::Execute(becomes(filter)))]));
    // What is marked with both at 1, the outer at 0, and the inner at 0.
    for (filter, marked) in [
        (unless_outer(unless_inner(mark("m"))), [true, false, false]),
        (by_outer(unless_inner(mark("m"))), [true, false, false]),
        (by_outer(by_inner(mark("m"))), [true, false, false]),
        (unless_outer(by_inner(mark("m"))), [true, false, false]),
        (delegate(composite(None), says(by_inner(mark("m")))), [true, false, false]),
        (delegate(composite(None), says(unless_inner(by_outer(mark("m"))))), [true, false, false]),
        // Without a tree it is skipped, wherever it is.
        (unless_outer(delegate(mark("m"), None)), [false; 3]),
        (by_outer(composite(None)), [false; 3]),
    ] {
        let mut seen = Vec::new();
        for (outer, inner) in [("1", "1"), ("0", "1"), ("1", "0")] {
            seen.push(nested(&filter, outer, inner).await.is_some());
        }
        assert_eq!(seen, marked, "{filter:?}");
    }
}

#[tokio::test]
async fn each_filter_of_a_chain_inside_a_chain_has_its_place() {
    let named = |config| NamedFilter { name: "n".into(), config };
    let of_inner = list(vec![when(inner(), "1", executes(Execute::Chain(chain(&["2", "3"]))))]);
    let mut filters = vec![named(mark("1")), named(composite(Some(of_inner))), named(mark("4"))];
    filters.insert(1, named(delegate(mark("0"), Some(skips(inner(), "1")))));
    let filter = composite(Some(list(vec![when(request(), "1", executes(Execute::Chain(filters)))])));
    assert_eq!(marks_of(&filter, "1", "1").await, "1,2,3,4");
    assert_eq!(marks_of(&filter, "1", "0").await, "1,0,4");
    assert_eq!(marks_of(&filter, "0", "1").await, "");
}

/// The marks on the request, in their order.
async fn marks_of(filter: &HttpFilterConfig, outer: &'static str, inner: &'static str) -> String {
    let mut bench = Filtered::new([("d", filter.clone())]);
    bench.app(Script::answers(200, &[], &[]));
    bench.send(with(get("/"), &[("x-a", outer), ("x-b", inner)])).await;
    let name = Name::new("x-req");
    let seen = bench.app_saw();
    let all = seen.head.headers.get_all(&name);
    all.map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>().join(",")
}
