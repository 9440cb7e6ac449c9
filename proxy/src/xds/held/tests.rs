//! Tests of `held`.

use std::sync::Arc;

use bytes::Bytes;

use super::*;

impl<A, W> Held<A, W> {
    /// What waits, to be changed.
    pub fn warming_mut(&mut self, name: &str) -> Option<&mut W> {
        self.names.get_mut(name)?.warming.as_mut().map(|(_, made)| made)
    }
}

fn stored(body: &'static str, version: &str) -> Stored {
    Stored::now(Bytes::from_static(body.as_bytes()), &version.into())
}

#[test]
fn what_waited_takes_the_place_of_what_was_in_use() {
    let mut held: Held<&str, &str> = Held::default();
    let name: Arc<str> = "a".into();
    assert_eq!(held.look("a", &"one".into()), Seen::New);
    assert_eq!(held.warm(&name, stored("one", "1"), false, "w1"), None);
    assert_eq!(held.look("a", &"one".into()), Seen::Waits);
    let taken = held.take_warming("a").unwrap();
    assert_eq!(taken.made, "w1");
    assert_eq!(held.activate(&name, taken, "a1"), None);
    assert_eq!((held.look("a", &"one".into()), held.active("a")), (Seen::InUse, Some(&"a1")));
    assert_eq!(held.warm(&name, stored("two", "2"), false, "w2"), None);
    assert_eq!(held.warm(&name, stored("three", "3"), false, "w3"), Some("w2"));
    assert_eq!(held.active_body("a"), Some(&"one".into()), "what is in use stays");
    assert_eq!(held.remove("a"), (Some("a1"), Some("w3")));
}

#[test]
fn what_is_static_stays_so_while_it_warms_and_serves() {
    let mut held: Held<(), ()> = Held::default();
    let name: Arc<str> = "a".into();
    held.warm(&name, stored("one", ""), true, ());
    assert_eq!(held.look("a", &"other".into()), Seen::Static);
    let taken = held.take_warming("a").unwrap();
    held.activate(&name, taken, ());
    assert!(held.is_static("a"));
}

#[test]
fn a_refusal_is_shown_until_something_good_comes_and_a_name_that_holds_nothing_is_forgotten() {
    let mut held: Held<(), ()> = Held::default();
    let name: Arc<str> = "a".into();
    held.put(&name, stored("one", "1"), ());
    held.refuse(&name, stored("bad", "2"), "why");
    assert_eq!(&*held.snapshot().entries[0].refused.as_ref().unwrap().reason, "why");
    assert_eq!(held.look("a", &"one".into()), Seen::InUse);
    assert!(held.snapshot().entries[0].refused.is_none(), "the control plane took it back");
    assert_eq!(held.take_down("a", |body| body == b"one"), (Some(()), None));
    assert!(held.snapshot().entries.is_empty());
}
