//! The protocol, message by message, without I/O.

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use prost::Message;

use super::super::wire::Received;
use super::*;
use crate::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE};
use crate::{Endpoint, Rejected};

struct Peer {
    session: Session,
}

impl Peer {
    fn new(delta: bool) -> Self {
        let node = Node { id: "sidecar~1.2.3.4~a.b~b.svc.cluster.local".into(), ..Default::default() };
        let mut settings = AdsSettings::new(Endpoint::uds("XDS"), node);
        settings.delta = delta;
        Self { session: Session::new(&settings) }
    }

    fn open(delta: bool) -> Self {
        let mut peer = Self::new(delta);
        peer.session.stream_opened();
        peer
    }

    fn wildcard(&mut self, type_url: &str) {
        self.session.subscribe(&type_url.into(), Subscription::Wildcard);
    }

    fn names(&mut self, type_url: &str, names: &[&str]) {
        let names = names.iter().map(|name| name.to_string()).collect();
        self.session.subscribe(&type_url.into(), Subscription::Names(names));
    }

    fn delta_request(&mut self) -> Option<DeltaDiscoveryRequest> {
        let mut request = DeltaDiscoveryRequest::decode(self.session.next_request()?).unwrap();
        request.resource_names_subscribe.sort();
        Some(request)
    }

    fn sotw_request(&mut self) -> Option<DiscoveryRequest> {
        Some(DiscoveryRequest::decode(self.session.next_request()?).unwrap())
    }

    fn drain(&mut self) {
        while self.session.next_request().is_some() {}
    }

    fn push(&mut self, type_url: &str, nonce: &str, resources: &[(&str, &str)], removed: &[&str]) -> Update {
        let received = |(name, version): &(&str, &str)| Received {
            name: name.to_string(),
            version: version.to_string(),
            any_type_url: type_url.into(),
            body: Default::default(),
            own_name: Some(name.to_string()),
        };
        self.session
            .receive(Response {
                type_url: type_url.into(),
                version: format!("version of {nonce}"),
                nonce: nonce.into(),
                control_plane: None,
                resources: resources.iter().map(received).collect(),
                removed: removed.iter().map(|name| name.to_string()).collect(),
            })
            .expect("the type is wanted")
    }

    fn accept(&mut self, update: &Update) {
        self.session.decide(&update.id, Ok(()));
    }

    fn reject(&mut self, update: &Update, name: &str, reason: &str) {
        self.session.decide(&update.id, Err(vec![Rejected { name: name.into(), reason: reason.into() }]));
    }
}

fn names(update: &Update) -> Vec<&str> {
    update.resources.iter().map(|resource| resource.name.as_str()).collect()
}

#[test]
fn the_first_delta_request_alone_carries_the_node_and_a_wildcard_is_empty() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    peer.wildcard(LISTENER);
    let first = peer.delta_request().unwrap();
    assert_eq!(first.node.unwrap().id, "sidecar~1.2.3.4~a.b~b.svc.cluster.local");
    assert_eq!(first.type_url, CLUSTER);
    assert!(first.resource_names_subscribe.is_empty() && first.response_nonce.is_empty());
    let second = peer.delta_request().unwrap();
    assert_eq!((second.node, second.type_url.as_str()), (None, LISTENER));
    assert!(peer.delta_request().is_none());
}

#[test]
fn every_request_carries_the_node_if_asked_to() {
    let mut settings = AdsSettings::new(Endpoint::uds("XDS"), Node::default());
    settings.set_node_on_first_message_only = false;
    let mut peer = Peer { session: Session::new(&settings) };
    peer.session.stream_opened();
    peer.wildcard(CLUSTER);
    peer.wildcard(LISTENER);
    assert!(peer.delta_request().unwrap().node.is_some());
    assert!(peer.delta_request().unwrap().node.is_some());
}

#[test]
fn nothing_is_asked_for_without_names() {
    for delta in [true, false] {
        let mut peer = Peer::open(delta);
        peer.names(ENDPOINT, &[]);
        assert!(!peer.session.wants_anything());
        assert!(peer.session.next_request().is_none(), "an empty first request would be a wildcard");
    }
}

