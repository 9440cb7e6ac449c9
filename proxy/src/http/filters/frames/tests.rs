//! What a filter may want of a body that passes it.

use super::*;

/// It would have gone by what it did not get.
#[test]
fn who_collects_within_a_body_is_refused() {
    let mut stage = Stage::new(0, Role::Changes);
    assert!(stage.take(Step::Continue).is_ok());
    let Err(Stop::Reply(reply)) = stage.take(Step::Collect(Collect { limit: 1 })) else { panic!("it goes on") };
    assert_eq!((reply.status, &*reply.details), (500, "filter_collects_within_a_body"));
}
