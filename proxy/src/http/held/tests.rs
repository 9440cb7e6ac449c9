//! Tests of `held`: who keeps a table alive.

use super::*;
use crate::http::route::{RouteSlot, RouteTable};
use crate::stats::{Stats, StatsSettings};
use crate::xds::testing::{bytes, route_table};

fn table() -> Arc<RouteTable> {
    let config = config::route::decode(&bytes(&route_table("t", 200)), &config::Options::default());
    RouteTable::compile(&config.unwrap(), &Stats::new(StatsSettings::default())).unwrap()
}

#[test]
fn connections_of_a_worker_share_one_and_requests_keep_what_they_began_with() {
    let slot = RouteSlot::new();
    let (first, second) = (Held::of(&slot), Held::of(&slot));
    assert!(Rc::ptr_eq(&first, &second));
    assert!(!Rc::ptr_eq(&first, &Held::of(&RouteSlot::new())));
    assert!(first.current().is_none());
    slot.publish(table());
    let request = first.current().unwrap();
    assert!(Rc::ptr_eq(&request, &second.current().unwrap()));
    slot.publish(table());
    assert!(!Rc::ptr_eq(&request, &second.current().unwrap()));
    slot.remove();
    assert!(first.current().is_none());
}

#[test]
fn a_table_that_was_replaced_goes_with_the_last_request_that_uses_it() {
    let slot = RouteSlot::new();
    let idle = Held::of(&slot);
    slot.publish(table());
    let request = idle.current().unwrap();
    let gone = Arc::downgrade(&*request);
    slot.publish(table());
    let_go();
    assert!(gone.upgrade().is_some(), "the request is under way");
    drop(request);
    assert!(gone.upgrade().is_none());
    // Without a request it goes at once, though the connection stays.
    drop(idle.current());
    let gone = Arc::downgrade(&slot.load().unwrap());
    slot.publish(table());
    assert!(gone.upgrade().is_some(), "nobody has said so yet");
    let_go();
    assert!(gone.upgrade().is_none());
}