#[test]
fn delta_names_are_told_as_differences() {
    let mut peer = Peer::open(true);
    peer.names(ENDPOINT, &["a", "b"]);
    assert_eq!(peer.delta_request().unwrap().resource_names_subscribe, ["a", "b"]);
    peer.names(ENDPOINT, &["b", "c"]);
    let change = peer.delta_request().unwrap();
    assert_eq!(
        (change.resource_names_subscribe, change.resource_names_unsubscribe),
        (vec!["c".into()], vec!["a".into()])
    );
    assert_eq!(change.response_nonce, "");
    peer.names(ENDPOINT, &["c", "b"]);
    assert!(peer.delta_request().is_none(), "nothing changed");
    peer.names(ENDPOINT, &[]);
    assert_eq!(peer.delta_request().unwrap().resource_names_unsubscribe, ["b", "c"]);
}

#[test]
fn acknowledgement_and_change_of_names_are_two_messages_in_delta() {
    let mut peer = Peer::open(true);
    peer.names(ENDPOINT, &["a"]);
    let update = peer.push(ENDPOINT, "n1", &[("a", "")], &[]);
    peer.drain();
    peer.accept(&update);
    peer.names(ENDPOINT, &["a", "b"]);
    let ack = peer.delta_request().unwrap();
    assert_eq!((ack.response_nonce.as_str(), ack.error_detail), ("n1", None));
    assert!(ack.resource_names_subscribe.is_empty());
    let change = peer.delta_request().unwrap();
    assert_eq!((change.response_nonce.as_str(), change.resource_names_subscribe), ("", vec!["b".to_owned()]));
}

#[test]
fn acknowledgement_and_change_of_names_are_two_messages_in_sotw_and_the_change_waits() {
    let mut peer = Peer::open(false);
    peer.names(ENDPOINT, &["a"]);
    peer.drain();
    let update = peer.push(ENDPOINT, "n1", &[("a", "")], &[]);
    peer.names(ENDPOINT, &["a", "b"]);
    assert!(peer.sotw_request().is_none(), "it would be taken for the acknowledgement of n1");
    peer.accept(&update);
    let ack = peer.sotw_request().unwrap();
    assert_eq!((ack.version_info.as_str(), ack.response_nonce.as_str()), ("version of n1", "n1"));
    assert_eq!(ack.resource_names, ["a"]);
    let change = peer.sotw_request().unwrap();
    assert_eq!((change.version_info.as_str(), change.response_nonce.as_str()), ("version of n1", "n1"));
    assert_eq!(change.resource_names, ["a", "b"]);
    assert!(peer.sotw_request().is_none());
}

#[test]
fn a_sotw_nack_carries_the_version_accepted_before() {
    let mut peer = Peer::open(false);
    peer.wildcard(CLUSTER);
    peer.drain();
    let good = peer.push(CLUSTER, "n1", &[("a", "")], &[]);
    peer.accept(&good);
    assert_eq!(peer.sotw_request().unwrap().version_info, "version of n1");
    let bad = peer.push(CLUSTER, "n2", &[("a", ""), ("b", "")], &[]);
    peer.reject(&bad, "b", "no type");
    let nack = peer.sotw_request().unwrap();
    assert_eq!((nack.version_info.as_str(), nack.response_nonce.as_str()), ("version of n1", "n2"));
    let detail = nack.error_detail.unwrap();
    assert_eq!((detail.code, detail.message.as_str()), (13, "b: no type"));
}

#[test]
fn a_refused_resource_is_not_held_and_the_others_are() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    peer.drain();
    let update = peer.push(CLUSTER, "n1", &[("good", "1"), ("bad", "1")], &[]);
    peer.reject(&update, "bad", "lb_policy: 99 is unknown");
    let nack = peer.delta_request().unwrap();
    assert_eq!(nack.response_nonce, "n1");
    assert_eq!(nack.error_detail.unwrap().message, "bad: lb_policy: 99 is unknown");
    peer.session.stream_closed("test");
    peer.session.stream_opened();
    let first = peer.delta_request().unwrap();
    assert_eq!(first.initial_resource_versions, [("good".to_owned(), "1".to_owned())].into());
    assert!(first.node.is_some(), "a new stream names the node again");
}

