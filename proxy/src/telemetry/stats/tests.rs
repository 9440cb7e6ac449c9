use super::*;

#[test]
fn handles_count_on_any_thread() {
    let stats = Stats::new(StatsSettings::default());
    let counter = stats.counter("a.b");
    counter.inc();
    std::thread::spawn(move || counter.add(2)).join().unwrap();
    assert_eq!(stats.counter("a.b"), counter);
    assert_eq!(stats.value("a.b"), Some(3));
}
