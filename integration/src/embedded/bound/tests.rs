//! Looking at ourselves.

use super::*;

#[test]
fn finds_our_own_listener_and_not_a_closed_one() {
    let kept = std::net::TcpListener::bind("127.0.0.9:0").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.9:0").unwrap().local_addr().unwrap();
    let found = listening(std::process::id()).unwrap();
    assert!(found.contains(&kept.local_addr().unwrap()));
    assert!(!found.contains(&closed));
}
