//! Tests of `subsets`.

use std::collections::BTreeSet;

use config::endpoint::{Endpoint, HealthStatus, Locality};
use config::metadata::Metadata;
use serde_json::{Value, json};

use super::*;
use crate::cluster::balance::Limits;
use crate::cluster::testing::{address, config, eds, endpoint, host_of};
use crate::stats::{Stats, StatsSettings};

fn labelled(last: u8, labels: Value) -> Host {
    labelled_as(last, labels, HealthStatus::Healthy)
}

fn labelled_as(last: u8, labels: Value, health: HealthStatus) -> Host {
    let metadata = Metadata::from([("envoy.lb", labels)]);
    host_of(Endpoint { metadata: metadata.into(), health, ..endpoint(address(last)) }, 0)
}

fn selector(keys: &[&str], fallback: SelectorFallback) -> Selector {
    Selector { keys: keys.iter().map(|key| Arc::from(*key)).collect(), single: false, fallback }
}

fn by_stage() -> Config {
    Config {
        fallback: SubsetFallback::No,
        default: Criteria::default(),
        selectors: vec![selector(&["stage"], SelectorFallback::NotDefined)],
        weighs_localities: false,
        scales_weights: false,
        panics_to_any: false,
        list_as_any: false,
        tries_list: false,
        allows_redundant: false,
    }
}

struct Bench {
    stats: Arc<Stats>,
    /// What is counted lives as long as this.
    scope: Scope,
    subsets: Subsets,
}

fn bench(config: Config, hosts: Vec<Host>) -> Bench {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let subsets = make(&config, hosts, None, &scope);
    Bench { stats, scope, subsets }
}

fn make(config: &Config, hosts: Vec<Host>, before: Option<Subsets>, scope: &Scope) -> Subsets {
    let levels = [vec![Group { locality: Locality::default(), weight: 0, hosts }]];
    let limits = Limits {
        overprovisioning: 140,
        weighted: false,
        panic_threshold: 0.0,
        fails_in_panic: false,
        weighs_localities: false,
    };
    let mut make = |levels| Balancer::new(levels, limits, None, Counter::NONE, fastrand::Rng::with_seed(1));
    let counters = SubsetCounters::new(scope);
    Subsets::new(&Arc::new(config.clone()), &levels, before, counters, &mut make)
}

impl Bench {
    /// The last numbers of the hosts that requests with these criteria get.
    fn hosts(&mut self, criteria: Value) -> BTreeSet<u8> {
        let cluster = config(eds());
        let criteria = Criteria::of(&criteria);
        let want = Pick { metadata: Some(&criteria), ..Pick::default() };
        let picks = (0..20).filter_map(|_| self.subsets.pick(&cluster, &want));
        picks.map(|host| host.address().trim_end_matches(":80").rsplit('.').next().unwrap().parse().unwrap()).collect()
    }

    fn count(&self, name: &str) -> u64 {
        self.stats.value(&format!("cluster.app.{name}")).unwrap_or(0)
    }
}

fn three() -> Vec<Host> {
    vec![
        labelled(1, json!({ "stage": "prod", "version": "1" })),
        labelled(2, json!({ "stage": "prod", "version": "2" })),
        labelled(3, json!({ "stage": "test" })),
    ]
}

#[test]
fn a_request_gets_the_hosts_that_it_asks_for() {
    let mut bench = bench(by_stage(), three());
    assert_eq!(bench.hosts(json!({ "stage": "prod" })), [1, 2].into());
    assert_eq!(bench.hosts(json!({ "stage": "test" })), [3].into());
    assert_eq!(bench.hosts(json!({ "stage": "dev" })), [].into());
    assert_eq!(bench.hosts(json!({ "stage": "prod", "version": "1" })), [].into());
    assert_eq!(bench.count("lb_subsets_selected"), 40);
    assert_eq!((bench.count("lb_subsets_active"), bench.count("lb_subsets_created")), (2, 2));
}

#[test]
fn without_a_subset_it_goes_as_the_cluster_says() {
    let fallback = |fallback| Config { fallback, default: Criteria::of(&json!({ "version": "2" })), ..by_stage() };
    let cases =
        [(SubsetFallback::No, vec![]), (SubsetFallback::Any, vec![1, 2, 3]), (SubsetFallback::Default, vec![2])];
    for (policy, expected) in cases {
        let mut bench = bench(fallback(policy), three());
        assert_eq!(bench.hosts(json!({ "stage": "dev" })), expected.iter().copied().collect(), "{policy:?}");
        assert_eq!(bench.count("lb_subsets_fallback"), if expected.is_empty() { 0 } else { 20 });
    }
}

