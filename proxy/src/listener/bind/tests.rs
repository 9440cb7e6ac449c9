//! Sockets, and what is said when they cannot be had.

use std::io::Read;
use std::os::unix::net::UnixStream;

use super::*;
use crate::listener::tests::config;

#[test]
fn every_worker_has_a_socket_of_the_same_address() {
    let bound = bind(&config("127.0.0.1:0", Vec::new()), 3).unwrap();
    let address = bound.addresses()[0];
    assert_ne!(address.port(), 0);
    let sockets = bound.listen().unwrap();
    assert_eq!(sockets.len(), 3);
    for worker in &sockets {
        let [Socket::Tcp(socket)] = &worker[..] else { panic!("one TCP socket") };
        assert_eq!(socket.local_addr().unwrap(), address);
    }
}

#[test]
fn an_older_copy_of_ours_is_reported_and_not_shared_with() {
    let older = bind(&config("127.0.0.1:0", Vec::new()), 2).unwrap();
    let address = older.addresses()[0].to_string();
    let _sockets = older.listen().unwrap();
    let failure = bind(&config(&address, Vec::new()), 2).unwrap_err().to_string();
    assert!(failure.starts_with(&format!("cannot bind {address}: Address already in use")), "{failure}");
    assert!(failure.contains("another process holds it"), "{failure}");
}

#[test]
fn an_address_that_is_not_ours_is_named() {
    let failure = bind(&config("192.0.2.1:8080", Vec::new()), 1).unwrap_err().to_string();
    assert!(failure.contains("192.0.2.1:8080") && failure.contains("no such address"), "{failure}");
}

#[test]
fn unbound_listeners_have_no_sockets_and_additional_addresses_have_theirs() {
    let mut listener = config("127.0.0.1:0", Vec::new());
    listener.bind_to_port = false;
    assert!(bind(&listener, 1).unwrap().addresses().is_empty());
    listener.bind_to_port = true;
    listener.additional_addresses = vec!["127.0.0.2:0".parse().unwrap()];
    let addresses = bind(&listener, 2).unwrap().addresses();
    assert_eq!(
        addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>(),
        ["127.0.0.1", "127.0.0.2"]
    );
}

#[test]
fn options_are_inherited_or_refused() {
    let mut listener = config("127.0.0.1:0", Vec::new());
    listener.freebind = true;
    listener.backlog = Some(7);
    listener.tcp_keepalive = Some(config::cluster::TcpKeepalive { probes: Some(3), time: None, interval: None });
    let bound = bind(&listener, 1).unwrap();
    let socket = &bound.workers[0][0];
    assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap() && socket.freebind_v4().unwrap());
    listener.socket_options.push(config::listener::SocketOption { level: 1, name: 9999, value: vec![0; 4] });
    assert!(bind(&listener, 1).is_err());
}

#[test]
fn unix_sockets_replace_what_a_killed_process_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut listener = config("127.0.0.1:0", Vec::new());
    listener.address = Some(Address::Pipe(path.clone()));
    let sockets = bind(&listener, 2).unwrap().listen().unwrap();
    let [Socket::Unix(socket)] = &sockets[1][..] else { panic!("one Unix socket") };
    let mut near = UnixStream::connect(&path).unwrap();
    socket.set_nonblocking(false).unwrap();
    drop(socket.accept().unwrap());
    assert_eq!(near.read(&mut [0]).unwrap(), 0);
    let failure = bind(&listener, 1).unwrap_err().to_string();
    assert!(failure.contains("another process holds it"), "{failure}");

    let name = format!("@outrigger-test-{}", std::process::id());
    listener.address = Some(Address::Pipe(name.into()));
    assert!(bind(&listener, 1).unwrap().listen().is_ok());
}
