//! Label sets: made once, counted by each thread, shown, evicted, bounded.

use super::*;
use crate::stats::{Kind, Stats, StatsSettings, expose};

fn stats() -> Arc<Stats> {
    Stats::new(StatsSettings::default())
}

fn names(stats: &Stats) -> Arc<[Arc<str>]> {
    stats.label_names(&["reporter".into(), "code".into()])
}

fn text(stats: &Stats) -> String {
    stats.label_sets().prometheus(|_, _| true).collect()
}

#[test]
fn threads_count_the_same_label_set() {
    let stats = stats();
    let bundle = stats.bundle(&[("istio_requests_total", Kind::Counter), ("istio_request_bytes", Kind::Histogram)]);
    assert!(Arc::ptr_eq(
        &bundle,
        &stats.bundle(&[("istio_requests_total", Kind::Counter), ("istio_request_bytes", Kind::Histogram)])
    ));
    let write = |amount: u64| {
        let handle = stats.label_set(&bundle, &names(&stats), &["source", "200"], false).unwrap();
        handle.count(0, amount);
        handle.record(1, 7);
    };
    write(1);
    std::thread::scope(|scope| scope.spawn(|| write(2)).join()).unwrap();
    let text = text(&stats);
    assert!(
        text.contains(
            "# TYPE istio_requests_total counter\nistio_requests_total{reporter=\"source\",code=\"200\"} 3\n"
        ),
        "{text}"
    );
    assert!(text.contains("istio_request_bytes_bucket{reporter=\"source\",code=\"200\",le=\"5\"} 0\n"), "{text}");
    assert!(text.contains("istio_request_bytes_bucket{reporter=\"source\",code=\"200\",le=\"10\"} 2\n"), "{text}");
    assert!(text.contains("istio_request_bytes_sum{reporter=\"source\",code=\"200\"} 14\n"), "{text}");
    let samples = stats.label_sets().samples(false, &mut |_, kind| kind == Kind::Counter);
    assert_eq!(&*samples[0].name, "istiocustom.istio_requests_total.reporter.source.code.200");
    assert!(expose::text(&samples, Default::default()).ends_with(": 3\n"));
}

#[test]
fn only_what_was_written_is_shown_and_a_zero_is() {
    let stats = stats();
    let bundle = stats.bundle(&[("a", Kind::Counter), ("b", Kind::Counter), ("g", Kind::Gauge)]);
    let handle = stats.label_set(&bundle, &names(&stats), &["x", "a\"b\\c\nd"], false).unwrap();
    assert_eq!(text(&stats), "");
    handle.count(1, 0);
    handle.set(2, 5);
    handle.set(2, 4);
    let labels = r#"reporter="x",code="a\"b\\c\nd""#;
    assert_eq!(text(&stats), format!("# TYPE b counter\nb{{{labels}}} 0\n# TYPE g gauge\ng{{{labels}}} 4\n"));
}

#[test]
fn the_matcher_refuses_metrics_by_their_raw_names() {
    use config::bootstrap::StatsMatcher;
    let matcher =
        config::matcher::StringMatcher::Exact { value: "istiocustom.a.reporter.x.code.y".into(), ignore_case: false };
    let stats =
        Stats::new(StatsSettings { matcher: StatsMatcher::Exclusion(vec![matcher]), ..StatsSettings::default() });
    let bundle = stats.bundle(&[("a", Kind::Counter), ("b", Kind::Counter)]);
    let handle = stats.label_set(&bundle, &names(&stats), &["x", "y"], false).unwrap();
    handle.count(0, 1);
    handle.count(1, 1);
    assert_eq!(text(&stats), "# TYPE b counter\nb{reporter=\"x\",code=\"y\"} 1\n");
}

#[test]
fn what_nobody_writes_is_evicted() {
    let stats = stats();
    let bundle = stats.bundle(&[("a", Kind::Counter)]);
    let make = |code: &str| stats.label_set(&bundle, &names(&stats), &["x", code], false).unwrap();
    let (idle, busy) = (make("idle"), make("busy"));
    idle.count(0, 1);
    busy.count(0, 1);
    stats.evict();
    busy.count(0, 0);
    assert!(!idle.is_gone());
    stats.evict();
    assert!(idle.is_gone() && !busy.is_gone());
    assert_eq!(
        (stats.label_set_count(), text(&stats)),
        (1, "# TYPE a counter\na{reporter=\"x\",code=\"busy\"} 1\n".into())
    );
    // It begins anew, and what the old handle still writes is nobody's.
    let again = make("idle");
    idle.count(0, 100);
    again.count(0, 1);
    assert!(!again.is_same(&idle));
    assert!(text(&stats).contains("code=\"idle\"} 1\n"));
    stats.evict();
    stats.evict();
    assert_eq!((stats.label_set_count(), text(&stats)), (0, String::new()));
}

#[test]
fn there_are_only_so_many_and_little_of_each() {
    let stats = stats();
    let bundle = stats.bundle(&[("a", Kind::Counter)]);
    let names = names(&stats);
    for number in 0..MOST_SETS {
        assert!(stats.label_set(&bundle, &names, &["x", &number.to_string()], false).is_some());
    }
    assert!(stats.label_set(&bundle, &names, &["x", "one more"], false).is_none());
    assert!(stats.label_set(&bundle, &names, &["x", "7"], false).is_some());
    assert!(stats.label_set(&bundle, &names, &["x", "unknown"], true).is_some());
    stats.evict();
    stats.evict();
    assert!(stats.label_set(&bundle, &names, &["x", "one more"], false).is_some());
}

#[test]
fn counters_are_reset() {
    let stats = stats();
    let bundle = stats.bundle(&[("a", Kind::Counter)]);
    let handle = stats.label_set(&bundle, &names(&stats), &["x", "y"], false).unwrap();
    handle.count(0, 5);
    stats.reset_counters();
    handle.count(0, 1);
    assert_eq!(text(&stats), "# TYPE a counter\na{reporter=\"x\",code=\"y\"} 1\n");
}
