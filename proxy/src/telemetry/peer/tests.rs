//! What is remembered of peers, and how it is shown.

use std::sync::Arc;

use super::*;
use crate::telemetry::dynamic::FilterState;

fn workload(name: &str) -> Workload {
    Workload { name: name.into(), namespace: "bookinfo".into(), cluster: "c1".into(), ..Workload::default() }
}

#[test]
fn a_header_is_read_once() {
    let labels: Arc<[Arc<str>]> = Arc::from([]);
    let header = workload("a").header();
    let first = of_header(header.as_bytes(), &labels).unwrap().peer;
    let again = of_header(header.as_bytes(), &labels).unwrap().peer;
    assert!(Rc::ptr_eq(&first, &again));
    assert_eq!(first.workload(), &workload("a"));
    // With other labels it says something else.
    let other = of_header(header.as_bytes(), &Arc::from([Arc::from("role")])).unwrap().peer;
    assert!(!Rc::ptr_eq(&first, &other));
}

#[test]
fn strangers_do_not_fill_the_memory() {
    let labels: Arc<[Arc<str>]> = Arc::from([Arc::from("strangers")]);
    for index in 0..5_000 {
        let name = format!("{index}-{}", "x".repeat(index % 3000));
        let heard = of_header(workload(&name).header().as_bytes(), &labels).unwrap();
        assert_eq!(heard.cut, name.len() > 256);
        let (peers, octets) = known::testing::remembered(&labels);
        assert!(peers <= 500 && octets <= 512 * 1024, "{peers} {octets}");
    }
    assert!(of_header(b"no base64", &labels).is_err());
}

#[test]
fn filter_state_shows_it_under_its_keys() {
    let mut state = FilterState::default();
    state.set_peer(Side::Upstream, Peer::new(workload("a")));
    state.set_peer(Side::Upstream, Peer::new(workload("b")));
    assert!(state.is_empty() && state.get("downstream_peer").is_none());
    let object = state.get("upstream_peer").unwrap();
    assert_eq!(object.structure().unwrap()["workload"], "a");
    assert_eq!(object.value, workload("a").message());
    let object = state.get("upstream_peer_obj").unwrap();
    assert_eq!(object.value, "workload=a,cluster=c1,namespace=bookinfo");
}
