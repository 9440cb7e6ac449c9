//! Tests of `stats`.

use config::bootstrap::StatsMatcher;
use config::matcher::StringMatcher;

use super::*;

fn all() -> Arc<Stats> {
    Stats::new(StatsSettings::default())
}

fn used(stats: &Stats) -> Vec<String> {
    stats.samples(|_, _| true).into_iter().filter(|sample| sample.used).map(|sample| sample.name.to_string()).collect()
}

#[test]
fn handles_count_on_any_thread() {
    let stats = all();
    let (counter, gauge) = (stats.counter("a.b"), stats.gauge("a.g"));
    counter.inc();
    gauge.add(5);
    std::thread::spawn(move || {
        counter.add(2);
        gauge.sub(3);
    })
    .join()
    .unwrap();
    assert_eq!(stats.counter("a.b"), counter);
    assert_eq!((stats.value("a.b"), stats.value("a.g")), (Some(3), Some(2)));
}

#[test]
fn registries_do_not_mix() {
    let (one, two) = (all(), all());
    let (first, second) = (one.counter("x"), two.counter("x"));
    first.inc();
    second.add(10);
    first.inc();
    assert_eq!((one.value("x"), two.value("x")), (Some(2), Some(10)));
    drop(two);
    second.inc(); // Its registry is gone: nothing happens.
    Counter::NONE.inc();
    Gauge::NONE.set(1);
    Histogram::NONE.record(1);
}

#[test]
fn a_gauge_is_what_was_set_and_what_was_added_since() {
    let stats = all();
    let gauge = stats.gauge("g");
    gauge.inc();
    gauge.set(40);
    gauge.inc();
    gauge.dec();
    gauge.add(2);
    assert_eq!(stats.value("g"), Some(42));
    gauge.set(0);
    assert_eq!(stats.value("g"), Some(0));
}

#[test]
fn refused_names_are_never_made() {
    let prefix = |value: &str| StringMatcher::Prefix { value: value.into(), ignore_case: false };
    let settings = |matcher| StatsSettings { matcher, ..StatsSettings::default() };
    let stats = Stats::new(settings(StatsMatcher::Inclusion(vec![prefix("server"), prefix("reporter=")])));
    assert_eq!(stats.counter("cluster.a.upstream_rq_total"), Counter::NONE);
    stats.counter("server.x").inc();
    assert_eq!(stats.samples(|_, _| true).len(), 1);
    let stats = Stats::new(settings(StatsMatcher::Exclusion(vec![prefix("server")])));
    assert_eq!(stats.gauge("server.x"), Gauge::NONE);
    assert_ne!(stats.gauge("cluster.x"), Gauge::NONE);
    let stats = Stats::new(settings(StatsMatcher::None));
    stats.histogram("server.x").record(1);
    assert!(stats.samples(|_, _| true).is_empty());
}

#[test]
fn used_means_written() {
    let stats = all();
    stats.counter("counted").inc();
    stats.counter("never");
    stats.gauge("zero").set(0);
    stats.gauge("untouched");
    let gauge = stats.gauge("up_and_down");
    gauge.inc();
    gauge.dec();
    stats.histogram("empty");
    stats.histogram("full").record(0);
    assert_eq!(used(&stats), ["counted", "full", "up_and_down", "zero"]);
    stats.reset_counters();
    assert_eq!(stats.value("counted"), Some(0));
    assert_eq!(used(&stats), ["counted", "full", "up_and_down", "zero"]);
    stats.counter("counted").add(4);
    assert_eq!(stats.value("counted"), Some(4));
}

#[test]
fn a_scope_takes_its_statistics_away() {
    let stats = all();
    let (first, second) = (stats.scope("cluster.a."), stats.scope("cluster.a."));
    first.counter("rq").add(3);
    second.counter("rq").add(1);
    second.gauge("active").add(9);
    second.histogram("time").record(5);
    drop(second);
    assert_eq!(stats.value("cluster.a.rq"), Some(4));
    drop(first);
    assert!(stats.samples(|_, _| true).is_empty());
    // The places are used again, and read zero.
    let third = stats.scope("cluster.b.");
    third.counter("rq");
    third.gauge("active");
    third.histogram("time");
    for sample in stats.samples(|_, _| true) {
        assert!(sample.value == 0 && !sample.used, "{sample:?}");
    }
    // What somebody holds for ever stays.
    stats.counter("cluster.b.rq").inc();
    drop(third);
    assert_eq!(used(&stats), ["cluster.b.rq"]);
}

