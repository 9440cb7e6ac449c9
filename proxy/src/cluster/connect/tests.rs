//! Tests of `connect`.

use std::cell::Cell;

use config::cluster::{Bind, Cluster as Config, Discovery, Source, TcpKeepalive};
use config::listener::{SocketOption, SocketState};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UnixListener};

use super::*;
use crate::cluster::Priority;
use crate::cluster::endpoints::EndpointSet;
use crate::cluster::testing::*;

fn key() -> Key {
    Key {
        transport: 0,
        speaks: Speaks::Bytes,
        priority: Priority::Default,
        alpn: None,
        sni: None,
        demanded: None,
        proxied: None,
        tlvs: None,
        client: None,
    }
}

async fn connect_to(
    endpoint: config::endpoint::Endpoint,
    change: impl FnOnce(&mut Config),
) -> Result<Connected, ConnectFailure> {
    let bench = Bench::new();
    let mut config = config(Discovery::Static(assignment(vec![endpoint])));
    change(&mut config);
    let cluster = bench.publish(config);
    let endpoints = cluster.endpoints_owned();
    let endpoint = endpoints.iter().next().expect("one endpoint");
    connect(&Sockets, &cluster, endpoint, &key()).await
}

fn failed(result: Result<Connected, ConnectFailure>) -> (ConnectFailureKind, String) {
    let failure = result.err().expect("no connection");
    (failure.kind, failure.transport_reason.as_deref().unwrap_or("").to_owned())
}

fn from(address: SocketAddr) -> Option<Arc<Bind>> {
    Some(Arc::new(Bind { sources: vec![Source { address, options: None }], ..Bind::default() }))
}

fn option(name: i32) -> SocketOption {
    SocketOption {
        level: libc::IPPROTO_IP,
        name,
        value: 3_i32.to_ne_bytes().to_vec(),
        state: Default::default(),
        four: None,
    }
}

#[test]
fn sockets_are_told_what_the_configuration_says() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let with = |options: Vec<SocketOption>| {
            move |config: &mut Config| config.bind = Some(Arc::new(Bind { options, ..Bind::default() }))
        };
        let connected = connect_to(endpoint(address), with(vec![option(libc::IP_TTL)])).await.expect("a connection");
        let Io::Tcp(stream) = connected.stream.io() else { panic!("TCP expected") };
        assert_eq!(socket2::SockRef::from(stream).ttl_v4().expect("told"), 3);
        let result = connect_to(endpoint(address), with(vec![option(9999)])).await;
        let reason = "failed to set socket option 0/9999: Protocol not available";
        assert_eq!(failed(result), (ConnectFailureKind::Local, reason.to_owned()));
        // As in Envoy: none of them is for this socket.
        let others = [
            SocketOption { state: SocketState::Bound, ..option(9999) },
            SocketOption { state: SocketState::Listening, ..option(9999) },
            SocketOption { four: Some(false), ..option(9999) },
        ];
        connect_to(endpoint(address), with(others.into())).await.expect("a connection");
        let four = SocketOption { four: Some(true), ..option(9999) };
        assert!(connect_to(endpoint(address), with(vec![four])).await.is_err());
    });
}

#[test]
fn an_address_that_is_not_there_may_be_bound() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let free = connect_to(endpoint(address), |config| {
            let bind = from(SocketAddr::from(([203, 0, 113, 7], 0)));
            config.bind = bind.map(|bind| Arc::new(Bind { freebind: true, ..Bind::clone(&bind) }));
            config.connect_timeout = Duration::from_millis(50);
        });
        // What becomes of it is the network's to say; it is not the binding that fails.
        if let Err(failure) = free.await {
            let reason = failure.transport_reason.as_deref().unwrap_or_default().to_owned();
            assert!(!reason.contains("failed to bind"), "{reason}");
        }
    });
}

#[test]
fn tcp_with_a_source_address_and_keepalive() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let connected = connect_to(endpoint(address), |config| {
            config.bind = from(SocketAddr::from(([127, 0, 0, 6], 0)));
            config.tcp_keepalive =
                Some(TcpKeepalive { probes: Some(3), time: Some(Duration::from_secs(60)), interval: None });
        });
        let connected = connected.await.expect("a connection");
        let (_, peer) = listener.accept().await.expect("accepted");
        assert_eq!(peer.ip(), std::net::IpAddr::from([127, 0, 0, 6]));
        assert_eq!(connected.facts.local, Some(peer));
        let Io::Tcp(stream) = connected.stream.io() else { panic!("TCP expected") };
        let socket = socket2::SockRef::from(stream);
        assert!(socket.keepalive().expect("told") && socket.tcp_nodelay().expect("told"));
        assert_eq!(socket.tcp_keepalive_retries().expect("told"), 3);
    });
}

