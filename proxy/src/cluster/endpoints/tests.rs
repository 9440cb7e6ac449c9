//! Tests of `endpoints`.

use std::path::PathBuf;

use super::*;
use crate::cluster::testing::{address, assignment, endpoint, endpoint_at, locality};

fn set(assignment: &LoadAssignment, before: &EndpointSet) -> EndpointSet {
    EndpointSet::new(assignment, before, &Born::default(), |_| Some(0))
}

#[test]
fn an_identity_stays_as_long_as_its_address() {
    let first = set(&assignment(vec![endpoint(address(1)), endpoint(address(2))]), &EndpointSet::empty());
    let moved = LoadAssignment {
        localities: vec![locality("b", Some(1), 1, vec![endpoint(address(2)), endpoint(address(3))])],
        ..assignment(Vec::new())
    };
    let second = set(&moved, &first);
    let identities = |set: &EndpointSet| set.iter().map(|one| Arc::clone(&one.identity)).collect::<Vec<_>>();
    let (first, second) = (identities(&first), identities(&second));
    assert!(Arc::ptr_eq(&first[1], &second[0]));
    assert_eq!(&*second[1].printed, "10.0.0.3:80");
}

#[test]
fn of_equal_addresses_the_first_counts() {
    let twice = vec![config::endpoint::Endpoint { weight: 5, ..endpoint(address(1)) }, endpoint(address(1))];
    let set = set(&assignment(twice), &EndpointSet::empty());
    assert_eq!(set.iter().map(|endpoint| endpoint.weight).collect::<Vec<_>>(), [5]);
}

#[test]
fn priorities_make_levels_and_gaps_are_empty() {
    let gapped = LoadAssignment {
        localities: vec![
            locality("a", Some(3), 2, vec![endpoint(address(1))]),
            locality("b", None, 0, vec![endpoint(address(2))]),
            locality("c", Some(1), 2, Vec::new()),
            locality("mad", None, u32::MAX, vec![endpoint(address(3))]),
        ],
        ..assignment(Vec::new())
    };
    let set = set(&gapped, &EndpointSet::empty());
    assert_eq!(set.levels.iter().take(3).map(|level| level.len()).collect::<Vec<_>>(), [1, 0, 2]);
    assert_eq!(set.levels.len(), MAX_PRIORITY as usize + 1);
    assert_eq!(set.levels[2][0].weight, Some(3));
}

#[test]
fn health_is_counted_and_what_cannot_be_reached_is_left_out() {
    let with = |last, health| config::endpoint::Endpoint { health, ..endpoint(address(last)) };
    let internal = Address::Internal { listener: "connect_originate".into(), endpoint_id: "10.0.0.9:80".into() };
    let name = Address::Name { host: "app.example".into(), port: 80 };
    let endpoints = vec![
        with(1, HealthStatus::Healthy),
        with(2, HealthStatus::Unknown),
        with(3, HealthStatus::Degraded),
        with(4, HealthStatus::Draining),
        with(5, HealthStatus::Timeout),
        endpoint_at(internal),
        endpoint_at(name),
        endpoint_at(Address::Pipe(PathBuf::from("/run/app.sock"))),
    ];
    let set = set(&assignment(endpoints), &EndpointSet::empty());
    assert_eq!(set.counts(), Membership { total: 6, healthy: 3, degraded: 1, excluded: 0 });
    assert_eq!(&*set.iter().last().expect("a pipe").identity.printed, "/run/app.sock");
}

#[test]
fn a_logical_host_keeps_its_identity_when_its_address_changes() {
    let name = Address::Name { host: "app.example".into(), port: 80 };
    let assignment = assignment(vec![endpoint_at(name)]);
    let answers = |last: u8| {
        HashMap::from([(Arc::from("app.example"), vec![IpAddr::from([10, 0, 0, last]), IpAddr::from([10, 0, 0, 9])])])
    };
    let first = EndpointSet::logical(&assignment, &answers(1), &EndpointSet::empty(), &Born::default(), |_| Some(0));
    let second = EndpointSet::logical(&assignment, &answers(2), &first, &Born::default(), |_| Some(0));
    let only = |set: &EndpointSet| Arc::clone(set.iter().next().expect("one"));
    assert!(Arc::ptr_eq(&only(&first).identity, &only(&second).identity));
    assert_eq!(only(&second).address, Address::Socket(address(2)));
    assert_eq!(&*only(&second).additional, [address(9)]);
    assert_eq!(&*only(&second).hostname, "app.example", "what requests and handshakes name it, as with STRICT_DNS");
    assert_eq!(
        EndpointSet::logical(&assignment, &HashMap::new(), &second, &Born::default(), |_| Some(0)).iter().count(),
        0
    );
}
