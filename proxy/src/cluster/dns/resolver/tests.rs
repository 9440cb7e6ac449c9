//! Tests of `resolver`. Its [`Server`] answers the tests of `refresh`, too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::net::UdpSocket;

use super::*;
use crate::cluster::testing::run;

const A: u16 = 1;
const AAAA: u16 = 28;

/// What the server says of a name and type: addresses with a TTL, or a response code.
#[derive(Clone)]
pub enum Says {
    Addresses(Vec<IpAddr>, u32),
    Code(u8),
    Nothing,
}

/// A DNS server over UDP, its packets built by hand (RFC 1035 section 4).
pub struct Server {
    pub address: SocketAddr,
    asked: Rc<RefCell<Vec<(String, u16)>>>,
}

impl Server {
    pub async fn start(says: impl Fn(&str, u16) -> Says + 'static) -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let server = Server { address: socket.local_addr().expect("bound"), asked: Rc::default() };
        let asked = Rc::clone(&server.asked);
        tokio::task::spawn_local(async move {
            let mut packet = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut packet).await {
                let (name, kind, question) = parse(&packet[..length]);
                asked.borrow_mut().push((name.clone(), kind));
                let reply = reply(&packet[..2], question, kind, &says(&name, kind));
                if !reply.is_empty() {
                    socket.send_to(&reply, peer).await.expect("sent");
                }
            }
        });
        server
    }
}

fn parse(packet: &[u8]) -> (String, u16, &[u8]) {
    let mut name = String::new();
    let mut at = 12;
    while packet[at] != 0 {
        let length = packet[at] as usize;
        name.push_str(&String::from_utf8_lossy(&packet[at + 1..at + 1 + length]).to_ascii_lowercase());
        name.push('.');
        at += length + 1;
    }
    let kind = u16::from_be_bytes([packet[at + 1], packet[at + 2]]);
    (name, kind, &packet[12..at + 5])
}

fn reply(id: &[u8], question: &[u8], kind: u16, says: &Says) -> Vec<u8> {
    let (addresses, ttl, code) = match says {
        Says::Addresses(addresses, ttl) => (addresses.clone(), *ttl, 0),
        Says::Code(code) => (Vec::new(), 0, *code),
        Says::Nothing => return Vec::new(),
    };
    let addresses: Vec<IpAddr> = addresses.into_iter().filter(|address| address.is_ipv4() == (kind == A)).collect();
    let mut packet = id.to_vec();
    packet.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    packet.extend_from_slice(question);
    for address in addresses {
        packet.extend_from_slice(&[0xc0, 12]);
        packet.extend_from_slice(&kind.to_be_bytes());
        packet.extend_from_slice(&[0, 1]);
        packet.extend_from_slice(&ttl.to_be_bytes());
        match address {
            IpAddr::V4(address) => packet.extend([&[0, 4][..], &address.octets()].concat()),
            IpAddr::V6(address) => packet.extend([&[0, 16][..], &address.octets()].concat()),
        }
    }
    packet
}

fn four(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn six(last: u16) -> IpAddr {
    IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last])
}

fn resolver() -> Arc<Resolver> {
    Resolver::with_files("/nonexistent/resolv.conf", "/nonexistent/hosts")
}

fn asks(servers: &[SocketAddr]) -> DnsResolver {
    DnsResolver { servers: servers.to_vec(), ..DnsResolver::default() }
}

fn both(name: &str, _kind: u16) -> Says {
    match name {
        "both.example." => Says::Addresses(vec![four(1), four(2), six(1)], 30),
        "four.example." => Says::Addresses(vec![four(3)], 30),
        "six.example." => Says::Addresses(vec![six(3)], 30),
        "broken.example." => Says::Code(2),
        _ => Says::Code(3),
    }
}

#[test]
fn families() {
    run(async {
        let server = Server::start(both).await;
        let resolver = resolver();
        let servers = asks(&[server.address]);
        let expected: BTreeMap<(&str, u8), Vec<IpAddr>> = BTreeMap::from([
            (("both.example.", 0), vec![six(1)]),
            (("both.example.", 1), vec![four(1), four(2)]),
            (("both.example.", 2), vec![six(1)]),
            (("both.example.", 3), vec![four(1), four(2)]),
            (("both.example.", 4), vec![four(1), four(2), six(1)]),
            (("four.example.", 0), vec![four(3)]),
            (("four.example.", 2), vec![]),
            (("six.example.", 3), vec![six(3)]),
            (("six.example.", 4), vec![six(3)]),
        ]);
        for ((name, family), addresses) in expected {
            let family =
                [DnsFamily::Auto, DnsFamily::V4Only, DnsFamily::V6Only, DnsFamily::V4Preferred, DnsFamily::All]
                    [usize::from(family)];
            let answer = resolver.lookup(name, family, &servers).await.expect("an answer");
            assert_eq!(answer.addresses, addresses, "{name} {family:?}");
        }
        assert!(server.asked.borrow().iter().any(|(_, kind)| *kind == AAAA));
    });
}

#[test]
fn the_answer_s_ttl_is_told() {
    run(async {
        let server = Server::start(both).await;
        let answer =
            resolver().lookup("four.example.", DnsFamily::V4Only, &asks(&[server.address])).await.expect("an answer");
        let ttl = answer.ttl.expect("a TTL");
        assert!(!ttl.is_zero() && ttl <= Duration::from_secs(30), "{ttl:?}");
    });
}