#[test]
fn places_do_not_run_out_when_scopes_come_and_go() {
    let stats = all();
    for round in 0..1000 {
        let scope = stats.scope(&format!("cluster.{round}."));
        scope.counter("a").inc();
        scope.histogram("b").record(1);
    }
    stats.counter("last").inc();
    assert!(stats.counter("last").0.cell < 64);
}

#[test]
fn custom_buckets() {
    let matcher = StringMatcher::Prefix { value: "istio".into(), ignore_case: false };
    let stats = Stats::new(StatsSettings { buckets: vec![(matcher, vec![1.0, 10.0])], ..StatsSettings::default() });
    let histogram = stats.histogram("istio_x");
    [1, 2, 10, 11].into_iter().for_each(|value| histogram.record(value));
    let sample = stats.samples(|_, _| true).remove(0);
    assert_eq!(sample.histogram.unwrap().counts, [1, 2, 1]);
    assert_eq!(sample.value, 24);
}

#[test]
fn quiet_names_are_shown_as_zero_where_nothing_counts() {
    const QUIET: Names = &[(Kind::Counter, "never"), (Kind::Gauge, "seen"), (Kind::Counter, "hidden")];
    let matcher =
        StatsMatcher::Exclusion(vec![StringMatcher::Prefix { value: "cluster.a.hidden".into(), ignore_case: false }]);
    let settings = StatsSettings { matcher, ..StatsSettings::default() };
    let stats = Stats::new(settings);
    let shown = || -> Vec<(String, u64, bool)> {
        let samples = stats.samples(|name, _| name != "cluster.b.never");
        samples.into_iter().map(|sample| (sample.name.to_string(), sample.value, sample.used)).collect()
    };
    let first = stats.scope("cluster.a.");
    first.quiet(QUIET);
    let second = stats.scope("cluster.a.");
    second.quiet(QUIET);
    stats.quiet("cluster.b.", QUIET);
    stats.quiet("cluster.b.", QUIET);
    first.gauge("seen").set(3);
    let of_b = [("cluster.b.hidden".to_owned(), 0, false), ("cluster.b.seen".to_owned(), 0, false)];
    let of_a = |seen| [("cluster.a.never".to_owned(), 0, false), ("cluster.a.seen".to_owned(), seen, seen > 0)];
    assert_eq!(shown(), [of_a(3), of_b.clone()].concat());
    drop(first);
    assert_eq!(shown(), [of_a(0), of_b.clone()].concat(), "another scope still has them");
    drop(second);
    assert_eq!(shown(), of_b);
}

#[test]
fn names_are_cleaned_as_envoys() {
    let stats = Stats::new(StatsSettings::default());
    stats.counter("http.a://b:c.total").inc();
    let scope = stats.scope("cluster.x..");
    scope.counter("total").add(2);
    let names: Vec<_> = stats.samples(|_, _| true).iter().map(|sample| sample.name.to_string()).collect();
    assert_eq!(names, ["cluster.x.total", "http.a_b_c.total"]);
    assert_eq!((stats.value("http.a://b:c.total"), stats.value("cluster.x.total")), (Some(1), Some(2)));
    for (name, cleaned) in [
        ("cluster.outbound|80||app.ns;.n", "cluster.outbound|80||app.ns;.n"),
        ("cluster.http://a:80.n", "cluster.http_a_80.n"),
        ("cluster.unix:/run/x.n", "cluster.unix_run/x.n"),
        ("cluster.a\0b.n", "cluster.a_b.n"),
        ("listener.[::1]:80.n", "listener.[__1]_80.n"),
    ] {
        stats.counter(name).inc();
        assert!(stats.samples(|_, _| true).iter().any(|sample| *sample.name == *cleaned), "{name}");
    }
}
