//! Tests of `ports`.

use std::collections::HashSet;

use super::*;

#[test]
fn a_number_is_given_once_whatever_the_address() {
    let addresses = [loopback(), IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let ports: Vec<u16> = (0..120).map(|turn| free(addresses[turn % 3]).port()).collect();
    assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
    assert!(!reserve(ports[0]), "held as long as the process lives");
}
