//! Sockets, and what is said when they cannot be had.

use std::io::Read;
use std::os::unix::net::UnixStream;

use super::*;
use crate::listener::tests::config;

/// The sockets of a listener's first address.
pub(crate) fn bind(config: &Listener, workers: usize) -> Result<Bound, BindFailure> {
    open(&addresses(config)[0], &Settings::of(config), workers, Neighbours::None)
}

#[test]
fn every_worker_has_a_socket_of_the_same_address() {
    let bound = bind(&config("127.0.0.1:0", Vec::new()), 3).unwrap();
    let address = bound.address().unwrap();
    assert_ne!(address.port(), 0);
    let sockets = bound.listen().unwrap();
    assert_eq!(sockets.len(), 3);
    for socket in &sockets {
        let Socket::Tcp(socket) = socket else { panic!("a TCP socket") };
        assert_eq!(socket.local_addr().unwrap(), address);
    }
}

#[test]
fn an_older_copy_of_ours_is_reported_and_not_shared_with() {
    let older = bind(&config("127.0.0.1:0", Vec::new()), 2).unwrap();
    let address = older.address().unwrap().to_string();
    let _sockets = older.listen().unwrap();
    let failure = bind(&config(&address, Vec::new()), 2).unwrap_err().to_string();
    assert!(failure.starts_with(&format!("cannot bind {address}: Address already in use")), "{failure}");
    assert!(failure.contains("another process holds it"), "{failure}");
}

#[test]
fn sockets_of_ours_are_joined_where_they_are_known_of() {
    let older = bind(&config("127.0.0.1:0", Vec::new()), 1).unwrap();
    let address = Address::Socket(older.address().unwrap());
    let settings = Settings::of(&config("127.0.0.1:0", Vec::new()));
    let _sockets = older.listen().unwrap();
    let beside = open(&address, &settings, 2, Neighbours::Ours).unwrap();
    assert_eq!(beside.address().map(Address::Socket), Some(address));
    assert_eq!(beside.listen().unwrap().len(), 2);
}

#[test]
fn all_addresses_of_a_port_overlap_with_each_of_them() {
    let address = |text: &str| Address::Socket(text.parse().unwrap());
    let pairs = [
        ("0.0.0.0:80", "127.0.0.5:80", true),
        ("127.0.0.5:80", "0.0.0.0:80", true),
        ("127.0.0.5:80", "127.0.0.5:80", true),
        ("127.0.0.5:80", "127.0.0.6:80", false),
        ("0.0.0.0:80", "127.0.0.5:81", false),
        ("[::]:80", "127.0.0.5:80", false),
        ("[::ffff:127.0.0.5]:80", "127.0.0.5:80", true),
        ("0.0.0.0:0", "0.0.0.0:0", false),
    ];
    for (left, right, wanted) in pairs {
        let one = Settings::of(&config("127.0.0.1:0", Vec::new()));
        let both = |one: &Settings, other: &Settings| overlap((&address(left), one), (&address(right), other));
        assert_eq!(both(&one, &one), wanted, "{left} {right}");
        if left == "[::]:80" {
            let compat = Settings { ipv4_compat: true, ..one.clone() };
            assert!(both(&compat, &one) && both(&one, &compat), "a socket of both families");
        }
    }
}

#[test]
fn an_address_that_is_not_ours_is_named() {
    let failure = bind(&config("192.0.2.1:8080", Vec::new()), 1).unwrap_err().to_string();
    assert!(failure.contains("192.0.2.1:8080") && failure.contains("no such address"), "{failure}");
}

#[test]
fn unbound_listeners_have_no_addresses_and_additional_addresses_count_once() {
    let mut listener = config("127.0.0.1:81", Vec::new());
    listener.bind_to_port = false;
    assert_eq!(addresses(&listener), []);
    listener.bind_to_port = true;
    listener.additional_addresses =
        ["127.0.0.2:82", "127.0.0.1:81", "127.0.0.2:82"].map(|text| text.parse::<SocketAddr>().unwrap().into()).into();
    let printed: Vec<String> = addresses(&listener).iter().map(printed).collect();
    assert_eq!(printed, ["127.0.0.1:81", "127.0.0.2:82"]);
}

#[test]
fn options_are_inherited_or_refused() {
    let mut listener = config("127.0.0.1:0", Vec::new());
    listener.freebind = true;
    listener.backlog = Some(7);
    listener.tcp_keepalive = Some(TcpKeepalive { probes: Some(3), time: None, interval: None });
    let bound = bind(&listener, 1).unwrap();
    let socket = &bound.workers[0];
    assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap() && socket.freebind_v4().unwrap());
    listener.socket_options.push(SocketOption {
        level: 1,
        name: 9999,
        value: vec![0; 4],
        state: Default::default(),
        four: None,
    });
    assert!(bind(&listener, 1).is_err());
}