#[test]
fn a_source_address_that_is_not_ours() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let source = SocketAddr::from(([203, 0, 113, 7], 0));
        let result = connect_to(endpoint(address), |config| config.bind = from(source)).await;
        let reason = "failed to bind to 203.0.113.7:0: Cannot assign requested address";
        assert_eq!(failed(result), (ConnectFailureKind::Local, reason.to_owned()));
    });
}

#[test]
fn pipes_are_connected_to_without_a_source_address() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.sock");
        let source = |config: &mut Config| config.bind = from(SocketAddr::from(([127, 0, 0, 6], 0)));
        let missing = connect_to(endpoint_at(Address::Pipe(path.clone())), source).await;
        let reason = format!("immediate connect error: No such file or directory|remote address:{}", path.display());
        assert_eq!(failed(missing), (ConnectFailureKind::Remote, reason));
        let _listener = UnixListener::bind(&path).expect("a socket");
        let connected = connect_to(endpoint_at(Address::Pipe(path.clone())), source).await.expect("a connection");
        assert_eq!(&*connected.facts.peer, path.to_str().expect("text"));
        assert_eq!(connected.facts.local, None);
    });
}

#[test]
fn abstract_pipes() {
    run(async {
        let name = format!("outrigger-test-{}", fastrand::u64(..));
        let address = SockAddrOf(&name).bind();
        let connected = connect_to(endpoint_at(Address::Pipe(format!("@{name}").into())), |_| {}).await;
        assert_eq!(&*connected.expect("a connection").facts.peer, format!("@{name}"));
        drop(address);
    });
}

struct SockAddrOf<'a>(&'a str);

impl SockAddrOf<'_> {
    fn bind(&self) -> socket2::Socket {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).expect("a socket");
        let address = socket2::SockAddr::unix(format!("\0{}", self.0)).expect("a name");
        socket.bind(&address).expect("free");
        socket.listen(1).expect("listens");
        socket
    }
}

#[test]
fn the_proxy_protocol_header_comes_first() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let bench = Bench::new();
        let cluster = bench.publish(Config {
            transport: config::cluster::UpstreamTransport::ProxyProtocol {
                version: 1,
                added: Arc::default(),
                passes: Default::default(),
                inner: Box::new(config::cluster::UpstreamTransport::Raw),
            },
            ..config(Discovery::Static(assignment(vec![endpoint(address)])))
        });
        let endpoints = cluster.endpoints_owned();
        let told = (SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 2)));
        let key = Key { proxied: Some(told), ..key() };
        let connected =
            connect(&Sockets, &cluster, endpoints.iter().next().expect("one"), &key).await.expect("a connection");
        drop(connected);
        let (mut stream, _) = listener.accept().await.expect("accepted");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("all of it");
        assert_eq!(text, "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n");
    });
}

#[test]
fn an_http_proxy_is_connected_to_in_the_place_of_the_endpoint() {
    run(async {
        let (named, default) = (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
        let (named, default) = (named.expect("a port"), default.expect("a port"));
        let by = |default: Option<SocketAddr>| {
            move |config: &mut Config| {
                let inner = Box::new(config::cluster::UpstreamTransport::Raw);
                config.transport = config::cluster::UpstreamTransport::HttpProxy { default, inner };
            }
        };
        let at = |listener: &TcpListener| Some(listener.local_addr().expect("bound"));
        // Nobody is connected to there: it is the proxy's matter.
        let plain = endpoint(address(1));
        let connected = connect_to(plain.clone(), by(at(&default))).await.expect("a connection");
        assert_eq!(&*connected.facts.peer, "10.0.0.1:80");
        default.accept().await.expect("accepted");
        let mut naming = plain;
        naming.http_proxy = at(&named);
        connect_to(naming, by(at(&default))).await.expect("a connection");
        named.accept().await.expect("accepted");
        // Without a proxy the endpoint itself is.
        let only = endpoint(at(&named).expect("one"));
        connect_to(only, by(None)).await.expect("a connection");
        named.accept().await.expect("accepted");
    });
}

#[test]
fn a_further_address_answers_when_the_first_does_not() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let good = listener.local_addr().expect("bound");
        let refused = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let bad = refused.local_addr().expect("bound");
        drop(refused);
        let mut endpoint = endpoint(bad);
        endpoint.additional_addresses = vec![Address::Socket(good)];
        let connected = connect_to(endpoint.clone(), |_| {}).await.expect("a connection");
        assert_eq!(&*connected.facts.peer, good.to_string());
        drop(listener);
        let result = connect_to(endpoint, |_| {}).await;
        let reason = "delayed connect error: Connection refused";
        assert_eq!(failed(result), (ConnectFailureKind::Remote, reason.to_owned()));
    });
}

