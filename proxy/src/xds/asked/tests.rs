//! Tests of `asked`. The numbers are those of the real Envoy, whose `update_attempt` is one more than all that came of them.

use super::*;
use crate::stats::StatsSettings;

const IN_TIME: Duration = Duration::from_secs(3600);

fn counts(stats: &Stats, name: &str) -> [u64; 5] {
    ["attempt", "success", "failure", "rejected"]
        .map(|what| format!("{name}.update_{what}"))
        .into_iter()
        .chain([format!("{name}.init_fetch_timeout")])
        .map(|name| stats.value(&name).unwrap_or_default())
        .collect::<Vec<_>>()
        .try_into()
        .expect("five")
}

#[test]
fn each_attempt_is_counted_by_what_came_of_it() {
    let stats = Stats::new(StatsSettings::default());
    let mut asked = Asked::new(&stats);
    let late = || ("late".into(), "sds.late".to_owned(), Awaited::Stream(Some(Duration::ZERO)));
    let here = || ("here".into(), "sds.here".to_owned(), Awaited::Stream(Some(IN_TIME)));
    asked.want([late(), here()].into_iter());
    assert_eq!((counts(&stats, "sds.late"), counts(&stats, "sds.here")), ([1, 0, 0, 0, 0], [1, 0, 0, 0, 0]));
    assert_eq!(asked.next_timeout(), Some(Duration::ZERO));
    asked.give_up_waiting();
    asked.give_up_waiting();
    assert_eq!((counts(&stats, "sds.late"), counts(&stats, "sds.here")), ([2, 0, 0, 0, 1], [1, 0, 0, 0, 0]));
    asked.failed(|_| true);
    asked.failed(|name| name == "here");
    assert_eq!((counts(&stats, "sds.late"), counts(&stats, "sds.here")), ([3, 0, 1, 0, 1], [3, 0, 2, 0, 0]));
    asked.came("here", "v", true, Duration::ZERO);
    asked.came("here", "w", false, Duration::ZERO);
    asked.came("other", "v", true, Duration::ZERO);
    assert_eq!(counts(&stats, "sds.here"), [5, 1, 2, 1, 0]);
    assert_eq!(asked.next_timeout(), None, "it came");
    asked.want([late(), here()].into_iter());
    assert_eq!(counts(&stats, "sds.here")[0], 5, "it was asked for already");
    asked.want([late()].into_iter());
    asked.failed(|_| true);
    assert_eq!((counts(&stats, "sds.late")[2], counts(&stats, "sds.here")[2]), (2, 2), "nobody asks any more");
}

#[test]
fn each_reading_of_a_file_is_an_attempt() {
    let stats = Stats::new(StatsSettings::default());
    let mut asked = Asked::new(&stats);
    asked.want([("own".into(), "sds.own".to_owned(), Awaited::File)].into_iter());
    assert_eq!((counts(&stats, "sds.own"), asked.next_timeout()), ([0; 5], None));
    asked.came("own", "v", true, Duration::ZERO);
    asked.came("own", "w", false, Duration::ZERO);
    asked.failed(|_| true);
    assert_eq!(counts(&stats, "sds.own"), [3, 1, 1, 1, 0]);
}
