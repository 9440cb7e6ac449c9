//! Tests of `store`.

use std::sync::Arc;

use bytes::Bytes;

use super::{ConfigStore, Kind, Stored};

fn stored(body: &'static str, version: &str) -> Stored {
    Stored::now(Bytes::from_static(body.as_bytes()), &version.into())
}

#[test]
fn what_waited_takes_the_place_of_what_was_in_use() {
    let store = ConfigStore::new();
    let name: Arc<str> = "a".into();
    store.warm(Kind::Cluster, &name, stored("one", "1"), false);
    assert!(
        store.is_warming(Kind::Cluster, &name, &"one".into())
            && !store.is_unchanged(Kind::Cluster, &name, &"one".into())
    );
    store.activate(Kind::Cluster, &name);
    assert!(
        store.is_unchanged(Kind::Cluster, &name, &"one".into())
            && !store.is_warming(Kind::Cluster, &name, &"one".into())
    );
    // Nothing waits: what is in use stays.
    store.activate(Kind::Cluster, &name);
    assert_eq!(store.active(Kind::Cluster, &name), Some("one".into()));
}

#[test]
fn an_entry_that_holds_nothing_is_forgotten() {
    let store = ConfigStore::new();
    let name: Arc<str> = "a".into();
    store.refuse(Kind::Listener, &name, stored("bad", "2"), "why");
    assert_eq!(store.list(Kind::Listener).len(), 1, "a refusal is shown even if nothing was ever accepted");
    store.change(Kind::Listener, &name, |entry| entry.refused = None);
    assert_eq!(store.list(Kind::Listener).len(), 0);
}

#[test]
fn each_kind_has_its_own_names_and_version() {
    let store = ConfigStore::new();
    for (kind, name) in [(Kind::Route, "b"), (Kind::Cluster, "b"), (Kind::Cluster, "a"), (Kind::Secret, "a")] {
        store.change(kind, &name.into(), |entry| entry.active = Some(stored("x", "1")));
    }
    store.set_version(Kind::Cluster, "7");
    let names = |kind| store.list(kind).into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    assert_eq!(names(Kind::Cluster), ["a".into(), "b".into()]);
    assert_eq!(names(Kind::Route), ["b".into()]);
    assert_eq!(names(Kind::Endpoints), []);
    store.remove(Kind::Cluster, &"b".into());
    assert_eq!((names(Kind::Cluster), names(Kind::Route)), (vec!["a".into()], vec!["b".into()]));
    assert_eq!((&*store.version(Kind::Cluster), &*store.version(Kind::Route)), ("7", ""));
}