#[test]
fn a_selector_may_say_otherwise() {
    let selectors = vec![
        selector(&["stage", "version"], SelectorFallback::Keys(vec!["stage".into()])),
        selector(&["stage"], SelectorFallback::No),
        selector(&["version"], SelectorFallback::Any),
        selector(&["zone"], SelectorFallback::Default),
    ];
    let default = Criteria::of(&json!({ "stage": "test" }));
    let mut bench = bench(Config { selectors, default, fallback: SubsetFallback::Any, ..by_stage() }, three());
    assert_eq!(bench.hosts(json!({ "stage": "prod", "version": "9" })), [1, 2].into());
    assert_eq!(bench.hosts(json!({ "version": "9" })), [1, 2, 3].into());
    assert_eq!(bench.hosts(json!({ "zone": "a" })), [3].into());
    assert_eq!(bench.count("lb_subsets_fallback"), 0);
    // An earlier selector begins with its key, so that it is not heard, as in Envoy.
    assert_eq!(bench.hosts(json!({ "stage": "dev" })), [1, 2, 3].into());
}

#[test]
fn where_the_fallback_has_no_host_any_may_do() {
    let config =
        Config { fallback: SubsetFallback::Default, default: Criteria::of(&json!({ "stage": "gone" })), ..by_stage() };
    assert_eq!(bench(config.clone(), three()).hosts(json!({ "stage": "dev" })), [].into());
    let mut bench = bench(Config { panics_to_any: true, ..config }, three());
    assert_eq!(bench.hosts(json!({ "stage": "dev" })), [1, 2, 3].into());
    assert_eq!((bench.count("lb_subsets_fallback_panic"), bench.count("lb_subsets_fallback")), (20, 0));
}

#[test]
fn lists_stand_for_each_of_their_members() {
    let hosts = || vec![labelled(1, json!({ "stage": ["a", "b"] })), labelled(2, json!({ "stage": "b" }))];
    let mut any = bench(Config { list_as_any: true, ..by_stage() }, hosts());
    assert_eq!(any.hosts(json!({ "stage": "a" })), [1].into());
    assert_eq!(any.hosts(json!({ "stage": "b" })), [1, 2].into());
    let mut whole = bench(by_stage(), hosts());
    assert_eq!(whole.hosts(json!({ "stage": ["a", "b"] })), [1].into());
    assert_eq!(whole.hosts(json!({ "stage": "a" })), [].into());
}

#[test]
fn of_single_hosts_the_first_is_it_and_need_not_be_well() {
    let single = Selector { single: true, ..selector(&["stage"], SelectorFallback::NotDefined) };
    let hosts = vec![
        labelled_as(1, json!({ "stage": "a" }), HealthStatus::Unhealthy),
        labelled(2, json!({ "stage": "a" })),
        labelled(3, json!({ "stage": "b" })),
    ];
    let mut bench = bench(Config { selectors: vec![single], ..by_stage() }, hosts);
    assert_eq!(bench.hosts(json!({ "stage": "a" })), [1].into());
    assert_eq!(bench.hosts(json!({ "stage": "b" })), [3].into());
    assert_eq!(bench.count("lb_subsets_single_host_per_subset_duplicate"), 1);
}

#[test]
fn a_request_may_bring_a_list_to_be_tried() {
    let mut bench = bench(Config { tries_list: true, ..by_stage() }, three());
    let asks = |list: Value| json!({ "stage": "dev", "fallback_list": list });
    assert_eq!(bench.hosts(asks(json!([{ "stage": "x" }, { "stage": "test" }, { "stage": "prod" }]))), [3].into());
    assert_eq!(bench.hosts(asks(json!([]))), [].into());
    assert_eq!(bench.hosts(json!({ "stage": "test", "fallback_list": [] })), [3].into());
}

#[test]
fn keys_that_no_selector_has_may_be_left_out() {
    let mut bench = bench(Config { allows_redundant: true, ..by_stage() }, three());
    assert_eq!(bench.hosts(json!({ "stage": "test", "version": "1" })), [3].into());
    assert_eq!(bench.hosts(json!({ "version": "1" })), [].into());
}

#[test]
fn subsets_come_and_go_with_their_hosts() {
    let mut bench = bench(by_stage(), three());
    let hosts = vec![labelled(1, json!({ "stage": "prod" })), labelled(4, json!({ "stage": "dev" }))];
    let before = std::mem::replace(&mut bench.subsets, make(&by_stage(), Vec::new(), None, &bench.scope));
    bench.subsets = make(&by_stage(), hosts, Some(before), &bench.scope);
    let counts =
        |bench: &Bench| ["active", "created", "removed"].map(|name| bench.count(&format!("lb_subsets_{name}")));
    assert_eq!(counts(&bench), [2, 3, 1]);
    bench.subsets = make(&by_stage(), Vec::new(), None, &bench.scope);
    assert_eq!(counts(&bench), [0, 3, 3]);
}
