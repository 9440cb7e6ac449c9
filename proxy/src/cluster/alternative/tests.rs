//! Tests of `alternative`.

use super::*;
use crate::stats::{Stats, StatsSettings};

#[test]
fn a_name_has_the_family_of_its_cluster() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let alternatives = Alternatives::default();
    let codes = Codes { internal: true, own: true };
    for (status, time) in [(200, Some(3)), (503, None)] {
        let alternative = alternatives.of(&scope, "alt").unwrap();
        alternative.count(&scope, status, codes, time);
        alternative.count_beside(&scope, Beside { canary: true, zones: Some(("here", "there")) }, status, time);
    }
    let value = |name: &str| stats.value(&format!("cluster.app.{name}")).unwrap_or(0);
    for origin in ["", "internal.", "canary.", "zone.here.there."] {
        for (name, count) in [("completed", 2), ("200", 1), ("2xx", 1), ("503", 1), ("5xx", 1)] {
            assert_eq!(value(&format!("alt.{origin}upstream_rq_{name}")), count, "{origin}{name}");
        }
    }
    assert_eq!((value("upstream_rq_completed"), value("internal.upstream_rq_200")), (0, 0));
}

#[test]
fn names_are_bounded() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let alternatives = Alternatives::default();
    assert!(alternatives.of(&scope, &"x".repeat(NAME + 1)).is_none());
    let all = (0..NAMES + 9).filter(|number| alternatives.of(&scope, &number.to_string()).is_some()).count();
    assert_eq!(all, NAMES);
    assert!(alternatives.of(&scope, "7").is_some(), "it is known already");
}
