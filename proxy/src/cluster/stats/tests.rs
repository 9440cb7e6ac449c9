//! Tests of `stats`.

use super::*;
use crate::stats::{Stats, StatsSettings};

#[test]
fn names_lose_what_would_break_a_line() {
    assert_eq!(sanitize("outbound|80||app.ns;"), "outbound|80||app.ns;");
    assert_eq!(sanitize("http://a:80"), "http_a_80");
    assert_eq!(sanitize("unix:/run/x"), "unix_run/x");
}

#[test]
fn refused_names_cost_nothing_and_break_nothing() {
    let settings = StatsSettings { matcher: config::bootstrap::StatsMatcher::None, ..StatsSettings::default() };
    let stats = Stats::new(settings);
    let scope = stats.scope("cluster.app.");
    let handles = ClusterStats::new(&scope);
    handles.upstream_cx_total.inc();
    handles.breaker(Priority::High, Resource::Retries).inc();
    assert_eq!(stats.value("cluster.app.upstream_cx_total"), None);
}

#[test]
fn breakers_have_gauges_of_their_own() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let handles = ClusterStats::new(&scope);
    handles.breaker(Priority::High, Resource::Pending).inc();
    assert_eq!(stats.value("cluster.app.circuit_breakers.high.rq_pending_open"), Some(1));
    assert_eq!(stats.value("cluster.app.circuit_breakers.default.rq_pending_open"), Some(0));
}
