//! Tests of filters behind the router that are discovered: a cluster's own, and the router's.

use std::rc::Rc;
use std::sync::Arc;

use config::filters::HttpFilterConfig;
use config::filters::discovery::{Discovery, Typed};
use config::filters::header_mutation::{HeaderMutation, Mutations};
use config::hcm::HttpFilter;
use config::header_mutation::HeaderMutation as Mutation;
use config::route::{AppendAction, RetryOn};

use crate::discoveries::{Change, State};
use crate::http::testing::fake::{Cluster, Script};
use crate::http::testing::*;

const MUTATION: &str = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";

fn telling(word: &str) -> Typed<HttpFilterConfig> {
    let request = vec![Mutation::Append(add("x-word", word, AppendAction::AppendOrAdd))];
    let mutations = Mutations { request, ..Mutations::default() };
    let config = HttpFilterConfig::HeaderMutation(Arc::new(HeaderMutation { mutations, most_specific_wins: false }));
    Typed { type_name: MUTATION.into(), config, policy: Arc::default() }
}

fn later(default: Option<Typed<HttpFilterConfig>>) -> HttpFilter {
    let discovery =
        Discovery { type_names: vec![MUTATION.into()], default, without_warming: false, initial_fetch_timeout: None };
    HttpFilter { name: "later".into(), disabled: false, config: HttpFilterConfig::Discovered(Arc::new(discovery)) }
}

fn of_router(filter: HttpFilter) -> Bench {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.router.upstream_filters = vec![filter];
    bench
}

fn of_cluster(filter: HttpFilter) -> Bench {
    let mut bench = Bench::new(to_app(|_| {}));
    let mut cluster = Cluster::new("app");
    cluster.config.http.filters = vec![filter];
    bench.clusters.insert("app".into(), Rc::new(cluster));
    bench
}

fn becomes(bench: &Bench, state: State<HttpFilterConfig>) {
    let change = Change { upstream_http: Some(state), ..Change::default() };
    bench.discoveries.change(&"later".into(), change).unwrap();
}

/// The status, and what the application was told.
async fn asks(bench: &mut Bench) -> (u16, Option<String>) {
    let before = bench.seen().len();
    bench.upstream(Script::answers(200, &[], &[]));
    let status = bench.send(get("/")).await.status();
    bench.cluster("app").scripts.borrow_mut().clear();
    let told = bench.seen().get(before).and_then(|seen| seen.header("x-word"));
    (status, told)
}

fn told(word: &str) -> (u16, Option<String>) {
    (200, Some(word.into()))
}

#[tokio::test(start_paused = true)]
async fn what_comes_acts_on_the_requests_that_begin_after_it() {
    for mut bench in [of_router(later(None)), of_cluster(later(None))] {
        assert_eq!(asks(&mut bench).await, (500, None));
        becomes(&bench, State::Is(telling("one")));
        assert_eq!(asks(&mut bench).await, told("one"));
        becomes(&bench, State::Is(telling("two")));
        assert_eq!(asks(&mut bench).await, told("two"));
        becomes(&bench, State::Absent);
        assert_eq!(asks(&mut bench).await, (500, None));
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_acts_where_nothing_came() {
    for mut bench in [of_router(later(Some(telling("default")))), of_cluster(later(Some(telling("default"))))] {
        assert_eq!(asks(&mut bench).await, told("default"));
        becomes(&bench, State::Is(telling("one")));
        assert_eq!(asks(&mut bench).await, told("one"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_config_before_the_router_is_none_behind_it() {
    let mut bench = of_router(later(None));
    let change = Change { http: Some(State::Is(telling("before"))), ..Change::default() };
    bench.discoveries.change(&"later".into(), change).unwrap();
    assert_eq!(asks(&mut bench).await, (500, None));
}

#[tokio::test(start_paused = true)]
async fn without_a_config_it_is_logged_so_and_not_tried_again() {
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::SERVER_ERROR, 3).into())));
    bench.config.router.upstream_filters = vec![later(None)];
    bench.upstream(Script::hangs());
    let outcome = bench.send(get("/")).await;
    assert_eq!((outcome.status(), outcome.flags().as_str(), outcome.info.attempts), (500, "NFCF", 1));
    assert_eq!(bench.seen().len(), 0);
}