#[test]
fn the_version_held_before_a_refusal_is_told() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    let update = peer.push(CLUSTER, "n1", &[("a", "1")], &[]);
    peer.accept(&update);
    let update = peer.push(CLUSTER, "n2", &[("a", "2")], &[]);
    peer.reject(&update, "a", "wrong");
    peer.session.stream_opened();
    assert_eq!(peer.delta_request().unwrap().initial_resource_versions["a"], "1");
}

#[test]
fn a_new_stream_asks_for_everything_in_order_with_what_is_held() {
    let mut peer = Peer::open(true);
    peer.names("type.googleapis.com/some.Other", &["x"]);
    peer.names(ROUTE, &["80"]);
    peer.wildcard(LISTENER);
    peer.names(ENDPOINT, &["e"]);
    peer.wildcard(CLUSTER);
    let update = peer.push(ENDPOINT, "n1", &[("e", "")], &[]);
    peer.accept(&update);
    peer.session.stream_closed("test");
    assert!(!peer.session.has_requests());
    peer.names(ENDPOINT, &["e", "f"]);
    assert!(!peer.session.has_requests(), "there is no stream");
    peer.session.stream_opened();
    let requests: Vec<_> = std::iter::from_fn(|| peer.delta_request()).collect();
    let order: Vec<_> = requests.iter().map(|request| request.type_url.as_str()).collect();
    assert_eq!(order, [CLUSTER, ENDPOINT, LISTENER, ROUTE, "type.googleapis.com/some.Other"]);
    assert_eq!(requests[1].resource_names_subscribe, ["e", "f"]);
    // istiod's versions are empty; the names still tell it what to report as removed.
    assert_eq!(requests[1].initial_resource_versions, [("e".to_owned(), String::new())].into());
}

#[test]
fn a_removed_resource_is_not_held() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    let update = peer.push(CLUSTER, "n1", &[("a", "1"), ("b", "1")], &[]);
    peer.accept(&update);
    let update = peer.push(CLUSTER, "n2", &[], &["a"]);
    assert_eq!(update.removed, ["a"]);
    peer.accept(&update);
    peer.session.stream_opened();
    assert_eq!(peer.delta_request().unwrap().initial_resource_versions.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_resource_removed_before_its_verdict_is_not_held() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    let added = peer.push(CLUSTER, "n1", &[("a", "1")], &[]);
    let removed = peer.push(CLUSTER, "n2", &[], &["a"]);
    peer.accept(&added);
    peer.accept(&removed);
    peer.session.stream_opened();
    assert!(peer.delta_request().unwrap().initial_resource_versions.is_empty());
}

