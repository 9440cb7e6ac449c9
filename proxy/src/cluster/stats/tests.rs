//! Tests of `stats`.

use super::*;
use crate::stats::{Stats, StatsSettings};

#[test]
fn refused_names_cost_nothing_and_break_nothing() {
    let settings = StatsSettings { matcher: config::bootstrap::StatsMatcher::None, ..StatsSettings::default() };
    let stats = Stats::new(settings);
    let scope = stats.scope("cluster.app.");
    let handles = ClusterStats::new(&scope, false, &unlimited());
    handles.upstream_cx_total.inc();
    handles.breaker(Priority::High, Resource::Retries).inc();
    assert_eq!(stats.value("cluster.app.upstream_cx_total"), None);
}

#[test]
fn breakers_have_gauges_of_their_own() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let handles = ClusterStats::new(&scope, false, &unlimited());
    handles.breaker(Priority::High, Resource::Pending).inc();
    assert_eq!(stats.value("cluster.app.circuit_breakers.high.rq_pending_open"), Some(1));
    assert_eq!(stats.value("cluster.app.circuit_breakers.default.rq_pending_open"), Some(0));
}

#[test]
fn answers_that_are_retried_are_counted_apart() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let counters = ResponseCounters::default();
    let codes = Codes::of(false);
    counters.count_retried(&scope, 503, codes);
    counters.count_retried(&scope, 502, codes);
    counters.count_retried(&scope, 503, codes);
    let value = |name: &str| stats.value(&format!("cluster.app.{name}"));
    assert_eq!(value("retry.upstream_rq_503"), Some(2));
    assert_eq!(value("retry.upstream_rq_5xx"), Some(3));
    assert_eq!(value("retry.upstream_rq_completed"), Some(3));
    assert_eq!(value("upstream_rq_503"), None);
}

#[test]
fn codes_may_be_counted_by_origin_alone() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let counters = ResponseCounters::default();
    let without = Codes { internal: false, own: false };
    counters.count(&scope, 503, without);
    counters.count_retried(&scope, 503, without);
    let value = |name: &str| stats.value(&format!("cluster.app.{name}"));
    assert_eq!(
        (value("upstream_rq_503"), value("upstream_rq_5xx"), value("retry.upstream_rq_503")),
        (None, None, None)
    );
    assert_eq!((value("external.upstream_rq_503"), value("retry.upstream_rq_completed")), (Some(1), Some(1)));
    counters.count(&scope, 503, Codes::of(false));
    counters.count_retried(&scope, 503, Codes::of(false));
    assert_eq!((value("upstream_rq_503"), value("retry.upstream_rq_503")), (Some(1), Some(1)));
    assert_eq!((value("external.upstream_rq_503"), value("external.upstream_rq_completed")), (Some(2), Some(2)));
}

fn unlimited() -> [Breakers; 2] {
    [(); 2].map(|()| Breakers::new(&Default::default()))
}

#[test]
fn what_is_left_is_shown_where_it_is_asked_for() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let tracked = config::cluster::Thresholds { track_remaining: true, max_requests: 7, ..Default::default() };
    let breakers = [Breakers::new(&tracked), Breakers::new(&Default::default())];
    let handles = ClusterStats::new(&scope, false, &breakers);
    handles.remaining(Priority::Default, Resource::Requests).dec();
    assert_eq!(stats.value("cluster.app.circuit_breakers.default.remaining_rq"), Some(6));
    assert_eq!(stats.value("cluster.app.circuit_breakers.default.remaining_cx"), Some(1024));
    assert_eq!(stats.value("cluster.app.circuit_breakers.high.remaining_rq"), None);
}
