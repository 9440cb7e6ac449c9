//! Tests of `named`.

use super::*;
use crate::stats::{Stats, StatsSettings};

#[test]
fn each_prefix_has_its_own_and_the_registry_is_asked_once() {
    let stats = Stats::new(StatsSettings::default());
    let scope = stats.scope("cluster.app.");
    let named = NamedCounters::default();
    for prefix in ["ext_authz.", "ext_authz.", "ext_authz.other."] {
        named.count(&scope, prefix, "ok");
    }
    named.count(&scope, "ext_authz.", "denied");
    let value = |name: &str| stats.value(&format!("cluster.app.ext_authz.{name}"));
    assert_eq!((value("ok"), value("other.ok"), value("denied"), value("error")), (Some(2), Some(1), Some(1), None));
    assert_eq!(named.0.borrow().len(), 3);
}