#[test]
fn an_unsubscribed_resource_is_forgotten_and_a_late_one_is_dropped() {
    let mut peer = Peer::open(true);
    peer.names(ENDPOINT, &["a", "b"]);
    let update = peer.push(ENDPOINT, "n1", &[("a", ""), ("b", "")], &[]);
    peer.accept(&update);
    peer.names(ENDPOINT, &["b"]);
    let late = peer.push(ENDPOINT, "n2", &[("a", ""), ("b", "")], &[]);
    assert_eq!(names(&late), ["b"]);
    peer.accept(&late);
    peer.session.stream_opened();
    assert_eq!(peer.delta_request().unwrap().initial_resource_versions.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn sotw_absence_removes_clusters_and_listeners_alone() {
    for type_url in [CLUSTER, LISTENER] {
        let mut peer = Peer::open(false);
        peer.wildcard(type_url);
        let update = peer.push(type_url, "n1", &[("a", ""), ("b", "")], &[]);
        assert!(update.removed.is_empty());
        // Also without a verdict in between: the proxy has seen it.
        let update = peer.push(type_url, "n2", &[("b", "")], &[]);
        assert_eq!(update.removed, ["a"]);
        let update = peer.push(type_url, "n3", &[("b", "")], &[]);
        assert!(update.removed.is_empty(), "it is removed once");
    }
    for type_url in [ENDPOINT, ROUTE] {
        let mut peer = Peer::open(false);
        peer.names(type_url, &["a", "b"]);
        let update = peer.push(type_url, "n1", &[("a", ""), ("b", "")], &[]);
        peer.accept(&update);
        assert!(peer.push(type_url, "n2", &[("b", "")], &[]).removed.is_empty());
    }
}

/// A cluster as it stands in a response: under this name, saying of itself that it has that one.
fn called(name: &str, own_name: Option<&str>) -> Received {
    Received {
        name: name.into(),
        version: String::new(),
        any_type_url: CLUSTER.into(),
        body: Default::default(),
        own_name: own_name.map(str::to_owned),
    }
}

fn clusters(resources: Vec<Received>) -> Response {
    Response {
        type_url: CLUSTER.into(),
        version: "v".into(),
        nonce: "n".into(),
        control_plane: None,
        resources,
        removed: Vec::new(),
    }
}

#[test]
fn bytes_without_a_name_remove_nothing_by_absence() {
    for bad in [None, Some("")] {
        let mut peer = Peer::open(false);
        peer.wildcard(CLUSTER);
        let update = peer.push(CLUSTER, "n1", &[("a", "1"), ("b", "1")], &[]);
        peer.accept(&update);
        peer.drain();
        let update = peer.session.receive(clusters(vec![called("a", Some("a")), called("", bad)])).unwrap();
        assert_eq!((names(&update), update.removed.len()), (vec!["a"], 0), "it may have been meant for b");
        peer.accept(&update);
        let nack = peer.sotw_request().unwrap();
        assert!(nack.error_detail.is_some() && nack.version_info == "version of n1", "{nack:?}");
        let update = peer.session.receive(clusters(vec![called("a", Some("a"))])).unwrap();
        assert_eq!(update.removed, ["b"]);
    }
}

#[test]
fn a_name_on_the_wire_that_is_not_the_resource_s_own_is_refused() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    peer.drain();
    let update = peer.session.receive(clusters(vec![called("a", Some("xds-grpc")), called("b", Some("b"))])).unwrap();
    assert_eq!(names(&update), ["b"]);
    peer.accept(&update);
    let message = peer.delta_request().unwrap().error_detail.unwrap().message;
    assert!(message.starts_with("a: ") && message.contains("\"xds-grpc\""), "{message}");
}

#[test]
fn a_resource_that_is_refused_for_its_name_does_not_remove_what_it_calls_itself() {
    let mut peer = Peer::open(false);
    peer.wildcard(CLUSTER);
    let update = peer.push(CLUSTER, "n1", &[("a", "1"), ("b", "1"), ("c", "1")], &[]);
    peer.accept(&update);
    let update = peer.session.receive(clusters(vec![called("other", Some("a")), called("b", Some("x"))])).unwrap();
    assert_eq!((names(&update).len(), &update.removed[..]), (0, &["c".to_owned()][..]), "a and b may be meant");
    peer.accept(&update);
    let update = peer.session.receive(clusters(vec![called("b", Some("b"))])).unwrap();
    assert_eq!(update.removed, ["a"], "it was held all the time");
}

#[test]
fn sotw_removal_is_found_across_streams_too() {
    let mut peer = Peer::open(false);
    peer.wildcard(CLUSTER);
    let update = peer.push(CLUSTER, "n1", &[("a", ""), ("b", "")], &[]);
    peer.accept(&update);
    peer.session.stream_closed("test");
    peer.session.stream_opened();
    let first = peer.sotw_request().unwrap();
    assert_eq!((first.version_info.as_str(), first.response_nonce.as_str()), ("version of n1", ""));
    assert_eq!(peer.push(CLUSTER, "m1", &[("b", "")], &[]).removed, ["a"]);
}

#[test]
fn sotw_unsubscribing_from_all_is_an_empty_request() {
    let mut peer = Peer::open(false);
    peer.names(ROUTE, &["80"]);
    peer.drain();
    peer.names(ROUTE, &[]);
    assert!(peer.sotw_request().unwrap().resource_names.is_empty());
    assert!(peer.sotw_request().is_none());
}

#[test]
fn stale_and_repeated_verdicts_send_nothing() {
    for delta in [true, false] {
        let mut peer = Peer::open(delta);
        peer.wildcard(CLUSTER);
        let update = peer.push(CLUSTER, "n1", &[("a", "1")], &[]);
        peer.session.stream_closed("test");
        peer.session.stream_opened();
        peer.drain();
        peer.accept(&update);
        peer.accept(&update);
        assert!(!peer.session.has_requests());
        // It counts for what is held all the same.
        assert_eq!(peer.session.status().types[CLUSTER].held, 1);
    }
}

#[test]
fn a_sotw_verdict_on_an_older_response_is_not_sent() {
    let mut peer = Peer::open(false);
    peer.wildcard(CLUSTER);
    peer.drain();
    let older = peer.push(CLUSTER, "n1", &[], &[]);
    let newer = peer.push(CLUSTER, "n2", &[], &[]);
    peer.accept(&older);
    assert!(!peer.session.has_requests());
    peer.accept(&newer);
    assert_eq!(peer.sotw_request().unwrap().response_nonce, "n2");
}

#[test]
fn a_resource_of_another_type_and_a_repeated_one_are_refused_here() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    peer.drain();
    let received = |name: &str, any_type_url: &str| Received {
        name: name.into(),
        version: String::new(),
        any_type_url: any_type_url.into(),
        body: Default::default(),
        own_name: Some(name.into()),
    };
    let update = peer
        .session
        .receive(Response {
            type_url: CLUSTER.into(),
            version: String::new(),
            nonce: "n".into(),
            control_plane: None,
            resources: vec![received("a", CLUSTER), received("l", LISTENER), received("a", CLUSTER)],
            removed: Vec::new(),
        })
        .unwrap();
    assert_eq!(names(&update), ["a"]);
    peer.accept(&update);
    let message = peer.delta_request().unwrap().error_detail.unwrap().message;
    assert!(message.contains("l: is a type.googleapis.com/envoy.config.listener"), "{message}");
    assert!(message.contains("a: is there twice"), "{message}");
}

