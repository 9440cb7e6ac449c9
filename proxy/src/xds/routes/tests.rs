//! Tests of `routes`.

use std::sync::Arc;

use super::super::testing::{bytes, route_table};
use super::Routes;
use crate::http::route::{RouteSlots, RouteTable};
use crate::stats::{Stats, StatsSettings};

fn table() -> Arc<RouteTable> {
    let config = config::route::decode(&bytes(&route_table("t", 200)), &config::Options::default());
    RouteTable::compile(&config.unwrap(), &Stats::new(StatsSettings::default())).unwrap()
}

#[test]
fn listeners_that_name_one_table_share_its_slot() {
    let routes = Routes::default();
    let (one, two) = (routes.slot(&"t".into()), routes.slot(&"t".into()));
    assert!(Arc::ptr_eq(&one, &two));
    assert!(!routes.is_filled("t"));
    assert!(routes.publish("t", table()));
    assert!(routes.is_filled("t") && two.load().is_some());
    routes.remove("t");
    assert!(!routes.is_filled("t") && one.load().is_none());
}

#[test]
fn a_table_that_nobody_wants_is_not_kept() {
    let routes = Routes::default();
    assert!(!routes.publish("t", table()));
    assert!(!routes.is_filled("t"));
    assert_eq!(routes.wanted().count(), 0);
}

#[test]
fn a_name_is_forgotten_when_nothing_uses_it() {
    let routes = Routes::default();
    let _slots = (routes.slot(&"t".into()), routes.slot(&"u".into()));
    assert_eq!(routes.forget_unused(["t".into()].into_iter()), ["u".into()]);
    assert_eq!(routes.wanted().collect::<Vec<_>>(), ["t"]);
    assert_eq!(routes.forget_unused(std::iter::empty()), ["t".into()]);
    assert_eq!(routes.wanted().count(), 0);
}
