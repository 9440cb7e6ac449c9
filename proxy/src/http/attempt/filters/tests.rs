//! Tests of filters behind the router.

use std::rc::Rc;
use std::sync::Arc;

use config::filters::HttpFilterConfig;
use config::filters::header_mutation::{HeaderMutation, Mutations};
use config::hcm::HttpFilter;
use config::header_mutation::HeaderMutation as Change;
use config::route::{AppendAction, RetryOn};

use crate::http::testing::fake::{Cluster, Script};
use crate::http::testing::*;

fn filter(request: Change, response: Change) -> HttpFilter {
    let mutations = Mutations { request: vec![request], response: vec![response], ..Mutations::default() };
    let config = HeaderMutation { mutations, most_specific_wins: false };
    HttpFilter { name: "mutate".into(), disabled: false, config: HttpFilterConfig::HeaderMutation(Arc::new(config)) }
}

fn append(name: &str, value: &str) -> Change {
    Change::Append(add(name, value, AppendAction::AppendOrAdd))
}

#[tokio::test(start_paused = true)]
async fn each_attempt_passes_the_routers() {
    let mut bench = Bench::new(to_app(|forward| forward.retry = Some(retry_on(RetryOn::ENVOY_RATELIMITED, 1).into())));
    bench.config.router.upstream_filters = vec![filter(append("x-up", "1"), append("x-envoy-ratelimited", "true"))];
    bench.upstream(Script::answers(200, &[], &["first"]));
    bench.upstream(Script::answers(200, &[], &["second"]));
    let outcome = bench.send(get("/a")).await;
    assert_eq!(
        (outcome.status(), outcome.body().as_str()),
        (200, "second"),
        "the retry policy sees what they have done"
    );
    let seen = bench.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("x-up").as_deref(), Some("1"));
    assert!(outcome.client.head.unwrap().headers.get_str("x-envoy-ratelimited").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_clusters_own_stand_in_for_them() {
    let mut bench = Bench::new(to_app(|_| {}));
    bench.config.router.upstream_filters = vec![filter(append("x-router", "1"), append("x-router", "1"))];
    let mut cluster = Cluster::new("app");
    cluster.config.http.filters = vec![filter(append("x-cluster", "1"), append("x-cluster", "1"))];
    bench.clusters.insert("app".into(), Rc::new(cluster));
    bench.upstream(Script::answers(200, &[], &["fine"]));
    let outcome = bench.send(get("/a")).await;
    let seen = &bench.seen()[0];
    assert_eq!((seen.header("x-cluster").as_deref(), seen.header("x-router")), (Some("1"), None));
    let head = outcome.client.head.unwrap();
    assert!(head.headers.get_str("x-cluster").is_some() && head.headers.get_str("x-router").is_none());
}