#[test]
fn addresses_are_tried_300_milliseconds_apart() {
    run_paused(async {
        let begun = Instant::now();
        let times = Cell::new(Vec::new());
        let result: Result<((), SocketAddr), _> = race(&[address(1), address(2), address(3)], |tried| {
            let mut seen = times.take();
            seen.push(begun.elapsed().as_millis());
            times.set(seen);
            async move {
                tokio::time::sleep(Duration::from_secs(if tried == address(2) { 1 } else { 60 })).await;
                Ok(())
            }
        })
        .await;
        assert_eq!(result.expect("one answers").1, address(2));
        assert_eq!(times.take(), [0, 300, 600]);
        assert_eq!(begun.elapsed(), Duration::from_millis(1300));
    });
}

#[test]
fn families_take_turns() {
    let four = |last: u8| SocketAddr::from(([10, 0, 0, last], 80));
    let six = |last: u16| SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, last], 80));
    let plain = HappyEyeballs::default();
    let all = [four(2), six(1), six(2), six(3)];
    assert_eq!(interleave(four(1), &all, plain), [four(1), six(1), four(2), six(2), six(3)]);
    assert_eq!(interleave(six(1), &[], plain), [six(1)]);
    let six_first = HappyEyeballs { four_first: Some(false), count: 2 };
    assert_eq!(interleave(four(1), &all, six_first), [six(1), six(2), four(1), six(3), four(2)]);
    let four_first = HappyEyeballs { four_first: Some(true), count: 1 };
    assert_eq!(interleave(six(1), &[four(1)], four_first), [four(1), six(1)]);
    assert_eq!(interleave(six(1), &[six(2)], four_first), [six(1), six(2)]);
}

/// Whether nothing routes it or nobody answers there.
#[test]
fn an_address_that_leads_nowhere_keeps_nobody_from_the_other_family() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let good = listener.local_addr().expect("bound");
        let endpoint = config::endpoint::Endpoint {
            additional_addresses: vec![Address::Socket(good)],
            ..endpoint(SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], good.port())))
        };
        let connected = connect_to(endpoint, |_| {}).await.expect("a connection");
        assert_eq!(&*connected.facts.peer, good.to_string());
    });
}

#[test]
fn a_logical_host_s_log_line_shows_where_it_was_reached() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let bench = Bench::new();
        let name = Address::Name { host: "127.0.0.1".into(), port };
        let settings = config::cluster::DnsSettings {
            family: config::cluster::DnsFamily::All,
            refresh: Duration::from_secs(5),
            respect_ttl: true,
            jitter: Duration::ZERO,
            least: Duration::ZERO,
            resolver: Default::default(),
            failure: None,
            waits: false,
        };
        let cluster = bench.publish(config(Discovery::LogicalDns(assignment(vec![endpoint_at(name)]), settings)));
        let endpoints: Arc<EndpointSet> = cluster.endpoints_owned();
        let connected =
            connect(&Sockets, &cluster, endpoints.iter().next().expect("one"), &key()).await.expect("a connection");
        assert_eq!(&*connected.facts.peer, format!("127.0.0.1:{port}"));
    });
}

#[test]
fn system_texts_lose_the_number() {
    let error = io::Error::from_raw_os_error(libc::ECONNREFUSED);
    assert_eq!(system_text(&error), "Connection refused");
    assert_eq!(system_text(&io::Error::other("of ours")), "of ours");
}

/// No TCP connection goes to a multicast address: the network is unreachable, whatever routes there are.
#[test]
fn an_address_without_a_route_fails_at_once_and_another_one_is_taken() {
    run(async {
        let unreachable: SocketAddr = "[ff02::1]:80".parse().expect("an address");
        let (kind, reason) = failed(connect_to(endpoint(unreachable), |_| {}).await);
        assert_eq!(kind, ConnectFailureKind::Remote);
        assert_eq!(reason, "immediate connect error: Network is unreachable|remote address:[ff02::1]:80");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let there = listener.local_addr().expect("bound");
        let both =
            config::endpoint::Endpoint { additional_addresses: vec![Address::Socket(there)], ..endpoint(unreachable) };
        let connected = connect_to(both, |_| {}).await.expect("a connection");
        assert_eq!(&*connected.facts.peer, there.to_string());
    });
}
