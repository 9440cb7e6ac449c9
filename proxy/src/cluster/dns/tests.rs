//! Tests of `dns`.

use std::net::IpAddr;

use config::endpoint::Endpoint;

use super::*;
use crate::cluster::testing::{address, assignment, endpoint, endpoint_at};

fn name(host: &str) -> Address {
    Address::Name { host: host.into(), port: 80 }
}

#[test]
fn every_address_of_a_name_inherits_its_weight() {
    let weighted = Endpoint { weight: 7, ..endpoint_at(name("app.example")) };
    let given = assignment(vec![weighted, endpoint(address(9)), endpoint_at(name("silent.example"))]);
    let answers =
        Answers::from([("app.example".into(), vec![IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])])]);
    let resolved = resolved(&given, &answers);
    let seen: Vec<(Address, u32, &str)> = resolved.localities[0]
        .endpoints
        .iter()
        .map(|endpoint| (endpoint.address.clone(), endpoint.weight, &*endpoint.hostname))
        .collect();
    assert_eq!(
        seen,
        [
            (Address::Socket(address(1)), 7, "app.example"),
            (Address::Socket(address(2)), 7, "app.example"),
            (Address::Socket(address(9)), 1, ""),
        ]
    );
}

#[test]
fn literal_addresses_need_no_dns() {
    let given = assignment(vec![
        endpoint_at(name("10.0.0.1")),
        endpoint_at(name("::1")),
        endpoint_at(name("[::1]")),
        endpoint_at(name("app.example")),
        endpoint_at(Address::Name { host: "app.example".into(), port: 81 }),
    ]);
    assert_eq!(names(&given), [Arc::from("app.example")]);
    assert_eq!(resolved(&given, &Answers::new()).localities[0].endpoints.len(), 3);
}