#[test]
fn no_such_name_is_an_answer_and_a_broken_server_is_none() {
    run(async {
        let server = Server::start(both).await;
        let resolver = resolver();
        let missing = resolver.lookup("missing.example.", DnsFamily::All, &asks(&[server.address])).await;
        assert_eq!(missing, Ok(Answer::default()));
        let broken = resolver.lookup("broken.example.", DnsFamily::V4Only, &asks(&[server.address])).await;
        assert!(broken.is_err(), "{broken:?}");
    });
}

/// Then what was known before still holds.
#[test]
fn one_family_without_addresses_and_the_other_without_an_answer_is_no_answer() {
    run(async {
        for broken in [A, AAAA] {
            let server = Server::start(
                move |_, kind| if kind == broken { Says::Code(2) } else { Says::Addresses(Vec::new(), 0) },
            )
            .await;
            for family in [DnsFamily::Auto, DnsFamily::V4Preferred, DnsFamily::All] {
                let answer = resolver().lookup("app.example.", family, &asks(&[server.address])).await;
                assert!(answer.is_err(), "{broken} {family:?} {answer:?}");
            }
        }
    });
}

#[test]
fn nothing_is_cached() {
    run(async {
        let server = Server::start(both).await;
        let resolver = resolver();
        for _ in 0..2 {
            resolver.lookup("four.example.", DnsFamily::V4Only, &asks(&[server.address])).await.expect("an answer");
        }
        assert_eq!(server.asked.borrow().len(), 2);
    });
}

#[test]
fn a_silent_server_fails_in_time() {
    crate::cluster::testing::run_paused(async {
        let server = Server::start(|_, _| Says::Nothing).await;
        let result = resolver().lookup("four.example.", DnsFamily::V4Only, &asks(&[server.address])).await;
        assert!(result.is_err(), "{result:?}");
    });
}

#[test]
fn files_are_read_again_when_they_change() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let hosts = folder.path().join("hosts");
        let resolver = Resolver::with_files(folder.path().join("resolv.conf"), &hosts);
        let missing = resolver.lookup("app", DnsFamily::V4Only, &asks(&[])).await;
        assert!(missing.is_err_and(|failure| failure.0.contains("resolv.conf")));
        fs::write(&hosts, "10.0.0.1 app\nfd00::1 app # both\n").expect("written");
        let answer = resolver.lookup("app", DnsFamily::All, &asks(&[])).await.expect("an answer");
        assert_eq!(answer, Answer { addresses: vec![four(1), six(1)], ttl: None });
    });
}

#[test]
fn what_is_no_name_is_refused() {
    run(async {
        let long = "a".repeat(64);
        assert!(resolver().lookup(&long, DnsFamily::V4Only, &asks(&[])).await.is_err());
    });
}

/// What of the system's file counts is what the cluster does not say itself.
#[test]
fn settings_are_the_system_s_where_the_cluster_says_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("resolv.conf");
    fs::write(&path, "nameserver 10.0.0.53\nsearch svc.example\noptions ndots:3 timeout:7 attempts:4\n")
        .expect("written");
    let resolver = Resolver::with_files(&path, "/nonexistent/hosts");
    let settings = |how: &DnsResolver| resolver.settings(how).expect("settings");
    let servers = |config: &ResolverConfig| -> Vec<(IpAddr, Vec<bool>)> {
        let over = |server: &NameServerConfig| {
            server.connections.iter().map(|one| matches!(one.protocol, ProtocolConfig::Tcp)).collect()
        };
        config.name_servers().iter().map(|server| (server.ip, over(server))).collect()
    };
    let system: IpAddr = [10, 0, 0, 53].into();
    let (config, options) = settings(&DnsResolver::default());
    assert_eq!(servers(&config), [(system, vec![false, true])]);
    assert_eq!(config.search().len(), 1);
    assert_eq!((options.ndots, options.timeout, options.attempts), (3, Duration::from_secs(7), 4));
    assert_eq!(options.server_ordering_strategy, ServerOrderingStrategy::UserProvidedOrder);

    let own = SocketAddr::from(([10, 0, 0, 1], 54));
    let how = DnsResolver {
        tcp: true,
        no_search: true,
        timeout: Some(Duration::from_secs(2)),
        tries: Some(1),
        rotates: true,
        payload: Some(512),
        ..asks(&[own])
    };
    let (config, options) = settings(&how);
    assert_eq!(servers(&config), [(own.ip(), vec![true])], "never over UDP");
    assert_eq!(config.name_servers()[0].connections[0].port, 54);
    assert!(config.search().is_empty() && config.domain().is_none());
    assert_eq!((options.ndots, options.timeout, options.attempts), (3, Duration::from_secs(2), 0));
    assert_eq!((options.server_ordering_strategy, options.edns_payload_len), (ServerOrderingStrategy::RoundRobin, 512));

    let (config, _) = settings(&asks(&[own]));
    assert_eq!((servers(&config)[0].0, config.search().len()), (own.ip(), 1), "search domains are the system's");
    let fallback = DnsResolver { is_fallback: true, ..asks(&[own]) };
    assert_eq!(servers(&settings(&fallback).0)[0].0, system);
    fs::write(&path, "search svc.example\n").expect("written");
    assert_eq!(servers(&settings(&fallback).0)[0].0, own.ip(), "there is no other");
    assert!(resolver.settings(&DnsResolver::default()).is_err());
}

#[test]
fn families_that_nothing_routes_are_left_out() {
    let none = Routable { four: true, six: false };
    assert!(none.reaches(&four(1)) && !none.reaches(&six(1)));
}