#[test]
fn one_socket_is_shared_where_the_port_is_not_reused() {
    let mut listener = config("127.0.0.1:0", Vec::new());
    listener.reuse_port = false;
    let bound = bind(&listener, 3).unwrap();
    assert_eq!(bound.workers.len(), 3);
    assert!(!bound.workers[0].reuse_port().unwrap());
    let addresses: Vec<_> = bound.workers.iter().map(|socket| socket.local_addr().unwrap().as_socket()).collect();
    assert!(addresses.iter().all(|address| *address == bound.address()), "{addresses:?}");
}

#[test]
fn unix_sockets_replace_what_a_killed_process_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut listener = config("127.0.0.1:0", Vec::new());
    listener.address = Some(Address::Pipe(path.clone()));
    let sockets = bind(&listener, 2).unwrap().listen().unwrap();
    let Socket::Unix(socket) = &sockets[1] else { panic!("a Unix socket") };
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

#[test]
fn a_unix_socket_has_the_mode_that_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let mode_of = |mode: u32| {
        let path = directory.path().join(format!("socket-{mode:o}"));
        let mut listener = config("127.0.0.1:0", Vec::new());
        (listener.address, listener.pipe_mode) = (Some(Address::Pipe(path.clone())), mode);
        let _sockets = bind(&listener, 1).unwrap().listen().unwrap();
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    for mode in [0o666, 0o600, 0o777] {
        assert_eq!(mode_of(mode), mode);
    }
    assert_ne!(mode_of(0), 0);
}

#[test]
fn an_additional_address_has_options_of_its_own_or_the_listeners() {
    let mut listener = config("127.0.0.1:0", Vec::new());
    let hops = |value: i32| SocketOption {
        level: libc::IPPROTO_IP,
        name: libc::IP_TTL,
        value: value.to_ne_bytes().to_vec(),
        state: Default::default(),
        four: None,
    };
    listener.socket_options = vec![hops(3)];
    let address: SocketAddr = "127.0.0.2:0".parse().unwrap();
    let more = |options: Option<Vec<SocketOption>>| AdditionalAddress { socket_options: options, ..address.into() };
    let keepalive = TcpKeepalive { probes: Some(3), time: None, interval: None };
    let patient = AdditionalAddress { tcp_keepalive: Some(keepalive), ..address.into() };
    listener.additional_addresses = vec![more(None), more(Some(vec![hops(5)])), more(Some(Vec::new())), patient];
    let found = places(&listener).into_iter().map(|(address, settings)| {
        let bound = open(&address, &settings, 1, Neighbours::None).unwrap();
        let socket = &bound.workers[0];
        (socket.ttl_v4().unwrap(), socket.keepalive().unwrap())
    });
    let system = RawSocket::new(Domain::IPV4, Type::STREAM, None).unwrap().ttl_v4().unwrap();
    let expected = [(3, false), (3, false), (5, false), (system, false), (3, true)];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn options_are_set_in_the_state_that_they_are_for() {
    let hops = |value: i32, state: SocketState, four: Option<bool>| SocketOption {
        level: libc::IPPROTO_IP,
        name: libc::IP_TTL,
        value: value.to_ne_bytes().to_vec(),
        state,
        four,
    };
    let ttls = |options: Vec<SocketOption>| {
        let mut listener = config("127.0.0.1:0", Vec::new());
        listener.socket_options = options;
        let bound = bind(&listener, 1).unwrap();
        let before = bound.workers[0].ttl_v4().unwrap();
        let Socket::Tcp(socket) = bound.listen().unwrap().remove(0) else { panic!("TCP expected") };
        (before, socket.ttl().unwrap())
    };
    use SocketState::{Bound, Listening, Prebind};
    assert_eq!(ttls(vec![hops(5, Listening, None), hops(4, Bound, None), hops(3, Prebind, None)]), (4, 5));
    assert_eq!(ttls(vec![hops(3, Prebind, None), hops(4, Bound, Some(false)), hops(5, Listening, Some(true))]), (3, 5));
    let refused = |state| {
        let mut listener = config("127.0.0.1:0", Vec::new());
        listener.socket_options = vec![SocketOption { name: 9999, ..hops(1, state, None) }];
        let bound = bind(&listener, 1);
        (bound.is_err(), bound.is_ok_and(|bound| bound.listen().is_err()))
    };
    assert_eq!([Prebind, Bound, Listening].map(refused), [(true, false), (true, false), (false, true)]);
}

#[test]
fn an_ipv6_socket_takes_ipv4_where_it_is_asked_to() {
    let reached = |compat: bool| {
        let mut listener = config("[::]:0", Vec::new());
        listener.ipv4_compat = compat;
        let bound = bind(&listener, 1).unwrap();
        let port = bound.address().unwrap().port();
        let _sockets = bound.listen().unwrap();
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    };
    assert!(reached(true) && !reached(false));
}