#[test]
fn a_response_that_nobody_asked_for_is_ignored() {
    let mut peer = Peer::open(true);
    let response = Response {
        type_url: CLUSTER.into(),
        version: String::new(),
        nonce: String::new(),
        control_plane: None,
        resources: Vec::new(),
        removed: Vec::new(),
    };
    assert!(peer.session.receive(response).is_none());
}

#[test]
fn counters_follow_the_verdicts() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    let update = peer.push(CLUSTER, "n1", &[("a", "1")], &[]);
    peer.accept(&update);
    let update = peer.push(CLUSTER, "n2", &[("b", "1")], &[]);
    peer.reject(&update, "b", "no");
    peer.session.stream_closed("gone");
    let status = peer.session.status();
    assert!(!status.connected);
    assert_eq!((status.streams, status.failures, status.last_error.as_deref()), (1, 1, Some("gone")));
    let counters = &status.types[CLUSTER];
    assert_eq!((counters.update_success, counters.update_rejected, counters.update_failure), (1, 1, 1));
    assert_eq!((counters.update_attempt, counters.held), (3, 1));
    assert_eq!(counters.version, "version of n1");
}

#[test]
fn a_nack_is_cut_before_it_grows_too_large_to_be_received() {
    let mut peer = Peer::open(true);
    peer.wildcard(CLUSTER);
    peer.drain();
    let update = peer.push(CLUSTER, "n1", &[], &[]);
    let one = Rejected { name: "x".repeat(1000), reason: "y".repeat(1000) };
    peer.session.decide(&update.id, Err(vec![one; 5000]));
    let message = peer.delta_request().unwrap().error_detail.unwrap().message;
    assert!(message.len() < 300_000 && message.ends_with(" more"), "{}", message.len());
}
